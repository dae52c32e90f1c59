//! Snapshots: `snapshot.<hex zxid>[.gz|.snappy]` files as Apache ZooKeeper writes them.
//!
//! # Format
//! Uncompressed, a snapshot is one byte stream with a running Adler-32 over it:
//!
//! | part | bytes |
//! |---|---|
//! | header | `ZKSN`, version 2, dbid -1: 16 |
//! | body | sessions, ACL table, znodes, the string `/` (opaque here) |
//! | seal | `i64` Adler-32 of everything before it, the string `/`: 13 |
//! | digest, if the writer keeps digests | `i64` zxid, `i32` version, `i64` digest: 20, and a seal |
//! | last zxid, from 3.9 on | `i64`: 8, and a seal |
//!
//! Each seal is part of what the next one covers. Compression wraps the whole stream. The zxid in the file's name
//! counts, the one inside does not (Apache's `FileSnap`).
//!
//! A reader that takes the parts one after the other, as Apache's does, misreads a last zxid without a digest as the
//! start of a digest. Here the tail is recognised by its length and its seals, so every combination loads.

mod encoder;
mod reader;
mod snappy;
mod writer;

use std::path::Path;

pub use reader::{Chunk, SnapshotPart, SnapshotReader};
pub use writer::{SnapshotWriter, Written};

use crate::error::{DamageKind, Result, StorageError};
use crate::fs::{Access, Fs, read_full};
use crate::names::SnapshotName;

/// `ZKSN`.
pub(crate) const SNAPSHOT_MAGIC: i32 = 0x5A4B_534E;
/// Length of magic, version and dbid.
pub(crate) const HEADER_BYTES: usize = 16;
/// Length of a seal: checksum, and a string of one byte.
pub(crate) const SEAL_BYTES: usize = 13;
/// What ends a seal and the body: the string `/`.
pub(crate) const SLASH: [u8; 5] = [0, 0, 0, 1, b'/'];

/// How a snapshot file is compressed (`snapshot.compression.method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all (the setting's empty value).
    #[default]
    None,
    /// gzip (`gz`).
    Gz,
    /// Snappy in the framing of xerial's `SnappyOutputStream` (`snappy`).
    Snappy,
}

impl Compression {
    /// What follows the zxid in the file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gz => ".gz",
            Compression::Snappy => ".snappy",
        }
    }
}

pub(crate) fn file_header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&SNAPSHOT_MAGIC.to_be_bytes());
    header[4..8].copy_from_slice(&2i32.to_be_bytes());
    header[8..].copy_from_slice(&(-1i64).to_be_bytes());
    header
}

/// The quick test that Apache makes before it tries a snapshot: the magic, and for an uncompressed file its last five
/// bytes.
///
/// # Errors
/// [`StorageError::Damage`] of kind [`DamageKind::Snapshot`] that says what is wrong; [`StorageError::Io`].
pub fn check_plausible(fs: &dyn Fs, name: &SnapshotName) -> Result<()> {
    let path = &name.path;
    let file = fs.open(path, Access::Read).map_err(StorageError::io(path, "open"))?;
    let len = file.len().map_err(StorageError::io(path, "read the length"))?;
    let mut start = [0; 8];
    let n = read_full(&*file, &mut start, 0).map_err(StorageError::io(path, "read"))?;
    let magic: &[u8] = match name.compression {
        Compression::None => b"ZKSN",
        Compression::Gz => &[0x1f, 0x8b],
        Compression::Snappy => &snappy::MAGIC,
    };
    if n < magic.len() || start[..magic.len()] != *magic {
        return Err(invalid(path, 0, format!("{len} bytes that do not start as such a file does")));
    }
    if name.compression == Compression::None {
        let mut end = [0; SLASH.len()];
        let at = len.saturating_sub(SLASH.len() as u64);
        read_full(&*file, &mut end, at).map_err(StorageError::io(path, "read"))?;
        if len < (HEADER_BYTES + SEAL_BYTES) as u64 || end != SLASH {
            return Err(invalid(path, at, "its end is missing"));
        }
    }
    Ok(())
}

/// Reads a whole snapshot and verifies its seals; returns the length of the uncompressed stream in bytes.
///
/// # Errors
/// [`StorageError::Damage`] of kind [`DamageKind::Snapshot`]; [`StorageError::Io`].
pub fn verify(fs: &dyn Fs, name: &SnapshotName) -> Result<u64> {
    let mut reader = SnapshotReader::open(fs, name)?;
    while reader.next_chunk()?.is_some() {}
    Ok(reader.stream_bytes())
}

pub(crate) fn invalid(path: &Path, offset: u64, what: impl Into<String>) -> StorageError {
    StorageError::damage(path, offset, 0, DamageKind::Snapshot, what)
}
