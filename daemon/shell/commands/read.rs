//! `get`, `ls`, `stat`, `getAllChildrenNumber`, `getEphemerals`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use zkrs_client::{Data, ErrorCode, Stat};

use super::{Context, walk};
use crate::shell::error::{CliError, Outcome};
use crate::shell::flags::{Flag, Words};
use crate::shell::hexdump::hexdump;
use crate::shell::{path, stat as stat_lines};

pub const GET_FLAGS: &[Flag] = &[
    Flag::switch("s", "Print znode stats additionally"),
    Flag::switch("w", "Watch for changes on the znode"),
    Flag::switch("b", "Output data in base64 format"),
    Flag::switch("x", "Output data in hexdump format"),
];

pub const LS_FLAGS: &[Flag] = &[
    Flag::switch("?", "help"),
    Flag::switch("s", "stat"),
    Flag::switch("w", "watch"),
    Flag::switch("R", "recurse"),
];

pub async fn get(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    path::check(path)?;
    let (data, stat) = if words.has("w") {
        let (data, stat, one_shot) = cx.client.get_data_and_watch(path).await?;
        cx.events.one_shot(one_shot);
        (data, stat)
    } else {
        cx.client.get_data(path).await?
    };
    let bytes = data.as_option().unwrap_or(b"null");
    if words.has("x") {
        cx.out.line(&hexdump(bytes));
    } else if words.has("b") {
        cx.out.line(&BASE64.encode(bytes));
    } else {
        cx.out.line(&String::from_utf8_lossy(bytes));
    }
    if words.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    let mut record = Map::from_iter([data_field(&data, words.has("b"))]);
    record.insert("path".to_owned(), json!(path));
    record.insert("stat".to_owned(), stat_lines::json(&stat));
    cx.out.record(Value::Object(record));
    Ok(())
}

pub async fn ls(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    if words.has("R") {
        return ls_recursive(cx, path, words.has("w")).await;
    }
    path::check(path)?;
    let (mut children, stat) = if words.has("w") {
        let (children, stat, one_shot) = cx.client.get_children_with_stat_and_watch(path).await?;
        cx.events.one_shot(one_shot);
        (children, stat)
    } else {
        cx.client.get_children_with_stat(path).await?
    };
    walk::sort(&mut children);
    cx.out.line(&format!("[{}]", children.join(", ")));
    if words.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    cx.out.record(json!({ "path": path, "children": children, "stat": stat_lines::json(&stat) }));
    Ok(())
}

async fn ls_recursive(cx: &Context<'_>, root: &str, watch: bool) -> Outcome {
    let mut walk = walk::Walk::start(cx, root, watch).await?;
    while let Some(path) = walk.next(cx).await? {
        cx.out.line(&path);
        cx.out.record(json!({ "path": path }));
    }
    Ok(())
}

pub async fn stat(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    path::check(path)?;
    let stat: Option<Stat> = if words.has("w") {
        let (stat, one_shot) = cx.client.exists_and_watch(path).await?;
        cx.events.one_shot(one_shot);
        stat
    } else {
        cx.client.exists(path).await?
    };
    let stat = stat.ok_or_else(|| CliError::of_code(ErrorCode::NoNode, Some(path)))?;
    stat_lines::print(cx.out, &stat);
    cx.out.record(json!({ "path": path, "stat": stat_lines::json(&stat) }));
    Ok(())
}

pub async fn all_children_number(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    path::check(path)?;
    let number = cx.client.get_all_children_number(path).await?;
    cx.out.line(&number.to_string());
    cx.out.record(json!({ "path": path, "allChildrenNumber": number }));
    Ok(())
}

pub async fn ephemerals(cx: &Context<'_>, words: &Words) -> Outcome {
    let prefix = words.words.get(1).map_or("/", String::as_str);
    path::check(prefix)?;
    let paths = cx.client.get_ephemerals(prefix).await?;
    cx.out.line(&format!("[{}]", paths.join(", ")));
    cx.out.record(json!({ "ephemerals": paths }));
    Ok(())
}

/// Data in JSON: text where it is text, base64 otherwise or where that was asked for.
fn data_field(data: &Data, wants_base64: bool) -> (String, Value) {
    let text = data.as_option().map(std::str::from_utf8);
    match (data.as_option(), text) {
        (None, _) => ("data".to_owned(), Value::Null),
        (_, Some(Ok(text))) if !wants_base64 => ("data".to_owned(), json!(text)),
        (Some(bytes), _) => ("base64".to_owned(), json!(BASE64.encode(bytes))),
    }
}
