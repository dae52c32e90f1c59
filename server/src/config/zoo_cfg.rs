//! Loads a [`ServerConfig`]: from `zoo.cfg` and what it points to, from a text, from Apache's command line form.
//!
//! Everything that is wrong is reported at once. The text of a configuration, with what it points to, can be loaded
//! without touching a disk; that is what the fuzz target does.

use std::io::{self, Read as _};
use std::path::Path;

use super::build::{self, Surroundings};
use super::ensemble;
use super::jaas;
use super::peers;
use super::problem::{ConfigError, ConfigWarning, Origin, Problems, WarningKind, shown};
use super::properties::{self, PROPERTIES_BYTES_MAX};
use super::server_config::ServerConfig;
use super::settings::{Settings, trim};

/// A configuration and what there is to say about it, or all that is wrong.
pub type ConfigResult = Result<(ServerConfig, Vec<ConfigWarning>), Vec<ConfigError>>;

/// What goes with a configuration file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Refuse every line that does not do what it says: unknown, Java-only, not yet active, adjusted, set twice.
    pub strict: bool,
    /// `-D` properties of a Java command line, as name and value. `zookeeper.K` counts as the key K, other names
    /// count if the table has them (`jute.maxbuffer`), the rest is left alone. The file wins over them, as in Apache.
    pub java_properties: Vec<(String, String)>,
    /// Keys and values that win over the file.
    pub overrides: Vec<(String, String)>,
}

/// How the loader reads a file; `NotFound` has a meaning of its own for `myid`.
type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

const COMMAND_LINE: &str = "command line";

impl ServerConfig {
    /// Loads a `zoo.cfg` and what it points to: the dynamic file and `myid`.
    ///
    /// # Errors
    /// All that is wrong, in the order of the lines.
    pub fn from_file(path: &Path, strict: bool) -> ConfigResult {
        ServerConfig::load(path, &LoadOptions { strict, ..LoadOptions::default() })
    }

    /// Loads a `zoo.cfg` with properties and overrides beside it.
    ///
    /// # Errors
    /// All that is wrong, in the order of the lines.
    pub fn load(path: &Path, options: &LoadOptions) -> ConfigResult {
        let name = path.to_string_lossy();
        let text = read_file(path).map_err(|error| {
            let mut problems = Problems::default();
            problems.error(&Origin::file(&name), "", cannot_read(&error), "check the path".to_owned());
            problems.errors
        })?;
        let (mut config, warnings) = load_text(&name, &text, options, &read_file)?;
        config.config_file = Some(path.to_owned());
        Ok((config, warnings))
    }

    /// Reads the text of a `zoo.cfg`. No disk is touched: there is no `myid`, and a dynamic file cannot be read.
    /// `name` stands for the file in messages.
    ///
    /// # Errors
    /// All that is wrong, in the order of the lines. No text makes this panic.
    pub fn from_text(name: &str, text: &[u8], strict: bool) -> ConfigResult {
        let nothing = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
        load_text(name, text, &LoadOptions { strict, ..LoadOptions::default() }, &nothing)
    }

    /// Reads Apache's command line form of a standalone server: `clientPort dataDir [tickTime] [maxClientCnxns]`.
    ///
    /// # Errors
    /// All that is wrong.
    ///
    /// # Notable behaviors
    /// As with Apache there is no limit of connections per address unless the fourth argument sets one.
    pub fn from_args(args: &[String], options: &LoadOptions) -> ConfigResult {
        let mut problems = Problems::default();
        let mut settings = with_java_properties(options, &mut problems);
        if !(2..=4).contains(&args.len()) {
            let problem = format!("{} arguments are given, 2 to 4 are wanted", args.len());
            let remedy = "write clientPort dataDir [tickTime] [maxClientCnxns]".to_owned();
            problems.error(&Origin::file(COMMAND_LINE), "", problem, remedy);
            return Err(problems.errors);
        }
        let unlimited = "0".to_owned();
        let names = ["clientPort", "dataDir", "tickTime", "maxClientCnxns"];
        let values = args.iter().chain((args.len() < 4).then_some(&unlimited));
        let names = names.into_iter().take(args.len()).chain((args.len() < 4).then_some("maxClientCnxns"));
        for (name, value) in names.zip(values) {
            settings.add(name, trim(value), Origin::file(COMMAND_LINE), &mut problems);
        }
        add_overrides(&mut settings, options, &mut problems);
        finish(&settings, COMMAND_LINE, options.strict, &read_file, problems)
    }

