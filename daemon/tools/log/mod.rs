//! `zkrs log` and `zkTxnLogToolkit.sh`: what transaction logs hold, whether they are whole, and ways to mend them.

mod frames;
mod json;
mod repair;
mod text;
mod toolkit;

pub use json::put_data;
pub use toolkit::main as toolkit;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use zkrs_core::txn::decode_payload;
use zkrs_storage::names::{LogName, list_logs};
use zkrs_storage::{LogReader, RealFs, StorageError};

use super::ToolError;
use frames::{Frame, Frames};

#[derive(Debug, Parser)]
#[command(name = "zkrs log", about = "Look into transaction logs, check and mend them")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every transaction, as Apache's TxnLogToolkit does
    Dump {
        /// A log file, or a directory of them (dataDir, dataLogDir or their version-2)
        path: PathBuf,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// Begin with this zxid, decimal or 0x and hexadecimal
        #[arg(long, value_parser = zxid, value_name = "ZXID")]
        from: Option<i64>,
    },
    /// Read everything as a starting server would, and say whether it is whole
    Verify {
        /// A log file, or a directory of them
        path: PathBuf,
    },
    /// Copy a log with wrong checksums to FILE.fixed, with the right ones
    Recover {
        /// The log file
        file: PathBuf,
        /// Mend every checksum without asking
        #[arg(short, long)]
        yes: bool,
        /// Print every transaction, not just those that were mended
        #[arg(short, long)]
        verbose: bool,
    },
    /// Give up every transaction after a zxid
    Chop {
        /// A directory of logs, which is cut in place (stop the server first); or a file, which is copied to
        /// FILE.choppedZXID
        path: PathBuf,
        /// The last zxid to keep
        #[arg(long, value_parser = zxid, value_name = "ZXID")]
        after: i64,
    },
}

/// Runs `zkrs log`.
pub fn main(arguments: &[String]) -> ExitCode {
    let args: Args = match super::parse("zkrs log", arguments) {
        Ok(args) => args,
        Err(code) => return code,
    };
    super::run(|out| match args.command {
        Command::Dump { path, json, from } => {
            let from = from.unwrap_or(i64::MIN);
            files(&path)?.iter().try_for_each(|file| dump(out, file, json, from))
        }
        Command::Verify { path } if path.is_dir() => verify_directory(out, &path),
        Command::Verify { path } => verify_file(out, &path),
        Command::Recover { file, yes, verbose } => repair::recover(out, &file, yes, verbose),
        Command::Chop { path, after } if path.is_dir() => {
            repair::chop_directory(out, &log_directory(&path), after)
        }
        Command::Chop { path, after } => repair::chop_file(out, &path, after),
    })
}

/// Prints the entries of a file, damaged ones too.
fn dump(out: &mut dyn Write, file: &Path, json: bool, from: i64) -> Result<(), ToolError> {
    let mut frames = Frames::open(file)?;
    if !json {
        print_header(out, &frames)?;
    }
    let mut count = 0_u64;
    while let Some(frame) = frames.next()? {
        if frame.zxid() >= from {
            if json {
                print_json(out, &frame)?;
            } else {
                if !frame.is_intact() {
                    writeln!(out, "CRC ERROR - {}", shown(&frame))?;
                }
                writeln!(out, "{}", shown(&frame))?;
            }
        }
        refuse_partial(&frame)?;
        count += 1;
    }
    if !json {
        writeln!(out, "EOF reached after {count} txns.")?;
    }
    Ok(())
}

fn print_header(out: &mut dyn Write, frames: &Frames) -> Result<(), ToolError> {
    let header = frames.header;
    let (dbid, version) = (header.dbid, header.version);
    Ok(writeln!(out, "ZooKeeper Transactional Log File with dbid {dbid} txnlog format version {version}")?)
}

fn refuse_partial(frame: &Frame) -> Result<(), ToolError> {
    if frame.is_whole { Ok(()) } else { Err(ToolError::new("Last transaction was partial.")) }
}

/// The line of an entry; one that cannot be decoded is said to be so.
fn shown(frame: &Frame) -> String {
    match decode_payload(&frame.payload) {
        Ok((header, txn, _)) => text::line(&header, &txn),
        Err(error) => {
            format!("offset {}: {} bytes that are no transaction: {error}", frame.offset, frame.payload.len())
        }
    }
}

