//! Configuration by environment variables: the contract of ZooKeeper's container image, without its shell script.
//!
//! `zoo.cfg` and `myid` are written only where they are missing, so that a mounted file always wins, and so that a
//! restarted container keeps what it had. Variables and defaults are those of the image for 3.9.5. Changing the
//! owner of directories is left to whoever starts the process.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::problem::{ConfigError, Origin, Problems};
use super::server_config::ServerConfig;
use super::zoo_cfg::{ConfigResult, LoadOptions};

/// How a variable is looked up; [`process_env`] asks the process's own environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A key of `zoo.cfg`, the variable that sets it, and the image's default.
const VARIABLES: &[(&str, &str, &str)] = &[
    ("dataDir", "ZOO_DATA_DIR", "/data"),
    ("dataLogDir", "ZOO_DATA_LOG_DIR", "/datalog"),
    ("tickTime", "ZOO_TICK_TIME", "2000"),
    ("initLimit", "ZOO_INIT_LIMIT", "5"),
    ("syncLimit", "ZOO_SYNC_LIMIT", "2"),
    ("autopurge.snapRetainCount", "ZOO_AUTOPURGE_SNAPRETAINCOUNT", "3"),
    ("autopurge.purgeInterval", "ZOO_AUTOPURGE_PURGEINTERVAL", "0"),
    ("maxClientCnxns", "ZOO_MAX_CLIENT_CNXNS", "60"),
    ("standaloneEnabled", "ZOO_STANDALONE_ENABLED", "true"),
    ("admin.enableServer", "ZOO_ADMINSERVER_ENABLED", "true"),
];

const SERVERS_DEFAULT: &str = "server.1=localhost:2888:3888;2181";

/// Looks a variable up in the process's environment; a text that is not Unicode counts as not set.
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The path of `zoo.cfg`: in `ZOO_CONF_DIR`, or in `/conf`.
pub fn config_path(lookup: Lookup<'_>) -> PathBuf {
    Path::new(&set(lookup, "ZOO_CONF_DIR").unwrap_or_else(|| "/conf".to_owned())).join("zoo.cfg")
}

/// The `zoo.cfg` that the variables describe. As in the image, `ZOO_SERVERS` and `ZOO_CFG_EXTRA` hold lines with
/// blanks between them.
///
/// # Errors
/// A variable holds a line end, which would smuggle in a line of its own.
pub fn zoo_cfg_text(lookup: Lookup<'_>) -> Result<String, Vec<ConfigError>> {
    let mut text = String::new();
    let mut problems = Problems::default();
    let line = |text: &mut String, line: &str| writeln!(text, "{line}").expect("a String takes every text");
    for (key, variable, default) in VARIABLES {
        let value = set(lookup, variable).unwrap_or_else(|| (*default).to_owned());
        check_one_line(variable, &value, &mut problems);
        line(&mut text, &format!("{key}={value}"));
    }
    let servers = set(lookup, "ZOO_SERVERS").unwrap_or_else(|| SERVERS_DEFAULT.to_owned());
    servers.split_whitespace().for_each(|server| line(&mut text, server));
    if let Some(words) = set(lookup, "ZOO_4LW_COMMANDS_WHITELIST") {
        check_one_line("ZOO_4LW_COMMANDS_WHITELIST", &words, &mut problems);
        line(&mut text, &format!("4lw.commands.whitelist={words}"));
    }
    let extra = set(lookup, "ZOO_CFG_EXTRA").unwrap_or_default();
    extra.split_whitespace().for_each(|entry| line(&mut text, entry));
    if problems.errors.is_empty() { Ok(text) } else { Err(problems.errors) }
}

impl ServerConfig {
    /// Writes `zoo.cfg` and `myid` where they are missing, then loads the configuration from them.
    ///
    /// # Errors
    /// A file cannot be written, or all that is wrong with the configuration.
    pub fn from_env(lookup: Lookup<'_>, options: &LoadOptions) -> ConfigResult {
        let config = config_path(lookup);
        if !config.exists() {
            let text = zoo_cfg_text(lookup)?;
            write_new(&config, &text).map_err(|error| cannot_write(&config, &error))?;
        }
        let data_dir = set(lookup, "ZOO_DATA_DIR").unwrap_or_else(|| "/data".to_owned());
        let my_id = Path::new(&data_dir).join("myid");
        if !my_id.exists() {
            let id = set(lookup, "ZOO_MY_ID").unwrap_or_else(|| "1".to_owned());
            write_new(&my_id, &format!("{id}\n")).map_err(|error| cannot_write(&my_id, &error))?;
        }
        ServerConfig::load(&config, options)
    }
}

/// A variable that is set to more than nothing.
fn set(lookup: Lookup<'_>, name: &str) -> Option<String> {
    lookup(name).filter(|value| !value.is_empty())
}

