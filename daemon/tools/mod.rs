//! Tools that work on files, without a server: transaction logs, snapshots, cleanup.

pub mod cleanup;
pub mod log;
pub mod snapshot;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// Reads a tool's arguments.
///
/// # Errors
/// The exit code, after help or the problem was printed.
pub fn parse<T: Parser>(name: &str, arguments: &[String]) -> Result<T, ExitCode> {
    let words = std::iter::once(name).chain(arguments.iter().map(String::as_str));
    T::try_parse_from(words).map_err(|error| {
        let code = if error.use_stderr() { ExitCode::from(crate::EXIT_USAGE) } else { ExitCode::SUCCESS };
        // Nothing is left to say if the terminal is gone.
        let _ = error.print();
        code
    })
}

/// Why a tool failed, and the exit code that goes with it.
#[derive(Debug)]
pub struct ToolError {
    pub text: String,
    pub exit: u8,
}

impl ToolError {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: 1 }
    }

    pub fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: crate::EXIT_USAGE }
    }
}

impl From<io::Error> for ToolError {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<zkrs_storage::StorageError> for ToolError {
    fn from(error: zkrs_storage::StorageError) -> Self {
        Self::new(error.to_string())
    }
}

/// Runs a tool over a buffered standard output, and says why it failed.
pub fn run(tool: impl FnOnce(&mut dyn Write) -> Result<(), ToolError>) -> ExitCode {
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let result = tool(&mut out);
    let flushed = out.flush();
    match result.and_then(|()| Ok(flushed?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.text);
            ExitCode::from(error.exit)
        }
    }
}
