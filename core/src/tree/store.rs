//! The znodes and the way from a path to each: slots, records, the path index and the lists of children.
//!
//! Knows shapes only: no rule of ZooKeeper's lives here. A znode is a [`Slot`] (its place in the tree) and a
//! record (everything else). The index maps the hash of a whole path to a slot and proves the match by
//! walking up the names, so no path is ever stored. Children are a doubly linked list in order of creation.

use super::NodeId;
use super::record::{self, Meta};
use super::slab::{Handle, Slab};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// The place of a znode among the others.
#[derive(Debug, Clone, Copy)]
struct Slot {
    parent: NodeId,
    next: NodeId,
    prev: NodeId,
    path_hash: u32,
    record: Handle,
}

const SLOTS_PER_CHUNK: usize = 4096;

/// So many tables share the paths, so that growing one moves only its own share and no request waits for a
/// million entries.
const INDEX_SHARDS: usize = 256;

/// All znodes. [`NodeId::ROOT`] always exists.
#[derive(Debug)]
pub(super) struct Store {
    slots: Vec<Box<[Slot]>>,
    slots_used: u32,
    slots_free: Vec<u32>,
    slab: Slab,
    index: Vec<HashTable<u32>>,
    hasher: FixedState,
}

impl Store {
    /// A store with nothing but a root whose metadata is `root`.
    pub fn new(seed: u64, root: Meta) -> Self {
        let mut store = Self {
            slots: Vec::new(),
            slots_used: 0,
            slots_free: Vec::new(),
            slab: Slab::default(),
            index: (0..INDEX_SHARDS).map(|_| HashTable::new()).collect(),
            hasher: FixedState::with_seed(seed),
        };
        let record = store.write_record(&root, b"", b"");
        store.new_slot(Slot {
            parent: NodeId::NONE,
            next: NodeId::NONE,
            prev: NodeId::NONE,
            path_hash: 0,
            record,
        });
        store
    }

    /// Number of znodes, the root included.
    pub fn len(&self) -> usize {
        self.slots_used as usize - self.slots_free.len()
    }

