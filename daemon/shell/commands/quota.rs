//! `setquota`, `listquota`, `delquota`: ordinary requests on znodes below `/zookeeper/quota`.

use serde_json::json;
use zkrs_client::{Client, CreateMode, DataRef, Error, ErrorCode};

use super::{Context, walk};
use crate::shell::error::{CliError, Outcome};
use crate::shell::flags::{Flag, Words};
use crate::shell::limits::{BYTES, BYTES_HARD, COUNT, COUNT_HARD, Limits};
use crate::shell::path;

pub const SET_FLAGS: &[Flag] = &[
    Flag::valued("n", "num soft quota"),
    Flag::valued("b", "bytes soft quota"),
    Flag::valued("N", "num hard quota"),
    Flag::valued("B", "bytes hard quota"),
];

pub const DELETE_FLAGS: &[Flag] = &[
    Flag::switch("n", "num soft quota"),
    Flag::switch("b", "bytes soft quota"),
    Flag::switch("N", "num hard quota"),
    Flag::switch("B", "bytes hard quota"),
];

const QUOTA: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const USAGE: &str = "zookeeper_stats";
const KINDS: [(&str, &str); 4] = [("n", COUNT), ("b", BYTES), ("N", COUNT_HARD), ("B", BYTES_HARD)];

pub async fn set(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    if path.starts_with(QUOTA) {
        return refused(cx, &format!("cannot set a quota under the path: {QUOTA}"));
    }
    let mut wanted = Limits::default();
    for (_, key) in KINDS {
        wanted.set(key, -1);
    }
    for (flag, key) in KINDS {
        if let Some(text) = words.value(flag) {
            match limit(flag, text) {
                Ok(number) => wanted.set(key, number),
                Err(problem) => return refused(cx, problem),
            }
        }
    }
    path::check(path)?;
    if cx.client.exists(path).await?.is_none() {
        return Err(CliError::new(format!("{path} does not exist.")));
    }
    refuse_below(cx, path).await?;
    refuse_above(cx, path).await?;
    let limits = store(cx, path, &wanted).await?;
    cx.out.record(json!({ "path": path, "quota": limits.to_string() }));
    Ok(())
}

pub async fn list(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    let limits_path = format!("{QUOTA}{path}/{LIMITS}");
    cx.out.note(&format!("absolute path is {limits_path}"));
    path::check(&limits_path)?;
    let read = async {
        let limits = read(cx.client, &limits_path).await?;
        let usage = read(cx.client, &format!("{QUOTA}{path}/{USAGE}")).await?;
        Ok::<_, CliError>((limits, usage))
    };
    match read.await {
        Ok((limits, usage)) => {
            cx.out.line(&format!("Output quota for {path} {limits}"));
            cx.out.line(&format!("Output stat for {path} {usage}"));
            let record = json!({ "path": path, "quota": limits.to_string(), "usage": usage.to_string() });
            cx.out.record(record);
            Ok(())
        }
        Err(error) if error.code() == Some(ErrorCode::NoNode) => {
            refused(cx, &format!("quota for {path} does not exist."))
        }
        Err(error) => Err(error),
    }
}

pub async fn delete(cx: &Context<'_>, words: &Words) -> Outcome {
    let path = &words.words[1];
    match delete_limits(cx, words, path).await {
        Err(error) if error.code() == Some(ErrorCode::NoNode) => {
            refused(cx, &format!("quota for {path} does not exist."))
        }
        outcome => outcome,
    }
}

/// zkCli calls this a success: a line on standard error and exit code 0.
fn refused(cx: &Context<'_>, text: &str) -> Outcome {
    cx.out.note(text);
    cx.out.failure(json!({ "error": text }));
    Ok(())
}

fn limit(flag: &str, text: &str) -> Result<i64, &'static str> {
    let counts = matches!(flag, "n" | "N");
    let number: i64 = text
        .parse()
        .ok()
        .filter(|number| !counts || i32::try_from(*number).is_ok())
        .ok_or("NumberFormatException happens when parsing the option value")?;
    match counts {
        true if number <= 0 => Err("the num quota must be greater than zero"),
        false if number < 0 => Err("the bytes quota must be greater than or equal to zero"),
        _ => Ok(number),
    }
}

