//! Everything derived, computed again: for tests and the simulator.

use super::{NodeId, OwnerKind, Tree, acl_table, znode_digest};
use alloc::collections::BTreeMap;

impl Tree {
    /// Recomputes everything that is derived and compares.
    ///
    /// # Panics
    /// On the first difference, naming it.
    pub fn check_invariants(&self) {
        let (mut digest, mut path_bytes, mut data_bytes, mut nodes) = (0i64, 1u64, 0u64, 0usize);
        let mut acl_uses: BTreeMap<u32, u32> = BTreeMap::new();
        let mut ephemerals = 0;
        self.visit(NodeId::ROOT, &mut |id| {
            nodes += 1;
            let path = self.store.path(id);
            let (meta, data) = self.store.meta_and_data(id);
            assert_eq!(self.find(&path), Some(id), "the index finds {path}");
            assert_eq!(self.store.children(id).count(), meta.num_children as usize, "children of {path}");
            if self.counts_in_digest(&path) {
                digest = digest.wrapping_add(i64::from(znode_digest(&path, data, &meta)));
            }
            path_bytes += if id == NodeId::ROOT { 0 } else { path.len() as u64 };
            data_bytes += data.len() as u64;
            if meta.acl != acl_table::OPEN {
                *acl_uses.entry(meta.acl).or_default() += 1;
            }
            if let OwnerKind::Ephemeral(session) = OwnerKind::of(meta.owner, self.config.extended_types) {
                ephemerals += 1;
                assert!(self.ephemerals[&session].contains(&id), "{path} is in the index of ephemerals");
                assert_eq!(meta.num_children, 0, "the ephemeral {path} has no children");
            }
        });
        assert_eq!(nodes, self.store.len(), "every znode is reachable");
        assert_eq!(ephemerals, self.ephemerals_count, "every ephemeral is counted");
        assert_eq!(path_bytes, self.path_bytes, "bytes of paths");
        assert_eq!(data_bytes, self.data_bytes, "bytes of data");
        assert!(acl_uses.into_iter().eq(self.acls.uses()), "every ACL is counted");
        if self.config.digest_enabled {
            assert_eq!(digest, self.digest, "the digest");
        }
    }
}
