//! `zkServer.sh [--config DIR] start|start-foreground|stop|restart|status|version|print-cmd [zoo.cfg]`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::config_file::ConfigFile;
use super::environment::{Environment, path_variable, variable};
use super::{process, status};

/// How long `start` waits for the server to answer; then it is said to have started if it still runs.
const START_LOOK: Duration = Duration::from_secs(10);
/// How long `stop` waits for the server to end.
const STOP_WAIT: Duration = Duration::from_secs(30);

/// Runs the script.
pub fn main(environment: Environment, arguments: &[String]) -> ExitCode {
    let command = arguments.first().map(String::as_str).unwrap_or_default();
    let commands = ["start", "start-foreground", "stop", "restart", "status", "version", "print-cmd"];
    if !commands.contains(&command) {
        eprintln!("Usage: zkServer.sh [--config <conf-dir>] {{{}}}", commands.join("|"));
        return ExitCode::FAILURE;
    }
    if command == "version" {
        println!("zkrs {}, compatible with Apache ZooKeeper, version 3.9.5", crate::version::OWN);
        return ExitCode::SUCCESS;
    }
    match Script::new(&environment, arguments.get(1).map(String::as_str)).and_then(|script| match command {
        "start" => script.start(),
        "start-foreground" => script.start_foreground(),
        "stop" => script.stop(),
        "restart" => script.stop().and_then(|_| script.start()),
        "status" => Ok(status::print(&script.config)),
        _ => script.print_command(),
    }) {
        Ok(code) => code,
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// The script with what it knows from its surroundings.
struct Script {
    config: ConfigFile,
    pid_file: PathBuf,
    output: PathBuf,
    log_dir: PathBuf,
    autocreate: bool,
}

impl Script {
    fn new(environment: &Environment, argument: Option<&str>) -> Result<Self, String> {
        let path = environment.config_path_of(argument);
        eprintln!("Using config: {}", path.display());
        let config = ConfigFile::read(&path)?;
        let data_dir = config.get("dataDir").map(PathBuf::from);
        let autocreate = variable("ZOO_DATADIR_AUTOCREATE_DISABLE").is_none();
        if !autocreate {
            require_version_2("data", data_dir.as_deref())?;
            if let Some(log_dir) = config.get("dataLogDir") {
                require_version_2("txnlog", Some(Path::new(log_dir)))?;
            }
        }
        let pid_file = match (path_variable("ZOOPIDFILE"), data_dir) {
            (Some(file), _) => file,
            (None, Some(data_dir)) => data_dir.join("zookeeper_server.pid"),
            (None, None) => return Err(format!("{}: dataDir is not set", path.display())),
        };
        let log_dir = environment.log_dir.clone();
        let output = log_dir.join(format!("zookeeper-{}-server-{}.out", user(), host()));
        Ok(Self { config, pid_file, output, log_dir, autocreate })
    }

    fn start(&self) -> Result<ExitCode, String> {
        print!("Starting zookeeper ... ");
        flush();
        if let Some(pid) = process::read_pid_file(&self.pid_file).filter(|pid| process::runs(*pid)) {
            return Err(format!("already running as process {}.", pid.as_raw_nonzero()));
        }
        let child = self.spawn().map_err(|error| format!("SERVER DID NOT START\n{error}"))?;
        let mut child = child;
        let pid = child.id().to_string();
        if let Err(error) = create_parent(&self.pid_file).and_then(|()| fs::write(&self.pid_file, pid)) {
            // Nobody could stop it later.
            let _ = child.kill();
            return Err(format!("FAILED TO WRITE PID\n{}: {error}", self.pid_file.display()));
        }
        let mut ended = false;
        process::wait_until(START_LOOK, || {
            ended = !matches!(child.try_wait(), Ok(None));
            ended || status::serves(&self.config)
        });
        if ended {
            return Err(format!("FAILED TO START\nsee {}", self.output.display()));
        }
        println!("STARTED");
        Ok(ExitCode::SUCCESS)
    }

    fn spawn(&self) -> Result<std::process::Child, String> {
        let shown = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(&self.log_dir).map_err(|error| shown(&self.log_dir, error))?;
        let output = File::create(&self.output).map_err(|error| shown(&self.output, error))?;
        let error_output = output.try_clone().map_err(|error| shown(&self.output, error))?;
        let mut command = self.command(&["--detached"])?;
        command.stdin(Stdio::null()).stdout(output).stderr(error_output);
        command.spawn().map_err(|error| error.to_string())
    }

    fn start_foreground(&self) -> Result<ExitCode, String> {
        // Returns only if it fails.
        Err(self.command(&[])?.exec().to_string())
    }

    fn print_command(&self) -> Result<ExitCode, String> {
        let command = self.command(&[])?;
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<String> = words.map(|word| format!("\"{}\"", word.to_string_lossy())).collect();
        println!("{} > \"{}\" 2>&1 < /dev/null", quoted.join(" "), self.output.display());
        Ok(ExitCode::SUCCESS)
    }

    fn stop(&self) -> Result<ExitCode, String> {
        print!("Stopping zookeeper ... ");
        flush();
        let Some(pid) = process::read_pid_file(&self.pid_file) else {
            println!("no zookeeper to stop (could not find file {})", self.pid_file.display());
            return Ok(ExitCode::SUCCESS);
        };
        match process::terminate(pid) {
            Ok(()) => {}
            Err(error) if process::runs(pid) => {
                return Err(format!("process {} cannot be stopped: {error}", pid.as_raw_nonzero()));
            }
            // It ended by itself, and its file stayed.
            Err(_) => {}
        }
        // Gone is gone, whoever removed it.
        let _ = fs::remove_file(&self.pid_file);
        if !process::wait_until(STOP_WAIT, || !process::runs(pid)) {
            let (pid, seconds) = (pid.as_raw_nonzero(), STOP_WAIT.as_secs());
            return Err(format!("process {pid} has not ended within {seconds} s"));
        }
        println!("STOPPED");
        Ok(ExitCode::SUCCESS)
    }

    /// The server's command line, with the configuration file in it so that `ps` shows it.
    fn command(&self, flags: &[&str]) -> Result<Command, String> {
        let program =
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let mut command = Command::new(program);
        command.arg("server").args(flags);
        if !self.autocreate {
            command.arg("-Dzookeeper.datadir.autocreate=false");
        }
        command.args(java_properties());
        command.arg(&self.config.path);
        Ok(command)
    }
}

/// `-Dname=value` words of the variables that held flags for Java; its other flags mean nothing here.
fn java_properties() -> Vec<OsString> {
    let flags =
        ["SERVER_JVMFLAGS", "JVMFLAGS"].into_iter().filter_map(variable).collect::<Vec<_>>().join(" ");
    flags
        .split_whitespace()
        .filter(|word| word.starts_with("-D") && word.len() > 2)
        .map(OsString::from)
        .collect()
}

fn require_version_2(what: &str, directory: Option<&Path>) -> Result<(), String> {
    let directory = directory.unwrap_or(Path::new(""));
    if directory.join("version-2").is_dir() {
        return Ok(());
    }
    let shown = directory.display();
    Err(format!("ZooKeeper {what} directory is missing at {shown} fix the path or run initialize"))
}

fn create_parent(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(parent) if parent != Path::new("") => fs::create_dir_all(parent),
        _ => Ok(()),
    }
}

fn flush() {
    // If nobody listens, the work is done all the same.
    let _ = io::stdout().flush();
}

fn user() -> String {
    variable("USER").unwrap_or_default()
}

fn host() -> String {
    let kernel = || fs::read_to_string("/proc/sys/kernel/hostname").ok();
    variable("HOSTNAME").or_else(kernel).map(|name| name.trim().to_owned()).unwrap_or_default()
}
