//! The `zkrs` binary: server, shell, tools and load generator, told apart by the first argument or, when called
//! by the name of one of Apache ZooKeeper's scripts, by that name.

mod bench;
mod date;
mod jute_text;
mod scripts;
mod server;
mod shell;
mod status;
mod tools;
mod version;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// What the program ends with when it was called wrongly (Apache's `ExitCode.INVALID_INVOCATION`).
const EXIT_USAGE: u8 = 2;

const HELP: &str = "\
zkrs: a coordination service that speaks Apache ZooKeeper's client protocol and keeps its files

Usage: zkrs COMMAND [argument...]

  server     run a server: zkrs server [zoo.cfg]
  shell      talk to a server as zkCli does: zkrs shell [-server host:port] [command...]
  log        look into transaction logs, check and mend them
  snapshot   look into snapshots, compare them
  cleanup    remove snapshots and logs that are no longer needed
  bench      load a server and measure it
  status     ask a server how it is: zkrs status [host:port]
  version    print the version

`zkrs COMMAND --help` tells more. Without a command, this text.
Called by the name of one of ZooKeeper's scripts (zkServer.sh, zkCli.sh, ...), it does what that script does.
";

fn main() -> ExitCode {
    let mut words = match words(std::env::args_os()) {
        Ok(words) => words.into_iter(),
        Err(problem) => return usage_error(&problem),
    };
    let program = words.next().unwrap_or_default();
    let script = Path::new(&program).file_name().and_then(|name| name.to_str());
    if let Some(code) = script.and_then(|name| scripts::run(name, words.as_slice())) {
        return code;
    }
    let command = words.next();
    let arguments: Vec<String> = words.collect();
    match command.as_deref() {
        None | Some("help" | "-h" | "--help") => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some("bench") => bench::main(&arguments),
        Some("server") => server::main(&arguments),
        Some("shell") => shell::main(arguments),
        Some("log") => tools::log::main(&arguments),
        Some("snapshot") => tools::snapshot::main(&arguments),
        Some("cleanup") => tools::cleanup::main(&arguments),
        Some("status") => status::main(&arguments),
        Some("version" | "-V" | "--version") => {
            println!("zkrs {} (Apache ZooKeeper 3.9.5 protocol and files)", version::OWN);
            ExitCode::SUCCESS
        }
        Some(unknown) => usage_error(&format!("no command '{unknown}'; `zkrs help` lists them")),
    }
}

/// The words of the command line as text.
fn words(args: impl Iterator<Item = OsString>) -> Result<Vec<String>, String> {
    args.map(|arg| arg.into_string().map_err(|arg| format!("argument {arg:?} is not UTF-8"))).collect()
}

fn usage_error(problem: &str) -> ExitCode {
    eprintln!("zkrs: {problem}");
    ExitCode::from(EXIT_USAGE)
}
