//! The tree digest: the wrapping sum of a CRC-32 per znode, version 2 (`DigestCalculator`).

use super::{Meta, Tree};
use crate::Zxid;
use crate::txn::{DIGEST_VERSION, TxnDigest};

/// One digest is kept for every so many transactions.
const DIGEST_LOG_INTERVAL: Zxid = 128;
/// And so many of them.
const DIGEST_LOG_ENTRIES_MAX: usize = 1024;

/// Whether a path takes part: everything below `/zookeeper/` is left out, `/zookeeper` itself is in.
pub fn is_digested(path: &str) -> bool {
    !path.starts_with("/zookeeper/")
}

/// The digest of one znode; the root's path counts as empty.
pub fn znode_digest(path: &str, data: &[u8], meta: &Meta) -> u32 {
    let mut stat = [0u8; 60];
    let longs = [meta.czxid, meta.mzxid, meta.pzxid, meta.ctime, meta.mtime];
    for (slot, value) in stat.chunks_exact_mut(8).zip(longs) {
        slot.copy_from_slice(&value.to_be_bytes());
    }
    let ints = [meta.version, meta.cversion, meta.aversion];
    for (slot, value) in stat[40..52].chunks_exact_mut(4).zip(ints) {
        slot.copy_from_slice(&value.to_be_bytes());
    }
    stat[52..].copy_from_slice(&meta.owner.to_be_bytes());
    let mut crc = crc32fast::Hasher::new();
    if path != "/" {
        crc.update(path.as_bytes());
    }
    crc.update(data);
    crc.update(&stat);
    crc.finalize()
}

impl Tree {
    /// Compares the digest that a transaction predicted with the tree's.
    pub(super) fn compare_digest(&mut self, zxid: Zxid, digest: Option<TxnDigest>) {
        if !self.config.digest_enabled {
            return;
        }
        let Some(digest) = digest.filter(|d| d.version == DIGEST_VERSION) else { return };
        if zxid <= self.digest_valid_after {
            return;
        }
        if digest.digest != self.digest {
            self.digest_mismatches += 1;
        }
        if zxid % DIGEST_LOG_INTERVAL == 0 {
            self.digest_log.push_back((zxid, self.digest));
            if self.digest_log.len() > DIGEST_LOG_ENTRIES_MAX {
                self.digest_log.pop_front();
            }
        }
    }
}
