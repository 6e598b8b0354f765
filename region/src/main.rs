//! `hostler-region`: the region's process and what is done beside it on its machine.

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use common::Secret;
use region::{
    config::{Config, EXAMPLE},
    operations::{backup, token},
    server,
};
use runtime::{clock::Clock, config_file, metrics, tasks::Tasks, telemetry, tls};
use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// The centre of Hostler: database, addresses, and the doors for racks and operators.
#[derive(Parser)]
#[command(name = "hostler-region", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the region until it is told to end.
    Serve(Place),
    /// Read the configuration file and say what is wrong with it.
    CheckConfig(Place),
    /// Print a configuration file with every key and its default.
    ExampleConfig,
    /// Tokens of operators, made on the machine itself.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print the fingerprint by which `hostler login --fingerprint` knows this region.
    Fingerprint(Place),
    /// Print that certificate as PEM, for clients that are given an authority: grpcurl -cacert, HOSTLER_CA.
    Authority(Place),
    /// Copy the database to a file while the region runs.
    Backup {
        /// Where to; must not exist yet.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make an admin's token and print its secret, which is shown this once.
    Create {
        /// The only kind that is made here; the others are made with it, by `hostler token create`.
        #[arg(long, required = true)]
        admin: bool,
        /// Who will use it; without one, admin or the next that is free.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
struct Place {
    /// The configuration file; without one, the defaults of `example-config`.
    #[arg(long)]
    config: Option<PathBuf>,
    /// In place of the one configured: postgres://..., or a path of a SQLite file. A password in it is better in the file or the environment: others on the machine see what was typed.
    #[arg(long, env = "HOSTLER_DATABASE", hide_env_values = true)]
    database: Option<String>,
}

impl Place {
    fn load(self) -> anyhow::Result<Config> {
        let mut config: Config = match &self.config {
            Some(path) => config_file::load(path)?,
            None => Config::default(),
        };
        config.check()?;
        config.database = self.database.map(Secret::new).or(config.database);
        Ok(config)
    }
}

fn main() -> ExitCode {
    tls::install_provider();
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hostler-region: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Serve(place) => runtime.block_on(serve(&place.load()?)),
        Command::CheckConfig(place) => {
            place.load()?;
            say("the configuration is good")
        }
        Command::ExampleConfig => say(EXAMPLE.trim_end()),
        Command::Token(TokenCommand::Create { admin: _, name, place }) => {
            let config = place.load()?;
            let secret = runtime.block_on(async {
                let region = server::open(&config, Tasks::new(), Clock::system()).await?;
                anyhow::Ok(token::create_admin(&region, name).await?)
            })?;
            say(secret.expose())
        }
        Command::Fingerprint(place) => {
            let config = place.load()?;
            let certificate = runtime.block_on(server::known_by(&config))?;
            say(&tls::Fingerprint::of(&certificate).to_string())
        }
        Command::Authority(place) => {
            let config = place.load()?;
            let certificate = runtime.block_on(server::known_by(&config))?;
            say(tls::to_pem(&certificate).trim_end())
        }
        Command::Backup { file, place } => {
            let config = place.load()?;
            if file.exists() {
                bail!("{}: is there already; a backup never overwrites", file.display());
            }
            runtime.block_on(backup::backup(config.database().expose(), &file))?;
            say(&format!(
                "{}: written; keep {} with it",
                file.display(),
                config.key_file().display()
            ))
        }
    }
}

/// What was asked for; everything else goes to the log.
fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("standard output")
}

/// How long streams and requests under way get at shutdown.
const CLOSING: Duration = Duration::from_secs(10);

async fn serve(config: &Config) -> anyhow::Result<()> {
    telemetry::init(&config.log);
    let (tasks, clock) = (Tasks::new(), Clock::system());
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let handle = metrics::install()?;
    metrics::serve(config.metrics.listen, handle, &tasks)
        .await
        .with_context(|| format!("metrics: cannot listen on {}", config.metrics.listen))?;
    let server = server::start(config, tasks.clone(), clock).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        operators = ?server.operators,
        racks = ?server.racks,
        "region serves"
    );
    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        failure = tasks.failed() => Some(failure),
    };
    tracing::info!("region closes");
    drop(server);
    let late = tasks.close(CLOSING).await;
    if !late.is_empty() {
        tracing::warn!(tasks = ?late, "did not end in time");
    }
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}
