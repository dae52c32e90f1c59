//! Where the server's log lines go: standard error, as text or JSON, filtered by `ZKRS_LOG`.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::args::LogFormat;

/// The variable that holds the filter.
const FILTER_VARIABLE: &str = "ZKRS_LOG";

/// Sets the process's logger up.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(format: LogFormat) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var(FILTER_VARIABLE)
        .from_env()
        .map_err(|error| {
            format!("{FILTER_VARIABLE}: {error}; write a filter such as info,zkrs_server=debug")
        })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let set = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    set.map_err(|error| format!("the log cannot be started: {error}"))
}
