//! Apache ZooKeeper's scripts, by whose names this program may be called: a link named `zkServer.sh` is enough.
//!
//! They print what the scripts print and honour the same environment variables, without a shell or a Java. What a
//! `zookeeper-env.sh` or `java.env` beside `zoo.cfg` would set is not read: those are shell programs.

mod config_file;
mod environment;
mod initialize;
mod process;
mod server;
mod status;

use std::process::ExitCode;

use crate::{shell, tools};
use config_file::ConfigFile;
use environment::Environment;

/// Runs the script of this name; `None` if it is none of them.
pub fn run(name: &str, arguments: &[String]) -> Option<ExitCode> {
    let script: fn(Environment, &[String]) -> ExitCode = match name {
        "zkServer.sh" => server::main,
        "zkCli.sh" => |_, arguments| shell::main(arguments.to_vec()),
        "zkServer-initialize.sh" => initialize::main,
        "zkCleanup.sh" => cleanup,
        "zkTxnLogToolkit.sh" => |_, arguments| tools::log::toolkit(arguments),
        "zkSnapShotToolkit.sh" => |_, arguments| tools::snapshot::formatter(arguments),
        "zkSnapshotComparer.sh" => |_, arguments| tools::snapshot::comparer(arguments),
        "zkSnapshotRecursiveSummaryToolkit.sh" => |_, arguments| tools::snapshot::summary(arguments),
        _ => return None,
    };
    let (environment, arguments) = Environment::read(arguments);
    Some(script(environment, arguments))
}

/// `zkCleanup.sh -n COUNT`: the directories come from `zoo.cfg`.
fn cleanup(environment: Environment, arguments: &[String]) -> ExitCode {
    let config = match ConfigFile::read(&environment.config_path()) {
        Ok(config) => config,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    let Some(data_dir) = config.get("dataDir") else {
        eprintln!("Unable to determine dataDir from {}", config.path.display());
        return ExitCode::FAILURE;
    };
    let directories = config.get("dataLogDir").into_iter().chain([data_dir]).map(str::to_owned);
    let words: Vec<String> = directories.chain(arguments.iter().cloned()).collect();
    tools::cleanup::main(&words)
}
