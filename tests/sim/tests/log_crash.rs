//! Whatever a crash leaves of unsynced writes, recovery yields a prefix of what was written, with everything that was
//! acknowledged.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use common::{append_all, fresh_server, open_log, try_recover, txn, write_snapshot};
use zkrs_sim::{Crash, Disk, DiskView, Prng};
use zkrs_storage::purge::purge;
use zkrs_storage::snapshot::Compression;

/// Recovers what a crash left, checks it, goes on writing, and recovers that.
fn check_image(image: &Disk, acked: i64, written: i64, context: &str) {
    let (recovered, sink) = match try_recover(image) {
        Ok(found) => found,
        Err(error) => panic!("{context}: refused: {error}"),
    };
    let last = recovered.last_zxid;
    assert!(last >= acked, "{context}: 0x{last:x} recovered, 0x{acked:x} acknowledged");
    assert!(last <= written, "{context}: 0x{last:x} recovered, 0x{written:x} written");
    sink.check(last);
    let mut log = open_log(image, last);
    append_all(&mut log, last + 1..=last + 2);
    drop(log);
    let (recovered, sink) =
        try_recover(&image.kill()).unwrap_or_else(|e| panic!("{context}: second start: {e}"));
    assert_eq!(recovered.last_zxid, last + 2, "{context}: second start");
    assert_eq!(recovered.torn_bytes, 0, "{context}: second start");
    sink.check(last + 2);
}

/// Checks images of every moment of one run. Returns how many.
fn run(seed: u64, images_per_op: u64) -> u64 {
    let mut prng = Prng::new(seed);
    let mut disk = fresh_server();
    let (acked, written) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let images = Arc::new(AtomicU64::new(0));
    let mut next = 1;
    for life in 0..3 {
        watch(&disk, &mut prng, images_per_op, &acked, &written, &images, format!("seed {seed} life {life}"));
        let (recovered, sink) = try_recover(&disk).expect("the images before were fine");
        assert!(recovered.last_zxid >= acked.load(Ordering::Relaxed));
        sink.check(recovered.last_zxid);
        next = recovered.last_zxid + 1;
        let mut log = open_log(&disk, recovered.last_zxid);
        for _ in 0..prng.below(12) {
            match prng.below(12) {
                0 => log.roll().unwrap(),
                1 => while log.idle().unwrap() {},
                2 if acked.load(Ordering::Relaxed) > 0 => {
                    let compression = [Compression::None, Compression::Snappy][prng.below(2) as usize];
                    write_snapshot(&disk, acked.load(Ordering::Relaxed), compression).unwrap();
                }
                3 => {
                    purge(&disk, &common::dirs(), 3).unwrap();
                }
                _ => {
                    let appends = 1 + prng.below(2);
                    for _ in 0..appends {
                        let batch: Vec<_> = (0..1 + prng.below(5) as i64).map(|i| txn(next + i)).collect();
                        next += batch.len() as i64;
                        written.store(next - 1, Ordering::Relaxed);
                        log.append(&batch).unwrap();
                    }
                    log.flush().unwrap();
                    acked.store(next - 1, Ordering::Relaxed);
                    if prng.chance(3, 4) {
                        log.settle().unwrap();
                    }
                }
            }
        }
        if prng.chance(1, 3) {
            log.close().unwrap();
        }
        disk.clear_tap();
        disk = match prng.below(3) {
            0 => disk.kill(),
            1 => disk.crash(&mut prng, Crash::DropAll),
            _ => disk.crash(&mut prng, Crash::Random),
        };
    }
    assert!(next > 1);
    images.load(Ordering::Relaxed)
}

fn watch(
    disk: &Disk,
    prng: &mut Prng,
    images_per_op: u64,
    acked: &Arc<AtomicI64>,
    written: &Arc<AtomicI64>,
    images: &Arc<AtomicU64>,
    context: String,
) {
    let (acked, written, images, mut prng) = (acked.clone(), written.clone(), images.clone(), prng.fork());
    disk.on_op(move |view: &DiskView<'_>| {
        let (acked, written) = (acked.load(Ordering::Relaxed), written.load(Ordering::Relaxed));
        for i in 0..images_per_op {
            let crash = match i {
                0 => Crash::DropAll,
                1 => Crash::KeepAll,
                _ => Crash::Random,
            };
            let image = view.crash(&mut prng, crash);
            check_image(&image, acked, written, &format!("{context} op {} {crash:?} {i}", view.op));
            images.fetch_add(1, Ordering::Relaxed);
        }
    });
}

#[test]
fn every_moment_of_random_runs() {
    let images: u64 = (0..60).map(|seed| run(seed, 5)).sum();
    assert!(images > 5000, "only {images} images");
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let trace = |seed| {
        let disk = fresh_server();
        let mut log = open_log(&disk, 0);
        append_all(&mut log, 1..20);
        log.append(&[txn(20), txn(21)]).unwrap();
        let image = disk.crash(&mut Prng::new(seed), Crash::Random);
        image.paths().into_iter().map(|path| (image.bytes(&path), path)).collect::<Vec<_>>()
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}
