//! `zkTxnLogToolkit.sh`: Apache's flags for the same work.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{dump, repair};
use crate::tools::{ToolError, run};

const HELP: &str = "\
usage: TxnLogToolkit [-dhrvc] <txn_log_file_name> (-z <zxid>)
 -c,--chop         Chop mode. Chop txn file to a zxid.
 -d,--dump         Dump mode. Dump all entries of the log file with printing the content of a nodepath (default)
 -h,--help         Print help message
 -r,--recover      Recovery mode. Re-calculate CRC for broken entries.
 -v,--verbose      Be verbose in recovery mode: print all entries, not just fixed ones.
 -y,--yes          Non-interactive mode: repair all CRC errors without asking
 -z,--zxid <arg>   Used with chop. Zxid to which to chop.
";

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    chop: bool,
    help: bool,
    recover: bool,
    verbose: bool,
    yes: bool,
    zxid: Option<i64>,
    file: Option<PathBuf>,
}

/// Runs the toolkit.
pub fn main(arguments: &[String]) -> ExitCode {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n");
            print!("{HELP}");
            return ExitCode::FAILURE;
        }
    };
    let Some(file) = options.file.as_deref().filter(|_| !options.help) else {
        print!("{HELP}");
        return if options.help { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    run(|out| {
        if !file.is_file() {
            return Err(ToolError::new(format!("File doesn't exist or not readable: {}", file.display())));
        }
        match options.zxid.filter(|_| options.chop) {
            Some(zxid) => repair::chop_file(out, file, zxid),
            None if options.recover => repair::recover(out, file, options.yes, options.verbose),
            None => dump(out, file, false, i64::MIN),
        }
    })
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-c" | "--chop" => options.chop = true,
                "-d" | "--dump" => {}
                "-h" | "--help" => options.help = true,
                "-r" | "--recover" => options.recover = true,
                "-v" | "--verbose" => options.verbose = true,
                "-y" | "--yes" => options.yes = true,
                "-z" | "--zxid" => {
                    let text = arguments.next().ok_or("Missing argument for option: z")?;
                    options.zxid = Some(super::zxid(text)?);
                }
                run if run.len() > 2 && is_run(run) => {
                    let letters: Vec<String> = run[1..].chars().map(|letter| format!("-{letter}")).collect();
                    let more = Self::parse(&letters)?;
                    options.chop |= more.chop;
                    options.help |= more.help;
                    options.recover |= more.recover;
                    options.verbose |= more.verbose;
                    options.yes |= more.yes;
                }
                unknown if unknown.starts_with('-') => return Err(format!("Unrecognized option: {unknown}")),
                file => _ = options.file.get_or_insert_with(|| PathBuf::from(file)),
            }
        }
        Ok(options)
    }
}

/// `-ry` for `-r -y`.
fn is_run(argument: &str) -> bool {
    argument.strip_prefix('-').is_some_and(|letters| letters.chars().all(|letter| "cdhrvy".contains(letter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_of_the_script() {
        let options = parse("-ry log.1 --verbose").unwrap();
        assert!(options.recover && options.yes && options.verbose && !options.chop);
        assert_eq!(options.file, Some(PathBuf::from("log.1")));
        assert_eq!(parse("-c log.1 -z 0x10").unwrap().zxid, Some(16));
        assert_eq!(parse("-x log.1").unwrap_err(), "Unrecognized option: -x");
        assert_eq!(parse("-z").unwrap_err(), "Missing argument for option: z");
    }
}
