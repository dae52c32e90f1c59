//! Rolling, truncation, purging, preallocation, epoch files, and the checks of the directories.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{
    OPTIONS, append_all, dirs, files, fresh_server, log_path, open_log, try_recover, txn, write_snapshot,
};
use zkrs_sim::{Crash, Disk, Prng};
use zkrs_storage::epochs::Epochs;
use zkrs_storage::fs::Fs;
use zkrs_storage::purge::purge;
use zkrs_storage::recovery::{RecoveryOptions, recover};
use zkrs_storage::snapshot::Compression;
use zkrs_storage::txnlog::{LogReader, LogStart, LogWriter, LogWriterOptions, truncate_after, zxid_of};
use zkrs_storage::{Dirs, StorageError};

fn log_files(disk: &Disk) -> Vec<String> {
    files(disk, &dirs().log()).into_iter().filter(|name| name.starts_with("log.")).collect()
}

fn zxids(disk: &Disk) -> Vec<i64> {
    let mut reader = LogReader::open(disk, &dirs().log(), LogStart::Oldest).unwrap();
    let mut found = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        assert_eq!(entry.zxid, zxid_of(entry.payload));
        assert_eq!(entry.payload, txn(entry.zxid));
        found.push(entry.zxid);
    }
    found
}

#[test]
fn the_first_file_is_as_long_as_apaches() {
    let disk = fresh_server();
    let options = LogWriterOptions { pre_alloc_bytes: 1 << 20, ..OPTIONS };
    let mut log = LogWriter::open(Arc::new(disk.clone()), &dirs().log(), 0, options).unwrap();
    append_all(&mut log, 1..=1);
    assert_eq!(disk.bytes(&log_path(1)).len(), (1 << 20) + 16);
    assert_eq!(log.file_bytes(), (1 << 20) + 16);
    assert_eq!(log.written_bytes() as usize, 16 + 13 + txn(1).len());
    let mut zxid = 1;
    while log.file_bytes() == (1 << 20) + 16 {
        zxid += 1;
        append_all(&mut log, zxid..=zxid);
    }
    // Extended by one step, before it was needed.
    assert_eq!(log.file_bytes(), (2 << 20) + 16);
    assert!(log.written_bytes() < (1 << 20) - 4096);
    log.close().unwrap();
    assert_eq!(zxids(&disk), (1..=zxid).collect::<Vec<_>>());
}

#[test]
fn without_preallocation_a_file_is_as_long_as_its_content() {
    let disk = fresh_server();
    let options = LogWriterOptions { pre_alloc_bytes: 0, ..OPTIONS };
    let mut log = LogWriter::open(Arc::new(disk.clone()), &dirs().log(), 0, options).unwrap();
    append_all(&mut log, 1..=50);
    while log.idle().unwrap() {}
    assert_eq!(disk.bytes(&log_path(1)).len() as u64, log.written_bytes());
    for seed in 0..50 {
        let image = disk.crash(&mut Prng::new(seed), Crash::Random);
        assert_eq!(try_recover(&image).unwrap().0.last_zxid, 50);
    }
}