    /// The server that starts when nothing is said: clients on 127.0.0.1:2181, data in `./zkrs-data`, a tick of
    /// 2000 ms as in Apache's sample configuration, the default of every other key.
    pub fn default_local() -> ServerConfig {
        let text = b"dataDir=./zkrs-data\ntickTime=2000\nclientPort=2181\nclientPortAddress=127.0.0.1\n";
        let (config, _) = ServerConfig::from_text("default", text, true).expect("the defaults are right");
        config
    }
}

fn load_text(name: &str, text: &[u8], options: &LoadOptions, read: ReadFile<'_>) -> ConfigResult {
    let mut problems = Problems::default();
    let mut settings = with_java_properties(options, &mut problems);
    settings.add_file(name, text, &mut problems);
    if !problems.errors.is_empty() {
        return Err(problems.errors);
    }
    add_overrides(&mut settings, options, &mut problems);
    finish(&settings, name, options.strict, read, problems)
}

fn with_java_properties(options: &LoadOptions, problems: &mut Problems) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in &options.java_properties {
        let known = super::keys::find(name).is_some();
        // An unknown name is ours to warn of only if it claims to be ZooKeeper's.
        if known || name.starts_with("zookeeper.") {
            settings.add(name, trim(value), Origin::file(COMMAND_LINE), problems);
        }
    }
    settings
}

fn add_overrides(settings: &mut Settings, options: &LoadOptions, problems: &mut Problems) {
    for (name, value) in &options.overrides {
        settings.add(trim(name), trim(value), Origin::file(COMMAND_LINE), problems);
    }
}

fn finish(
    settings: &Settings,
    file: &str,
    strict: bool,
    read: ReadFile<'_>,
    mut problems: Problems,
) -> ConfigResult {
    settings.check(&mut problems);
    let server_id = read_my_id(settings, file, read, &mut problems);
    let (peers, peers_file) = match settings.get("dynamicConfigFile") {
        None => (peers::read(settings, &mut problems), file.to_owned()),
        Some(setting) => {
            refuse_static_members(settings, &mut problems);
            let name = setting.value.clone();
            (read_dynamic(settings, &name, read, &mut problems), name)
        }
    };
    let sasl_users = jaas::read_users(settings, read, &mut problems);
    let around = Surroundings { file, server_id, peers, sasl_users };
    let config = build::build(settings, around, &mut problems);
    ensemble::check(&config, &peers_file, settings, &mut problems);
    ensemble::refuse(&config, &peers_file, &mut problems);
    note_single_server(&config, settings, &peers_file, &mut problems);
    problems.finish(strict).map(|warnings| (config, warnings))
}

/// The id in `dataDir/myid`; without that file there is none (QuorumPeerConfig.setupMyId).
fn read_my_id(settings: &Settings, file: &str, read: ReadFile<'_>, problems: &mut Problems) -> Option<i64> {
    let data_dir = settings.text("dataDir").filter(|path| !path.is_empty() && !path.contains('\0'))?;
    let path = Path::new(data_dir).join("myid");
    let name = path.to_string_lossy();
    match read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let first = trim(text.split(['\n', '\r']).next().unwrap_or_default());
            let id = first.parse().ok();
            if id.is_none() {
                let problem = format!("\"{}\" is not a server id", shown(first));
                let remedy = "write this server's id to it, one line with a number".to_owned();
                problems.error(&Origin { file: name.into_owned(), line: Some(1) }, "", problem, remedy);
            }
            id
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let (origin, written) = settings.place("dataDir", file);
            let problem = format!("{} {}", shown(&name), cannot_read(&error));
            problems.error(&origin, &written, problem, "give the server the right to read it".to_owned());
            None
        }
    }
}

