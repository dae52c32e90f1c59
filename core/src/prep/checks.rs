//! The checks that need no overlay.

use crate::path;
use crate::proto::ErrorCode;
use crate::tree::Tree;
use crate::tree::quota::{self, StatsTrack};

/// The parent's path of a znode to be made, "" for the root. Only a slash and no NUL are asked for here; the
/// whole path is looked at once its sequence number is on it.
pub(super) fn parent_of_new(path: &str) -> Result<&str, ErrorCode> {
    let slash = path.rfind('/').filter(|_| !path.contains('\0')).ok_or(ErrorCode::BadArguments)?;
    // Creating the limits of the quota root itself would poison Apache's path trie.
    match path == "/zookeeper/quota/zookeeper_limits" {
        true => Err(ErrorCode::BadArguments),
        false => Ok(&path[..slash]),
    }
}

/// The parent's path of a znode to be deleted.
pub(super) fn parent_of_old(path: &str) -> Result<&str, ErrorCode> {
    let slash = path.rfind('/').ok_or(ErrorCode::BadArguments)?;
    match path.contains('\0') || path::is_undeletable(path) {
        true => Err(ErrorCode::BadArguments),
        false => Ok(&path[..slash]),
    }
}

/// The version after a change that expects `expected` (-1 for any).
pub(super) fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    match expected == -1 || expected == current {
        true => Ok(current.wrapping_add(1)),
        false => Err(ErrorCode::BadVersion),
    }
}

/// Whether the quota that covers `path` leaves room for so many more bytes and znodes.
pub(super) fn check_quota(tree: &Tree, path: &str, bytes: i64, count: i64) -> Result<(), ErrorCode> {
    let Some(subject) = tree.quota_covering(path) else { return Ok(()) };
    let limits = tree
        .find(&quota::znode_of(subject, quota::LIMITS))
        .and_then(|id| tree.meta_and_data(id).1.and_then(StatsTrack::parse));
    let Some(limits) = limits else { return Ok(()) };
    let Some((used_count, used_bytes)) = tree.quota_usage(subject) else { return Ok(()) };
    let count_limit = if limits.count_hard > -1 { limits.count_hard } else { -1 };
    let bytes_limit = if limits.bytes_hard > -1 { limits.bytes_hard } else { -1 };
    let over_count = count != 0 && count_limit > -1 && used_count + count > count_limit;
    let over_bytes = bytes != 0 && bytes_limit > -1 && used_bytes + bytes > bytes_limit;
    match over_count || over_bytes {
        true => Err(ErrorCode::QuotaExceeded),
        false => Ok(()),
    }
}