    /// The znode at `path`; both "" and "/" are the root, as in Apache's map.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        if path.len() <= 1 {
            return matches!(path, "" | "/").then_some(NodeId::ROOT);
        }
        let hash = self.hash(path);
        let table = &self.index[shard(hash)];
        table.find(spread(hash), |id| self.is_at(NodeId(*id), path)).map(|id| NodeId(*id))
    }

    fn is_at(&self, mut id: NodeId, path: &str) -> bool {
        let mut rest = path.as_bytes();
        while id != NodeId::ROOT {
            let slot = self.slot(id);
            let name = record::name(self.slab.get(slot.record));
            match rest.strip_suffix(name).and_then(|rest| rest.strip_suffix(b"/")) {
                Some(shorter) => rest = shorter,
                None => return false,
            }
            id = slot.parent;
        }
        rest.is_empty()
    }

    /// Adds a znode as the last child of `parent`. `path` is the parent's path, a slash, and the name; no
    /// znode may be there yet.
    pub fn insert(&mut self, parent: NodeId, path: &str, meta: &Meta, data: &[u8]) -> NodeId {
        let hash = self.hash(path);
        let record = self.write_record(meta, crate::path::name(path).as_bytes(), data);
        let mut parent_meta = self.meta(parent);
        let prev = parent_meta.last_child;
        let id = self.new_slot(Slot { parent, next: NodeId::NONE, prev, path_hash: hash, record });
        match prev {
            NodeId::NONE => parent_meta.first_child = id,
            prev => self.slot_mut(prev).next = id,
        }
        parent_meta.last_child = id;
        parent_meta.num_children += 1;
        self.set_meta(parent, &parent_meta);
        let slots = &self.slots;
        self.index[shard(hash)]
            .insert_unique(spread(hash), id.0, |other| spread(slot_in(slots, NodeId(*other)).path_hash));
        id
    }

    /// Takes a childless znode out.
    pub fn remove(&mut self, id: NodeId) {
        let slot = *self.slot(id);
        let mut parent_meta = self.meta(slot.parent);
        match slot.prev {
            NodeId::NONE => parent_meta.first_child = slot.next,
            prev => self.slot_mut(prev).next = slot.next,
        }
        match slot.next {
            NodeId::NONE => parent_meta.last_child = slot.prev,
            next => self.slot_mut(next).prev = slot.prev,
        }
        parent_meta.num_children -= 1;
        self.set_meta(slot.parent, &parent_meta);
        if let Ok(entry) =
            self.index[shard(slot.path_hash)].find_entry(spread(slot.path_hash), |o| *o == id.0)
        {
            entry.remove();
        }
        self.slab.free(slot.record);
        self.slots_free.push(id.0);
    }

    /// The metadata.
    pub fn meta(&self, id: NodeId) -> Meta {
        record::decode(self.record(id)).meta
    }

    /// The metadata and the data; null data is empty here, [`Meta::data_is_null`] tells.
    pub fn meta_and_data(&self, id: NodeId) -> (Meta, &[u8]) {
        let bytes = self.record(id);
        let view = record::decode(bytes);
        (view.meta, &bytes[view.data])
    }

    /// The last segment of the path.
    pub fn name(&self, id: NodeId) -> &str {
        core::str::from_utf8(record::name(self.record(id))).expect("names come from strings")
    }

    /// Replaces the metadata, keeps name and data.
    pub fn set_meta(&mut self, id: NodeId, meta: &Meta) {
        let handle = self.slot(id).record;
        let view = record::decode(self.slab.get(handle));
        let header = record::encode_header(meta, view.name.len(), view.data.len());
        let header = header.as_bytes();
        if header.len() == view.name.start {
            self.slab.get_mut(handle)[..header.len()].copy_from_slice(header);
            return;
        }
        let tail = view.name.start..view.data.end;
        let len = header.len() + tail.len();
        if self.slab.fits(handle, len) {
            let bytes = self.slab.get_mut(handle);
            bytes.copy_within(tail, header.len());
            bytes[..header.len()].copy_from_slice(header);
        } else {
            let tail = self.slab.get(handle)[tail].to_vec();
            let moved = self.slab.alloc(len);
            let bytes = self.slab.get_mut(moved);
            bytes[..header.len()].copy_from_slice(header);
            bytes[header.len()..len].copy_from_slice(&tail);
            self.slab.free(handle);
            self.slot_mut(id).record = moved;
        }
    }

    /// Replaces metadata and data, keeps the name.
    pub fn set_meta_and_data(&mut self, id: NodeId, meta: &Meta, data: &[u8]) {
        let handle = self.slot(id).record;
        let view = record::decode(self.slab.get(handle));
        let header = record::encode_header(meta, view.name.len(), data.len());
        let header = header.as_bytes();
        let data_start = header.len() + view.name.len();
        if self.slab.fits(handle, data_start + data.len()) {
            let bytes = self.slab.get_mut(handle);
            bytes.copy_within(view.name, header.len());
            bytes[..header.len()].copy_from_slice(header);
            bytes[data_start..data_start + data.len()].copy_from_slice(data);
        } else {
            let name = self.slab.get(handle)[view.name].to_vec();
            let moved = self.write_record(meta, &name, data);
            self.slab.free(handle);
            self.slot_mut(id).record = moved;
        }
    }

    /// The parent; [`NodeId::NONE`] for the root.
    pub fn parent(&self, id: NodeId) -> NodeId {
        self.slot(id).parent
    }

    /// The sibling created next; [`NodeId::NONE`] for the last.
    pub fn next_sibling(&self, id: NodeId) -> NodeId {
        self.slot(id).next
    }

    /// The children in order of creation.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let first = self.meta(id).first_child;
        core::iter::successors((first != NodeId::NONE).then_some(first), |id| {
            let next = self.next_sibling(*id);
            (next != NodeId::NONE).then_some(next)
        })
    }

    /// The whole path; "/" for the root.
    pub fn path(&self, id: NodeId) -> String {
        if id == NodeId::ROOT {
            return String::from("/");
        }
        let mut chain = Vec::new();
        let mut at = id;
        while at != NodeId::ROOT {
            chain.push(at);
            at = self.parent(at);
        }
        let mut path = String::new();
        for id in chain.into_iter().rev() {
            path.push('/');
            path.push_str(self.name(id));
        }
        path
    }

    fn hash(&self, path: &str) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(path.as_bytes());
        (hasher.finish() >> 32) as u32
    }

    fn write_record(&mut self, meta: &Meta, name: &[u8], data: &[u8]) -> Handle {
        let header = record::encode_header(meta, name.len(), data.len());
        let header = header.as_bytes();
        let handle = self.slab.alloc(header.len() + name.len() + data.len());
        let bytes = self.slab.get_mut(handle);
        let (head, rest) = bytes.split_at_mut(header.len());
        head.copy_from_slice(header);
        let (head, rest) = rest.split_at_mut(name.len());
        head.copy_from_slice(name);
        rest[..data.len()].copy_from_slice(data);
        handle
    }

    fn record(&self, id: NodeId) -> &[u8] {
        self.slab.get(self.slot(id).record)
    }

    fn slot(&self, id: NodeId) -> &Slot {
        slot_in(&self.slots, id)
    }

    fn slot_mut(&mut self, id: NodeId) -> &mut Slot {
        &mut self.slots[id.0 as usize / SLOTS_PER_CHUNK][id.0 as usize % SLOTS_PER_CHUNK]
    }

    fn new_slot(&mut self, slot: Slot) -> NodeId {
        if let Some(free) = self.slots_free.pop() {
            let id = NodeId(free);
            *self.slot_mut(id) = slot;
            return id;
        }
        let id = NodeId(self.slots_used);
        assert!(id != NodeId::NONE, "a tree holds fewer than 2^32 znodes");
        if id.0 as usize == self.slots.len() * SLOTS_PER_CHUNK {
            self.slots.push(alloc::vec![slot; SLOTS_PER_CHUNK].into_boxed_slice());
        }
        self.slots_used += 1;
        *self.slot_mut(id) = slot;
        id
    }
}

