//! Asking the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::failure::Failure;

/// Goes on only after a yes. Where nobody can be asked, --yes must have been said.
pub(crate) fn whether(what: &str, action: &str) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{what}\n  There is no terminal to ask on; say --yes to {action}."
        )));
    }
    eprint!("{what}\nGo on and {action}? [y/N] ");
    io::stderr().flush()?;
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed)?;
    if matches!(typed.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    anyhow::bail!("not confirmed; nothing was changed")
}
