//! The table of zkCli's commands, their usage, and the way from a line's words to the code that runs them.
//!
//! Texts, flags, streams and exit codes are those of `org.apache.zookeeper.cli` 3.9.5.

mod access;
mod create;
mod ensemble;
mod quota;
mod read;
mod walk;
mod watch;
mod write;

use std::sync::atomic::AtomicBool;

use zkrs_client::Client;

use super::error::{CliError, Outcome};
use super::events::Events;
use super::flags::{Flag, Grammar, Together, Words};
use super::output::Output;

/// What a command works with.
pub struct Context<'a> {
    pub client: &'a Client,
    pub out: &'a Output,
    pub events: &'a Events,
    /// Set by commands that leave ephemeral znodes behind.
    pub made_ephemeral: &'a AtomicBool,
}

/// A command: how it is called, and how its words are read.
pub struct Command {
    pub name: &'static str,
    /// What follows the name in a usage text.
    pub arguments: &'static str,
    pub grammar: Grammar,
    /// How many words there must be, the name included.
    words_min: usize,
    words_max: usize,
    /// Whether the usage text describes the flags.
    describes_flags: bool,
}

impl Command {
    const fn new(
        name: &'static str,
        arguments: &'static str,
        flags: &'static [Flag],
        words_min: usize,
    ) -> Self {
        let grammar = Grammar::of(flags);
        Self { name, arguments, grammar, words_min, words_max: usize::MAX, describes_flags: false }
    }

    const fn together(mut self, together: Together) -> Self {
        self.grammar.together = together;
        self
    }

    const fn words_max(mut self, words_max: usize) -> Self {
        self.words_max = words_max;
        self
    }

    const fn describes_flags(mut self) -> Self {
        self.describes_flags = true;
        self
    }

    /// The usage text, without a last new line of its own.
    fn usage(&self) -> String {
        let call = format!("{} {}", self.name, self.arguments);
        if self.describes_flags { format!("{call}\n{}", self.grammar.describe()) } else { call }
    }

    fn read(&self, tokens: &[String]) -> Result<Words, CliError> {
        let words = self.grammar.parse(tokens)?;
        if (self.words_min..=self.words_max).contains(&words.words.len()) {
            Ok(words)
        } else {
            Err(CliError::new(self.usage()))
        }
    }
}

/// Commands that need a server, by name.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "addWatch",
        "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is \
         PERSISTENT_RECURSIVE",
        &[Flag::valued("m", "")],
        2,
    )
    .words_max(2),
    Command::new("addauth", "scheme auth", &[], 2),
    Command::new("close", "", &[], 1),
    Command::new("config", "[-c] [-w] [-s]", ensemble::CONFIG_FLAGS, 1),
    Command::new("create", "[-s] [-e] [-c] [-t ttl] path [data] [acl]", create::FLAGS, 2),
    Command::new("delete", "[-v version] path", &[Flag::valued("v", "version")], 2),
    Command::new("deleteall", "path [-b batch size]", &[Flag::valued("b", "batch size")], 2),
    Command::new("delquota", "[-n|-b|-N|-B] path", quota::DELETE_FLAGS, 2).together(Together::OneAtMost),
    Command::new("get", "[-s] [-w] [-b] [-x] path", read::GET_FLAGS, 2).describes_flags(),
    Command::new("getAcl", "[-s] path", &[Flag::switch("s", "stats")], 2),
    Command::new("getAllChildrenNumber", "path", &[], 2),
    Command::new("getEphemerals", "path", &[], 1),
    Command::new("listquota", "path", &[], 2),
    Command::new("ls", "[-s] [-w] [-R] path", read::LS_FLAGS, 1),
    Command::new(
        "reconfig",
        "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | \
         [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
        ensemble::RECONFIG_FLAGS,
        1,
    ),
    Command::new("removewatches", "path [-c|-d|-a] [-l]", watch::REMOVE_FLAGS, 2),
    Command::new("set", "path data [-s] [-v version] [-b]", write::SET_FLAGS, 3).describes_flags(),
    Command::new("setAcl", "[-s] [-v version] [-R] path acl", access::SET_FLAGS, 3),
    Command::new("setquota", "-n|-b|-N|-B val path", quota::SET_FLAGS, 2).together(Together::OneOf),
    Command::new("stat", "[-w] path", &[Flag::switch("w", "watch")], 2),
    Command::new("sync", "path", &[], 2),
    Command::new("version", "", &[], 1).words_max(1),
    Command::new("whoami", "", &[], 1),
];

/// Commands of the shell itself, with what follows their names.
pub const OWN: &[(&str, &str)] =
    &[("connect", "host:port"), ("history", ""), ("printwatches", "on|off"), ("quit", ""), ("redo", "cmdno")];

/// Names of older zkClis, and what they became.
const FORMER: &[(&str, &str)] = &[("ls2", "ls -s"), ("rmr", "deleteall")];

/// The text that `help` and unknown commands print.
pub fn usage() -> String {
    let calls = COMMANDS.iter().map(|command| (command.name, command.arguments)).chain(OWN.iter().copied());
    let mut calls: Vec<_> = calls.collect();
    calls.sort_unstable();
    let mut usage = "ZooKeeper -server host:port -client-configuration properties-file cmd args".to_owned();
    for (name, arguments) in calls {
        usage.push_str(&format!("\n\t{name} {arguments}"));
    }
    usage
}

/// Every name that can begin a line, sorted.
pub fn names() -> Vec<&'static str> {
    let own = OWN.iter().map(|(name, _)| *name);
    let mut names: Vec<_> = COMMANDS.iter().map(|command| command.name).chain(own).chain(["help"]).collect();
    names.sort_unstable();
    names
}