fn slot_in(slots: &[Box<[Slot]>], id: NodeId) -> &Slot {
    &slots[id.0 as usize / SLOTS_PER_CHUNK][id.0 as usize % SLOTS_PER_CHUNK]
}

fn shard(hash: u32) -> usize {
    hash as usize % INDEX_SHARDS
}

/// The table wants its entropy at both ends of a 64-bit hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn root() -> Store {
        Store::new(7, Meta { first_child: NodeId::NONE, last_child: NodeId::NONE, ..Meta::default() })
    }

    fn leaf() -> Meta {
        Meta { first_child: NodeId::NONE, last_child: NodeId::NONE, ..Meta::fresh(1, 2, 0, 0) }
    }

    #[test]
    fn paths_are_found_and_forgotten() {
        let mut store = root();
        let a = store.insert(NodeId::ROOT, "/a", &leaf(), b"1");
        let b = store.insert(a, "/a/b", &leaf(), b"2");
        assert_eq!(store.find("/a/b"), Some(b));
        assert_eq!(store.find("/a"), Some(a));
        assert_eq!((store.find(""), store.find("/")), (Some(NodeId::ROOT), Some(NodeId::ROOT)));
        for missing in ["/b", "/a/", "a/b", "/x/b", "//a", "/a/b/c", "b"] {
            assert_eq!(store.find(missing), None, "{missing}");
        }
        assert_eq!(store.path(b), "/a/b");
        store.remove(b);
        assert_eq!(store.find("/a/b"), None);
        assert_eq!(store.meta(a).num_children, 0);
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn children_keep_their_order_through_removals() {
        let mut store = root();
        let ids: Vec<NodeId> =
            (0..5).map(|i| store.insert(NodeId::ROOT, &format!("/{i}"), &leaf(), b"")).collect();
        store.remove(ids[0]);
        store.remove(ids[2]);
        store.remove(ids[4]);
        let names: Vec<&str> = store.children(NodeId::ROOT).map(|id| store.name(id)).collect();
        assert_eq!(names, ["1", "3"]);
    }

    #[test]
    fn data_may_grow_and_shrink() {
        let mut store = root();
        let a = store.insert(NodeId::ROOT, "/a", &leaf(), b"short");
        for len in [0, 1, 100, 5000, 100_000, 3] {
            let data = alloc::vec![b'x'; len];
            let meta = Meta { version: len as i32, ..leaf() };
            store.set_meta_and_data(a, &meta, &data);
            assert_eq!(store.meta_and_data(a), (meta, &data[..]));
            assert_eq!(store.name(a), "a");
            store.set_meta(a, &Meta { owner: 9, aversion: 1, ..meta });
            assert_eq!(store.meta_and_data(a).1, &data[..]);
            assert_eq!(store.find("/a"), Some(a));
        }
    }
}
