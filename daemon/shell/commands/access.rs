//! `getAcl`, `setAcl`, `addauth`, `whoami`.

use serde_json::json;
use zkrs_client::{Acl, ErrorCode};

use super::{Context, expected_version, walk};
use crate::shell::error::{CliError, Outcome, keeper_message};
use crate::shell::flags::{Flag, Words};
use crate::shell::{acl, path, stat as stat_lines};

pub const SET_FLAGS: &[Flag] =
    &[Flag::switch("s", "stats"), Flag::valued("v", "version"), Flag::switch("R", "recursive")];

pub async fn get_acl(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    path::check(path)?;
    let (acls, stat) = cx.client.get_acl(path).await?;
    for entry in &acls {
        cx.out.line(&format!("{}: {}", acl::id_text(&entry.id), acl::letters(entry.perms)));
    }
    if words.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    let entry = |entry: &Acl| json!({ "scheme": entry.id.scheme, "id": entry.id.id, "perms": acl::letters(entry.perms) });
    let entries: Vec<_> = acls.iter().map(entry).collect();
    cx.out.record(json!({ "path": path, "acl": entries, "stat": stat_lines::json(&stat) }));
    Ok(())
}

pub async fn set_acl(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    let acls = acl::parse(&words.words[2], |complaint| cx.out.note(&complaint));
    let version = expected_version(words)?;
    if words.has("R") {
        let mut walk = walk::Walk::start(cx, path, false).await?;
        while let Some(path) = walk.next(cx).await? {
            set_one_of_many(cx, &path, &acls, version).await;
        }
        cx.out.record(json!({ "path": path, "recursive": true }));
        return Ok(());
    }
    path::check(path)?;
    refuse_empty(&acls)?;
    let stat = cx.client.set_acl(path, &acls, version).await?;
    if words.has("s") {
        stat_lines::print(cx.out, &stat);
    }
    cx.out.record(json!({ "path": path, "stat": stat_lines::json(&stat) }));
    Ok(())
}

/// What goes wrong with one znode is printed, without a new line, and the walk goes on.
async fn set_one_of_many(cx: &Context<'_>, path: &str, acls: &[Acl], version: zkrs_client::Version) {
    if refuse_empty(acls).is_err() {
        cx.out.text(&keeper_message(ErrorCode::InvalidAcl, None));
        cx.out.failure(json!({ "error": keeper_message(ErrorCode::InvalidAcl, None), "path": path }));
    } else if let Err(error) = cx.client.set_acl(path, acls, version).await {
        let text = match error.code() {
            Some(code) => keeper_message(code, error.path()),
            None => error.to_string(),
        };
        cx.out.text(&text);
        cx.out.failure(json!({ "error": text, "path": path }));
    }
}

/// The Java client refuses an empty list before it sends anything.
fn refuse_empty(acls: &[Acl]) -> Result<(), CliError> {
    if acls.is_empty() { Err(CliError::of_code(ErrorCode::InvalidAcl, None)) } else { Ok(()) }
}

pub async fn add_auth(cx: &Context<'_>, words: &Words) -> Outcome {
    let credentials = words.words.get(2).map_or(&b""[..], |text| text.as_bytes());
    match cx.client.auth(&words.words[1], credentials).await {
        Ok(()) => cx.out.record(json!({ "authenticated": words.words[1] })),
        // zkCli does not wait for the answer; that the session is over is told as an event.
        Err(error) if error.code() == Some(ErrorCode::AuthFailed) => {
            cx.out.failure(CliError::from(error).json());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

pub async fn who_am_i(cx: &Context<'_>) -> Outcome {
    let infos = cx.client.who_am_i().await?;
    cx.out.line("Auth scheme: User");
    for info in &infos {
        cx.out.line(&format!("{}: {}", info.scheme, info.user));
    }
    let entries: Vec<_> =
        infos.iter().map(|info| json!({ "scheme": info.scheme, "user": info.user })).collect();
    cx.out.record(json!({ "identities": entries }));
    Ok(())
}