fn print_json(out: &mut dyn Write, frame: &Frame) -> Result<(), ToolError> {
    let mut value = match decode_payload(&frame.payload) {
        Ok((header, txn, digest)) => json::object(&header, &txn, digest.as_ref()),
        Err(error) => serde_json::json!({ "offset": frame.offset, "error": error.to_string() }),
    };
    if !frame.is_intact() {
        value["checksum"] = "wrong".into();
    }
    Ok(writeln!(out, "{value}")?)
}

fn verify_file(out: &mut dyn Write, file: &Path) -> Result<(), ToolError> {
    let mut frames = Frames::open(file)?;
    let (mut count, mut first, mut last) = (0_u64, None, None);
    while let Some(frame) = frames.next()? {
        let at = format!("{}:{}", file.display(), frame.offset);
        if !frame.is_intact() {
            let (stored, found) = (frame.stored, frame.checksum());
            return Err(ToolError::new(format!("{at}: CRC error: stored {stored:x}, computed {found:x}")));
        }
        refuse_partial(&frame).map_err(|error| ToolError::new(format!("{at}: {}", error.text)))?;
        let (header, _, _) = decode_payload(&frame.payload)
            .map_err(|error| ToolError::new(format!("{at}: not a transaction: {error}")))?;
        if last.is_some_and(|last| header.zxid <= last) {
            let zxid = header.zxid;
            return Err(ToolError::new(format!(
                "{at}: zxid 0x{zxid:x} does not come after the one before it"
            )));
        }
        first.get_or_insert(header.zxid);
        last = Some(header.zxid);
        count += 1;
    }
    let range = range(first, last);
    Ok(writeln!(out, "{}: {count} txns{range}, whole", file.display())?)
}

/// Reads all logs of a directory with the eyes of recovery: holes between files and lost ends count too.
fn verify_directory(out: &mut dyn Write, path: &Path) -> Result<(), ToolError> {
    let directory = log_directory(path);
    let mut reader = LogReader::open(&RealFs, &directory, zkrs_storage::txnlog::LogStart::Oldest)?;
    let (mut count, mut first, mut last) = (0_u64, None, None);
    while let Some(entry) = reader.next()? {
        if let Err(error) = decode_payload(entry.payload) {
            let (zxid, offset) = (entry.zxid, entry.offset);
            let file = zkrs_storage::names::log_name(entry.log);
            return Err(ToolError::new(format!(
                "{file}:{offset}: txn 0x{zxid:x} cannot be decoded: {error}"
            )));
        }
        first.get_or_insert(entry.zxid);
        last = Some(entry.zxid);
        count += 1;
    }
    let range = range(first, last);
    writeln!(out, "{}: {count} txns{range}, whole", directory.display())?;
    let torn = reader.tail().torn_bytes;
    if torn > 0 {
        writeln!(out, "behind them {torn} bytes of an unfinished write, which the next start cuts off")?;
    }
    Ok(())
}

fn range(first: Option<i64>, last: Option<i64>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!(", 0x{first:x} to 0x{last:x}"),
        _ => String::new(),
    }
}

/// The log files that a path means, oldest first.
fn files(path: &Path) -> Result<Vec<PathBuf>, ToolError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let directory = log_directory(path);
    let logs: Vec<LogName> =
        list_logs(&RealFs, &directory).map_err(|error: StorageError| ToolError::from(error))?;
    if logs.is_empty() {
        return Err(ToolError::new(format!("{}: no file named log.<zxid>", directory.display())));
    }
    Ok(logs.into_iter().map(|log| log.path).collect())
}

/// The directory itself, or its `version-2` where there is one.
fn log_directory(path: &Path) -> PathBuf {
    let below = path.join("version-2");
    if below.is_dir() { below } else { path.to_owned() }
}

/// Reads a zxid: decimal, or hexadecimal behind 0x.
fn zxid(text: &str) -> Result<i64, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.map_err(|_| "not a zxid; write it as 0x and hexadecimal digits, or decimal".to_owned())
}
