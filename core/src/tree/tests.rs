//! The tree by itself: what is derived follows, and an image plus the log is the tree.

use super::*;
use crate::txn::{EncodedAcls, kind};
use alloc::borrow::Cow;
use alloc::format;

const CONFIG: TreeConfig = TreeConfig { seed: 1, digest_enabled: true, extended_types: true };

fn apply(tree: &mut Tree, zxid: Zxid, client_id: i64, kind: i32, txn: Txn<'_>) -> ErrorCode {
    let header = TxnHeader { client_id, cxid: 0, zxid, time_ms: zxid * 10, kind };
    tree.apply(&header, &txn, None, &mut Silent, &mut Vec::new())
}

fn create(path: &str, owner: Owner, parent_cversion: i32) -> Txn<'_> {
    Txn::Create(CreateTxn {
        path: Cow::Borrowed(path),
        data: Some(b"data"),
        acl: EncodedAcls::of(&Acl::open()),
        owner,
        parent_cversion,
    })
}

#[test]
fn a_fresh_tree_has_apaches_digest_count_and_size() {
    let tree = Tree::new(CONFIG);
    assert_eq!(tree.digest(), 1_371_985_504);
    assert_eq!(tree.znode_count(), 5);
    assert_eq!(tree.approximate_data_size_bytes(), 44);
    assert_eq!(tree.stat(NodeId::ROOT).cversion, -1);
    assert_eq!(tree.stat(tree.find("/zookeeper").unwrap()).cversion, -2);
    tree.check_invariants();
}

#[test]
fn everything_derived_follows_the_changes() {
    let mut tree = Tree::new(CONFIG);
    assert_eq!(apply(&mut tree, 1, 5, kind::CREATE, create("/a", Owner::Persistent, 1)), ErrorCode::Ok);
    assert_eq!(apply(&mut tree, 2, 5, kind::CREATE, create("/a/e", Owner::Ephemeral, 1)), ErrorCode::Ok);
    assert_eq!(apply(&mut tree, 3, 5, kind::CREATE_TTL, create("/a/t", Owner::Ttl(7), 2)), ErrorCode::Ok);
    assert_eq!(
        apply(&mut tree, 4, 5, kind::CREATE_CONTAINER, create("/a/c", Owner::Container, 3)),
        ErrorCode::Ok
    );
    tree.check_invariants();
    let stat = tree.stat(tree.find("/a").unwrap());
    assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (3, 3, 4));
    assert_eq!(tree.ephemerals(5).collect::<Vec<_>>(), ["/a/e"]);
    let close = Txn::CloseSession { paths: Some(alloc::vec!["/a/e".into()]) };
    apply(&mut tree, 5, 5, kind::CLOSE_SESSION, close);
    let stat = tree.stat(tree.find("/a").unwrap());
    assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (4, 2, 5));
    assert_eq!(tree.reapable(1000, 0), ["/a/t"]);
    tree.check_invariants();
}

/// A tree taken slice by slice while it changes, then replayed, is the tree.
#[test]
fn a_fuzzy_image_and_the_log_make_the_same_tree() {
    for slice_bytes in [1, 200, 1 << 20] {
        let mut tree = Tree::new(CONFIG);
        let mut zxid = 0;
        for i in 0..50 {
            zxid += 1;
            apply(&mut tree, zxid, 9, kind::CREATE, create(&format!("/n{i}"), Owner::Persistent, i + 1));
        }
        let start = tree.start_image(&[(9, 4000)], true);
        let (mut body, mut parts) = (Vec::new(), Vec::new());
        let mut log: Vec<(Zxid, i32, Txn<'_>)> = Vec::new();
        let names: Vec<String> = (0..50).map(|i| format!("/n{i}")).collect();
        let kids: Vec<String> = (0..50).map(|i| format!("/n{i}/k")).collect();
        let mut i = 0;
        loop {
            let status = tree.image_slice(slice_bytes, &mut body);
            if status != ImageStatus::More {
                parts.push(core::mem::take(&mut body));
            }
            if status == ImageStatus::Done {
                break;
            }
            if i < 50 {
                let at = i * 7 % 50;
                let changes = [
                    (kind::CREATE, create(&kids[at], Owner::Ephemeral, 1)),
                    (kind::SET_DATA, Txn::SetData { path: (&names[at]).into(), data: None, version: 1 }),
                    (kind::DELETE, Txn::Delete { path: (&kids[at]).into() }),
                    (kind::DELETE, Txn::Delete { path: (&names[at]).into() }),
                    (kind::CREATE, create(&names[at], Owner::Persistent, 51 + i as i32)),
                ];
                for (kind, txn) in changes {
                    zxid += 1;
                    assert_eq!(apply(&mut tree, zxid, 9, kind, txn.clone()), ErrorCode::Ok);
                    log.push((zxid, kind, txn));
                }
                i += 1;
            }
        }
        let mut loader = ImageLoader::new(CONFIG, start);
        for (n, part) in parts.iter().enumerate() {
            let mut rest = &part[..];
            while !rest.is_empty() {
                let piece = if n == 0 { rest.len().min(33) } else { rest.len() };
                let progress = loader.feed(&rest[..piece]).unwrap();
                rest = &rest[progress.consumed..];
                assert_eq!(progress.part_ended, rest.is_empty());
            }
        }
        let (mut loaded, sessions) = loader.finish().unwrap();
        assert_eq!(sessions, [(9, 4000)]);
        loaded.check_invariants();
        for (zxid, kind, txn) in log {
            apply(&mut loaded, zxid, 9, kind, txn);
        }
        loaded.check_invariants();
        tree.check_invariants();
        assert_eq!(loaded.digest(), tree.digest());
        assert_eq!(loaded.last_processed(), tree.last_processed());
    }
}
