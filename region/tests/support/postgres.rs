//! A throw-away PostgreSQL for one run of a test binary.

use diesel::{Connection, PgConnection};
use std::{
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
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
        let Some(postgres) = find_programs() else {
            assert!(
                std::env::var_os("HOSTLER_REQUIRE_POSTGRES").is_none(),
                "HOSTLER_REQUIRE_POSTGRES is set and there is no postgres on this machine"
            );
            eprintln!("SKIPPED: the PostgreSQL half of these tests; no postgres was found");
            return None;
        };
        Some(start(&postgres, &[]))
    });
    server.as_deref()
}

fn find_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.push("/usr/local/bin".into());
    folders
        .into_iter()
        .find(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
}

/// Starts one with these extra settings and answers its URL, without a database name. It ends when this process does.
pub(crate) fn start(programs: &Path, settings: &[&str]) -> String {
    let data = std::env::temp_dir().join(format!("hostler-pg-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o777)).unwrap();
    let data = data.join("data");
    let made = as_nobody(&programs.join("initdb"))
        .args(["-A", "trust", "-U", "postgres", "--no-sync", "--locale=C", "-E", "UTF8", "-D"])
        .arg(&data)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "initdb failed");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = as_nobody(&programs.join("postgres"));
    command.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
    command.args(["-c", &format!("port={port}"), "-c", "max_connections=400"]);
    command.arg("-c").arg(format!("unix_socket_directories={}", data.display()));
    for setting in settings {
        command.args(["-c", setting]);
    }
    let log = std::fs::File::create(data.with_file_name("log")).unwrap();
    let server = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    watch_over(&server, data.parent().unwrap());
    let url = format!("postgres://postgres@127.0.0.1:{port}");
    let limit = Instant::now() + Duration::from_secs(20);
    while PgConnection::establish(&format!("{url}/postgres")).is_err() {
        assert!(Instant::now() < limit, "postgres did not start; see {}", data.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    url
}

/// PostgreSQL refuses to run as root.
fn as_nobody(program: &Path) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    command
}

/// A test binary ends without running destructors, so a shell outlives it, ends the server and sweeps up.
fn watch_over(server: &Child, folder: &Path) {
    let script = format!(
        "while kill -0 {} 2>/dev/null; do sleep 0.2; done; kill -QUIT {}; sleep 1; rm -rf '{}'",
        std::process::id(),
        server.id(),
        folder.display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.process_group(0).spawn().unwrap();
}
