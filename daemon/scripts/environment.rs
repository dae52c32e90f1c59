//! What `zkEnv.sh` finds out: where `zoo.cfg` is, and where log files go.

use std::env;
use std::path::{Path, PathBuf};

/// Variables and the place of the program, which the scripts go by.
#[derive(Debug, Clone)]
pub struct Environment {
    config_dir: PathBuf,
    config_name: String,
    /// Where `zkServer.sh start` lets the server write its output.
    pub log_dir: PathBuf,
}

impl Environment {
    /// Reads it, and a leading `--config DIR`; returns the arguments behind that.
    pub fn read(arguments: &[String]) -> (Self, &[String]) {
        let (named, arguments) = match arguments {
            [flag, dir, rest @ ..] if flag == "--config" => (Some(PathBuf::from(dir)), rest),
            _ => (None, arguments),
        };
        let program = program_dir();
        let environment = Self {
            config_dir: named
                .or_else(|| path_variable("ZOOCFGDIR"))
                .unwrap_or_else(|| usual_config_dir(&program)),
            config_name: variable("ZOOCFG").unwrap_or_else(|| "zoo.cfg".to_owned()),
            log_dir: path_variable("ZOO_LOG_DIR").unwrap_or_else(|| program.join("../logs")),
        };
        (environment, arguments)
    }

    /// The configuration file when the command line names none.
    pub fn config_path(&self) -> PathBuf {
        self.config_dir.join(&self.config_name)
    }

    /// The configuration file that an argument means: a name alone is looked for in the configuration directory.
    pub fn config_path_of(&self, argument: Option<&str>) -> PathBuf {
        match argument {
            Some(path) if path.contains('/') => PathBuf::from(path),
            Some(name) => self.config_dir.join(name),
            None => self.config_path(),
        }
    }
}

/// A variable that is set to something.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable that holds a path.
pub fn path_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The directory of the script, found as the shell found it.
fn program_dir() -> PathBuf {
    let called = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let directory = match called.parent() {
        Some(directory) if directory != Path::new("") => directory.to_owned(),
        _ => on_path(&called).unwrap_or_else(|| PathBuf::from("/usr/bin")),
    };
    std::path::absolute(&directory).unwrap_or(directory)
}

fn on_path(name: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).find(|directory| directory.join(name).is_file())
}

/// `conf` or `etc/zookeeper` beside the script's directory, as in the scripts; then Debian's.
fn usual_config_dir(program: &Path) -> PathBuf {
    let beside = program.join("../conf");
    if beside.exists() {
        return beside;
    }
    let etc = program.join("../etc/zookeeper");
    let debian = ["/etc/zookeeper/conf", "/etc/zookeeper"].map(PathBuf::from);
    debian.into_iter().filter(|_| !etc.exists()).find(|dir| dir.join("zoo.cfg").is_file()).unwrap_or(etc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_directory_comes_first() {
        let words: Vec<String> = ["--config", "/c", "status", "x.cfg"].map(str::to_owned).to_vec();
        let (environment, rest) = Environment::read(&words);
        assert_eq!(rest, ["status", "x.cfg"]);
        assert_eq!(environment.config_path_of(Some("x.cfg")), Path::new("/c/x.cfg"));
        assert_eq!(environment.config_path_of(Some("./x.cfg")), Path::new("./x.cfg"));
        assert_eq!(environment.config_path_of(None).parent(), Some(Path::new("/c")));
    }
}
