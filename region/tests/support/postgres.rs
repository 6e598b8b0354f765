//! A throw-away PostgreSQL for one run of a test binary.

use diesel::{Connection, PgConnection, connection::SimpleConnection};
use std::{
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Where tests find their PostgreSQL: the one that `HOSTLER_TEST_POSTGRES` names, else one that this process starts, else none.
pub(crate) fn server() -> Option<&'static str> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        if let Ok(url) = std::env::var("HOSTLER_TEST_POSTGRES") {
            return Some(url);
        }
        // It ends with this process and not before.
        own(&[]).map(|server| server.url.clone())
    });
    server.as_deref()
}

/// One for a single test, which may stop and start it; None, said loudly, when there is no PostgreSQL on this machine.
pub(crate) fn own(settings: &[&str]) -> Option<Server> {
    let Some(programs) = find_programs() else {
        assert!(
            std::env::var_os("HOSTLER_REQUIRE_POSTGRES").is_none(),
            "HOSTLER_REQUIRE_POSTGRES is set and there is no postgres on this machine"
        );
        eprintln!("SKIPPED: the PostgreSQL half of these tests; no postgres was found");
        return None;
    };
    let mut server = Server::make(programs);
    server.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
    server.start();
    Some(server)
}

fn find_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.push("/usr/local/bin".into());
    let complete =
        |folder: &PathBuf| folder.join("postgres").exists() && folder.join("initdb").exists();
    folders.into_iter().find(complete)
}

pub(crate) struct Server {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
    /// Without the name of a database.
    pub(crate) url: String,
}

impl Server {
    fn make(programs: PathBuf) -> Self {
        let folder =
            std::env::temp_dir().join(format!("hostler-pg-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let data = folder.join("data");
        let made = as_nobody(&programs.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "--no-sync", "--locale=C", "-E", "UTF8", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb failed");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("postgres://postgres@127.0.0.1:{port}");
        Self { programs, data, port, settings: Vec::new(), child: None, url }
    }

    pub(crate) fn start(&mut self) {
        let mut command = as_nobody(&self.programs.join("postgres"));
        command.arg("-D").arg(&self.data).args(["-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "fsync=off", "-c", "max_connections=400"]);
        command.args(["-c", &format!("port={}", self.port)]);
        command.arg("-c").arg(format!("unix_socket_directories={}", self.data.display()));
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let log = std::fs::File::create(self.data.with_file_name("log")).unwrap();
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        watch_over(&child, self.data.parent().unwrap());
        self.child = Some(child);
        let limit = Instant::now() + Duration::from_secs(20);
        while PgConnection::establish(&format!("{}/postgres", self.url)).is_err() {
            assert!(Instant::now() < limit, "postgres did not start; see {}", self.data.display());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let asked = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            assert!(asked.unwrap().success());
            child.wait().unwrap();
        }
    }

    /// From now on also by TLS; the file of the authority to trust.
    pub(crate) fn speak_tls(&mut self) -> String {
        self.stop();
        let (certificate, key) = make_certificate();
        let owner = std::fs::metadata(&self.data).unwrap();
        for (name, text) in [("server.crt", &certificate), ("server.key", &key)] {
            let path = self.data.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        self.settings.push("ssl=on".into());
        self.start();
        keep(&certificate)
    }

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        empty_database(&self.url)
    }
}

pub(crate) fn empty_database(server: &str) -> String {
    let name = format!("t_{}", uuid::Uuid::now_v7().simple());
    run(server, &format!("CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"));
    format!("{server}/{name}")
}

pub(crate) fn run(server: &str, sql: &str) {
    let mut conn = PgConnection::establish(&format!("{server}/postgres")).unwrap();
    conn.batch_execute(sql).unwrap();
}

/// The file of a certificate that nobody has.
pub(crate) fn a_certificate() -> String {
    keep(&make_certificate().0)
}

fn make_certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn keep(certificate: &str) -> String {
    let path = std::env::temp_dir().join(format!("hostler-{}.pem", uuid::Uuid::now_v7().simple()));
    std::fs::write(&path, certificate).unwrap();
    path.to_str().unwrap().to_owned()
}

/// PostgreSQL refuses to run as root.
fn as_nobody(program: &Path) -> Command {
    if !std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    command
}

/// A test binary ends without running destructors, so a shell outlives it, ends the server and sweeps up.
#[expect(clippy::zombie_processes, reason = "it outlives this process")]
fn watch_over(server: &Child, folder: &Path) {
    let script = format!(
        "while kill -0 {0} 2>/dev/null; do sleep 0.2; done; kill -QUIT {1} 2>/dev/null; sleep 1; rm -rf '{2}'",
        std::process::id(),
        server.id(),
        folder.display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.process_group(0).spawn().unwrap();
}
