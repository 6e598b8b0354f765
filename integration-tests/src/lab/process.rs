//! Programs that run in the lab, and waiting for what they do.

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::{self, File, OpenOptions},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

/// How often a condition is looked at. Short beside every limit, long beside the cost of a look.
const LOOK: Duration = Duration::from_millis(10);

/// Waits for the thing itself: looks until there is something, and says what was missing if that takes longer than the limit.
pub fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        // An error may be what is being waited out; the last one is told.
        let found = look();
        if let Ok(Some(found)) = found {
            return Ok(found);
        }
        if began.elapsed() > limit {
            return match found {
                Err(error) => Err(error.context(format!("not within {limit:?}: {what}"))),
                Ok(_) => bail!("not within {limit:?}: {what}"),
            };
        }
        thread::sleep(LOOK);
    }
}

/// For `ip` to enter a namespace, on a busy computer.
const LAUNCH: Duration = Duration::from_secs(20);

/// A program with its log. Ends with this value.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    kept: bool,
}

impl Process {
    /// Output of both kinds goes to `FOLDER/NAME.log`, after what an earlier process of that name wrote.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log)?;
        command.stdout(file.try_clone()?).stderr(file);
        Self::spawn(name, command, log.clone(), log)
    }

    /// Output apart from complaints: `NAME.out` can be read as data.
    pub fn start_for_output(
        name: &str,
        folder: &Path,
        command: &mut Command,
    ) -> anyhow::Result<Self> {
        let out = folder.join(format!("{name}.out"));
        let complaints = folder.join(format!("{name}.log"));
        command.stdout(File::create(&out)?).stderr(File::create(&complaints)?);
        Self::spawn(name, command, out, complaints)
    }

    fn spawn(
        name: &str,
        command: &mut Command,
        log: PathBuf,
        complaints: PathBuf,
    ) -> anyhow::Result<Self> {
        // A group of its own, so that an interrupt at the terminal is for us alone and we end it in our order.
        let child = command.process_group(0).spawn().with_context(|| format!("{command:?}"))?;
        let mut process = Self { name: name.into(), child, log, kept: false };
        process.becomes_its_program(&complaints).with_context(|| format!("{command:?}"))?;
        Ok(process)
    }

    /// In a node it is `ip` that was started. It becomes the program, or ends where that is missing, which nobody else would notice before a limit.
    fn becomes_its_program(&mut self, complaints: &Path) -> anyhow::Result<()> {
        const LAUNCHER: &[u8] = b"ip\0netns\0exec\0";
        let running = PathBuf::from(format!("/proc/{}/cmdline", self.child.id()));
        until(LAUNCH, &format!("{} is executed", self.name), || {
            if self.child.try_wait()?.is_some() {
                return Ok(Some(()));
            }
            let words = fs::read(&running)?;
            // Nothing is to be read of what has just ended, or is just being replaced.
            Ok((!words.is_empty() && !words.starts_with(LAUNCHER)).then_some(()))
        })?;
        let said = fs::read_to_string(complaints)?;
        let failed = |line: &&str| line.starts_with("exec of ") && line.contains(" failed: ");
        match said.lines().last().filter(failed) {
            Some(complaint) if !self.running()? => bail!("{complaint}"),
            _ => Ok(()),
        }
    }

    /// Leaves it running when this value goes.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    pub fn log_file(&self) -> &Path {
        &self.log
    }

    pub fn running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).context("a pid fits")?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("{}: {signal}", self.name))
    }

    /// As a power cut: no warning, nothing flushed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits for that.
    pub fn stop(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(limit)
    }

    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let (name, child) = (&self.name, &mut self.child);
        until(limit, &format!("{name} ends"), || Ok(child.try_wait()?))
    }

    /// Waits for a line of the log, and gives it; not longer than the program lives.
    pub fn says(&mut self, text: &str, limit: Duration) -> anyhow::Result<String> {
        let found = until(limit, &format!("{} says {text:?}", self.name), || {
            let running = self.running()?;
            let line = self.log()?.lines().find(|line| line.contains(text)).map(str::to_owned);
            Ok(line.map(Some).or((!running).then_some(None)))
        });
        let found = found.with_context(|| format!("its log is {}", self.log.display()))?;
        found.with_context(|| {
            format!(
                "{} has ended without saying {text:?}; its log is {}",
                self.name,
                self.log.display()
            )
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.kept {
            // It may have ended already, which is as good.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