/// No quota may lie below another.
async fn refuse_below(cx: &Context<'_>, path: &str) -> Outcome {
    let own = format!("{QUOTA}{path}");
    let gone = |error: &CliError| error.code() == Some(ErrorCode::NoNode);
    let mut walk = match walk::Walk::start(cx, &own, false).await {
        Ok(walk) => walk,
        Err(error) if gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    while let Some(found) = walk.next(cx).await? {
        if let Some(holder) = found.strip_suffix(LIMITS).and_then(|rest| rest.strip_suffix('/'))
            && holder != own
        {
            let below = &holder[QUOTA.len()..];
            return Err(CliError::new(format!("{path} has a child {below} which has a quota")));
        }
    }
    Ok(())
}

async fn refuse_above(cx: &Context<'_>, path: &str) -> Outcome {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let mut above = QUOTA.to_owned();
    for segment in &segments[..segments.len().saturating_sub(1)] {
        above = format!("{above}/{segment}");
        let children = match cx.client.get_children(&above).await {
            Ok(children) => children,
            Err(error) if error.code() == Some(ErrorCode::NoNode) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if children.iter().any(|child| child == LIMITS) {
            let parent = &above[QUOTA.len()..];
            return Err(CliError::new(format!("{path} has a parent {parent} which has a quota")));
        }
    }
    Ok(())
}

/// Writes the limits: new ones as they are, or into those that are there.
async fn store(cx: &Context<'_>, path: &str, wanted: &Limits) -> Result<Limits, CliError> {
    let mut parent = QUOTA.to_owned();
    create_unless_there(cx.client, "/zookeeper").await?;
    create_unless_there(cx.client, QUOTA).await?;
    for segment in path.split('/').skip(1) {
        parent = format!("{parent}/{segment}");
        create_unless_there(cx.client, &parent).await?;
    }
    let (limits_path, usage_path) = (format!("{parent}/{LIMITS}"), format!("{parent}/{USAGE}"));
    let text = |limits: &Limits| limits.to_string().into_bytes();
    if cx.client.exists(&limits_path).await?.is_none() {
        let mut zero = Limits::default();
        zero.set(COUNT, 0);
        zero.set(BYTES, 0);
        cx.client.create(&limits_path, &text(wanted), CreateMode::Persistent).await?;
        cx.client.create(&usage_path, &text(&zero), CreateMode::Persistent).await?;
        let limits = read(cx.client, &limits_path).await?;
        warn_if_exceeded(cx, &limits, &read(cx.client, &usage_path).await?);
        return Ok(limits);
    }
    let mut limits = read(cx.client, &limits_path).await?;
    for (_, key) in KINDS {
        if wanted.get(key) > -1 {
            limits.set(key, wanted.get(key));
        }
    }
    warn_if_exceeded(cx, &limits, &read(cx.client, &usage_path).await?);
    cx.client.set_data(&limits_path, &text(&limits), None).await?;
    Ok(limits)
}

async fn create_unless_there(client: &Client, path: &str) -> Result<(), Error> {
    if client.exists(path).await?.is_some() {
        return Ok(());
    }
    match client.create(path, DataRef::NULL, CreateMode::Persistent).await {
        Err(error) if error.code() != Some(ErrorCode::NodeExists) => Err(error),
        _ => Ok(()),
    }
}

fn warn_if_exceeded(cx: &Context<'_>, limits: &Limits, usage: &Limits) {
    let exceeds = |key, used: i64| limits.get(key) > -1 && limits.get(key) < used;
    for (name, soft, hard) in [("count", COUNT, COUNT_HARD), ("bytes", BYTES, BYTES_HARD)] {
        let used = usage.get(soft);
        if exceeds(soft, used) || exceeds(hard, used) {
            let text =
                format!("[Warning]: the {name} quota you create is less than the existing {name}:{used}");
            cx.out.line(&text);
            cx.out.record(json!({ "warning": text }));
        }
    }
}

async fn read(client: &Client, path: &str) -> Result<Limits, CliError> {
    let (data, _) = client.get_data(path).await?;
    Limits::parse(&String::from_utf8_lossy(&data)).map_err(CliError::new)
}

async fn delete_limits(cx: &Context<'_>, words: &Words, path: &str) -> Outcome {
    let own = format!("{QUOTA}{path}");
    let limits_path = format!("{own}/{LIMITS}");
    path::check(&limits_path)?;
    if cx.client.exists(&limits_path).await?.is_none() {
        let text = format!("Quota does not exist for {path}");
        cx.out.line(&text);
        cx.out.failure(json!({ "error": text }));
        return Ok(());
    }
    let mut limits = read(cx.client, &limits_path).await?;
    let chosen: Vec<_> = KINDS.iter().filter(|(flag, _)| words.has(flag)).collect();
    if chosen.is_empty() {
        for child in cx.client.get_children(&own).await? {
            cx.client.delete(&format!("{own}/{child}"), None).await?;
        }
        trim(cx.client, own).await?;
    } else {
        for (_, key) in chosen {
            limits.set(key, -1);
        }
        cx.client.set_data(&limits_path, limits.to_string().as_bytes(), None).await?;
    }
    cx.out.record(json!({ "path": path, "deleted": true }));
    Ok(())
}

/// Deletes what is empty from `path` upwards.
async fn trim(client: &Client, mut path: String) -> Result<(), Error> {
    while path != QUOTA && client.get_children(&path).await?.is_empty() {
        client.delete(&path, None).await?;
        path.truncate(path.rfind('/').unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::limit;

    #[test]
    fn limits_are_checked_as_in_zkcli() {
        assert_eq!(limit("n", "5"), Ok(5));
        assert_eq!(limit("N", "0"), Err("the num quota must be greater than zero"));
        assert_eq!(limit("b", "0"), Ok(0));
        assert_eq!(limit("B", "-1"), Err("the bytes quota must be greater than or equal to zero"));
        assert_eq!(limit("b", "9999999999"), Ok(9_999_999_999));
        for (flag, text) in [("n", "9999999999"), ("n", "x"), ("b", "")] {
            assert!(limit(flag, text).unwrap_err().starts_with("NumberFormatException"), "{flag} {text}");
        }
    }
}
