//! `hostler-rack`: arguments in, a running rack out.

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use rack::{
    agent::{Agent, Source},
    config::{self, RackConfig, example},
    standalone, status,
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
    /// Serve what a file says, with no region at all.
    Serve {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read a configuration file, for `run` or for `serve`, and say all that is wrong with it.
    CheckConfig { file: PathBuf },
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
        Command::Serve { config } => serve(&config).await,
        Command::CheckConfig { file } => check(&file),
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
        let vlans = scopes.len();
        table::print(&format!(
            "{}: good, for `hostler-rack serve` ({vlans} VLANs)\n",
            path.display()
        ));
    }
    Ok(())
}

async fn show(socket: Option<PathBuf>, path: &Path, output: Format) -> anyhow::Result<()> {
    let socket = match socket {
        Some(socket) => socket,
        None => load_or_default(path)?.status_socket,
    };
    let status = status::ask(&socket).await?;
    match output {
        Format::Json => table::print(&format!("{}\n", serde_json::to_string_pretty(&status)?)),
        Format::Table => table::print(&table::of(&status)),
    }
    Ok(())
}

/// The defaults, where the file of the default path was never written.
fn load_or_default(path: &Path) -> anyhow::Result<RackConfig> {
    if path == Path::new(config::DEFAULT_PATH) && !path.exists() {
        return Ok(RackConfig::default());
    }
    Ok(config::load(path)?)
}
