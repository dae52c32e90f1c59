//! What a server has promised: the transactions in order, and which of them were acknowledged.
//!
//! Kept from the payloads that the core emits, not from any file, so that no bug of a disk can reach it.

use zkrs_core::txn::{Txn, decode_payload};

/// The state after one transaction, as far as it can be compared cheaply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The tree's digest, as the leader predicted it.
    pub digest: i64,
    /// A sum over the sessions that live.
    pub sessions: u64,
}

/// All transactions of a server's life, one after the other.
#[derive(Debug, Clone)]
pub struct History {
    /// `points[z]` is the state after zxid `z`.
    points: Vec<Point>,
    payloads: Vec<Vec<u8>>,
}

impl History {
    /// Nothing has happened to a tree with this digest.
    pub fn new(digest: i64) -> Self {
        Self { points: vec![Point { digest, sessions: 0 }], payloads: Vec::new() }
    }

    /// A transaction was proposed.
    ///
    /// # Panics
    /// If it is not the next one, or no transaction at all: the core broke its word.
    pub fn push(&mut self, payload: &[u8]) {
        let (header, txn, digest) = decode_payload(payload).expect("the core emits transactions");
        assert_eq!(header.zxid, self.last_zxid() + 1, "zxids are contiguous");
        let mut point = self.points[self.points.len() - 1];
        if let Some(digest) = digest {
            point.digest = digest.digest;
        }
        match txn {
            Txn::CreateSession { timeout_ms } => {
                point.sessions = point.sessions.wrapping_add(session_term(header.client_id, timeout_ms));
            }
            Txn::CloseSession { .. } => {
                let timeout_ms = self.timeout_of(header.client_id);
                point.sessions = point.sessions.wrapping_sub(session_term(header.client_id, timeout_ms));
            }
            _ => {}
        }
        self.points.push(point);
        self.payloads.push(payload.to_vec());
    }

    /// The last transaction proposed.
    pub fn last_zxid(&self) -> i64 {
        self.points.len() as i64 - 1
    }

    /// The state after a transaction; `None` for one that never was.
    pub fn at(&self, zxid: i64) -> Option<Point> {
        self.points.get(usize::try_from(zxid).ok()?).copied()
    }

    /// The transactions after `zxid` are gone, lawfully: nobody was told of them.
    pub fn forget_after(&mut self, zxid: i64) {
        let keep = usize::try_from(zxid).expect("zxids are not negative here");
        self.points.truncate(keep + 1);
        self.payloads.truncate(keep);
    }

    fn timeout_of(&self, session: i64) -> i32 {
        self.payloads
            .iter()
            .rev()
            .find_map(|payload| match decode_payload(payload) {
                Ok((header, Txn::CreateSession { timeout_ms }, _)) if header.client_id == session => {
                    Some(timeout_ms)
                }
                _ => None,
            })
            .expect("a session that closes was created")
    }
}

/// One session's share of [`Point::sessions`].
pub fn session_term(session: i64, timeout_ms: i32) -> u64 {
    (session as u64 ^ ((timeout_ms as u64) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}
