//! Damage is refused, and a torn tail is not mistaken for it.

mod common;

use std::path::Path;

use common::{
    append_all, files, fresh_server, log_path, open_log, sized_txn, try_recover, txn, write_snapshot,
};
use zkrs_sim::{Disk, Prng};
use zkrs_storage::fs::Fs;
use zkrs_storage::snapshot::Compression;
use zkrs_storage::txnlog::WATERMARK_FILE;
use zkrs_storage::{DamageKind, StorageError};

/// A server that was killed after writing `last` transactions, in one file.
fn killed_after(last: i64) -> Disk {
    let disk = fresh_server();
    let mut log = open_log(&disk, 0);
    append_all(&mut log, 1..=last);
    drop(log);
    disk.kill()
}

/// The same, as another program would have left it: without our watermark.
fn without_watermark(disk: &Disk) -> Disk {
    let disk = disk.kill();
    disk.remove(&common::dirs().log().join(WATERMARK_FILE)).unwrap();
    disk
}

fn damage(disk: &Disk) -> (DamageKind, String) {
    match try_recover(disk) {
        Err(StorageError::Damage(damage)) => (damage.kind, StorageError::Damage(damage).to_string()),
        Err(other) => panic!("another error: {other}"),
        Ok((recovered, _)) => panic!("started with 0x{:x}", recovered.last_zxid),
    }
}

/// Where the written part of a log ends.
fn data_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1)
}

fn flipped(disk: &Disk, path: &Path, bit: usize) -> Disk {
    let mut bytes = disk.bytes(path);
    bytes[bit / 8] ^= 1 << (bit % 8);
    let disk = disk.kill();
    disk.put(path, bytes);
    disk
}

