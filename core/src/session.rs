//! Sessions: who is there, until when (`SessionTrackerImpl`, `ExpiryQueue`).
//!
//! Knows no connection and no transaction. A touch only moves a deadline forward, through a shared reference,
//! so that reads can do it; expiry looks again when a bucket comes due.

use crate::Now;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// One session.
#[derive(Debug)]
pub struct Session {
    /// The timeout of its creation, milliseconds: what snapshots keep and what counts until a client attaches.
    pub timeout_ms: i32,
    /// Whether its close is under way: it accepts nothing any more.
    pub closing: bool,
    /// Whether the transaction that creates it is applied; snapshots hold no others.
    committed: bool,
    /// When it ends unless touched, monotonic milliseconds, a multiple of the tick.
    expires_ms: AtomicU64,
    /// The bucket that will look at it.
    bucket_ms: u64,
}

/// All sessions of one server.
#[derive(Debug)]
pub struct Sessions {
    map: HashMap<i64, Session, FixedState>,
    buckets: BTreeMap<u64, Vec<i64>>,
    tick_ms: u64,
    next_id: i64,
}

impl Sessions {
    /// No sessions; `server_id` becomes the high byte of new ids.
    pub fn new(server_id: u8, tick_ms: u32, now: Now) -> Self {
        Self {
            map: HashMap::with_hasher(FixedState::with_seed(0)),
            buckets: BTreeMap::new(),
            tick_ms: u64::from(tick_ms.max(1)),
            next_id: first_id(server_id, now.wall_ms),
        }
    }

    /// An id no session ever had here.
    pub fn new_id(&mut self) -> i64 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        if self.next_id == i64::MIN {
            self.next_id += 1;
        }
        id
    }

    /// Takes in a session that a transaction is about to create: it expires like any other.
    pub fn add_proposed(&mut self, id: i64, timeout_ms: i32, now: Now) {
        self.add(id, timeout_ms, now);
        if let Some(session) = self.map.get_mut(&id) {
            session.committed = false;
        }
    }

    /// The transaction that creates the session is applied.
    pub fn on_created(&mut self, id: i64) {
        if let Some(session) = self.map.get_mut(&id) {
            session.committed = true;
        }
    }

    /// Takes in a session, with its full timeout ahead of it; known ones get the new timeout.
    pub fn add(&mut self, id: i64, timeout_ms: i32, now: Now) {
        // Ids from an earlier life of this server must not come again.
        if id >> 56 == self.next_id >> 56 && id >= self.next_id {
            self.next_id = id.wrapping_add(1);
        }
        let expires_ms = self.expiry(now, timeout_ms);
        let session = Session {
            timeout_ms,
            closing: false,
            committed: true,
            expires_ms: AtomicU64::new(expires_ms),
            bucket_ms: expires_ms,
        };
        self.map.insert(id, session);
        self.buckets.entry(expires_ms).or_default().push(id);
    }

    /// Forgets a session.
    pub fn remove(&mut self, id: i64) {
        self.map.remove(&id);
    }

    /// The session, if it is known.
    pub fn get(&self, id: i64) -> Option<&Session> {
        self.map.get(&id)
    }

    /// Marks a session as closing; false if it is unknown or was closing already.
    pub fn set_closing(&mut self, id: i64) -> bool {
        self.map.get_mut(&id).is_some_and(|session| !core::mem::replace(&mut session.closing, true))
    }

    /// Moves a session's end to `timeout_ms` from now; false if it is unknown or closing.
    pub fn touch(&self, id: i64, timeout_ms: i32, now: Now) -> bool {
        let Some(session) = self.map.get(&id).filter(|session| !session.closing) else { return false };
        // Concurrent touches differ by less than a tick; the order of these stores does not matter.
        session.expires_ms.store(self.expiry(now, timeout_ms), Ordering::Relaxed);
        true
    }

    /// When [`Sessions::expired`] should be asked next, monotonic milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.buckets.keys().next().copied()
    }

    /// The sessions whose time is over, by bucket and id; each is reported once.
    pub fn expired(&mut self, now: Now) -> Vec<i64> {
        let mut expired = Vec::new();
        while let Some(entry) = self.buckets.first_entry().filter(|entry| *entry.key() <= now.mono_ms) {
            let (bucket_ms, mut ids) = entry.remove_entry();
            ids.sort_unstable();
            for id in ids {
                let Some(session) = self.map.get_mut(&id).filter(|s| s.bucket_ms == bucket_ms) else {
                    continue;
                };
                let expires_ms = *session.expires_ms.get_mut();
                if session.closing {
                    continue;
                }
                if expires_ms > bucket_ms {
                    session.bucket_ms = expires_ms;
                    self.buckets.entry(expires_ms).or_default().push(id);
                } else {
                    expired.push(id);
                }
            }
        }
        expired
    }

    /// Every committed session with the timeout of its creation, by id: what a snapshot holds.
    pub fn all(&self) -> Vec<(i64, i32)> {
        let committed = self.map.iter().filter(|(_, session)| session.committed);
        let mut all: Vec<_> = committed.map(|(id, session)| (*id, session.timeout_ms)).collect();
        all.sort_unstable();
        all
    }

    /// Every session by the time at which it would end, for admin words.
    pub fn by_expiry(&self) -> BTreeMap<u64, Vec<i64>> {
        let mut sets: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for (id, session) in &self.map {
            sets.entry(session.expires_ms.load(Ordering::Relaxed)).or_default().push(*id);
        }
        sets.values_mut().for_each(|ids| ids.sort_unstable());
        sets
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The next multiple of the tick after now plus the timeout: at least the timeout, at most a tick more.
    fn expiry(&self, now: Now, timeout_ms: i32) -> u64 {
        ((now.mono_ms + u64::try_from(timeout_ms).unwrap_or(0)) / self.tick_ms + 1) * self.tick_ms
    }
}

