//! Asking the person at the terminal.

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Write};

use crate::failure::Failure;

/// Goes on only after a yes. Where nobody can be asked, `instead` must have been said.
pub(crate) fn whether(what: &str, action: &str, instead: &str) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{what}\n  There is no terminal to ask on; say {instead} to {action}."
        )));
    }
    let typed = line(&format!("{what}\nGo on and {action}? [y/N] "))?;
    if matches!(typed.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    anyhow::bail!("not confirmed; nothing was changed")
}

/// What is typed does not show.
pub(crate) fn secret(prompt: &str) -> anyhow::Result<String> {
    let before = tcgetattr(io::stdin())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Now, &silent)?;
    let typed = line(prompt);
    tcsetattr(io::stdin(), OptionalActions::Now, &before)?;
    eprintln!();
    typed
}

/// The first line of what is sent here.
pub(crate) fn piped() -> anyhow::Result<String> {
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed)?;
    Ok(typed.trim_end_matches(['\r', '\n']).to_owned())
}

fn line(prompt: &str) -> anyhow::Result<String> {
    eprint!("{prompt}");
    io::stderr().flush()?;
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed)?;
    Ok(typed)
}