#[test]
fn every_flipped_bit_of_a_log_is_refused_or_harmless() {
    let disk = killed_after(25);
    for disk in [without_watermark(&disk), disk] {
        let path = log_path(1);
        let bytes = disk.bytes(&path);
        let end = data_end(&bytes);
        let (_, good) = try_recover(&disk.kill()).unwrap();
        for bit in 0..bytes.len().min(end + 40) * 8 {
            let result = try_recover(&flipped(&disk, &path, bit));
            match result {
                Err(StorageError::Damage(_)) => assert!(bit / 8 < end, "bit {bit} of zeros was refused"),
                Err(other) => panic!("bit {bit}: {other}"),
                Ok((_, sink)) => {
                    assert_eq!(sink, good, "bit {bit} gave another tree");
                    assert!(bit / 8 >= end || (8..16).contains(&(bit / 8)), "bit {bit} was not seen");
                }
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_the_watermark_is_harmless() {
    let disk = killed_after(5);
    let path = common::dirs().log().join(WATERMARK_FILE);
    let (_, good) = try_recover(&disk.kill()).unwrap();
    for bit in (0..56 * 8).chain(4096 * 8..(4096 + 56) * 8) {
        let (_, sink) = try_recover(&flipped(&disk, &path, bit)).unwrap();
        assert_eq!(sink, good);
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    let disk = killed_after(6);
    let (path, base) = (log_path(1), disk.bytes(&log_path(1)));
    let synced = data_end(&base);
    let mut log = open_log(&disk, 6);
    drop(log);
    // One more batch of three, written by hand behind what the watermark knows.
    let donor = fresh_server();
    log = open_log(&donor, 0);
    append_all(&mut log, 1..=6);
    log.append(&[txn(7), txn(8), txn(9)]).unwrap();
    let whole = donor.bytes(&path);
    let end = data_end(&whole);
    assert_eq!(whole[..synced], base[..synced]);
    for cut in synced..=end {
        let mut bytes = whole.clone();
        bytes[cut..].fill(0);
        // Both as zeros follow, and as the file ends there.
        for truncated in [false, true] {
            let image = disk.kill();
            image.put(&path, if truncated { bytes[..cut].to_vec() } else { bytes.clone() });
            let (recovered, sink) = try_recover(&image).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
            sink.check(recovered.last_zxid);
            assert!((6..=9).contains(&recovered.last_zxid));
            let kept: usize = (1..=recovered.last_zxid).map(|zxid| txn(zxid).len() + 13).sum();
            assert_eq!(recovered.torn_bytes as usize, data_end(&bytes[..cut]) - 16 - kept, "cut at {cut}");
            assert_eq!(data_end(&image.bytes(&path)), image.bytes(&path).len(), "the tail is cut off");
        }
    }
}

#[test]
fn lost_sectors_below_the_watermark_are_refused() {
    let disk = killed_after(40);
    let path = log_path(1);
    let bytes = disk.bytes(&path);
    for sector in 1..data_end(&bytes) / 512 {
        let mut bytes = bytes.clone();
        if bytes[sector * 512..][..512].iter().all(|&b| b == 0) {
            continue;
        }
        bytes[sector * 512..][..512].fill(0);
        let disk = disk.kill();
        disk.put(&path, bytes);
        let (kind, text) = damage(&disk);
        assert_eq!(kind, DamageKind::Entry, "{text}");
    }
}

#[test]
fn a_shortened_log_is_refused() {
    let disk = killed_after(10);
    let path = log_path(1);
    let bytes = disk.bytes(&path);
    let first_entry = 16 + 13 + txn(1).len();
    for keep in [16, first_entry, first_entry + 13 + txn(2).len()] {
        let image = disk.kill();
        image.put(&path, bytes[..keep].to_vec());
        let (kind, text) = damage(&image);
        assert_eq!(kind, DamageKind::Shortened, "{text}");
        assert!(text.contains("remove the file zkrs.synced"), "{text}");
    }
    let image = disk.kill();
    image.remove(&path).unwrap();
    assert_eq!(damage(&image).0, DamageKind::Shortened);
    // The remedy that the message names.
    image.remove(&common::dirs().log().join(WATERMARK_FILE)).unwrap();
    assert_eq!(try_recover(&image).unwrap().0.last_zxid, 0);
}

/// Logs 1..=5, 6..=10 and 11..=15.
fn three_logs() -> Disk {
    let disk = fresh_server();
    let mut log = open_log(&disk, 0);
    for start in [1, 6, 11] {
        append_all(&mut log, start..start + 5);
        log.roll().unwrap();
    }
    log.close().unwrap();
    assert_eq!(files(&disk, &common::dirs().log()), ["log.1", "log.6", "log.b", WATERMARK_FILE]);
    disk
}

#[test]
fn a_missing_log_is_a_hole() {
    for gone in [1, 6] {
        let disk = three_logs();
        disk.remove(&log_path(gone)).unwrap();
        let (kind, text) = damage(&disk);
        assert_eq!(kind, DamageKind::Hole, "{text}");
        assert!(text.contains("zkrs log chop"), "{text}");
    }
    let disk = three_logs();
    disk.remove(&log_path(11)).unwrap();
    assert_eq!(damage(&disk).0, DamageKind::Shortened);
}

#[test]
fn a_snapshot_covers_the_holes_before_it() {
    let disk = three_logs();
    disk.remove(&log_path(6)).unwrap();
    write_snapshot(&disk, 10, Compression::None).unwrap();
    let (recovered, sink) = try_recover(&disk).unwrap();
    assert_eq!(recovered.last_zxid, 15);
    sink.check(15);
}

#[test]
fn a_damaged_entry_in_an_older_log_is_refused() {
    let disk = three_logs();
    let path = log_path(6);
    let bytes = disk.bytes(&path);
    // A burst, so that no rule about single bits helps.
    for at in [16, 100, bytes.len() - 30] {
        let mut bytes = bytes.clone();
        for byte in &mut bytes[at..at + 7] {
            *byte = byte.wrapping_mul(31).wrapping_add(0x5b);
        }
        let disk = disk.kill();
        disk.put(&path, bytes);
        let (kind, text) = damage(&disk);
        assert!(matches!(kind, DamageKind::Entry | DamageKind::Hole), "{text}");
    }
}

#[test]
fn swapped_and_renamed_logs_are_refused() {
    let disk = three_logs();
    disk.rename(&log_path(6), &log_path(7)).unwrap();
    assert_eq!(damage(&disk).0, DamageKind::Name);
    let disk = three_logs();
    let (a, b) = (disk.bytes(&log_path(1)), disk.bytes(&log_path(6)));
    disk.put(&log_path(1), b);
    disk.put(&log_path(6), a);
    assert_eq!(damage(&disk).0, DamageKind::Name);
}

/// One log file with these payloads, as another program writes it.
fn foreign_log(payloads: &[Vec<u8>], zeros: usize) -> Vec<u8> {
    let mut bytes = b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec();
    for payload in payloads {
        let mut adler = (1u64, 0u64);
        for &byte in payload {
            adler.0 = (adler.0 + u64::from(byte)) % 65521;
            adler.1 = (adler.1 + adler.0) % 65521;
        }
        bytes.extend_from_slice(&(adler.1 << 16 | adler.0).to_be_bytes());
        bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes.push(b'B');
    }
    bytes.resize(bytes.len() + zeros, 0);
    bytes
}

#[test]
fn apaches_habits_are_understood() {
    let disk = fresh_server();
    // A torn tail left where it was, its zxid used again in the next file.
    let mut first = foreign_log(&[txn(1), txn(2), txn(3)], 0);
    let torn = first.len() - 20;
    first[torn..].fill(0);
    first.resize(first.len() + 5000, 0);
    disk.put(&log_path(1), first);
    // An error transaction that repeats a zxid.
    let error = sized_txn(3, -1, 4, &mut Prng::new(1));
    disk.put(&log_path(3), foreign_log(&[txn(3), error.clone(), txn(4)], 64));
    let epoch_2 = (2 << 32) + 1;
    disk.put(&log_path(5), foreign_log(&[txn(5)], 10));
    disk.put(&log_path(epoch_2), foreign_log(&[txn(epoch_2), txn(epoch_2 + 1)], 0));
    // A file that was begun and never written to.
    disk.put(&log_path(epoch_2 + 2), foreign_log(&[], 4096));
    let (recovered, sink) = try_recover(&disk).unwrap();
    let want = [txn(1), txn(2), txn(3), error, txn(4), txn(5), txn(epoch_2), txn(epoch_2 + 1)];
    assert_eq!(sink.txns, want);
    assert_eq!(recovered.removed, [log_path(epoch_2 + 2)]);
    let mut log = open_log(&disk, recovered.last_zxid);
    append_all(&mut log, epoch_2 + 2..=epoch_2 + 3);
    drop(log);
    assert_eq!(try_recover(&disk.kill()).unwrap().0.last_zxid, epoch_2 + 3);
}

#[test]
fn a_last_log_without_bytes_is_removed_an_earlier_one_is_not() {
    let disk = three_logs();
    disk.put(&log_path(16), Vec::new());
    let (recovered, _) = try_recover(&disk).unwrap();
    assert_eq!((recovered.last_zxid, recovered.removed), (15, vec![log_path(16)]));
    let disk = three_logs();
    disk.put(&log_path(6), Vec::new());
    assert_eq!(damage(&disk).0, DamageKind::Header);
}

#[test]
fn an_epoch_starts_at_one() {
    let disk = fresh_server();
    let epoch_2 = 2 << 32;
    disk.put(&log_path(1), foreign_log(&[txn(1)], 0));
    disk.put(&log_path(epoch_2 + 5), foreign_log(&[txn(epoch_2 + 5)], 0));
    assert_eq!(damage(&disk).0, DamageKind::Hole);
}

#[test]
fn without_force_sync_the_first_unreadable_entry_is_the_end() {
    let disk = fresh_server();
    let options = zkrs_storage::LogWriterOptions { force_sync: false, ..common::OPTIONS };
    let fs: std::sync::Arc<dyn Fs> = std::sync::Arc::new(disk.clone());
    let mut log = zkrs_storage::LogWriter::open(fs, &common::dirs().log(), 0, options).unwrap();
    append_all(&mut log, 1..=30);
    drop(log);
    for seed in 0..200 {
        let image = disk.crash(&mut Prng::new(seed), zkrs_sim::Crash::Random);
        let (recovered, sink) = try_recover(&image).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        sink.check(recovered.last_zxid);
    }
}
