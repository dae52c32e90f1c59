//! What the disk tests share: transactions that can be told apart, a sink that remembers, a server's directories.
#![allow(dead_code)] // each test binary uses its own part

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zkrs_sim::{Disk, Prng};
use zkrs_storage::fs::Fs;
use zkrs_storage::recovery::{Recovered, RecoveryOptions, RecoverySink, SinkError, recover};
use zkrs_storage::snapshot::{Compression, SnapshotPart, SnapshotWriter};
use zkrs_storage::txnlog::{LogWriter, LogWriterOptions};
use zkrs_storage::{Dirs, StorageError};

/// Small enough that files grow and roll often.
pub const OPTIONS: LogWriterOptions =
    LogWriterOptions { pre_alloc_bytes: 16 << 10, log_bytes_max: None, force_sync: true };

pub fn dirs() -> Dirs {
    Dirs::new("/data", Some(PathBuf::from("/log")))
}

pub fn log_path(zxid: i64) -> PathBuf {
    dirs().log().join(format!("log.{zxid:x}"))
}

/// The transaction with this zxid: header, and a body of seeded length and content, now and then all zeros.
pub fn txn(zxid: i64) -> Vec<u8> {
    let mut prng = Prng::new(zxid as u64 ^ 0x5eed);
    let longest = if prng.chance(1, 10) { 3000 } else { 300 };
    let len = prng.below(longest) as usize;
    sized_txn(zxid, 5, len, &mut prng)
}

pub fn sized_txn(zxid: i64, txn_type: i32, body_bytes: usize, prng: &mut Prng) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.extend_from_slice(&0x0100_0000_0000_0001i64.to_be_bytes());
    payload.extend_from_slice(&1i32.to_be_bytes());
    payload.extend_from_slice(&zxid.to_be_bytes());
    payload.extend_from_slice(&1_700_000_000_000i64.to_be_bytes());
    payload.extend_from_slice(&txn_type.to_be_bytes());
    let mut body = vec![0; body_bytes];
    if !prng.chance(1, 8) {
        prng.fill(&mut body);
    }
    payload.extend_from_slice(&body);
    payload
}

/// The body of a snapshot at this zxid: its zxid, and the string that ends a body.
pub fn snapshot_body(zxid: i64) -> Vec<u8> {
    let mut body = vec![0; 100 + (zxid as usize * 37) % 2000];
    Prng::new(zxid as u64).fill(&mut body);
    body[..8].copy_from_slice(&zxid.to_be_bytes());
    body.extend_from_slice(&[0, 0, 0, 1, b'/']);
    body
}

/// Remembers what recovery hands out.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub struct Collector {
    pub snapshot_zxid: Option<i64>,
    pub snapshot: Vec<u8>,
    pub parts: Vec<SnapshotPart>,
    pub txns: Vec<Vec<u8>>,
}

impl RecoverySink for Collector {
    fn snapshot_begin(&mut self, zxid: i64) {
        self.snapshot_zxid = Some(zxid);
    }

    fn snapshot_bytes(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.snapshot.extend_from_slice(bytes);
        Ok(())
    }

    fn snapshot_part(&mut self, part: SnapshotPart) {
        self.parts.push(part);
    }

    fn snapshot_end(&mut self) -> Result<(), SinkError> {
        if self.snapshot.ends_with(&[0, 0, 0, 1, b'/']) { Ok(()) } else { Err("no end".into()) }
    }

    fn reset(&mut self) {
        *self = Collector::default();
    }

    fn txn(&mut self, payload: &[u8]) -> Result<(), SinkError> {
        self.txns.push(payload.to_vec());
        Ok(())
    }
}

impl Collector {
    /// Checks that this is the state after `last_zxid`: a right snapshot, then every transaction after it.
    pub fn check(&self, last_zxid: i64) {
        let start = self.snapshot_zxid.unwrap_or(0);
        if self.snapshot_zxid.is_some() {
            assert_eq!(self.snapshot, snapshot_body(start), "the snapshot at 0x{start:x}");
        }
        let want = (start + 1..=last_zxid).map(txn);
        assert!(
            self.txns.iter().cloned().eq(want),
            "other transactions than 0x{:x}..=0x{last_zxid:x}",
            start + 1
        );
    }
}

pub fn try_recover(disk: &Disk) -> Result<(Recovered, Collector), StorageError> {
    let mut sink = Collector::default();
    let recovered = recover(disk, &dirs(), RecoveryOptions::default(), &mut sink, &mut |_| {})?;
    Ok((recovered, sink))
}

/// Writes a snapshot at `zxid` with all parts.
pub fn write_snapshot(disk: &Disk, zxid: i64, compression: Compression) -> Result<(), StorageError> {
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let mut writer = SnapshotWriter::create(fs, &dirs().snap(), zxid, compression)?;
    for piece in snapshot_body(zxid).chunks(333) {
        writer.write(piece)?;
    }
    writer.seal()?;
    writer.write(&zxid.to_be_bytes())?;
    writer.write(&2i32.to_be_bytes())?;
    writer.write(&77i64.to_be_bytes())?;
    writer.seal()?;
    writer.write(&zxid.to_be_bytes())?;
    writer.seal()?;
    writer.finish().map(|_| ())
}

/// An empty server with its first snapshot.
pub fn fresh_server() -> Disk {
    let disk = Disk::new();
    let (recovered, _) = try_recover(&disk).expect("an empty disk");
    assert!(recovered.is_fresh());
    write_snapshot(&disk, 0, Compression::None).expect("a healthy disk");
    disk
}

pub fn open_log(disk: &Disk, last_zxid: i64) -> LogWriter {
    try_open_log(disk, last_zxid).expect("a healthy disk")
}

pub fn try_open_log(disk: &Disk, last_zxid: i64) -> Result<LogWriter, StorageError> {
    LogWriter::open(Arc::new(disk.clone()), &dirs().log(), last_zxid, OPTIONS)
}

/// Appends `zxids`, each in a batch of its own, with all housekeeping.
pub fn append_all(log: &mut LogWriter, zxids: impl Iterator<Item = i64>) {
    for zxid in zxids {
        log.append(&[txn(zxid)]).expect("a healthy disk");
        log.flush().expect("a healthy disk");
        log.settle().expect("a healthy disk");
    }
}

pub fn files(disk: &Disk, dir: &Path) -> Vec<String> {
    let mut names = disk.list(dir).expect("a directory");
    names.sort();
    names
}
