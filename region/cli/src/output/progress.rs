//! How far something long has come: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// A terminal shows this many steps a second and no more.
const STEP: Duration = Duration::from_millis(100);
/// In a log.
const LINE: Duration = Duration::from_secs(5);
const BAR: usize = 24;

pub(crate) struct Progress {
    what: String,
    whole: u64,
    terminal: bool,
    began: Instant,
    /// Where it began, and when it was last told.
    from: Option<u64>,
    told: Instant,
    shown: bool,
}

impl Progress {
    /// On standard error.
    pub(crate) fn new(what: &str, whole: u64) -> Self {
        let now = Instant::now();
        let terminal = io::stderr().is_terminal();
        Self { what: what.into(), whole, terminal, began: now, from: None, told: now, shown: false }
    }

    pub(crate) fn at(&mut self, at: u64) {
        let from = *self.from.get_or_insert(at);
        let pause = if self.terminal { STEP } else { LINE };
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let line = line(&self.what, (at, self.whole), (at - from, self.began.elapsed()));
        let (start, end) = if self.terminal { ("\r", "\x1b[K") } else { ("", "\n") };
        // Nobody is there to be told that standard error is gone.
        let _ = write!(io::stderr(), "{start}{line}{end}");
        self.shown = true;
    }

    /// A bar is taken away: what came of it is said by others.
    pub(crate) fn end(&mut self) {
        if self.terminal && self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// `ipxe.efi  [######------]  50 %  1.0 of 2.0 MiB  11.0 MiB/s`
fn line(what: &str, (at, whole): (u64, u64), (came, took): (u64, Duration)) -> String {
    let share = if whole == 0 { 1.0 } else { at as f64 / whole as f64 };
    let full = (share * BAR as f64) as usize;
    let bar: String = (0..BAR).map(|place| if place < full { '#' } else { '-' }).collect();
    let rate = came as f64 / took.as_secs_f64().max(0.001);
    format!(
        "{what}  [{bar}] {:3.0} %  {} of {}  {}/s",
        share * 100.0,
        bytes(at as f64),
        bytes(whole as f64),
        bytes(rate)
    )
}

/// As people say it.
pub(crate) fn bytes(count: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut count, mut unit) = (count, 0);
    while count >= 1024.0 && unit + 1 < UNITS.len() {
        (count, unit) = (count / 1024.0, unit + 1);
    }
    let digits = usize::from(unit > 0);
    format!("{count:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let mib = 1 << 20;
        let second = Duration::from_secs(2);
        for (at, whole, expected) in [
            (mib, 2 * mib, "x  [############------------]  50 %  1.0 MiB of 2.0 MiB  512.0 KiB/s"),
            (0, 0, "x  [########################] 100 %  0 B of 0 B  0 B/s"),
        ] {
            assert_eq!(line("x", (at, whole), (at, second)), expected);
        }
    }

    #[test]
    fn bytes_are_said_in_the_unit_that_fits() {
        for (count, expected) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1024.0, "1.0 KiB"),
            (5e12, "4.5 TiB"),
            (5e15, "4547.5 TiB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
    }
}
