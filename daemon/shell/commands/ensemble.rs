//! `config`, `reconfig`: the ensemble's membership.

use serde_json::json;
use zkrs_client::Reconfig;

use super::Context;
use crate::shell::error::{CliError, Outcome};
use crate::shell::flags::{Flag, Words};
use crate::shell::stat as stat_lines;

pub const CONFIG_FLAGS: &[Flag] =
    &[Flag::switch("s", "stats"), Flag::switch("w", "watch"), Flag::switch("c", "client connection string")];

pub const RECONFIG_FLAGS: &[Flag] = &[
    Flag::switch("s", "stats"),
    Flag::valued("v", "required current config version"),
    Flag::valued("file", "path of config file to parse for membership"),
    Flag::valued("members", "comma-separated list of config strings for non-incremental reconfig"),
    Flag::valued("add", "comma-separated list of config strings for new servers"),
    Flag::valued("remove", "comma-separated list of server IDs to remove"),
];

pub async fn config(cx: &Context<'_>, words: &Words) -> Outcome {
    let (data, stat) = if words.has("w") {
        let (data, stat, one_shot) = cx.client.get_config_and_watch().await?;
        cx.events.one_shot(one_shot);
        (data, stat)
    } else {
        cx.client.get_config().await?
    };
    let text = String::from_utf8_lossy(data.as_option().unwrap_or(b"null"));
    if words.has("c") {
        cx.out.line(&connect_text(&text));
    } else {
        cx.out.line(&text);
    }
    if words.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    cx.out.record(json!({ "config": text, "clients": connect_text(&text), "stat": stat_lines::json(&stat) }));
    Ok(())
}

pub async fn reconfig(cx: &Context<'_>, words: &Words, usage: impl Fn() -> CliError) -> Outcome {
    let whole = words.has("file") || words.has("members");
    let step = words.has("add") || words.has("remove");
    if !whole && !step {
        return Err(usage());
    }
    let config_id = match words.value("v") {
        Some(text) => Some(
            i64::from_str_radix(text, 16)
                .map_err(|_| CliError::new("-v must be followed by a long (configuration version)"))?,
        ),
        None => None,
    };
    if whole && step {
        return Err(CliError::new(
            "Can't use -file or -members together with -add or -remove (mixing incremental and \
             non-incremental modes is not allowed)",
        ));
    }
    if words.has("file") && words.has("members") {
        return Err(CliError::new(
            "Can't use -file and -members together (conflicting non-incremental modes)",
        ));
    }
    let lower = |flag| words.value(flag).map(str::to_lowercase);
    let new_members = match words.value("file") {
        Some(file) => Some(members_of_file(file)?),
        None => lower("members"),
    };
    let request = Reconfig { joining: lower("add"), leaving: lower("remove"), new_members, config_id };
    let (data, stat) = cx.client.reconfig(request).await?;
    let text = String::from_utf8_lossy(&data);
    cx.out.line(&format!("Committed new configuration:\n{text}"));
    if words.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    cx.out.record(json!({ "config": text, "stat": stat_lines::json(&stat) }));
    Ok(())
}

/// The membership lines of a dynamic configuration file.
fn members_of_file(file: &str) -> Result<String, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::new(format!("Error processing {file}: {error}")))?;
    let is_membership =
        |line: &&str| ["server.", "group.", "weight."].iter().any(|prefix| line.starts_with(prefix));
    let lines: Vec<&str> = text.lines().map(str::trim).filter(is_membership).collect();
    if lines.is_empty() {
        return Err(CliError::new(format!("Error processing {file}: it has no server.N=... line")));
    }
    Ok(lines.join("\n"))
}

/// `<version> host:port,...`: what a client needs of the configuration.
fn connect_text(config: &str) -> String {
    let value = |prefix: &'static str| {
        config
            .lines()
            .filter_map(move |line| line.trim().split_once('=').filter(|(k, _)| k.starts_with(prefix)))
    };
    let version = value("version").map(|(_, version)| version).next().unwrap_or_default();
    let clients: Vec<String> = value("server.").filter_map(|(_, server)| client_address(server)).collect();
    format!("{version} {}", clients.join(","))
}

/// The part behind the semicolon; a port alone stands for every address.
fn client_address(server: &str) -> Option<String> {
    let client = server.split_once(';')?.1.trim();
    Some(if client.contains(':') { client.to_owned() } else { format!("0.0.0.0:{client}") })
}

#[cfg(test)]
mod tests {
    use super::connect_text;

    #[test]
    fn clients_of_a_configuration() {
        let config =
            "server.1=a:2888:3888:participant;10.0.0.1:2181\nserver.2=b:2888:3888:observer;2182\nversion=1f";
        assert_eq!(connect_text(config), "1f 10.0.0.1:2181,0.0.0.0:2182");
        assert_eq!(connect_text(""), " ");
    }
}
