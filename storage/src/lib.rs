//! Apache ZooKeeper's files: transaction logs, snapshots, epoch files, and the recovery that reads them.
//!
//! This crate knows files, framing and checksums. It deliberately does not know what a transaction or a
//! snapshot means: a transaction is a byte string whose zxid is the big-endian `i64` at bytes `12..20`
//! (Apache's `TxnHeader`), a snapshot is a byte stream. Everything goes through the small [`Fs`] trait, so that
//! the simulator runs the very same code on a disk of its own.
//!
//! | module | what it is for |
//! |---|---|
//! | [`fs`] | the `Fs` seam and the real file system behind it |
//! | [`txnlog`] | `log.<zxid>` files: writing with group commit, reading, the torn tail decision, truncation |
//! | [`snapshot`] | `snapshot.<zxid>` files, plain, gz or snappy: writing, validating, streaming back |
//! | [`epochs`] | `acceptedEpoch`, `currentEpoch`, `myid`, `initialize` |
//! | [`recovery`] | start-up: checks, newest good snapshot, contiguous log, cut of a torn tail |
//! | [`purge`] | removal of what no kept snapshot needs |
//! | [`lock`] | one server per directory |
//! | [`loader`] | recovery's end of the core: a peer out of what was read |
//!
//! Format facts are Apache ZooKeeper 3.9.5's.

pub mod dirs;
pub mod epochs;
pub mod error;
pub mod fs;
pub mod loader;
pub mod lock;
pub mod names;
pub mod purge;
pub mod recovery;
pub mod snapshot;
pub mod txnlog;

pub use dirs::Dirs;
pub use error::{Damage, DamageKind, Result, StorageError};
pub use fs::{Fs, FsFile, RealFs};
pub use loader::PeerSink;
pub use lock::DirLock;
pub use recovery::{Recovered, RecoveryOptions, RecoverySink, recover};
pub use snapshot::{Compression, SnapshotReader, SnapshotWriter};
pub use txnlog::{LogReader, LogWriter, LogWriterOptions};

/// The epoch half of a zxid: its high 32 bits.
pub fn epoch_of(zxid: i64) -> i64 {
    zxid >> 32
}

/// The counter half of a zxid: its low 32 bits.
pub fn counter_of(zxid: i64) -> u32 {
    zxid as u32
}
