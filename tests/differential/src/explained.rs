//! The differences from Apache that are meant: each with its reason and its place in `docs/differences.md`.

use crate::op;
use crate::request::{Mangle, Request};
use crate::step::{Path, Step};
use crate::wire::AclEntry;

/// A difference that does not count.
#[derive(Debug)]
pub struct Explained {
    /// The entry in `docs/differences.md`.
    pub entry: &'static str,
    /// Why zkrs differs.
    pub reason: &'static str,
    /// The request that it is about.
    pub concerns: fn(&Request) -> bool,
    /// Whether the lines of such a request (Apache's, then ours) differ in exactly this way.
    pub matches: fn(&[String], &[String]) -> bool,
}

/// All of them. Keep each as narrow as it can be: a pattern that fits too much hides real faults.
pub static EXPLAINED: [Explained; 4] = [
    Explained {
        entry: "multiRead with an element that does not decode",
        reason: "no client reads a body behind an error",
        concerns: |request| request.op() == op::MULTI_READ,
        matches: |apache, ours| {
            apache.len() == ours.len()
                && apache.iter().zip(ours).all(|(apache, ours)| {
                    apache == ours
                        || apache.starts_with("err=-5 @") && apache.split(" with body ").next() == Some(ours)
                })
        },
    },
    Explained {
        entry: "setWatches with a null in a list",
        reason: "a request is decoded completely before it has any effect",
        concerns: |request| is_set_watches(request) && has_null(request),
        matches: |apache, ours| {
            let is_found = |line: &&String| line.starts_with("event ") && line.ends_with(" @-1");
            apache.iter().any(|line| line.starts_with("err=-5 @"))
                && apache.iter().filter(|line| !is_found(line)).eq(ours.iter().filter(|line| !is_found(line)))
        },
    },
    Explained {
        entry: "null where a path, scheme or id is needed",
        reason: "a request is decoded completely before anything of it is looked at",
        concerns: has_null,
        matches: |_, ours| ours.iter().any(|line| line.starts_with("err=-5 @")),
    },
    Explained {
        entry: "text beyond the basic plane or not UTF-8",
        reason: "strings are kept as UTF-8 and echoed as they are kept",
        concerns: has_odd_text,
        matches: |apache, ours| {
            apache.iter().map(|line| plain_text(line)).eq(ours.iter().map(|line| plain_text(line)))
        },
    },
];

/// The explanation of a difference, if there is one.
pub fn explain(step: &Step, apache: &[String], ours: &[String]) -> Option<&'static Explained> {
    let concerned =
        |explained: &&Explained| requests(step).iter().any(|request| (explained.concerns)(request));
    EXPLAINED.iter().filter(concerned).find(|explained| (explained.matches)(apache, ours))
}

/// Whether an explained difference left the servers in different states: what follows in the sequence then
/// says nothing. (A difference in text or in a body behind an error leaves nothing.)
pub fn parts_ways(step: &Step, apache: &[String], ours: &[String]) -> bool {
    let fails = |lines: &[String]| lines.iter().any(|line| line.starts_with("err=-5 @"));
    requests(step).iter().any(has_null)
        && (apache != ours || requests(step).iter().any(is_set_watches) && fails(apache))
}

fn is_set_watches(request: &Request) -> bool {
    matches!(request.op(), op::SET_WATCHES | op::SET_WATCHES2)
}

fn requests(step: &Step) -> &[Request] {
    match step {
        Step::Send { request, .. } => std::slice::from_ref(request),
        Step::Burst { requests, .. } => requests,
        _ => &[],
    }
}

/// Whether a null is, or may be, where the record needs text.
fn has_null(request: &Request) -> bool {
    let null_acl = |acl: &Option<Vec<AclEntry>>| {
        acl.as_ref().is_none_or(|acl| acl.iter().any(|(_, scheme, id)| scheme.is_none() || id.is_none()))
    };
    if request.path() == Some(&Path::Null) {
        return true;
    }
    match request {
        Request::Create { acl, .. } | Request::SetAcl { acl, .. } => null_acl(acl),
        Request::Multi { elements, .. } => elements.iter().any(has_null),
        Request::SetWatches { lists, .. } => lists.iter().flatten().any(|path| *path == Path::Null),
        Request::Mangled { inner, how } => {
            let makes_null = matches!(how, Mangle::Overwrite(_, bytes) if bytes.starts_with(&[0xff; 4]));
            makes_null || has_null(inner)
        }
        _ => false,
    }
}

/// Whether some text has characters that UTF-16 writes as two units, or is malformed.
fn has_odd_text(request: &Request) -> bool {
    let odd = |path: &Path| match path {
        Path::Raw(bytes) => std::str::from_utf8(bytes).is_err(),
        Path::Below(rest) | Path::Quota(rest) => rest.chars().any(|c| c > '\u{ffff}'),
        _ => false,
    };
    match request {
        Request::Multi { elements, .. } => elements.iter().any(has_odd_text),
        Request::SetWatches { lists, .. } => lists.iter().flatten().any(odd),
        Request::Mangled { inner, .. } => has_odd_text(inner),
        request => request.path().is_some_and(odd),
    }
}

/// A line with every form of the odd text we send replaced by one.
fn plain_text(line: &str) -> String {
    const REPLACEMENT: &str = "\\xef\\xbf\\xbd";
    let mut text = line.replace("\\xed\\xa0\\xbd\\xed\\xb8\\x80", "?").replace("\\xf0\\x9f\\x98\\x80", "?");
    text = text.replace(REPLACEMENT, "?");
    while text.contains("??") {
        text = text.replace("??", "?");
    }
    text
}