/// Whether [`run`] knows a command.
pub fn is_known(name: &str) -> bool {
    COMMANDS.iter().any(|command| command.name == name) || FORMER.iter().any(|(former, _)| *former == name)
}

/// Runs a command that needs a server.
///
/// # Errors
/// What zkCli prints to standard error, with its exit code.
pub async fn run(cx: &Context<'_>, mut tokens: Vec<String>) -> Outcome {
    renew(cx, &mut tokens);
    let first = tokens.first().map(String::as_str).unwrap_or_default();
    let Some(command) = COMMANDS.iter().find(|command| command.name == first) else {
        return Err(CliError::not_found(first));
    };
    let name = command.name;
    // These two take and ignore anything.
    match name {
        "whoami" => return access::who_am_i(cx).await,
        "close" => return close(cx).await,
        _ => {}
    }
    let mut words = command.read(&tokens)?;
    if name == "ls" && words.has("?") {
        cx.out.text(&format!("usage: ls [options] path\n{}", command.grammar.describe()));
    }
    if words.words.len() > 2 && matches!(name, "get" | "ls" | "stat") {
        let flags = if name == "get" { "[-s] [-w]" } else { "[-w]" };
        cx.out.note(&format!(
            "'{name} path [watch]' has been deprecated. Please use '{name} {flags} path' instead."
        ));
        // zkCli puts the flag in the place of the third word, whatever it is.
        tokens[2] = "-w".to_owned();
        words = command.read(&tokens)?;
    }
    if words.words.len() < 2 && name == "ls" {
        return Err(CliError::new(command.usage()));
    }
    match name {
        "addWatch" => watch::add(cx, &words, || CliError::new(command.usage())).await,
        "addauth" => access::add_auth(cx, &words).await,
        "config" => ensemble::config(cx, &words).await,
        "create" => create::create(cx, &words).await,
        "delete" => write::delete(cx, &words).await,
        "deleteall" => write::delete_all(cx, &words).await,
        "delquota" => quota::delete(cx, &words).await,
        "get" => read::get(cx, &words).await,
        "getAcl" => access::get_acl(cx, &words).await,
        "getAllChildrenNumber" => read::all_children_number(cx, &words).await,
        "getEphemerals" => read::ephemerals(cx, &words).await,
        "listquota" => quota::list(cx, &words).await,
        "ls" => read::ls(cx, &words).await,
        "reconfig" => ensemble::reconfig(cx, &words, || CliError::new(command.usage())).await,
        "removewatches" => watch::remove(cx, &words).await,
        "set" => write::set(cx, &words).await,
        "setAcl" => access::set_acl(cx, &words).await,
        "setquota" => quota::set(cx, &words).await,
        "stat" => read::stat(cx, &words).await,
        "sync" => write::sync(cx, &words).await,
        "version" => version(cx),
        name => Err(CliError::not_found(name)),
    }
}

/// `ls2` and `rmr` are gone from zkCli 3.9 but not from people's scripts.
fn renew(cx: &Context<'_>, tokens: &mut Vec<String>) {
    let Some((former, now)) = FORMER.iter().find(|(former, _)| tokens.first().is_some_and(|t| t == former))
    else {
        return;
    };
    cx.out.note(&format!("The command '{former}' has been deprecated. Please use '{now}' instead."));
    tokens[0] = now.split(' ').next().unwrap_or_default().to_owned();
    if *former == "ls2" {
        tokens.push("-s".to_owned());
    }
}

async fn close(cx: &Context<'_>) -> Outcome {
    cx.client.close().await?;
    cx.out.record(serde_json::json!({ "closed": true }));
    Ok(())
}

fn version(cx: &Context<'_>) -> Outcome {
    cx.out.line(&format!("ZooKeeper CLI version: {}", crate::version::FULL));
    cx.out.record(serde_json::json!({ "version": crate::version::FULL }));
    Ok(())
}

/// A flag's whole number.
fn number<N: std::str::FromStr>(text: &str) -> Result<N, CliError> {
    // Java reads a leading plus too, as Rust does.
    text.parse().map_err(|_| CliError::new(format!("For input string: \"{text}\"")))
}

/// The version that `-v` asks for; without it, or with -1, any.
fn expected_version(words: &Words) -> Result<zkrs_client::Version, CliError> {
    let version: i32 = words.value("v").map_or(Ok(-1), number)?;
    Ok((version != -1).then_some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_lists_all_commands_in_order() {
        let usage = usage();
        let lines: Vec<&str> = usage.lines().collect();
        assert_eq!(lines.len(), 1 + COMMANDS.len() + OWN.len());
        assert_eq!(lines[2], "\taddauth scheme auth");
        assert!(lines[1].starts_with("\taddWatch [-m mode] path # optional"));
        assert_eq!(lines[3], "\tclose ");
        assert!(lines[1..].is_sorted());
    }

    #[test]
    fn too_few_words_show_the_usage() {
        let read = |line: &str| {
            let tokens: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let command = COMMANDS.iter().find(|command| command.name == tokens[0]).unwrap();
            command.read(&tokens).map_err(|error| error.text().to_owned())
        };
        assert_eq!(read("create").unwrap_err(), "create [-s] [-e] [-c] [-t ttl] path [data] [acl]");
        let expected = "set path data [-s] [-v version] [-b]\n \
                        -b         Supply data in base64 format\n \
                        -s         Print znode stats additionally\n \
                        -v <arg>   Set with an expected version\n";
        assert_eq!(read("set /a").unwrap_err(), expected);
        assert_eq!(read("version 1").unwrap_err(), "version ");
        assert!(read("create -e /a").is_ok());
    }
}
