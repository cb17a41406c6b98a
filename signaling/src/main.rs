//! The program: reads settings, serves, stops on SIGTERM or Ctrl-C.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use peerloom_signaling::{
    Config, Ice, LogFormat, LogLevel, Options, Settings, TokenOptions, bind, mint, serve_with,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Exit code for settings that make no sense, the same as for unknown flags.
const BAD_USAGE: u8 = 2;

#[derive(Parser)]
#[command(name = "peerloom-signaling", version, about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Command {
    Token(TokenOptions),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Token(options)) = arguments.command {
        return match mint(options) {
            Ok(token) => {
                println!("{token}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(BAD_USAGE)
            }
        };
    }
    let settings = match arguments.options.resolve() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("error: {error}\n\nFor all settings, try '--help'.");
            return ExitCode::from(BAD_USAGE);
        }
    };
    start_log(&settings);
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<(), String> {
    raise_descriptor_limit(&settings.config);
    let mut runtime = match settings.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(threads.into());
            runtime
        }
    };
    let runtime = runtime.enable_all().build().map_err(|error| format!("cannot start: {error}"))?;
    let served = runtime.block_on(async {
        let Settings { host, port, config, .. } = settings;
        let cannot_listen = |error: std::io::Error| {
            let hint = match error.kind() {
                std::io::ErrorKind::AddrInUse => " Another program uses that port: choose one with --port.",
                _ => "",
            };
            format!("cannot listen on {host}:{port}: {error}.{hint}")
        };
        // Before anyone can send a signal because the server says that it listens.
        let stop = stop_signal().map_err(|error| format!("cannot watch for signals: {error}"))?;
        let listener = bind(&host, port).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let ice = Ice::bind(&config.ice, address).map_err(|error| error.to_string())?;
        // Nobody has to read it.
        let _ = writeln!(std::io::stdout(), "listening on http://{address}");
        serve_with(listener, ice, config, stop).await.map_err(|error| format!("cannot serve: {error}"))
    });
    // Whoever did not close within the drain timeout is not waited for.
    runtime.shutdown_background();
    served
}

fn start_log(settings: &Settings) {
    let level = match settings.log_level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Libraries log message contents and addresses at their lower levels: only their warnings are wanted.
    let filter = Targets::new()
        .with_target("peerloom_signaling", level)
        // It warns of every malformed message, which anybody can send.
        .with_target("stun_types", LevelFilter::OFF)
        .with_default(level.min(LevelFilter::WARN));
    let log = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    match settings.log_format {
        LogFormat::Text => log.with(layer).init(),
        LogFormat::Json => log.with(layer.json().flatten_event(true)).init(),
    }
}

/// Each connection is a file descriptor, and many systems allow a process no more than 1024 unless it asks.
fn raise_descriptor_limit(config: &Config) {
    let relaying =
        config.ice.turn.as_ref().map_or(0, |turn| turn.limits.allocations + turn.limits.connections);
    let sockets = u64::try_from(config.limits.max_connections + relaying).unwrap_or(u64::MAX);
    let wanted = sockets.saturating_mul(5) / 4 + 256;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit < wanted => {
            tracing::info!(
                limit,
                wanted,
                "the system allows fewer open files than --max-connections and --turn-allocations need"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit on open files"),
    }
}

/// Resolves on the first SIGTERM or Ctrl-C after this call.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Resolves on the first Ctrl-C after this call.
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
