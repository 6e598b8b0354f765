//! `hostler-rack`: arguments in, a running rack out.

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use proto::join_token::JoinToken;
use rack::{
    agent::{Agent, Source},
    config::{self, RackConfig, example},
    enrol, standalone, status,
    store::{StateDirectory, identity::IdentityStore},
};
use runtime::{clock::Clock, tasks::Tasks, telemetry};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

mod table;

/// The rack agent of Hostler: DHCP for the machines beside it.
#[derive(Parser)]
#[command(name = "hostler-rack", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve what region says. The rack has joined one before; without it, DHCP goes on as it was.
    Run {
        #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
        config: PathBuf,
    },
    /// Become a member of the region that made this token; its key is made here and never leaves.
    Join {
        /// From `hostler rack token create`; `-` reads it from standard input.
        token: String,
        /// What the rack is called, where the token does not say; else its host name.
        #[arg(long)]
        name: Option<String>,
        #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
        config: PathBuf,
    },
    /// Serve what a file says, with no region at all.
    Serve {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read a configuration file, for `run` or for `serve`, and say all that is wrong with it.
    CheckConfig {
        file: Option<PathBuf>,
        #[arg(long, value_name = "FILE", conflicts_with = "file", default_value = config::DEFAULT_PATH)]
        config: PathBuf,
    },
    /// About the configuration file.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show what the rack on this machine is doing.
    Status {
        /// The status socket, if not the one of the configuration file.
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
        #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
        config: PathBuf,
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// Show the version.
    Version,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print an example that explains itself: for `serve`, or with --region for `run`.
    Example {
        #[arg(long)]
        region: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// How long tasks have to end; the last commit of leases takes far less.
const CLOSING: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    runtime::tls::install_provider();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
        .and_then(|runtime| runtime.block_on(execute(arguments.command)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostler-rack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { config } => run(&config).await,
        Command::Join { token, name, config } => join(&token, name, &config).await,
        Command::Serve { config } => serve(&config).await,
        Command::CheckConfig { file, config } => check(file.as_deref().unwrap_or(&config)),
        Command::Config(ConfigCommand::Example { region }) => {
            table::print(&if region { example::with_region() } else { example::standalone() });
            Ok(())
        }
        Command::Status { socket, config, output } => show(socket, &config, output).await,
        Command::Version => {
            table::print(&format!("hostler-rack {}\n", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
    }
}

async fn run(path: &Path) -> anyhow::Result<()> {
    let config = load_for_run(path)?;
    telemetry::init(&config.log);
    let identity = IdentityStore::open(&config.state_directory)?.load();
    let member = match identity {
        Ok(None) => anyhow::bail!(
            "this rack is a member of no region yet: run `hostler-rack join TOKEN` first"
        ),
        Ok(Some(member)) => Some(member),
        Err(error) => {
            tracing::error!(%error, "this rack cannot say who it is, so region is not told of anything; DHCP goes on as it was");
            None
        }
    };
    let (clock, tasks) = (Clock::system(), Tasks::new());
    let agent = Agent::start(&config, Source::Region, &clock, &tasks).await?;
    let link = member
        .map(|(membership, credentials)| agent.link(&config, membership, credentials))
        .transpose()?;
    agent.show(&config, link).await?;
    until_the_end(&tasks).await
}

async fn join(token: &str, name: Option<String>, path: &Path) -> anyhow::Result<()> {
    let config = load_for_run(path)?;
    let token = match token {
        "-" => std::io::read_to_string(std::io::stdin())?,
        token => token.to_owned(),
    };
    let token: JoinToken =
        token.parse().map_err(|rule: common::Refusal| anyhow::anyhow!("TOKEN {}", rule.0))?;
    let name = name.map_or_else(host_name, Ok)?;
    // A rack that runs would go on with what it was.
    let directory = StateDirectory::open(&config.state_directory)?;
    let store = IdentityStore::open(directory.path())?;
    let member = enrol::join(&token, &name, &store, &Clock::system()).await?;
    table::print(&format!("joined as {} ({})\n", member.name, member.rack));
    Ok(())
}

/// The first label of the machine's host name.
fn host_name() -> anyhow::Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .context("the host name cannot be read; give --name")?;
    let label = name.trim().split('.').next().unwrap_or_default();
    Ok(label.to_lowercase())
}

async fn serve(path: &Path) -> anyhow::Result<()> {
    let (config, scopes) = standalone::load(path)?;
    telemetry::init(&config.log);
    let (clock, tasks) = (Clock::system(), Tasks::new());
    let agent = Agent::start(&config, Source::File, &clock, &tasks).await?;
    agent.show(&config, None).await?;
    agent.serve(scopes).await;
    until_the_end(&tasks).await
}

/// Runs until a signal asks it to end, or a task dies.
async fn until_the_end(tasks: &Tasks) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        failure = tasks.failed() => Some(failure),
    };
    tracing::info!("ending");
    let late = tasks.close(CLOSING).await;
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    anyhow::ensure!(late.is_empty(), "did not end within {CLOSING:?}: {}", late.join(", "));
    Ok(())
}

fn check(path: &Path) -> anyhow::Result<()> {
    let config = config::load(path)?;
    if config.dhcp.is_empty() {
        config::load_for_run(path)?;
        table::print(&format!("{}: good, for `hostler-rack run`\n", path.display()));
    } else {
        let (_, scopes) = standalone::load(path)?;
        let vlans = config.dhcp.len();
        let boot = if scopes.len() > vlans { ", and what machines boot" } else { "" };
        table::print(&format!(
            "{}: good, for `hostler-rack serve` ({vlans} VLANs{boot})\n",
            path.display()
        ));
    }
    Ok(())
}

async fn show(socket: Option<PathBuf>, path: &Path, output: Format) -> anyhow::Result<()> {
    let socket = match socket {
        Some(socket) => socket,
        None if path.exists() => config::load(path)?.status_socket,
        None => config::DEFAULT_STATUS_SOCKET.into(),
    };
    let status = status::ask(&socket).await?;
    match output {
        Format::Json => table::print(&format!("{}\n", serde_json::to_string_pretty(&status)?)),
        Format::Table => table::print(&table::of(&status)),
    }
    Ok(())
}

/// For a rack with a region; the defaults, where the file of the default path was never written.
fn load_for_run(path: &Path) -> anyhow::Result<RackConfig> {
    if path == Path::new(config::DEFAULT_PATH) && !path.exists() {
        return Ok(RackConfig::default());
    }
    Ok(config::load_for_run(path)?)
}
