//! `addWatch`, `removewatches`. What the watches bring is printed by [`crate::shell::events`].

use serde_json::json;
use zkrs_client::{AddWatchMode, WatcherType};

use super::Context;
use crate::shell::error::{CliError, Outcome};
use crate::shell::flags::{Flag, Words};
use crate::shell::path;

pub const REMOVE_FLAGS: &[Flag] = &[
    Flag::switch("c", "child watcher type"),
    Flag::switch("d", "data watcher type"),
    Flag::switch("p", "persistent watcher type"),
    Flag::switch("r", "persistent recursive watcher type"),
    Flag::switch("a", "any watcher type"),
    Flag::switch("l", "remove locally when there is no server connection"),
];

pub async fn add(cx: &Context<'_>, words: &Words, usage: impl Fn() -> CliError) -> Outcome {
    let path = &words.words[1];
    let mode = match words.value("m").map(str::to_uppercase).as_deref() {
        None | Some("PERSISTENT_RECURSIVE") => AddWatchMode::PersistentRecursive,
        Some("PERSISTENT") => AddWatchMode::Persistent,
        Some(_) => return Err(usage()),
    };
    path::check(path)?;
    let watcher = cx.client.add_watch(path, mode).await?;
    cx.events.persistent(watcher);
    let name = if mode == AddWatchMode::Persistent { "PERSISTENT" } else { "PERSISTENT_RECURSIVE" };
    cx.out.record(json!({ "path": path, "mode": name }));
    Ok(())
}

pub async fn remove(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    let kinds = [
        ("c", WatcherType::Children),
        ("d", WatcherType::Data),
        ("p", WatcherType::Persistent),
        ("r", WatcherType::PersistentRecursive),
    ];
    let kind = kinds.iter().find(|(flag, _)| words.has(flag)).map_or(WatcherType::Any, |(_, kind)| *kind);
    path::check(path)?;
    cx.client.remove_watches(path, kind, words.has("l")).await?;
    cx.out.record(json!({ "path": path, "removed": true }));
    Ok(())
}
