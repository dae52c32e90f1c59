//! ACL lists, each kept once and counted.

use crate::acl::{Acl, decode_acls};
use crate::jute::Reader;
use alloc::boxed::Box;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// The id of the absent list: everybody may do everything. It is -1 in snapshots.
pub(super) const OPEN: u32 = 0;

/// Every list in use, by its encoded bytes and by a small id. Ids count up from 1 and are never given to
/// another list, so an id in a half-written snapshot cannot change its meaning.
#[derive(Debug)]
pub(super) struct AclTable {
    by_id: HashMap<u32, Entry, FixedState>,
    by_bytes: HashMap<Box<[u8]>, u32, FixedState>,
    next_id: u32,
    open: Vec<Acl>,
}

#[derive(Debug)]
struct Entry {
    bytes: Box<[u8]>,
    acls: Vec<Acl>,
    uses: u32,
}

impl AclTable {
    pub fn new(seed: u64) -> Self {
        Self {
            by_id: HashMap::with_hasher(FixedState::with_seed(seed)),
            by_bytes: HashMap::with_hasher(FixedState::with_seed(seed)),
            next_id: 1,
            open: Acl::open(),
        }
    }

    /// The id of a list given as a jute vector, counted as used once more. `None` if the bytes are no list.
    pub fn intern(&mut self, bytes: &[u8]) -> Option<u32> {
        if let Some(id) = self.by_bytes.get(bytes).copied() {
            self.by_id.get_mut(&id)?.uses += 1;
            return Some(id);
        }
        let Some(acls) = decode_acls(&mut Reader::new(bytes)).ok()? else { return Some(OPEN) };
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).expect("fewer than 2^32 different ACLs in a lifetime");
        self.by_bytes.insert(bytes.into(), id);
        self.by_id.insert(id, Entry { bytes: bytes.into(), acls, uses: 1 });
        Some(id)
    }

    /// Counts one more use of a list that is there.
    pub fn retain(&mut self, id: u32) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.uses += 1;
        }
    }

    /// Counts one use less; the last one forgets the list.
    pub fn release(&mut self, id: u32) {
        let Some(entry) = self.by_id.get_mut(&id) else { return };
        entry.uses -= 1;
        if entry.uses == 0
            && let Some(entry) = self.by_id.remove(&id)
        {
            self.by_bytes.remove(&entry.bytes);
        }
    }

    /// The list.
    pub fn get(&self, id: u32) -> &[Acl] {
        self.by_id.get(&id).map_or(&self.open, |entry| &entry.acls)
    }

    /// Every id with its encoded list, by id.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut ids: Vec<u32> = self.by_id.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter().map(|id| (id, &*self.by_id[&id].bytes))
    }

    /// How often each list is used, for invariant checks.
    pub fn uses(&self) -> impl Iterator<Item = (u32, u32)> {
        self.iter().map(|(id, _)| (id, self.by_id[&id].uses))
    }
}
