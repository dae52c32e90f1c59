//! Snapshots, plain, gz and snappy: arbitrary files, and well-sealed files with arbitrary trees. A start refuses
//! them with a typed error, or makes a peer whose own snapshot leads to the same tree.

use std::sync::Arc;

use zkrs_core::Now;
use zkrs_core::peer::{Effect, Effects, Peer};
use zkrs_sim::Disk;
use zkrs_storage::snapshot::SnapshotWriter;
use zkrs_storage::{Compression, Dirs};

use crate::input::Input;
use crate::txn_log::{dirs, start_twice};

const COMPRESSIONS: [(Compression, &str); 3] =
    [(Compression::None, ""), (Compression::Gz, ".gz"), (Compression::Snappy, ".snappy")];

/// The first byte says how the file comes about, the second how it is compressed.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let disk = Disk::new();
    let dirs = dirs(&disk);
    let sealed = input.flag();
    let (compression, extension) = input.pick(&COMPRESSIONS);
    if sealed {
        write(&mut input, &disk, &dirs, compression);
    } else {
        disk.put(&dirs.snap().join(format!("snapshot.5{extension}")), input.all().to_vec());
    }
    if let Some(peer) = start_twice(&disk, &dirs) {
        again(peer);
    }
}

/// A file as the server writes it, around parts of the input's choice.
fn write(input: &mut Input<'_>, disk: &Disk, dirs: &Dirs, compression: Compression) {
    let zxid = i64::from(input.byte());
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), &dirs.snap(), zxid, compression)
        .expect("an empty disk takes a snapshot");
    let mut parts: Vec<&[u8]> = Vec::new();
    for _ in 0..input.below(4) {
        parts.push(input.string());
    }
    let mut body = input.all().to_vec();
    // The terminator, which the input would hardly ever find by itself.
    body.extend_from_slice(&[0, 0, 0, 1, b'/']);
    for part in std::iter::once(&*body).chain(parts) {
        writer.write(part).and_then(|()| writer.seal()).expect("the disk does not fail");
    }
    writer.finish().expect("the disk does not fail");
}

/// Writes what was read, reads it, and compares.
fn again(mut peer: Peer) {
    let disk = Disk::new();
    let dirs = dirs(&disk);
    let mut effects = Effects::default();
    peer.start_snapshot(&mut effects);
    let Some(Effect::StartSnapshot { zxid }) = effects.list.first() else { panic!("a snapshot begins") };
    let writer = SnapshotWriter::create(Arc::new(disk.clone()), &dirs.snap(), *zxid, Compression::None)
        .expect("an empty disk takes a snapshot");
    zkrs_storage::loader::write_first_snapshot(&mut peer, writer, Now::default())
        .expect("the disk does not fail");
    let other = start_twice(&disk, &dirs).expect("our own snapshot is accepted");
    assert_eq!(peer.stats().tree_digest, other.stats().tree_digest, "the digest");
    assert_eq!(peer.stats().znode_count, other.stats().znode_count, "znodes");
    assert_eq!(peer.stats().ephemerals_count, other.stats().ephemerals_count, "ephemerals");
    assert_eq!(peer.sessions(), other.sessions(), "sessions");
}
