//! The whole of it once on the operating system's own files; everything finer is tested on the simulated disk.

use std::sync::Arc;

use zkrs_storage::recovery::SinkError;
use zkrs_storage::snapshot::SnapshotPart;
use zkrs_storage::txnlog::{LogStart, WATERMARK_FILE};
use zkrs_storage::{
    Compression, DirLock, Dirs, Fs, LogReader, LogWriter, LogWriterOptions, RealFs, RecoveryOptions,
    RecoverySink, SnapshotWriter, recover,
};

#[derive(Default)]
struct Counter {
    body_bytes: usize,
    zxids: Vec<i64>,
}

impl RecoverySink for Counter {
    fn snapshot_begin(&mut self, _zxid: i64) {}

    fn snapshot_bytes(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.body_bytes += bytes.len();
        Ok(())
    }

    fn snapshot_part(&mut self, _part: SnapshotPart) {}

    fn snapshot_end(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn reset(&mut self) {
        *self = Counter::default();
    }

    fn txn(&mut self, payload: &[u8]) -> Result<(), SinkError> {
        self.zxids.push(zkrs_storage::txnlog::zxid_of(payload));
        Ok(())
    }
}

fn txn(zxid: i64) -> Vec<u8> {
    let mut payload = vec![0x55; 100];
    payload[12..20].copy_from_slice(&zxid.to_be_bytes());
    payload[28..32].copy_from_slice(&5i32.to_be_bytes());
    payload
}

#[test]
fn a_server_lives_dies_and_lives_again() {
    let root = tempfile::tempdir().unwrap();
    let dirs = Dirs::new(root.path().join("data"), Some(root.path().join("log")));
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let start = || {
        let mut sink = Counter::default();
        let recovered = recover(&RealFs, &dirs, RecoveryOptions::default(), &mut sink, &mut |_| {}).unwrap();
        (recovered, sink)
    };
    let (recovered, _) = start();
    assert!(recovered.is_fresh() && recovered.last_zxid == 0);
    let _lock = DirLock::take(&RealFs, &dirs).unwrap();
    for (zxid, compression) in [(0, Compression::None), (2, Compression::Gz), (3, Compression::Snappy)] {
        let mut snapshot = SnapshotWriter::create(fs.clone(), &dirs.snap(), zxid, compression).unwrap();
        snapshot.write(&vec![9; 1_000_000]).unwrap();
        snapshot.seal().unwrap();
        snapshot.finish().unwrap();
    }

    let mut log = LogWriter::open(fs.clone(), &dirs.log(), 0, LogWriterOptions::default()).unwrap();
    log.append(&[txn(1), txn(2)]).unwrap();
    log.flush().unwrap();
    let file = dirs.log().join("log.1");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 67_108_880);
    log.settle().unwrap();
    while log.idle().unwrap() {}
    log.append(&[txn(3), txn(4)]).unwrap();
    log.flush().unwrap();
    // Dies: nothing is closed, the last batch not even noted.
    drop(log);

    let (recovered, sink) = start();
    assert_eq!((recovered.last_zxid, recovered.txns, recovered.torn_bytes), (4, 1, 0));
    assert_eq!((recovered.snapshot.unwrap().zxid, sink.body_bytes), (3, 1_000_000));
    assert_eq!(sink.zxids, [4]);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 16 + 4 * 113, "the preallocated rest is given back");

    let mut log = LogWriter::open(fs, &dirs.log(), 4, LogWriterOptions::default()).unwrap();
    while log.idle().unwrap() {}
    log.append(&[txn(5)]).unwrap();
    log.flush().unwrap();
    log.close().unwrap();
    let mut names: Vec<_> = RealFs.list(&dirs.log()).unwrap();
    names.sort();
    assert_eq!(names, ["log.1", "log.5", "zkrs.lock", WATERMARK_FILE]);
    let log_dir = dirs.log();
    let mut reader = LogReader::open(&RealFs, &log_dir, LogStart::Oldest).unwrap();
    let mut zxids = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        zxids.push(entry.zxid);
    }
    assert_eq!(zxids, [1, 2, 3, 4, 5]);
}