/// The server id in the high byte, then 40 bits of the clock, then 16 zero bits. Apache takes the time since
/// boot here, which can repeat after a reboot; the wall clock does not.
fn first_id(server_id: u8, wall_ms: i64) -> i64 {
    let clock = ((wall_ms as u64) << 24) >> 8;
    (i64::from(server_id) << 56) | (clock & 0x00ff_ffff_ffff_ffff) as i64
}

/// The password of a session: 16 bytes of `java.util.Random` seeded with the id. Not a secret: whoever knows
/// the id can compute it, on any server.
pub fn password(session_id: i64) -> [u8; 16] {
    const SUPER_SECRET: i64 = 0xB341_5C00;
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut seed = ((session_id ^ SUPER_SECRET) as u64 ^ MULTIPLIER) & MASK;
    let mut password = [0; 16];
    for chunk in password.chunks_exact_mut(4) {
        seed = seed.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        chunk.copy_from_slice(&((seed >> 16) as u32).to_le_bytes());
    }
    password
}

/// Whether the password is the session's; takes the same time wherever they differ.
pub fn is_password(session_id: i64, given: &[u8]) -> bool {
    let wanted = password(session_id);
    session_id != 0
        && given.len() == wanted.len()
        && wanted.iter().zip(given).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: 0 }
    }

    #[test]
    fn expiry_is_to_the_tick_and_touch_moves_it() {
        let mut sessions = Sessions::new(1, 1000, at(0));
        sessions.add(7, 4000, at(500));
        assert_eq!(sessions.next_deadline(), Some(5000));
        assert!(sessions.touch(7, 4000, at(2000)));
        assert_eq!(sessions.expired(at(5000)), []);
        assert_eq!(sessions.next_deadline(), Some(7000));
        assert_eq!(sessions.expired(at(6999)), []);
        assert_eq!(sessions.expired(at(7000)), [7]);
        assert!(sessions.set_closing(7) && !sessions.set_closing(7));
        assert!(!sessions.touch(7, 4000, at(7000)));
        sessions.remove(7);
        assert_eq!(sessions.next_deadline(), None);
    }

    #[test]
    fn ids_of_an_earlier_life_are_not_given_again() {
        let mut sessions = Sessions::new(1, 1000, at(0));
        let id = sessions.new_id();
        sessions.add(id + 40, 4000, at(0));
        assert_eq!(sessions.new_id(), id + 41);
        assert_eq!(id >> 56, 1);
    }

    #[test]
    fn password_is_javas() {
        // new Random(0x1000 ^ 0xB3415C00L).nextBytes(16), computed by the definition of java.util.Random.
        assert!(is_password(0x1000, &password(0x1000)));
        assert!(!is_password(0, &password(0)));
        assert!(!is_password(0x1000, &password(0x1001)));
        assert!(!is_password(0x1000, &[]));
    }
}
