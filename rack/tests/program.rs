//! The program as people run it, with no region: on the loopback interface, where nobody asks for a lease.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const LIMIT: Duration = Duration::from_secs(30);

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("the folder is ours");
        path
    }

    /// A configuration whose one VLAN leads nowhere, so that no port is opened.
    fn standalone(&self, subnet: &str) -> PathBuf {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let (state, socket) = (at("state"), at("status.sock"));
        self.file(
            "standalone.toml",
            &format!(
                "state-directory = {state:?}\nstatus-socket = {socket:?}\nmetrics = \"127.0.0.1:0\"\n[leases]\nsegment = 1\n\
                 [[dhcp]]\nname = \"lab\"\nsubnets = [{{ prefix = \"{subnet}\" }}]\n"
            ),
        )
    }
}

fn rack(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostler-rack"));
    command.args(words).stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> Output {
    rack(words).output().expect("the program was built")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("made of words")
}

/// Ends with this value, however the test ends.
struct Running(Child);

impl Running {
    fn start(config: &Path) -> Self {
        Self(
            rack(&["serve", "--config", text(config)])
                .stdout(Stdio::null())
                .spawn()
                .expect("the program was built"),
        )
    }

    fn end(mut self) -> bool {
        let asked = Command::new("kill")
            .arg(self.0.id().to_string())
            .status()
            .expect("every machine has kill");
        asked.success()
            && until("it ends", || self.0.try_wait().expect("it is our child")).success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_rack_serves_its_file_shows_its_status_and_ends_when_asked() {
    let place = Place::new();
    let config = place.standalone("198.51.100.0/24");
    for _ in 0..2 {
        let running = Running::start(&config);
        let status = until("the scope has a verdict", || {
            let output = run(&["status", "--config", text(&config), "-o", "json"]);
            let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
            (!status["scopes"].as_array()?.is_empty()).then_some(status)
        });
        assert_eq!(status["scopes"][0]["name"], "lab");
        assert_eq!(status["scopes"][0]["verdict"], "refused");
        let why = status["scopes"][0]["why"][0].as_str().unwrap();
        assert!(
            why.contains("no interface of this rack has an address in 198.51.100.0/24"),
            "{why}"
        );
        assert_eq!(status["region"], serde_json::Value::Null);
        let lo = status["interfaces"].as_array().unwrap().iter().find(|row| row["name"] == "lo");
        assert!(lo.is_some_and(|lo| !lo["why"].as_str().unwrap().is_empty()), "{status}");

        let table = run(&["status", "--config", text(&config)]);
        let table = String::from_utf8(table.stdout).unwrap();
        for word in ["SERVICE", "SCOPE", "INTERFACE", "lab", "refused", "198.51.100.0/24"] {
            assert!(table.contains(word), "{table}");
        }
        let second = run(&["serve", "--config", text(&config)]);
        let complaint = String::from_utf8(second.stderr).unwrap();
        assert!(complaint.contains("another hostler-rack is running"), "{complaint}");
        assert!(running.end(), "it ends well");
    }
    let gone = run(&["status", "--config", text(&config)]);
    let complaint = String::from_utf8(gone.stderr).unwrap();
    assert!(!gone.status.success() && complaint.contains("is it running?"), "{complaint}");
}

#[test]
fn configuration_files_are_checked_for_either_use() {
    let place = Place::new();
    let good = run(&["config", "example"]);
    let standalone = place.file("a.toml", std::str::from_utf8(&good.stdout).unwrap());
    let good = run(&["config", "example", "--region"]);
    let member = place.file("b.toml", std::str::from_utf8(&good.stdout).unwrap());
    let bad = place.standalone("198.51.100.1/24");
    let unknown = place.file("c.toml", "metric = \"127.0.0.1:1\"\n");
    let missing = place.folder.path().join("d.toml");
    for (path, good, words) in [
        (&standalone, true, &["a.toml", "hostler-rack serve", "1 VLAN"][..]),
        (&member, true, &["b.toml", "hostler-rack run"]),
        (&bad, false, &["dhcp[0].subnets[0].prefix", "198.51.100.1/24", "198.51.100.0/24"]),
        (&unknown, false, &["c.toml:1", "`metric`", "did you mean `metrics`"]),
        (&missing, false, &["d.toml", "cannot be read"]),
    ] {
        for words_before in [&["check-config"][..], &["check-config", "--config"]] {
            let output = run(&[words_before, &[text(path)]].concat());
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert_eq!(output.status.success(), good, "{said}");
            for word in words {
                assert!(said.contains(word), "{said}\ndoes not say {word:?}");
            }
        }
    }
    let serve = run(&["serve", "--config", text(&member)]);
    assert!(String::from_utf8(serve.stderr).unwrap().contains("nothing to serve"));
    let run_it = run(&["run", "--config", text(&standalone)]);
    assert!(String::from_utf8(run_it.stderr).unwrap().contains("hostler-rack serve"));
}

#[test]
fn a_rack_that_has_not_joined_says_how() {
    let place = Place::new();
    let state = place.folder.path().join("state").display().to_string();
    let config = place.file("rack.toml", &format!("state-directory = {state:?}\n"));
    for (words, said) in [
        (&["run"][..], "hostler-rack join TOKEN"),
        (&["join", "hostler-join-%%"], "is damaged"),
        (&["join", "word"], "begin with \"hostler-join-\""),
    ] {
        let (verb, more) = words.split_first().unwrap();
        let output = run(&[&[*verb, "--config", text(&config)], more].concat());
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && complaint.contains(said), "{complaint}");
    }
    let version = run(&["version"]);
    assert!(String::from_utf8(version.stdout).unwrap().starts_with("hostler-rack "));
}
