//! Quotas: limits and usage kept in znodes below `/zookeeper/quota` (`StatsTrack`, `Quotas`, `PathTrie`).

use super::Tree;
use crate::path;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};

/// The znode that holds a quota's limits.
pub const LIMITS: &str = "zookeeper_limits";
/// The znode that holds what is used.
pub const STATS: &str = "zookeeper_stats";

/// Counts of a subtree, or limits for them; -1 in a limit means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsTrack {
    /// Number of znodes.
    pub count: i64,
    /// Bytes of data.
    pub bytes: i64,
    /// Enforced number of znodes, used instead of `count` when not -1.
    pub count_hard: i64,
    /// Enforced bytes of data, used instead of `bytes` when not -1.
    pub bytes_hard: i64,
}

impl StatsTrack {
    /// Parses the text of a limits or stats znode; `None` for anything that is none.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let mut track = Self { count: -1, bytes: -1, count_hard: -1, bytes_hard: -1 };
        let text = core::str::from_utf8(data).ok()?;
        if text.is_empty() {
            return None;
        }
        for pair in text.split([',', ';']) {
            let (key, value) = pair.split_once('=')?;
            let value = value.trim_end_matches('=').parse().ok()?;
            match key {
                "count" => track.count = value,
                "bytes" => track.bytes = value,
                "countHardLimit" => track.count_hard = value,
                "byteHardLimit" => track.bytes_hard = value,
                _ => {}
            }
        }
        Some(track)
    }

    /// The text of a stats znode.
    pub fn usage_text(count: i64, bytes: i64) -> String {
        format!("count={count},bytes={bytes}")
    }
}

/// Which subtrees have limits.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    limited: BTreeSet<String>,
}

impl Quotas {
    /// The deepest path with a quota at or above `path`. A quota on the root counts for nothing.
    pub fn covering<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.limited.is_empty() {
            return None;
        }
        let mut at = path;
        while at.len() > 1 {
            if self.limited.contains(at) {
                return Some(at);
            }
            at = path::parent(at)?;
        }
        None
    }

    /// Notes that a limits znode was made below `parent` (a path under `/zookeeper/quota`).
    pub fn add(&mut self, parent: &str) {
        if let Some(subject) = subject_of(parent) {
            self.limited.insert(subject.to_string());
        }
    }

    /// Notes that the limits znode below `parent` is gone.
    pub fn remove(&mut self, parent: &str) {
        if let Some(subject) = subject_of(parent) {
            self.limited.remove(subject);
        }
    }
}

impl Tree {
    /// A znode was made: it may be a quota's, and counts in one.
    pub(super) fn quota_after_create(&mut self, path: &str, parent_path: &str, data_len: usize) {
        if parent_path.starts_with(path::QUOTA) {
            match path::name(path) {
                LIMITS => self.quotas.add(parent_path),
                STATS => self.recount_quota(parent_path),
                _ => {}
            }
        }
        self.adjust_quota(path, data_len as i64, 1);
    }

    /// Counts a quota's usage afresh.
    pub(super) fn recount_quota(&mut self, quota_path: &str) {
        if let Some(subject) = subject_of(quota_path) {
            let (count, bytes) = self.usage(subject);
            self.write_usage(subject, count, bytes);
        }
    }

    /// Adds a change to the usage of the quota that covers `path`.
    pub(super) fn adjust_quota(&mut self, path: &str, bytes: i64, count: i64) {
        let Some(subject) = self.quotas.covering(path) else { return };
        let stats = self.find(&znode_of(subject, STATS));
        let Some(stats) = stats else { return };
        let (old_count, old_bytes) = match StatsTrack::parse(self.store.meta_and_data(stats).1) {
            Some(track) if track.count >= 0 && track.bytes >= 0 => (track.count + count, track.bytes + bytes),
            // Junk a client wrote there: count afresh, this change included.
            _ => self.usage(subject),
        };
        self.write_usage(subject, old_count, old_bytes);
    }

    /// Rewrites a stats znode's data and nothing else: no version, no watch, no transaction.
    fn write_usage(&mut self, subject: &str, count: i64, bytes: i64) {
        let Some(stats) = self.find(&znode_of(subject, STATS)) else { return };
        let text = StatsTrack::usage_text(count, bytes);
        let (mut meta, old) = self.store.meta_and_data(stats);
        let old_len = old.len();
        meta.data_is_null = false;
        self.store.set_meta_and_data(stats, &meta, text.as_bytes());
        self.data_bytes = self.data_bytes - old_len as u64 + text.len() as u64;
    }
}

/// The path whose quota lives in `quota_path`; `None` for paths outside and for the quota root itself.
pub fn subject_of(quota_path: &str) -> Option<&str> {
    quota_path.strip_prefix(path::QUOTA).filter(|subject| subject.starts_with('/'))
}

/// The znode that holds the limits (or, with [`STATS`], the usage) of `subject`.
pub fn znode_of(subject: &str, name: &str) -> String {
    format!("{}{subject}/{name}", path::QUOTA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_parse_in_all_their_forms() {
        let plain = StatsTrack::parse(b"count=5,bytes=-1").unwrap();
        assert_eq!((plain.count, plain.bytes, plain.count_hard), (5, -1, -1));
        let hard = StatsTrack::parse(b"count=1,bytes=2=;byteHardLimit=7;countHardLimit=9").unwrap();
        assert_eq!((hard.count, hard.bytes, hard.bytes_hard, hard.count_hard), (1, 2, 7, 9));
        for junk in [&b""[..], b"junk", b"count=x", b"\xff"] {
            assert_eq!(StatsTrack::parse(junk), None);
        }
    }

    #[test]
    fn the_deepest_quota_covers() {
        let mut quotas = Quotas::default();
        quotas.add("/zookeeper/quota/a");
        quotas.add("/zookeeper/quota/a/b");
        quotas.add("/zookeeper/quota");
        assert_eq!(quotas.covering("/a/b/c"), Some("/a/b"));
        assert_eq!(quotas.covering("/a/x"), Some("/a"));
        assert_eq!(quotas.covering("/ab"), None);
        quotas.remove("/zookeeper/quota/a/b");
        assert_eq!(quotas.covering("/a/b"), Some("/a"));
    }
}
