//! Snapshots: their bytes, their compressions, what damage and full disks do to them.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{append_all, dirs, files, fresh_server, open_log, snapshot_body, try_recover, write_snapshot};
use zkrs_sim::{Crash, Disk, Fault, FaultKind, FaultOp, Prng};
use zkrs_storage::fs::Fs;
use zkrs_storage::names::{SnapshotName, list_snapshots, snapshot_name};
use zkrs_storage::snapshot::{Chunk, Compression, SnapshotPart, SnapshotReader, SnapshotWriter, verify};
use zkrs_storage::{DamageKind, StorageError};

const ALL: [Compression; 3] = [Compression::None, Compression::Gz, Compression::Snappy];

fn path(zxid: i64, compression: Compression) -> PathBuf {
    dirs().snap().join(snapshot_name(zxid, compression))
}

fn name(zxid: i64, compression: Compression) -> SnapshotName {
    SnapshotName { zxid, compression, path: path(zxid, compression) }
}

/// The bytes of a snapshot as its reader hands them out.
fn read(disk: &Disk, name: &SnapshotName) -> Result<(Vec<u8>, Vec<SnapshotPart>), StorageError> {
    let (mut body, mut parts) = (Vec::new(), Vec::new());
    let mut reader = SnapshotReader::open(disk, name)?;
    while let Some(chunk) = reader.next_chunk()? {
        match chunk {
            Chunk::Body(bytes) => body.extend_from_slice(bytes),
            Chunk::Part(part) => parts.push(part),
        }
    }
    Ok((body, parts))
}

#[test]
fn golden_bytes() {
    let disk = fresh_server();
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let mut writer = SnapshotWriter::create(fs, &dirs().snap(), 0x1f, Compression::None).unwrap();
    // No sessions, no ACLs, no znodes.
    let body = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'/'];
    writer.write(&body).unwrap();
    writer.seal().unwrap();
    writer.write(&[0, 0, 0, 0, 0, 0, 0, 9]).unwrap();
    writer.seal().unwrap();
    let written = writer.finish().unwrap();
    assert_eq!(written.path, dirs().snap().join("snapshot.1f"));
    let bytes = disk.bytes(&written.path);
    assert_eq!(bytes.len() as u64, written.file_bytes);
    let mut want = b"ZKSN\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
    want.extend_from_slice(&body);
    want.extend_from_slice(&adler(&want).to_be_bytes());
    want.extend_from_slice(&[0, 0, 0, 1, b'/']);
    want.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 9]);
    want.extend_from_slice(&adler(&want).to_be_bytes());
    want.extend_from_slice(&[0, 0, 0, 1, b'/']);
    assert_eq!(bytes, want);
}