#[test]
fn a_file_too_long_is_closed_at_the_next_flush() {
    let disk = fresh_server();
    let options = LogWriterOptions { log_bytes_max: Some(3000), ..OPTIONS };
    let mut log = LogWriter::open(Arc::new(disk.clone()), &dirs().log(), 0, options).unwrap();
    append_all(&mut log, 1..=100);
    log.close().unwrap();
    let lens: Vec<_> =
        disk.paths().into_iter().filter(|p| p.starts_with("/log")).map(|p| disk.bytes(&p).len()).collect();
    assert!(log_files(&disk).len() > 5);
    assert!(lens.iter().all(|&len| len < 3000 + 3100 || len == 8192), "{lens:?}");
    assert_eq!(zxids(&disk), (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_batch_too_long_is_split_and_a_txn_too_long_refused() {
    let disk = fresh_server();
    let mut log = open_log(&disk, 0);
    let mut prng = Prng::new(3);
    let large: Vec<_> = (1..=7).map(|zxid| common::sized_txn(zxid, 5, 1 << 20, &mut prng)).collect();
    let syncs = disk.ops();
    log.append(&large).unwrap();
    assert!(disk.ops() > syncs + 4, "several writes and syncs");
    log.flush().unwrap();
    let huge = common::sized_txn(8, 5, 64 << 20, &mut prng);
    for bad in [&huge[..], &huge[..31], &txn(7)[..]] {
        assert!(matches!(log.append(&[bad]), Err(StorageError::Misuse { .. })));
    }
    // Nothing of a refused batch was written, and the writer is still of use.
    assert!(matches!(log.append(&[&txn(8)[..], &txn(8)[..]]), Err(StorageError::Misuse { .. })));
    append_all(&mut log, 8..=8);
    log.close().unwrap();
    let (_, sink) = try_recover(&disk).unwrap();
    assert!(sink.txns[..7] == large[..] && sink.txns[7] == txn(8));
}

#[test]
fn truncation_keeps_exactly_what_it_should() {
    for cut in 0..=16 {
        let disk = fresh_server();
        let mut log = open_log(&disk, 0);
        for start in [1, 6, 11] {
            append_all(&mut log, start..start + 5);
            log.roll().unwrap();
        }
        let done = log.truncate_after(cut).unwrap();
        let kept = cut.min(15);
        assert_eq!(done.last_zxid, (kept > 0).then_some(kept), "{cut}");
        assert_eq!(log.last_zxid(), kept);
        assert_eq!(zxids(&disk), (1..=kept).collect::<Vec<_>>());
        append_all(&mut log, kept + 1..=kept + 2);
        drop(log);
        let (_, sink) = try_recover(&disk.kill()).unwrap();
        sink.check(kept + 2);
    }
}

#[test]
fn a_crash_during_a_truncation_leaves_a_prefix() {
    let disk = fresh_server();
    let mut log = open_log(&disk, 0);
    for start in [1, 6, 11] {
        append_all(&mut log, start..start + 5);
        log.roll().unwrap();
    }
    let mut prng = Prng::new(5);
    disk.on_op(move |view| {
        for i in 0..6 {
            let crash = [Crash::DropAll, Crash::KeepAll, Crash::Random][i.min(2)];
            let (recovered, sink) = try_recover(&view.crash(&mut prng, crash)).unwrap();
            assert!((7..=15).contains(&recovered.last_zxid));
            sink.check(recovered.last_zxid);
        }
    });
    log.truncate_after(7).unwrap();
    disk.clear_tap();
    assert_eq!(try_recover(&disk.crash(&mut Prng::new(1), Crash::DropAll)).unwrap().0.last_zxid, 7);
}

#[test]
fn truncation_is_the_way_out_of_damage() {
    let disk = fresh_server();
    let mut log = open_log(&disk, 0);
    append_all(&mut log, 1..=10);
    log.close().unwrap();
    let mut bytes = disk.bytes(&log_path(1));
    let at = 16 + (1..=6).map(|zxid| txn(zxid).len() + 13).sum::<usize>() + 20;
    bytes[at] ^= 1;
    disk.put(&log_path(1), bytes);
    let error = try_recover(&disk).unwrap_err();
    assert!(error.to_string().contains("after 0x6 by cutting the log"), "{error}");
    truncate_after(&disk, &dirs().log(), 6).unwrap();
    let (recovered, sink) = try_recover(&disk).unwrap();
    assert_eq!(recovered.last_zxid, 6);
    sink.check(6);
}

/// A server with a snapshot every ten transactions and a log file every six.
fn long_running() -> Disk {
    let disk = fresh_server();
    let mut log = open_log(&disk, 0);
    for zxid in 1..=60 {
        append_all(&mut log, zxid..=zxid);
        if zxid % 6 == 0 {
            log.roll().unwrap();
        }
        if zxid % 10 == 0 {
            let compression =
                [Compression::None, Compression::Gz, Compression::Snappy][zxid as usize / 10 % 3];
            write_snapshot(&disk, zxid, compression).unwrap();
        }
    }
    log.close().unwrap();
    disk
}

fn snapshots(disk: &Disk) -> Vec<i64> {
    zkrs_storage::names::list_snapshots(disk, &dirs().snap()).unwrap().iter().map(|name| name.zxid).collect()
}

#[test]
fn purge_keeps_what_the_kept_snapshots_need() {
    let disk = long_running();
    let done = purge(&disk, &dirs(), 3).unwrap();
    assert_eq!(done.oldest_kept, Some(40));
    assert_eq!(snapshots(&disk), [60, 50, 40]);
    // 0x25 = 37 holds 37..=42, and so what follows snapshot 40.
    assert_eq!(log_files(&disk), ["log.25", "log.2b", "log.31", "log.37"]);
    // Each kept snapshot is enough.
    for keep in [60, 50, 40] {
        let image = disk.kill();
        for zxid in snapshots(&image).into_iter().filter(|&zxid| zxid > keep) {
            let name = zkrs_storage::names::list_snapshots(&image, &dirs().snap()).unwrap().remove(0);
            assert_eq!(name.zxid, zxid);
            image.remove(&name.path).unwrap();
        }
        try_recover(&image).unwrap().1.check(60);
    }
    assert_eq!(purge(&disk, &dirs(), 3).unwrap().removed, Vec::<PathBuf>::new());
}

#[test]
fn purge_never_counts_on_a_damaged_snapshot() {
    let disk = long_running();
    // The three newest look whole, but are not.
    for name in zkrs_storage::names::list_snapshots(&disk, &dirs().snap()).unwrap().into_iter().take(3) {
        let mut bytes = disk.bytes(&name.path);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        disk.put(&name.path, bytes);
    }
    let done = purge(&disk, &dirs(), 3).unwrap();
    assert_eq!((done.oldest_kept, done.damaged.len()), (Some(30), 3));
    try_recover(&disk).unwrap().1.check(60);
    // None is whole: nothing is removed.
    for name in zkrs_storage::names::list_snapshots(&disk, &dirs().snap()).unwrap() {
        disk.put(&name.path, vec![0; 10]);
    }
    let before = disk.paths();
    assert_eq!(purge(&disk, &dirs(), 3).unwrap().oldest_kept, None);
    assert_eq!(disk.paths(), before);
}

#[test]
fn epoch_files_are_old_or_new_at_every_moment() {
    let disk = fresh_server();
    Epochs::load(&disk, &dirs(), 0).unwrap();
    let mut prng = Prng::new(9);
    disk.on_op(move |view| {
        for i in 0..6 {
            let crash = [Crash::DropAll, Crash::KeepAll, Crash::Random][i.min(2)];
            let image = view.crash(&mut prng, crash);
            let epochs = Epochs::load(&image, &dirs(), 0).unwrap();
            assert!([0, 7].contains(&epochs.accepted) && [0, 6].contains(&epochs.current), "{epochs:?}");
            assert!(epochs.accepted == 7 || epochs.current == 0);
        }
    });
    Epochs::save_accepted(&disk, &dirs(), 7).unwrap();
    Epochs::save_current(&disk, &dirs(), 6).unwrap();
}

#[test]
fn directories_are_checked() {
    let start = |disk: &Disk, dirs: &Dirs, options| {
        recover(disk, dirs, options, &mut common::Collector::default(), &mut |_| {})
    };
    let options = RecoveryOptions::default();
    let no_create = RecoveryOptions { auto_create_dirs: false, ..options };
    let error = start(&Disk::new(), &dirs(), no_create).unwrap_err();
    assert!(error.to_string().contains("datadir.autocreate"), "{error}");

    let disk = fresh_server();
    let mut log = open_log(&disk, 0);
    append_all(&mut log, 1..=3);
    log.close().unwrap();
    let swapped = Dirs::new("/log", Some(PathBuf::from("/data")));
    let error = start(&disk, &swapped, options).unwrap_err();
    assert!(error.to_string().contains("not swapped"), "{error}");

    // Moving from a server before 3.5: logs, and no snapshot.
    disk.remove(&dirs().snap().join("snapshot.0")).unwrap();
    assert!(matches!(start(&disk, &dirs(), options), Err(StorageError::Refused { .. })));
    let found = start(&disk, &dirs(), RecoveryOptions { trust_empty: true, ..options }).unwrap();
    assert_eq!((found.last_zxid, found.txns, found.is_fresh()), (3, 3, true));

    let disk = Disk::new();
    let distrusting = RecoveryOptions { auto_create_db: false, ..options };
    assert_eq!(start(&disk, &dirs(), distrusting).unwrap().last_zxid, -1);
    disk.put(&dirs().log_root.join("initialize"), Vec::new());
    assert_eq!(start(&disk, &dirs(), distrusting).unwrap().last_zxid, 0);
}

#[test]
fn progress_reaches_its_end() {
    let disk = long_running();
    let mut seen = Vec::new();
    recover(&disk, &dirs(), RecoveryOptions::default(), &mut common::Collector::default(), &mut |p| {
        seen.push(p)
    })
    .unwrap();
    let last = seen.last().unwrap();
    assert_eq!(last.bytes_done, last.bytes_total);
    assert!(seen.windows(2).all(|pair| pair[0].bytes_done <= pair[1].bytes_done));
    assert!(disk.exists(&log_path(1)));
}
