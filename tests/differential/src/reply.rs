//! Replies as text that two servers must agree on: zxids relative, session ids by name, clock times reduced
//! to whether they are plausible, lists whose order is nobody's promise sorted.

use crate::op;
use crate::request::show_acls;
use crate::wire::{Stat, Take, show, show_or_null, take_acls};
use std::collections::HashMap;
use std::time::SystemTime;

/// A clock time further than this from ours is shown as it is, milliseconds.
const PLAUSIBLE_CLOCK_MS: i64 = 900_000;

/// What the numbers of one server mean.
#[derive(Debug, Default)]
pub struct Names {
    /// Zxid of the creation of the sequence's own znode.
    pub base: i64,
    /// Session ids by the name they got in this sequence.
    pub sessions: HashMap<i64, String>,
    /// Show absolute values instead: for comparing the same data at two servers.
    pub absolute: bool,
}

/// What a reply taught about znodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A znode was created under this full path.
    Created(Vec<u8>),
    /// A Stat of the request's own path: data version, ACL version.
    Versions(i32, i32),
}

/// The header of every reply and notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Header {
    pub xid: i32,
    pub zxid: i64,
    pub err: i32,
}

impl Header {
    /// Reads the 16 bytes and returns what follows.
    pub fn take(frame: &[u8]) -> Option<(Self, &[u8])> {
        let mut from = Take::new(frame);
        Some((Self { xid: from.int()?, zxid: from.long()?, err: from.int()? }, from.rest))
    }

    /// Whether this is a watch event and no reply.
    pub fn is_event(&self) -> bool {
        self.xid == -1
    }
}

impl Names {
    /// A zxid as text.
    pub fn zxid(&self, zxid: i64) -> String {
        match zxid {
            0 | -1 => zxid.to_string(),
            zxid if self.absolute => format!("{zxid:#x}"),
            zxid if zxid < self.base => "old".to_string(),
            zxid => format!("+{}", zxid - self.base),
        }
    }

    /// A session id as text.
    pub fn session(&self, session: i64) -> String {
        match self.sessions.get(&session) {
            Some(name) => name.clone(),
            None if session == 0 => "0".to_string(),
            None => format!("{session:#x}"),
        }
    }

    /// A Stat as text.
    pub fn stat(&self, stat: &Stat) -> String {
        let Stat { version, cversion, aversion, data_length, num_children, .. } = stat;
        let (ctime, mtime) = match self.absolute {
            true => (stat.ctime.to_string(), stat.mtime.to_string()),
            false => (show_time(stat.ctime), show_mtime(stat)),
        };
        format!(
            "cz={} mz={} ct={ctime} mt={mtime} v={version} cv={cversion} av={aversion} owner={} len={data_length} kids={num_children} pz={}",
            self.zxid(stat.czxid),
            self.zxid(stat.mzxid),
            self.session(stat.ephemeral_owner),
            self.zxid(stat.pzxid),
        )
    }

    /// A watch event's frame as text.
    pub fn event(&self, header: Header, body: &[u8]) -> String {
        let text = || {
            let mut from = Take::new(body);
            let (kind, state, path) = (from.int()?, from.int()?, from.buffer()?);
            let kind = match kind {
                1 => "NodeCreated".to_string(),
                2 => "NodeDeleted".to_string(),
                3 => "NodeDataChanged".to_string(),
                4 => "NodeChildrenChanged".to_string(),
                other => format!("kind {other}"),
            };
            let state = if state == 3 { String::new() } else { format!(" state {state}") };
            from.rest.is_empty().then(|| format!("{kind} {}{state}", show_or_null(path)))
        };
        let what = text().unwrap_or_else(|| format!("undecodable {}", show(body)));
        let err = if header.err == 0 { String::new() } else { format!(" err={}", header.err) };
        format!("event {what} @{}{err}", self.zxid(header.zxid))
    }

    /// A reply's frame as text, given the opcode it answers.
    pub fn reply(&self, op: i32, header: Header, body: &[u8], facts: &mut Vec<Fact>) -> String {
        let body_text = match (header.err, body) {
            (0, body) => self.body(op, body, facts).unwrap_or_else(|| format!("undecodable {}", show(body))),
            (_, []) => String::new(),
            // Apache answers a multiRead that it stumbles over with the error and what it has so far.
            (_, body) if op == op::MULTI_READ => {
                format!("with body {}", self.body(op, body, facts).unwrap_or_else(|| show(body)))
            }
            (_, body) => format!("unexpected body {}", show(body)),
        };
        let result = if header.err == 0 { "ok".to_string() } else { format!("err={}", header.err) };
        format!("{result} @{} {body_text}", self.zxid(header.zxid)).trim_end().to_string()
    }

