//! The words after `zkrs shell` or `zkCli.sh`: zkCli's options, two of our own, and a command.

/// What the command line of the shell says.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub server: String,
    pub timeout_ms: u64,
    pub read_only: bool,
    pub wait_for_connection: bool,
    pub client_configuration: Option<String>,
    pub json: bool,
    pub quiet: bool,
    pub help: bool,
    /// A command to run instead of asking for lines; empty for none.
    pub command: Vec<String>,
}

/// The help of the shell itself.
pub const HELP: &str = "\
Usage: zkrs shell [options] [command [argument...]]

Without a command, reads commands line by line: with history and completion at a terminal, plainly otherwise.

  -server HOST:PORT[,HOST:PORT...][/CHROOT]   the servers, and the path that is to be the root [localhost:2181]
  -timeout MS                                 the session timeout [30000]
  -r                                          accept a read-only server
  -waitforconnection                          connect before the first command, or fail
  -client-configuration FILE                  accepted for zkCli's sake
  --json                                      one JSON object a line instead of zkCli's text
  -q, --quiet                                 no greeting and no session events, only what commands print

`zkrs shell help` lists the commands.
";

impl Options {
    /// Reads the options up to the first word that is none.
    ///
    /// # Notable behaviors
    /// As in zkCli, what begins with `-` and is not known is skipped.
    ///
    /// # Errors
    /// A text that names the option.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            server: "localhost:2181".to_owned(),
            timeout_ms: 30_000,
            read_only: false,
            wait_for_connection: false,
            client_configuration: None,
            json: false,
            quiet: false,
            help: false,
            command: Vec::new(),
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("Error: no argument found for option {word}"));
            match word.as_str() {
                "-server" | "--server" => options.server = value()?,
                "-timeout" | "--timeout" => options.timeout_ms = milliseconds(&value()?)?,
                "-client-configuration" => options.client_configuration = Some(value()?),
                "-r" => options.read_only = true,
                "-waitforconnection" => options.wait_for_connection = true,
                "--json" => options.json = true,
                "-q" | "--quiet" => options.quiet = true,
                "-h" | "-help" | "--help" => options.help = true,
                unknown if unknown.starts_with('-') => {}
                _ => {
                    options.command.push(word);
                    options.command.extend(words.by_ref());
                }
            }
        }
        Ok(options)
    }
}

fn milliseconds(text: &str) -> Result<u64, String> {
    match text.parse::<u32>() {
        Ok(number) if i32::try_from(number).is_ok() => Ok(u64::from(number)),
        _ => Err(format!("Error: -timeout {text}: not a number of milliseconds from 0 to 2147483647")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_end_at_the_command() {
        let options = parse("-server h:1/root -r -timeout 5000 -x create -e /a --json").unwrap();
        assert_eq!((options.server.as_str(), options.timeout_ms), ("h:1/root", 5000));
        assert!(options.read_only && !options.json);
        assert_eq!(options.command, ["create", "-e", "/a", "--json"]);
        assert!(parse("--json ls /").unwrap().json);
    }

    #[test]
    fn a_missing_or_bad_value_is_named() {
        assert_eq!(parse("-server").unwrap_err(), "Error: no argument found for option -server");
        assert!(parse("-timeout x").unwrap_err().contains("-timeout x"));
    }
}
