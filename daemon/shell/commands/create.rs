//! `create`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use zkrs_client::{Acl, CreateMode, CreateOptions, DataRef, ErrorCode};

use super::Context;
use crate::shell::acl;
use crate::shell::error::{CliError, Outcome, keeper_message};
use crate::shell::flags::{Flag, Words};
use crate::shell::path;

pub const FLAGS: &[Flag] = &[
    Flag::switch("e", "ephemeral"),
    Flag::switch("s", "sequential"),
    Flag::switch("c", "container"),
    Flag::valued("t", "ttl"),
];

/// The longest time to live, milliseconds (40 bits, `EphemeralType.TTL`).
const TTL_MS_MAX: u64 = (1 << 40) - 1;

pub async fn create(cx: &Context<'_>, words: &Words) -> Outcome {
    let mode = mode(words)?;
    let ttl = ttl(words)?;
    let path = &words.words[1];
    if mode.is_sequential() {
        path::check_sequential(path)?
    } else {
        path::check(path)?
    }
    let data = words.words.get(2).map_or(DataRef::NULL, |data| data.as_bytes().into());
    let acl = words.words.get(3).map(|text| acl::parse(text, |complaint| cx.out.note(&complaint)));
    let acl = acl.unwrap_or_else(Acl::open);
    if acl.is_empty() {
        cx.out.note(&keeper_message(ErrorCode::InvalidAcl, None));
        return Err(CliError::of_code(ErrorCode::InvalidAcl, None));
    }
    let mut options = CreateOptions::new(mode).acl(acl);
    if let Some(ttl) = ttl {
        options = options.ttl(ttl);
    }
    match cx.client.create(path, data, options).await {
        Ok(created) => {
            if mode.is_ephemeral() {
                cx.made_ephemeral.store(true, Ordering::Relaxed);
            }
            cx.out.note(&format!("Created {created}"));
            cx.out.record(json!({ "created": created }));
            Ok(())
        }
        Err(error) => {
            match error.code() {
                Some(ErrorCode::EphemeralOnLocalSession) => {
                    cx.out.note("Unable to create ephemeral node on a local session");
                }
                Some(code @ ErrorCode::InvalidAcl) => cx.out.note(&keeper_message(code, error.path())),
                _ => {}
            }
            Err(error.into())
        }
    }
}

fn mode(words: &Words) -> Result<CreateMode, CliError> {
    let has = |flag| words.has(flag);
    if has("c") && (has("e") || has("s")) {
        return Err(CliError::new(
            "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.",
        ));
    }
    // zkCli reads the number before it looks at the other flags.
    if let Some(ttl) = words.value("t") {
        ttl.parse::<i64>().map_err(|_| CliError::new("-t argument must be a long value"))?;
    }
    match (has("t"), has("e"), has("s"), has("c")) {
        (true, true, _, _) => Err(CliError::new("TTLs cannot be used with Ephemeral znodes")),
        (true, _, _, true) => Err(CliError::new("TTLs cannot be used with Container znodes")),
        (true, _, true, _) => Ok(CreateMode::PersistentSequentialWithTtl),
        (true, _, _, _) => Ok(CreateMode::PersistentWithTtl),
        (_, true, true, _) => Ok(CreateMode::EphemeralSequential),
        (_, true, _, _) => Ok(CreateMode::Ephemeral),
        (_, _, true, _) => Ok(CreateMode::PersistentSequential),
        (_, _, _, true) => Ok(CreateMode::Container),
        _ => Ok(CreateMode::Persistent),
    }
}

fn ttl(words: &Words) -> Result<Option<Duration>, CliError> {
    let Some(text) = words.value("t") else { return Ok(None) };
    match text.parse() {
        Ok(ms @ 1..=TTL_MS_MAX) => Ok(Some(Duration::from_millis(ms))),
        _ => Err(CliError::new(format!("ttl must be positive and cannot be larger than: {TTL_MS_MAX}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::flags::Grammar;

    fn words(line: &str) -> Words {
        Grammar::of(FLAGS).parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn flags_make_modes() {
        for (line, expected) in [
            ("create /a", CreateMode::Persistent),
            ("create -e /a", CreateMode::Ephemeral),
            ("create -es /a", CreateMode::EphemeralSequential),
            ("create -s /a", CreateMode::PersistentSequential),
            ("create -c /a", CreateMode::Container),
            ("create -t 5 /a", CreateMode::PersistentWithTtl),
            ("create -s -t 5 /a", CreateMode::PersistentSequentialWithTtl),
        ] {
            assert_eq!(mode(&words(line)), Ok(expected), "{line}");
        }
    }

    #[test]
    fn flags_that_exclude_each_other_are_refused() {
        let text = |line| mode(&words(line)).unwrap_err().text().to_owned();
        assert!(text("create -c -s /a").starts_with("-c cannot be combined"));
        assert_eq!(text("create -t 5 -e /a"), "TTLs cannot be used with Ephemeral znodes");
        assert_eq!(text("create -t 5 -c /a"), "TTLs cannot be used with Container znodes");
        assert_eq!(text("create -t x -e /a"), "-t argument must be a long value");
        let text = |line| ttl(&words(line)).unwrap_err().text().to_owned();
        assert_eq!(text("create -t -5 /a"), "ttl must be positive and cannot be larger than: 1099511627775");
        assert_eq!(ttl(&words("create -t 7 /a")), Ok(Some(Duration::from_millis(7))));
    }
}
