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
        // A group of its own, so that an interrupt at the terminal is for us alone and we end it in our order.
        let child = command.process_group(0).stdout(file.try_clone()?).stderr(file).spawn();
        let child = child.with_context(|| format!("{command:?}"))?;
        Ok(Self { name: name.into(), child, log, kept: false })
    }

    /// Output apart from complaints: `NAME.out` can be read as data.
    pub fn start_for_output(
        name: &str,
        folder: &Path,
        command: &mut Command,
    ) -> anyhow::Result<Self> {
        let out = folder.join(format!("{name}.out"));
        let complaints = File::create(folder.join(format!("{name}.log")))?;
        let child = command.process_group(0).stdout(File::create(&out)?).stderr(complaints).spawn();
        let child = child.with_context(|| format!("{command:?}"))?;
        Ok(Self { name: name.into(), child, log: out, kept: false })
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

    /// Waits for a line of the log, and gives it.
    pub fn says(&self, text: &str, limit: Duration) -> anyhow::Result<String> {
        until(limit, &format!("{} says {text:?}", self.name), || {
            Ok(self.log()?.lines().find(|line| line.contains(text)).map(str::to_owned))
        })
        .with_context(|| format!("its log is {}", self.log.display()))
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