fn check_one_line(variable: &str, value: &str, problems: &mut Problems) {
    if value.contains(['\n', '\r']) {
        let problem = "has a line end".to_owned();
        let remedy = "write further lines to ZOO_CFG_EXTRA".to_owned();
        problems.error(&Origin::file("environment"), variable, problem, remedy);
    }
}

/// Writes a file whole or not at all: a crash leaves no half of it under its name.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let unfinished = path.with_file_name(name);
    let mut file = File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(directory)?.sync_all()
}

fn cannot_write(path: &Path, error: &io::Error) -> Vec<ConfigError> {
    let mut problems = Problems::default();
    let problem = format!("cannot be written: {error}");
    let remedy = "give the server the right to write it, or mount the file".to_owned();
    problems.error(&Origin::file(&path.to_string_lossy()), "", problem, remedy);
    problems.errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::TempDir;

    fn lookup_in(variables: Vec<(&'static str, String)>) -> impl Fn(&str) -> Option<String> {
        move |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn nothing_set_is_the_images_default() {
        let text = zoo_cfg_text(&|_| None).expect("the defaults are right");
        let expected = "dataDir=/data\ndataLogDir=/datalog\ntickTime=2000\ninitLimit=5\nsyncLimit=2\n\
            autopurge.snapRetainCount=3\nautopurge.purgeInterval=0\nmaxClientCnxns=60\nstandaloneEnabled=true\n\
            admin.enableServer=true\nserver.1=localhost:2888:3888;2181\n";
        assert_eq!(text, expected);
        assert_eq!(config_path(&|_| None), Path::new("/conf/zoo.cfg"));
    }

    #[test]
    fn servers_words_and_extra_lines_are_appended() {
        let lookup = lookup_in(vec![
            ("ZOO_TICK_TIME", "1000".to_owned()),
            ("ZOO_SERVERS", "server.1=a:1:2;3  server.2=b:1:2;3".to_owned()),
            ("ZOO_4LW_COMMANDS_WHITELIST", "ruok, mntr".to_owned()),
            ("ZOO_CFG_EXTRA", "snapCount=5\nmaxCnxns=7".to_owned()),
        ]);
        let text = zoo_cfg_text(&lookup).expect("the variables are right");
        assert!(text.contains("\ntickTime=1000\n"), "{text}");
        let end = "server.1=a:1:2;3\nserver.2=b:1:2;3\n4lw.commands.whitelist=ruok, mntr\nsnapCount=5\nmaxCnxns=7\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn a_line_end_in_a_variable_is_refused() {
        let lookup = lookup_in(vec![("ZOO_TICK_TIME", "2000\nskipACL=yes".to_owned())]);
        let errors = zoo_cfg_text(&lookup).expect_err("it holds a second line");
        let expected = "environment: ZOO_TICK_TIME: has a line end; write further lines to ZOO_CFG_EXTRA";
        assert_eq!(errors[0].to_string(), expected);
    }

    #[test]
    fn files_are_written_once_and_then_kept() {
        let dir = TempDir::new("container");
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let variables = |tick: &str, id: &str| {
            lookup_in(vec![
                ("ZOO_CONF_DIR", path("conf")),
                ("ZOO_DATA_DIR", path("data")),
                ("ZOO_DATA_LOG_DIR", path("datalog")),
                ("ZOO_SERVERS", "server.7=localhost:2888:3888;2199".to_owned()),
                ("ZOO_ADMINSERVER_ENABLED", "false".to_owned()),
                ("ZOO_TICK_TIME", tick.to_owned()),
                ("ZOO_MY_ID", id.to_owned()),
            ])
        };
        let options = LoadOptions { strict: true, ..LoadOptions::default() };
        let (first, _) =
            ServerConfig::from_env(&variables("1000", "7"), &options).expect("a right environment");
        assert_eq!(
            (first.sessions.tick_time_ms, first.server_id, first.clients.address.port),
            (1000, Some(7), 2199)
        );
        assert_eq!(first.data_log_dir, dir.path().join("datalog"));
        let (second, _) =
            ServerConfig::from_env(&variables("3000", "8"), &options).expect("the files of the first");
        assert_eq!(second, first);
        let mut names: Vec<_> = fs::read_dir(dir.path().join("conf"))
            .expect("the directory was made")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["zoo.cfg"]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let dir = TempDir::new("container-denied");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("a temporary file");
        let lookup = lookup_in(vec![("ZOO_CONF_DIR", file.to_string_lossy().into_owned())]);
        let errors =
            ServerConfig::from_env(&lookup, &LoadOptions::default()).expect_err("a file is no directory");
        assert!(errors[0].to_string().contains("zoo.cfg: cannot be written: "), "{}", errors[0]);
    }
}
