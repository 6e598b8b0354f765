//! The binary, as a shell starts it: its own process, its own environment, no terminal.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdout, Command},
    time::timeout,
};

/// Nothing here takes that long unless it hangs.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Hostler {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// How it ended and what it said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// One that goes on.
pub(crate) struct Child {
    /// Ends with the test.
    _process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Hostler {
    pub(crate) fn new(environment: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: environment.iter().map(pair).collect(),
        }
    }

    /// Its own folder: configuration, and files that a test writes.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "").await
    }

    pub(crate) async fn run_with(&self, arguments: &[&str], typed: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
        self.run_command(command.args(arguments), typed).await
    }

    async fn run_command(&self, command: &mut Command, typed: &str) -> Run {
        let mut child = self.placed(command).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may end without reading.
        let _ = stdin.write_all(typed.as_bytes()).await;
        drop(stdin);
        let output = timeout(LIMIT, child.wait_with_output()).await.expect("it ends").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run { code: code(output.status), out: text(output.stdout), err: text(output.stderr) }
    }

    /// On a terminal of 60 columns, where both streams are one; `typed` is what the person there types.
    pub(crate) async fn run_on_terminal(&self, arguments: &[&str], typed: &str) -> Run {
        let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
        let program = env!("CARGO_BIN_EXE_hostler");
        let inside = format!("stty cols 60; exec '{program}' {}", words.join(" "));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--echo", "never", "--command", &inside, "/dev/null"]);
        self.run_command(&mut script, typed).await
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostler"));
        let command = self.placed(command.args(arguments)).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Child { _process: child, lines }
    }

    fn placed<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("XDG_CONFIG_HOME", self.folder.path())
            .envs(self.environment.iter().cloned())
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
    }
}

impl Child {
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(LIMIT, self.lines.next_line()).await.expect("a line comes");
        line.unwrap().expect("it goes on")
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().expect("no signal ended it")
}
