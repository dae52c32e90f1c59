//! `zkrs server`: configuration, log, signals and service manager around a [`zkrs_server::Server`].

mod args;
mod banner;
mod logging;
mod progress;
mod signals;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use sd_notify::NotifyState;
use zkrs_server::config::{ConfigError, ConfigWarning, ServerConfig};
use zkrs_server::{Server, StartError, StartOptions};

use args::{Args, LogFormat};
use signals::Signals;

/// Apache's `ExitCode.UNEXPECTED_ERROR`.
const EXIT_UNEXPECTED: u8 = 1;
/// Apache's `ExitCode.INVALID_INVOCATION`, also for a bad configuration.
const EXIT_INVALID: u8 = 2;
/// Apache's `ExitCode.UNABLE_TO_ACCESS_DATADIR`.
const EXIT_DATA_DIR: u8 = 3;

/// Runs the server with the arguments behind its name, until a signal ends it.
pub fn main(arguments: &[String]) -> ExitCode {
    let start = Instant::now();
    let name = std::iter::once("zkrs server");
    let args = match Args::try_parse_from(name.chain(arguments.iter().map(String::as_str))) {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::from(EXIT_INVALID) } else { ExitCode::SUCCESS };
            // Nothing is left to say if the terminal is gone.
            let _ = error.print();
            return code;
        }
    };
    if args.detached {
        // Fails only for a process that leads a group already, which then is apart enough.
        let _ = rustix::process::setsid();
    }
    if let Err(problem) = logging::start(args.log_format) {
        eprintln!("zkrs server: {problem}");
        return ExitCode::from(EXIT_INVALID);
    }
    match args.config() {
        Ok((config, warnings)) => {
            warnings.iter().for_each(warn);
            serve(config, &args, start)
        }
        Err(errors) => {
            errors.iter().for_each(complain);
            let (count, s) = (errors.len(), if errors.len() == 1 { "" } else { "s" });
            eprintln!("zkrs server: not started: {count} problem{s} in the configuration");
            ExitCode::from(EXIT_INVALID)
        }
    }
}

fn warn(warning: &ConfigWarning) {
    tracing::warn!("{warning}");
}

fn complain(error: &ConfigError) {
    eprintln!("{error}");
}

fn serve(config: ServerConfig, args: &Args, start: Instant) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (runtime, mut signals) = match runtime.and_then(|runtime| {
        let ends_with_terminal = !args.detached && io::stdin().is_terminal();
        let signals = runtime.block_on(async { Signals::listen(ends_with_terminal) })?;
        Ok((runtime, signals))
    }) {
        Ok(ready) => ready,
        Err(error) => {
            eprintln!("zkrs server: signals cannot be listened to: {error}");
            return ExitCode::from(EXIT_UNEXPECTED);
        }
    };
    // Recovery of a large directory takes a while, and a signal must end the process meanwhile: nothing is served yet
    // and nothing half-written counts, so it may end at once.
    let starting = std::thread::spawn(move || {
        let options = StartOptions { progress: Some(progress::bar()), ..StartOptions::default() };
        Server::start_with(config, options)
    });
    let server = match wait_for_start(&runtime, &mut signals, starting) {
        Ok(server) => server,
        Err(code) => return code,
    };
    match args.log_format {
        LogFormat::Text => eprint!("{}", banner::banner(&server, start.elapsed())),
        LogFormat::Json => tracing::info!(
            version = crate::version::OWN,
            clients = %server.client_addr(),
            last_zxid = format!("0x{:x}", server.recovered().last_zxid),
            ready_ms = start.elapsed().as_millis() as u64,
            "ready"
        ),
    }
    notify(&[
        NotifyState::Ready,
        NotifyState::Status(&format!("serving clients on {}", server.client_addr())),
    ]);
    let ending = runtime.block_on(signals.ending());
    tracing::info!("{}: finishing what is in work", ending.name);
    notify(&[NotifyState::Stopping]);
    let (done, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        server.shutdown();
        let _ = done.send(());
    });
    runtime.block_on(async {
        tokio::select! {
            _ = stopped => ExitCode::SUCCESS,
            again = signals.ending() => {
                tracing::warn!("{} again: ending at once", again.name);
                std::process::exit(again.exit_code());
            }
        }
    })
}

/// Waits for the server, or for a signal.
fn wait_for_start(
    runtime: &tokio::runtime::Runtime,
    signals: &mut Signals,
    starting: std::thread::JoinHandle<Result<Server, StartError>>,
) -> Result<Server, ExitCode> {
    let (done, started) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Nobody waits any more only if a signal ends the process.
        let _ = done.send(starting.join());
    });
    let started = runtime.block_on(async {
        tokio::select! {
            started = started => started,
            ending = signals.ending() => {
                tracing::warn!("{} before the server was ready", ending.name);
                std::process::exit(ending.exit_code());
            }
        }
    });
    match started {
        Ok(Ok(Ok(server))) => Ok(server),
        Ok(Ok(Err(error))) => {
            eprintln!("zkrs server: not started: {error}");
            Err(ExitCode::from(exit_code(&error)))
        }
        // The panic's message is on standard error already.
        _ => Err(ExitCode::from(EXIT_UNEXPECTED)),
    }
}

fn exit_code(error: &StartError) -> u8 {
    match error {
        StartError::Storage(
            zkrs_storage::StorageError::Io { .. } | zkrs_storage::StorageError::Refused { .. },
        ) => EXIT_DATA_DIR,
        _ => EXIT_UNEXPECTED,
    }
}

/// Tells the service manager, if there is one.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be told: {error}");
    }
}
