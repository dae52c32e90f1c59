//! Errors of the disk: the first one ends the writer, and nothing acknowledged is lost.

mod common;

use common::{fresh_server, try_open_log, try_recover, txn, write_snapshot};
use zkrs_sim::{Crash, Disk, Fault, FaultKind, FaultOp, Prng};
use zkrs_storage::snapshot::Compression;
use zkrs_storage::txnlog::LogWriter;
use zkrs_storage::{DirLock, StorageError};

/// Writes batches until something fails or all is done; returns the last transaction acknowledged, the last written,
/// and the error.
fn write_batches(log: &mut LogWriter) -> (i64, i64, Option<StorageError>) {
    let (mut acked, mut written) = (0, 0);
    let mut step = || {
        for batch in 0..12 {
            let payloads: Vec<_> = (1..=1 + batch % 4).map(|i| txn(written + i)).collect();
            written += payloads.len() as i64;
            log.append(&payloads)?;
            log.flush()?;
            acked = written;
            log.settle()?;
            match batch {
                3 => while log.idle()? {},
                7 => log.roll()?,
                _ => {}
            }
        }
        Ok(())
    };
    let error: Result<(), StorageError> = step();
    (acked, written, error.err())
}

/// Runs the batches with one fault planned; returns whether it hit.
fn run(fault: Fault, seed: u64) -> bool {
    let context = format!("{fault:?}");
    let disk = fresh_server();
    disk.inject(fault.clone());
    let mut log = match try_open_log(&disk, 0) {
        Ok(log) => log,
        Err(error) => {
            check_message(&error, &fault);
            return true;
        }
    };
    let (acked, written, error) = write_batches(&mut log);
    let hit = error.is_some();
    if let Some(error) = error {
        check_message(&error, &fault);
        disk.heal();
        // The disk is well again, but nobody knows what it holds: the writer stays out of use.
        for _ in 0..2 {
            assert!(
                matches!(log.append(&[txn(written + 1)]), Err(StorageError::Poisoned { .. })),
                "{context}"
            );
            assert!(matches!(log.flush(), Err(StorageError::Poisoned { .. })), "{context}");
            assert!(matches!(log.settle(), Err(StorageError::Poisoned { .. })), "{context}");
            assert!(matches!(log.idle(), Err(StorageError::Poisoned { .. })), "{context}");
        }
    }
    drop(log);
    let mut prng = Prng::new(seed);
    let images = [
        disk.kill(),
        disk.crash(&mut prng, Crash::DropAll),
        disk.crash(&mut prng, Crash::KeepAll),
        disk.crash(&mut prng, Crash::Random),
    ];
    for (i, image) in images.iter().enumerate() {
        let (recovered, sink) = try_recover(image).unwrap_or_else(|e| panic!("{context}: image {i}: {e}"));
        assert!((acked..=written).contains(&recovered.last_zxid), "{context}: image {i}");
        sink.check(recovered.last_zxid);
    }
    hit
}

fn check_message(error: &StorageError, fault: &Fault) {
    let text = error.to_string();
    assert!(matches!(error, StorageError::Io { .. }), "{fault:?}: {text}");
    let remedy = match fault.kind {
        FaultKind::NoSpace => "the disk is full",
        FaultKind::Io => "recovery at the next start",
    };
    assert!(text.contains("/log/version-2") && text.contains(remedy), "{fault:?}: {text}");
}

#[test]
fn every_call_may_fail() {
    for op in [FaultOp::Write, FaultOp::Sync, FaultOp::Create, FaultOp::Rename, FaultOp::SyncDir] {
        for kind in [FaultKind::Io, FaultKind::NoSpace] {
            for lasting in [false, true] {
                let mut hits = 0;
                for after in 0..120 {
                    let fault = Fault { op, path_contains: "/log/".into(), after, kind, lasting };
                    hits += u64::from(run(fault, after));
                }
                assert!(hits > 0, "{op:?} never failed");
            }
        }
    }
}

#[test]
fn a_disk_that_fills_up() {
    for capacity in (40 << 10..110 << 10).step_by(3 << 10) {
        let disk = fresh_server();
        disk.set_capacity(Some(capacity));
        let Ok(mut log) = try_open_log(&disk, 0) else { continue };
        let (acked, written, error) = write_batches(&mut log);
        if let Some(error) = error {
            assert_eq!(error.io_kind(), Some(std::io::ErrorKind::StorageFull), "{error}");
        }
        drop(log);
        // Start again with the disk still full: what was acknowledged is there, and is not touched.
        let (recovered, sink) = try_recover(&disk).unwrap();
        assert!((acked..=written).contains(&recovered.last_zxid));
        sink.check(recovered.last_zxid);
        disk.set_capacity(None);
        let mut log = try_open_log(&disk, recovered.last_zxid).unwrap();
        common::append_all(&mut log, recovered.last_zxid + 1..=recovered.last_zxid + 3);
        try_recover(&disk.kill()).unwrap().1.check(recovered.last_zxid + 3);
    }
}

#[test]
fn a_failed_recovery_changes_nothing() {
    let content = |disk: &Disk| disk.paths().into_iter().map(|p| (disk.bytes(&p), p)).collect::<Vec<_>>();
    let disk = fresh_server();
    let mut log = try_open_log(&disk, 0).unwrap();
    write_batches(&mut log);
    drop(log);
    write_snapshot(&disk, 5, Compression::Gz).unwrap();
    for after in 0..40 {
        let disk = disk.kill();
        let before = content(&disk);
        let fault = Fault {
            op: FaultOp::Read,
            path_contains: "log".into(),
            after,
            kind: FaultKind::Io,
            lasting: true,
        };
        disk.inject(fault);
        if try_recover(&disk).is_ok() {
            assert!(after > 3);
            continue;
        }
        disk.heal();
        assert_eq!(content(&disk), before);
        try_recover(&disk).unwrap();
    }
}

#[test]
fn two_servers_cannot_share_a_directory() {
    let disk = fresh_server();
    let held = DirLock::take(&disk, &common::dirs()).unwrap();
    let error = DirLock::take(&disk, &common::dirs()).err().expect("it is taken");
    assert!(error.to_string().contains("another server is running on this directory"), "{error}");
    drop(held);
    DirLock::take(&disk, &common::dirs()).unwrap();
}
