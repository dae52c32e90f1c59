//! The command line of `zkrs server`.

// The texts below are help pages, where brackets mean what they mean in a usage line.
#![allow(rustdoc::broken_intra_doc_links)]

use std::path::Path;

use clap::{Parser, ValueEnum};
use zkrs_server::config::container::process_env;
use zkrs_server::config::{ConfigResult, LoadOptions, ServerConfig};

/// Run a standalone server in the foreground until SIGTERM or SIGINT.
///
/// Without arguments it serves on 127.0.0.1:2181 and keeps its data in ./zkrs-data. One argument is a zoo.cfg;
/// two to four are Apache's short form: clientPort dataDir [tickTime] [maxClientCnxns].
///
/// ZKRS_LOG filters the log, as in ZKRS_LOG=warn,zkrs_server=debug.
#[derive(Debug, Parser)]
#[command(name = "zkrs server")]
pub struct Args {
    /// zoo.cfg, or clientPort dataDir [tickTime] [maxClientCnxns]
    #[arg(num_args = 0..=4)]
    pub words: Vec<String>,
    /// Make zoo.cfg and myid from the ZOO_* variables of ZooKeeper's container image where they are missing
    #[arg(long, conflicts_with = "words")]
    pub from_env: bool,
    /// Refuse every line of the configuration that does not do what it says
    #[arg(long)]
    pub strict_config: bool,
    /// Set a key over the configuration file
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub overrides: Vec<(String, String)>,
    /// Set a property below the configuration file, as Java's -Dzookeeper.KEY=VALUE does
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = pair)]
    pub java_properties: Vec<(String, String)>,
    /// How log lines look
    #[arg(long, value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Run in a session of its own, apart from the terminal (zkServer.sh start)
    #[arg(long, hide = true)]
    pub detached: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text for each event.
    Text,
    /// One JSON object a line.
    Json,
}

impl Args {
    /// The configuration that the words name.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn config(&self) -> ConfigResult {
        let options = LoadOptions {
            strict: self.strict_config,
            java_properties: self.java_properties.clone(),
            overrides: self.overrides.clone(),
        };
        match self.words.as_slice() {
            _ if self.from_env => ServerConfig::from_env(&process_env, &options),
            [] if options.overrides.is_empty() && options.java_properties.is_empty() => {
                Ok((ServerConfig::default_local(), Vec::new()))
            }
            [] => default_local_with(options),
            [file] => ServerConfig::load(Path::new(file), &options),
            words => ServerConfig::from_args(words, &options),
        }
    }
}

/// The local default with other values for some keys.
fn default_local_with(mut options: LoadOptions) -> ConfigResult {
    let words = ["2181", "./zkrs-data", "2000", "60"].map(str::to_owned);
    if !options.overrides.iter().any(|(name, _)| name == "clientPortAddress") {
        options.overrides.push(("clientPortAddress".to_owned(), "127.0.0.1".to_owned()));
    }
    ServerConfig::from_args(&words, &options)
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        // As Java has it, a property without a value is set to nothing.
        None if !text.is_empty() => Ok((text.to_owned(), String::new())),
        _ => Err("not NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        let words = std::iter::once("zkrs server").chain(line.split_whitespace());
        Args::try_parse_from(words).unwrap()
    }

    #[test]
    fn words_and_properties() {
        let args = parse("-Dzookeeper.snapCount=10 -Dx zoo.cfg --set clientPort=0 --strict-config");
        assert_eq!(args.words, ["zoo.cfg"]);
        let expected = [("zookeeper.snapCount".to_owned(), "10".to_owned()), ("x".to_owned(), String::new())];
        assert_eq!(args.java_properties, expected);
        assert_eq!(args.overrides, [("clientPort".to_owned(), "0".to_owned())]);
        assert!(args.strict_config && !args.detached);
    }

    #[test]
    fn the_local_default_keeps_what_is_not_set() {
        let (config, warnings) = parse("--set snapCount=500").config().unwrap();
        let mut expected = ServerConfig::default_local();
        expected.snapshots.snap_count = 500;
        assert_eq!(config, expected);
        assert_eq!(warnings, []);
    }

    #[test]
    fn apaches_short_form() {
        let (config, _) = parse("2182 /tmp/zkrs-args 3000 7").config().unwrap();
        assert_eq!(config.clients.address.port, 2182);
        assert_eq!(config.sessions.tick_time_ms, 3000);
        assert_eq!(config.clients.connections_per_address_max, 7);
    }
}
