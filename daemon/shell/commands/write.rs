//! `set`, `delete`, `deleteall`, `sync`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use zkrs_client::Op;

use super::{Context, expected_version, walk};
use crate::shell::error::{CliError, Outcome};
use crate::shell::flags::{Flag, Words};
use crate::shell::{path, stat as stat_lines};

pub const SET_FLAGS: &[Flag] = &[
    Flag::switch("s", "Print znode stats additionally"),
    Flag::valued("v", "Set with an expected version"),
    Flag::switch("b", "Supply data in base64 format"),
];

/// Deletions in one transaction when `-b` is not given.
const DELETE_BATCH: i32 = 1000;
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);

pub async fn set(cx: &Context<'_>, words: &Words) -> Outcome {
    let (path, text) = (&words.words[1], &words.words[2]);
    let data = if words.has("b") {
        BASE64.decode(text).map_err(|error| CliError::new(format!("data is not base64: {error}")))?
    } else {
        text.clone().into_bytes()
    };
    let version = expected_version(words)?;
    path::check(path)?;
    let stat = cx.client.set_data(path, &data, version).await?;
    if words.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    cx.out.record(json!({ "path": path, "stat": stat_lines::json(&stat) }));
    Ok(())
}

pub async fn delete(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    if words.words.len() > 2 {
        cx.out.note(
            "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.",
        );
    }
    let version = expected_version(words)?;
    path::check(path)?;
    cx.client.delete(path, version).await?;
    cx.out.record(json!({ "deleted": path }));
    Ok(())
}

pub async fn delete_all(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    let batch: i32 = match words.value("b") {
        Some(text) => text.parse().map_err(|_| CliError::new("-b argument must be an int value"))?,
        None => DELETE_BATCH,
    };
    path::check(path)?;
    let mut paths = walk::breadth_first(cx, path).await?;
    // Leaves first.
    paths.reverse();
    match usize::try_from(batch) {
        Ok(batch @ 1..) => {
            for paths in paths.chunks(batch) {
                let ops = paths.iter().map(|path| Op::delete(path.as_str(), None)).collect();
                if cx.client.multi(ops).await.is_err() {
                    cx.out.note("Failed to delete some node(s) in the subtree!");
                    cx.out.failure(json!({ "error": "Failed to delete some node(s) in the subtree!" }));
                    return Ok(());
                }
            }
        }
        // A batch of nothing means one request for each znode.
        _ => {
            for path in &paths {
                cx.client.delete(path, None).await?;
            }
        }
    }
    cx.out.record(json!({ "deleted": path, "znodes": paths.len() }));
    Ok(())
}

pub async fn sync(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    path::check(path)?;
    match tokio::time::timeout(SYNC_TIMEOUT, cx.client.sync(path)).await {
        Ok(Ok(_)) => {
            cx.out.line("Sync is OK");
            cx.out.record(json!({ "synced": path }));
            Ok(())
        }
        Ok(Err(error)) => match error.code() {
            Some(code) => {
                cx.out.line(&format!("Sync has failed. rc={}", code.0));
                cx.out.failure(CliError::from(error).json());
                Ok(())
            }
            None => Err(error.into()),
        },
        Err(_) => Err(CliError::new(format!("no answer to sync within {} s", SYNC_TIMEOUT.as_secs()))),
    }
}