/// With a dynamic file, all that it is for must be in it (QuorumPeerConfig.parseProperties).
fn refuse_static_members(settings: &Settings, problems: &mut Problems) {
    for prefix in ["server.", "group.", "weight."] {
        for (_, setting) in settings.family(prefix) {
            let problem = "is in the static file, but there is a dynamicConfigFile".to_owned();
            let remedy = "move the line to the dynamic file".to_owned();
            problems.error(&setting.origin, &setting.written, problem, remedy);
        }
    }
}

fn read_dynamic(
    settings: &Settings,
    name: &str,
    read: ReadFile<'_>,
    problems: &mut Problems,
) -> peers::PeersConfig {
    let bytes = match read(Path::new(name)) {
        Ok(bytes) => bytes,
        Err(error) => {
            let (origin, written) = settings.place("dynamicConfigFile", name);
            let problem = format!("{} {}", shown(name), cannot_read(&error));
            problems.error(
                &origin,
                &written,
                problem,
                "check the path; a relative one starts in the working directory".to_owned(),
            );
            return peers::PeersConfig::default();
        }
    };
    let entries = properties::parse(&bytes).unwrap_or_default();
    for entry in &entries {
        let key = trim(&entry.key);
        let origin = Origin { file: name.to_owned(), line: Some(entry.line) };
        let belongs = ["server.", "group.", "weight."].iter().any(|prefix| key.starts_with(prefix));
        let problem = match key {
            "version" => "the version is the suffix of the file's name, never in the file",
            _ if belongs => continue,
            _ => "does not belong into a dynamic configuration file",
        };
        problems.error(
            &origin,
            key,
            problem.to_owned(),
            "remove the line, or move it to the static file".to_owned(),
        );
    }
    let mut dynamic = Settings::default();
    let mut own_problems = Problems::default();
    dynamic.add_file(name, &bytes, &mut own_problems);
    // Keys that do not belong here were reported above, and not as unknown ones.
    own_problems.warnings.retain(|warning| warning.kind == WarningKind::Duplicate);
    problems.errors.append(&mut own_problems.errors);
    problems.warnings.append(&mut own_problems.warnings);
    dynamic.inherit("multiAddress.enabled", settings);
    let mut peers = peers::read(&dynamic, problems);
    peers.version = version_of(name).unwrap_or_default();
    peers
}

/// The hexadecimal number after the last dot of a dynamic file's name (QuorumPeerConfig.getVersionFromFilename).
fn version_of(name: &str) -> Option<u64> {
    let (_, suffix) = name.rsplit_once('.')?;
    let version = i64::from_str_radix(suffix, 16).ok()?;
    u64::try_from(version).ok()
}

/// HBase writes one server line; Apache calls that invalid and goes on standalone.
fn note_single_server(config: &ServerConfig, settings: &Settings, file: &str, problems: &mut Problems) {
    let only = config.peers.servers.keys().next();
    if let (Some(id), true, 1) = (only, config.standalone_enabled, config.peers.participants()) {
        let here = settings.family("server.").next().map(|(_, setting)| setting.origin.clone());
        let text = "is the only server: it serves standalone".to_owned();
        let origin = here.unwrap_or_else(|| Origin::file(file));
        problems.warn(&origin, &format!("server.{id}"), WarningKind::Note, text);
    }
}

fn cannot_read(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

/// Reads a file, and no more of it than a properties file may have (plus one byte, by which that is noticed).
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = PROPERTIES_BYTES_MAX as u64 + 1;
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