/// The checksum by its definition.
fn adler(bytes: &[u8]) -> u64 {
    let (mut a, mut b) = (1u64, 0u64);
    for &byte in bytes {
        a = (a + u64::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    b << 16 | a
}

#[test]
fn every_combination_of_parts_reads_back() {
    // Bodies around the size of the reader's buffer, where the tail straddles it.
    for len in [5, 100, (256 << 10) - 84, (256 << 10) - 16, 256 << 10, (256 << 10) + 51, 700_000] {
        let mut body = vec![0; len];
        Prng::new(len as u64).fill(&mut body);
        body[len - 5..].copy_from_slice(&[0, 0, 0, 1, b'/']);
        for (digest, zxid) in [(false, false), (true, false), (false, true), (true, true)] {
            for compression in ALL {
                let disk = fresh_server();
                let fs: Arc<dyn Fs> = Arc::new(disk.clone());
                let mut writer = SnapshotWriter::create(fs, &dirs().snap(), 7, compression).unwrap();
                writer.write(&body).unwrap();
                writer.seal().unwrap();
                let mut parts = Vec::new();
                if digest {
                    writer.write(&[&5i64.to_be_bytes()[..], &[0, 0, 0, 2], &[1; 8]].concat()).unwrap();
                    writer.seal().unwrap();
                    let digest = i64::from_be_bytes([1; 8]);
                    parts.push(SnapshotPart::Digest { zxid: 5, version: 2, digest });
                }
                if zxid {
                    writer.write(&6i64.to_be_bytes()).unwrap();
                    writer.seal().unwrap();
                    parts.push(SnapshotPart::LastZxid(6));
                }
                writer.finish().unwrap();
                let (found, found_parts) = read(&disk, &name(7, compression)).unwrap();
                assert!(found == body, "{len} bytes, {compression:?}");
                assert_eq!(found_parts, parts, "{len} bytes, {compression:?}");
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_refused_or_harmless() {
    for compression in ALL {
        let disk = fresh_server();
        write_snapshot(&disk, 40, compression).unwrap();
        let name = name(40, compression);
        let good = read(&disk, &name).unwrap();
        let bytes = disk.bytes(&name.path);
        let mut harmless = 0;
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            disk.put(&name.path, bytes);
            match read(&disk, &name) {
                Ok(found) => {
                    assert!(found == good, "{compression:?}: bit {bit} gave another tree");
                    harmless += 1;
                }
                Err(StorageError::Damage(damage)) => assert_eq!(damage.kind, DamageKind::Snapshot),
                Err(other) => panic!("{compression:?}: bit {bit}: {other}"),
            }
        }
        // gzip's own header has fields that nobody reads: the time, the system, flags; snappy's has its versions.
        let limit = match compression {
            Compression::None => 0,
            Compression::Gz => 10 * 8,
            Compression::Snappy => 8 * 8,
        };
        assert!(harmless <= limit, "{compression:?}: {harmless} flipped bits were not seen");
    }
}

#[test]
fn every_cut_is_refused() {
    for compression in ALL {
        let disk = fresh_server();
        write_snapshot(&disk, 40, compression).unwrap();
        let name = name(40, compression);
        let good = read(&disk, &name).unwrap();
        let bytes = disk.bytes(&name.path);
        for cut in 0..bytes.len() {
            disk.put(&name.path, bytes[..cut].to_vec());
            match read(&disk, &name) {
                Err(_) => {}
                // A snapshot cut between two parts is an older server's.
                Ok((body, parts)) => {
                    assert_eq!(compression, Compression::None);
                    assert!(body == good.0 && parts.len() < good.1.len(), "cut at {cut}");
                }
            }
        }
    }
}

#[test]
fn a_bad_snapshot_is_passed_over_for_an_older_one() {
    for compression in ALL {
        let disk = fresh_server();
        let mut log = open_log(&disk, 0);
        append_all(&mut log, 1..=20);
        write_snapshot(&disk, 8, Compression::None).unwrap();
        write_snapshot(&disk, 12, compression).unwrap();
        let mut bytes = disk.bytes(&path(12, compression));
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        disk.put(&path(12, compression), bytes);
        disk.put(&path(15, Compression::None), Vec::new());
        drop(log);
        let (recovered, sink) = try_recover(&disk.kill()).unwrap();
        assert_eq!(recovered.snapshot.unwrap().zxid, 8);
        let skipped: Vec<_> = recovered.snapshots_skipped.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(skipped, [path(15, Compression::None), path(12, compression)]);
        sink.check(20);
        // The log that the older one needs is gone: refused, not a different tree.
        let image = disk.kill();
        let log = image.bytes(&common::log_path(1));
        image.remove(&common::log_path(1)).unwrap();
        image.put(&common::log_path(10), log);
        assert!(matches!(try_recover(&image), Err(StorageError::Damage(_))));
    }
}

#[test]
fn no_good_snapshot_is_never_an_empty_tree() {
    let disk = fresh_server();
    let mut log = open_log(&disk, 0);
    append_all(&mut log, 1..=3);
    log.close().unwrap();
    disk.put(&path(0, Compression::None), vec![1; 100]);
    let error = try_recover(&disk).unwrap_err();
    assert!(matches!(&error, StorageError::Damage(d) if d.kind == DamageKind::Snapshot), "{error}");
    disk.remove(&path(0, Compression::None)).unwrap();
    let error = try_recover(&disk).unwrap_err();
    assert!(error.to_string().contains("snapshot.trust.empty"), "{error}");
}

#[test]
fn a_failed_snapshot_leaves_nothing() {
    for compression in ALL {
        for (op, kind) in [
            (FaultOp::Write, FaultKind::NoSpace),
            (FaultOp::Create, FaultKind::NoSpace),
            (FaultOp::Sync, FaultKind::Io),
            (FaultOp::Rename, FaultKind::Io),
        ] {
            let disk = fresh_server();
            let before = files(&disk, &dirs().snap());
            disk.inject(Fault { op, path_contains: "snapshot".into(), after: 0, kind, lasting: true });
            let error = write_snapshot(&disk, 9, compression).unwrap_err();
            let want = if kind == FaultKind::NoSpace { "the disk is full" } else { "check the disk" };
            assert!(error.to_string().contains(want), "{error}");
            assert_eq!(files(&disk, &dirs().snap()), before, "{op:?}");
            disk.heal();
            write_snapshot(&disk, 9, compression).unwrap();
        }
    }
}

#[test]
fn a_snapshot_is_there_whole_or_not_at_all() {
    let disk = fresh_server();
    let mut log = open_log(&disk, 0);
    append_all(&mut log, 1..=9);
    let mut prng = Prng::new(11);
    disk.on_op(move |view| {
        for i in 0..6 {
            let crash = [Crash::DropAll, Crash::KeepAll, Crash::Random][i.min(2)];
            let image = view.crash(&mut prng, crash);
            let (recovered, sink) = try_recover(&image).unwrap_or_else(|e| panic!("op {}: {e}", view.op));
            assert_eq!(recovered.last_zxid, 9);
            sink.check(9);
            // A rename that did not get through leaves a temporary file, which recovery has removed.
            assert!(files(&image, &dirs().snap()).iter().all(|name| name.starts_with("snapshot.")));
        }
    });
    for (zxid, compression) in [(4, Compression::Gz), (6, Compression::None), (9, Compression::Snappy)] {
        write_snapshot(&disk, zxid, compression).unwrap();
    }
    disk.clear_tap();
    let names = list_snapshots(&disk, &dirs().snap()).unwrap();
    assert_eq!(names.iter().map(|name| name.zxid).collect::<Vec<_>>(), [9, 6, 4, 0]);
    for name in names {
        assert_eq!(verify(&disk, &name).unwrap() as usize, 16 + snapshot_body(name.zxid).len() + 67);
    }
}