    fn body(&self, op: i32, body: &[u8], facts: &mut Vec<Fact>) -> Option<String> {
        let mut from = Take::new(body);
        let text = match op {
            op::MULTI | op::MULTI_READ => self.multi(&mut from, facts)?,
            // The error code is the body's whole content.
            op::ADD_WATCH => format!("result {}", from.int()?),
            op::DELETE
            | op::PING
            | op::CHECK_WATCHES
            | op::REMOVE_WATCHES
            | op::AUTH
            | op::SET_WATCHES
            | op::SET_WATCHES2
            | op::CLOSE_SESSION => String::new(),
            op => self.record(op, &mut from, facts)?,
        };
        from.rest.is_empty().then_some(text)
    }

    /// The records that also occur inside multi results.
    fn record(&self, op: i32, from: &mut Take<'_>, facts: &mut Vec<Fact>) -> Option<String> {
        Some(match op {
            op::CREATE => {
                let path = from.buffer()?;
                facts.extend(path.map(|path| Fact::Created(path.to_vec())));
                show_or_null(path)
            }
            op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL => {
                let path = from.buffer()?;
                facts.extend(path.map(|path| Fact::Created(path.to_vec())));
                format!("{} {}", show_or_null(path), self.stat(&Stat::take(from)?))
            }
            op::EXISTS | op::SET_DATA | op::SET_ACL => self.learned_stat(from, facts)?,
            op::GET_DATA | op::RECONFIG => {
                let data = from.buffer()?;
                format!("'{}' {}", show_or_null(data), self.learned_stat(from, facts)?)
            }
            op::GET_ACL => {
                let acls = take_acls(from)?;
                format!("{} {}", show_acls(acls.as_deref()), self.learned_stat(from, facts)?)
            }
            op::GET_CHILDREN | op::GET_EPHEMERALS => sorted_strings(from)?,
            op::GET_CHILDREN2 => {
                let children = sorted_strings(from)?;
                format!("{children} {}", self.learned_stat(from, facts)?)
            }
            op::GET_ALL_CHILDREN_NUMBER => from.int()?.to_string(),
            op::SYNC | op::SASL => show_or_null(from.buffer()?),
            op::WHO_AM_I => {
                let ids = from.vector(|from| Some((from.buffer()?, from.buffer()?)))?;
                let mut ids: Vec<String> = ids?
                    .into_iter()
                    .map(|(scheme, user)| format!("{}:{}", show_or_null(scheme), show_or_null(user)))
                    .collect();
                ids.sort();
                format!("[{}]", ids.join(" "))
            }
            _ => return None,
        })
    }

    fn multi(&self, from: &mut Take<'_>, facts: &mut Vec<Fact>) -> Option<String> {
        let mut elements = Vec::new();
        loop {
            let (kind, done, err) = (from.int()?, from.flag()?, from.int()?);
            if done {
                let end = if (kind, err) == (-1, -1) { String::new() } else { format!(" end {kind},{err}") };
                return Some(format!("[{}]{end}", elements.join("; ")));
            }
            let mut inner_facts = Vec::new();
            elements.push(match kind {
                -1 => format!("-1,{err}: {}", from.int()?),
                op::DELETE | op::CHECK => format!("{kind},{err}"),
                kind => format!("{kind},{err}: {}", self.record(kind, from, &mut inner_facts)?),
            });
            // The Stat inside belongs to another path than the request's own (it has none).
            facts.extend(inner_facts.into_iter().filter(|fact| matches!(fact, Fact::Created(_))));
        }
    }

    fn learned_stat(&self, from: &mut Take<'_>, facts: &mut Vec<Fact>) -> Option<String> {
        let stat = Stat::take(from)?;
        facts.push(Fact::Versions(stat.version, stat.aversion));
        Some(self.stat(&stat))
    }
}

fn sorted_strings(from: &mut Take<'_>) -> Option<String> {
    let strings = from.vector(Take::buffer)?;
    let Some(strings) = strings else { return Some("null".to_string()) };
    let mut strings: Vec<String> = strings.into_iter().map(show_or_null).collect();
    strings.sort();
    Some(format!("[{}]", strings.join(" ")))
}

fn show_time(time: i64) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as i64);
    match time {
        0 => "0".to_string(),
        time if (time - now).abs() < PLAUSIBLE_CLOCK_MS => "t".to_string(),
        time => time.to_string(),
    }
}

/// A znode whose data was never set must have equal times: both come from its creating transaction.
fn show_mtime(stat: &Stat) -> String {
    match stat.czxid == stat.mzxid && stat.mtime == stat.ctime {
        true => "=".to_string(),
        false if stat.czxid == stat.mzxid => format!("not ctime, {}", show_time(stat.mtime)),
        false => show_time(stat.mtime),
    }
}
