//! `zkServer-initialize.sh [--configfile FILE] [--myid N] [--force]`: empty data directories for a new server.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::config_file::ConfigFile;
use super::environment::Environment;

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    config_file: Option<PathBuf>,
    my_id: Option<String>,
    force: bool,
}

/// Runs the script.
pub fn main(environment: Environment, arguments: &[String]) -> ExitCode {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(problem) => {
            if let Some(problem) = problem {
                println!("{problem}");
            }
            print_usage(&environment.config_path());
            return ExitCode::FAILURE;
        }
    };
    let config_file = options.config_file.clone().unwrap_or_else(|| environment.config_path());
    match initialize(&config_file, &options, &mut |text| println!("{text}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// `Err(None)` for a wish for help.
    fn parse(arguments: &[String]) -> Result<Self, Option<String>> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || joined.clone().or_else(|| arguments.next().cloned()).filter(|v| !v.is_empty());
            let unknown = || Some(format!("Unknown option: {argument}"));
            match name {
                "--configfile" => options.config_file = Some(PathBuf::from(value().ok_or_else(unknown)?)),
                "--myid" => options.my_id = Some(value().ok_or_else(unknown)?),
                "--force" => options.force = true,
                "-h" | "--help" => return Err(None),
                _ => return Err(unknown()),
            }
        }
        if options.my_id.as_ref().is_some_and(|id| id.parse::<i64>().is_err()) {
            return Err(Some("--myid is not a number".to_owned()));
        }
        Ok(options)
    }
}

fn print_usage(config: &Path) {
    println!("usage: zkServer-initialize.sh <parameters>");
    println!("  Optional parameters:");
    println!("     -h                                                    Display this message");
    println!("     --help                                                Display this message");
    println!("     --configfile={:<40} ZooKeeper config file", config.display().to_string());
    println!(
        "     --myid=#                                              Set the myid to be used, if any (1-255)"
    );
    println!(
        "     --force                                               Force creation of the data/txnlog dirs"
    );
}

fn initialize(config_file: &Path, options: &Options, say: &mut dyn FnMut(&str)) -> Result<(), String> {
    if !config_file.exists() {
        return Err(format!("Unable to find config file at {}", config_file.display()));
    }
    let config = ConfigFile::read(config_file)?;
    let Some(data_dir) = config.get("dataDir").map(Path::new) else {
        return Err(format!("Unable to determine dataDir from {}", config_file.display()));
    };
    let log_dir = config.get("dataLogDir").map(Path::new);
    if options.force {
        say("Force enabled, data/txnlog directories will be re-initialized");
    } else {
        refuse_existing("data", data_dir)?;
        log_dir.map_or(Ok(()), |log_dir| refuse_existing("txnlog", log_dir))?;
    }
    let failed = |error: io::Error| format!("the directories cannot be made: {error}");
    make_empty(data_dir).map_err(failed)?;
    log_dir.map_or(Ok(()), make_empty).map_err(failed)?;
    match &options.my_id {
        Some(id) => {
            say(&format!("Using myid of {id}"));
            fs::write(data_dir.join("myid"), format!("{id}\n")).map_err(failed)?;
        }
        None => say(&format!(
            "No myid provided, be sure to specify it in {}/myid if using non-standalone",
            data_dir.display()
        )),
    }
    fs::File::create(data_dir.join("initialize")).map(drop).map_err(failed)
}

fn refuse_existing(what: &str, directory: &Path) -> Result<(), String> {
    if directory.join("version-2").is_dir() {
        let shown = directory.display();
        return Err(format!(
            "ZooKeeper {what} directory already exists at {shown} (or use --force to force re-initialization)"
        ));
    }
    Ok(())
}

/// The directory itself stays, with its owner and permissions; what a server keeps in it goes.
fn make_empty(directory: &Path) -> io::Result<()> {
    let (my_id, files) = (directory.join("myid"), directory.join("version-2"));
    if my_id.exists() {
        fs::remove_file(my_id)?;
    }
    if files.exists() {
        fs::remove_dir_all(&files)?;
    }
    fs::create_dir_all(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, Option<String>> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn both_forms_of_a_parameter() {
        let expected =
            Options { config_file: Some(PathBuf::from("/z")), my_id: Some("3".to_owned()), force: true };
        assert_eq!(options("--configfile /z --myid=3 --force"), Ok(expected));
        assert_eq!(options("--x"), Err(Some("Unknown option: --x".to_owned())));
        assert_eq!(options("-h"), Err(None));
        assert!(options("--myid x").is_err());
    }

    #[test]
    fn a_used_directory_is_kept_unless_forced() {
        let home = tempfile::tempdir().unwrap();
        let (data, config) = (home.path().join("data"), home.path().join("zoo.cfg"));
        fs::write(&config, format!("dataDir={}\n", data.display())).unwrap();
        let run = |line: &str| initialize(&config, &options(line).unwrap(), &mut |_| {});
        assert_eq!(run("--myid 7"), Ok(()));
        assert_eq!(fs::read_to_string(data.join("myid")).unwrap(), "7\n");
        assert!(data.join("version-2").is_dir() && data.join("initialize").is_file());
        fs::write(data.join("version-2/log.1"), "x").unwrap();
        assert!(run("").unwrap_err().starts_with("ZooKeeper data directory already exists at "));
        assert!(data.join("version-2/log.1").exists());
        assert_eq!(run("--force"), Ok(()));
        assert!(!data.join("version-2/log.1").exists() && !data.join("myid").exists());
    }
}
