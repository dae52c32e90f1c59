//! The snapshot tools on a snapshot that is written here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zkrs_core::acl::Acl;
use zkrs_core::tree::{ImageStatus, Silent, Tree, TreeConfig};
use zkrs_core::txn::{CreateTxn, EncodedAcls, Owner, Txn, TxnHeader, kind};
use zkrs_storage::{Compression, RealFs, SnapshotWriter};

use super::{compare, dump, load, tree as summary};
use crate::tools::ToolError;

const SESSION: i64 = 0x1_0000_0001;

/// Writes a snapshot of a tree with these znodes, and returns its path.
fn snapshot(directory: &Path, znodes: &[(&str, &[u8])], compression: Compression) -> PathBuf {
    let config = TreeConfig { seed: 1, digest_enabled: true, extended_types: true };
    let mut tree = Tree::new(config);
    for (index, (path, data)) in znodes.iter().enumerate() {
        let zxid = index as i64 + 1;
        let owner = if path.contains("eph") { Owner::Ephemeral } else { Owner::Persistent };
        let txn = Txn::Create(CreateTxn {
            path: (*path).into(),
            data: Some(data),
            acl: EncodedAcls::of(&Acl::open()),
            owner,
            parent_cversion: -1,
        });
        let header = TxnHeader { client_id: SESSION, cxid: 1, zxid, time_ms: 0, kind: kind::CREATE };
        let _ = tree.apply(&header, &txn, None, &mut Silent, &mut Vec::new());
    }
    let zxid = tree.start_image(&[(SESSION, 30_000)], true);
    let mut writer = SnapshotWriter::create(Arc::new(RealFs), directory, zxid, compression).unwrap();
    loop {
        let mut slice = Vec::new();
        let status = tree.image_slice(1 << 16, &mut slice);
        writer.write(&slice).unwrap();
        match status {
            ImageStatus::More => {}
            ImageStatus::Seal => writer.seal().unwrap(),
            ImageStatus::Done => {
                writer.seal().unwrap();
                return writer.finish().unwrap().path;
            }
        }
    }
}

fn text(tool: impl FnOnce(&mut Vec<u8>) -> Result<(), ToolError>) -> String {
    let mut out = Vec::new();
    tool(&mut out).unwrap_or_else(|error| panic!("{}", error.text));
    String::from_utf8(out).unwrap()
}

const ZNODES: &[(&str, &[u8])] =
    &[("/b", b"xyz"), ("/a", b""), ("/a/deep", b"1234"), ("/a/eph", b"\xff"), ("/b-c", b"")];

#[test]
fn text_has_apaches_shape() {
    let directory = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Gz, Compression::Snappy] {
        let loaded = load::load(&snapshot(directory.path(), ZNODES, compression)).unwrap();
        let text = text(|out| dump::text(out, &loaded, false));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ZNode Details (count=10):");
        let paths: Vec<&str> = lines.iter().filter(|line| line.starts_with('/')).copied().collect();
        let expected = [
            "/",
            "/a",
            "/a/deep",
            "/a/eph",
            "/b",
            "/b-c",
            "/zookeeper",
            "/zookeeper/config",
            "/zookeeper/quota",
        ];
        assert_eq!(paths, expected);
        let eph = text.split("/a/eph\n").nth(1).unwrap();
        assert!(eph.starts_with("  cZxid = 0x00000000000004\n  ctime = Thu Jan 01 "), "{eph}");
        assert!(eph.contains("\n  ephemeralOwner = 0x00000100000001\n  dataLength = 1\n"), "{eph}");
        assert!(text.contains("\n0x00000100000001, 30000, 1\n"), "{text}");
        assert!(text.ends_with("\n----\nLast zxid: 0x5\n"), "{text}");
    }
}

#[test]
fn json_and_data_show_the_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let loaded = load::load(&snapshot(directory.path(), ZNODES, Compression::None)).unwrap();
    let data = text(|out| dump::text(out, &loaded, true));
    assert!(data.contains("\n  data = eHl6\n"), "{data}");
    let json = text(|out| dump::json(out, &loaded, false));
    assert!(json.contains(r#""data":"1234","path":"/a/deep""#), "{json}");
    assert!(json.contains(r#""base64":"/w==","path":"/a/eph""#), "{json}");
    assert!(json.contains(r#"{"session":"0x100000001","timeout":30000}"#), "{json}");
    assert!(json.lines().last().unwrap().contains(r#""znodes":9"#), "{json}");
    let ncdu: serde_json::Value = serde_json::from_str(&text(|out| dump::ncdu(out, &loaded))).unwrap();
    assert_eq!(ncdu[3][0]["name"], "/");
    assert_eq!(ncdu[3][1][0]["name"], "a");
    assert_eq!(ncdu[3][1][1]["name"], "deep");
    assert_eq!(ncdu[3][2]["asize"], 3);
}

#[test]
fn the_summary_counts_what_lies_below() {
    let directory = tempfile::tempdir().unwrap();
    let loaded = load::load(&snapshot(directory.path(), ZNODES, Compression::None)).unwrap();
    let all = text(|out| summary::print(out, &loaded, "/", 0, false));
    assert!(
        all.starts_with(" /\n   children: 8\n   data: 8\n-- /a\n--   children: 2\n--   data: 5\n"),
        "{all}"
    );
    let a = text(|out| summary::print(out, &loaded, "/a", 1, false));
    assert_eq!(a, " /a\n   children: 2\n   data: 5\n\n");
    assert!(summary::print(&mut Vec::new(), &loaded, "/none", 0, false).is_err());
}

#[test]
fn a_comparison_finds_what_differs() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let left = snapshot(one.path(), ZNODES, Compression::None);
    let more: Vec<(&str, &[u8])> =
        ZNODES.iter().copied().filter(|(path, _)| *path != "/b").chain([("/a/new", &b"12"[..])]).collect();
    let right = snapshot(other.path(), &more, Compression::None);
    let options = |bytes, debug| compare::Options {
        left: left.clone(),
        right: right.clone(),
        bytes,
        nodes: 10,
        debug,
        interactive: false,
    };
    let all = text(|out| compare::compare(out, &options(0, false)));
    let found: Vec<&str> = all.lines().filter(|line| line.starts_with("Node /")).collect();
    let expected = [
        "Node /a found in both trees. Delta: 2 bytes, 1 descendants",
        "Node /b found only in left tree. Descendant size: 3. Descendant count: 0",
        "Node /a/new found only in right tree. Descendant size: 2. Descendant count: 0",
    ];
    assert_eq!(found, expected);
    assert!(
        all.contains("Node count: 9\nTotal size: 8\nMax depth: 3\nCount of nodes at depth 0: 1\n"),
        "{all}"
    );
    assert!(all.ends_with("All layers compared.\n"));
    let few = text(|out| compare::compare(out, &options(2, true)));
    assert!(few.contains("Filtered right node /a/new of size 2"), "{few}");
    assert!(few.contains("Comparing /b to /b-c\nleft is less\n"), "{few}");
}
