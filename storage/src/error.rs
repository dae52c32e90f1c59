//! What can go wrong with files, each with the thing, the limit and the remedy.
//!
//! Three kinds are kept apart because the server answers them differently: the disk refused ([`StorageError::Io`]),
//! the bytes are wrong ([`StorageError::Damage`]), the directory is not one we may use ([`StorageError::Refused`]).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of everything that touches files here.
pub type Result<T> = std::result::Result<T, StorageError>;

/// An error of the storage layer. None of them may be retried by the one who gets it: the only retry of a failed
/// write is to end the process and to recover.
#[derive(Debug)]
pub enum StorageError {
    /// The operating system refused an operation.
    Io {
        /// The file or directory concerned.
        path: PathBuf,
        /// What was tried, in one word or two (`"write"`, `"fdatasync"`).
        operation: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// Bytes on disk are not what was written there, or are missing.
    Damage(Box<Damage>),
    /// The directory or its configuration is not one a server may start on.
    Refused {
        /// The file or directory concerned.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What the operator can do.
        remedy: String,
    },
    /// An earlier write or sync of this log failed; nothing more may be written through it.
    Poisoned {
        /// The log file whose write failed first.
        path: PathBuf,
        /// That first error, as text.
        cause: String,
    },
    /// The state machine could not take a transaction that the log holds intact.
    Rejected {
        /// The log file.
        path: PathBuf,
        /// Where the entry starts in it, in bytes.
        offset: u64,
        /// The transaction.
        zxid: i64,
        /// Why it was not taken.
        what: String,
    },
    /// The caller broke the writer's contract (zxids out of order, a txn too long).
    Misuse {
        /// The file concerned.
        path: PathBuf,
        /// What was asked, and the limit it broke.
        what: String,
    },
}

/// Damaged bytes: where, what, and what can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The damaged file.
    pub file: PathBuf,
    /// Where the damage starts in it, in bytes.
    pub offset: u64,
    /// The last transaction known good before it (0: none).
    pub zxid: i64,
    /// The kind of damage.
    pub kind: DamageKind,
    /// What was found there.
    pub what: String,
}

/// Kinds of damage, for tests and for tools that count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// A file header that is not the format's.
    Header,
    /// A log entry whose checksum, length or end mark is wrong, in a place where no crash can have put it.
    Entry,
    /// A transaction is missing between two others, or a whole log file is.
    Hole,
    /// A log ends before the place up to which it is known to have been synced.
    Shortened,
    /// A log file's name and its first transaction do not agree.
    Name,
    /// No snapshot could be read.
    Snapshot,
    /// An epoch file, or `myid`, does not hold a number.
    SmallFile,
}

impl StorageError {
    /// An [`StorageError::Io`] of `operation` on `path`.
    pub(crate) fn io(path: &Path, operation: &'static str) -> impl FnOnce(io::Error) -> StorageError {
        move |source| StorageError::Io { path: path.to_owned(), operation, source }
    }

    /// A [`StorageError::Refused`].
    pub(crate) fn refused(path: &Path, what: impl Into<String>, remedy: impl Into<String>) -> StorageError {
        StorageError::Refused { path: path.to_owned(), what: what.into(), remedy: remedy.into() }
    }

    /// A [`StorageError::Damage`].
    pub(crate) fn damage(
        file: &Path,
        offset: u64,
        zxid: i64,
        kind: DamageKind,
        what: impl Into<String>,
    ) -> StorageError {
        StorageError::Damage(Box::new(Damage {
            file: file.to_owned(),
            offset,
            zxid,
            kind,
            what: what.into(),
        }))
    }

    /// The operating system's error, where there is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            StorageError::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    /// What the operator can do about it, in one sentence.
    pub fn remedy(&self) -> String {
        match self {
            StorageError::Io { source, .. } => io_remedy(source).to_owned(),
            StorageError::Damage(damage) => damage.remedy(),
            StorageError::Refused { remedy, .. } => remedy.clone(),
            StorageError::Poisoned { .. } => "end this process and start it again: recovery is the only retry".into(),
            StorageError::Rejected { .. } => {
                "this is a defect of the server, or the log was written by a newer version: keep the files and \
                 report it"
                    .into()
            }
            StorageError::Misuse { .. } => "this is a defect of the server: report it".into(),
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageError::Io { path, operation, source } => {
                write!(f, "{operation} failed: {}: {source}", path.display())?;
            }
            StorageError::Damage(damage) => write!(f, "{damage}")?,
            StorageError::Refused { path, what, .. } => write!(f, "{}: {what}", path.display())?,
            StorageError::Poisoned { path, cause } => {
                write!(f, "{}: not written, because an earlier write failed: {cause}", path.display())?;
            }
            StorageError::Rejected { path, offset, zxid, what } => {
                write!(f, "{}:{offset}: txn 0x{zxid:x} could not be replayed: {what}", path.display())?;
            }
            StorageError::Misuse { path, what } => write!(f, "{}: {what}", path.display())?,
        }
        write!(f, " ({})", self.remedy())
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StorageError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Damage {
    /// What the operator can do about it, in one sentence.
    pub fn remedy(&self) -> String {
        match self.kind {
            DamageKind::Header | DamageKind::Entry | DamageKind::Hole | DamageKind::Name => format!(
                "restore this file from a copy; or give up every transaction after 0x{:x} by cutting the log there \
                 with `zkrs log chop`",
                self.zxid
            ),
            DamageKind::Shortened => format!(
                "restore this file from a copy; if another program shortened the log on purpose, or to give up \
                 every transaction after 0x{:x}, remove the file {} beside it",
                self.zxid,
                crate::txnlog::WATERMARK_FILE
            ),
            DamageKind::Snapshot => "restore a snapshot from a copy; or let this server be filled from its \
                                     ensemble by emptying its directories"
                .into(),
            DamageKind::SmallFile => "write the right number into it, or restore it from a copy".into(),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "damaged: {}:{}: {}; last good txn 0x{:x}",
            self.file.display(),
            self.offset,
            self.what,
            self.zxid
        )
    }
}

/// One sentence for the errors an operator meets; the general one otherwise.
fn io_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free space (autopurge, older snapshots, other files) and start the server again"
        }
        io::ErrorKind::PermissionDenied => "give the server's user read and write permission there",
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted read-only: check the disk, then remount it"
        }
        io::ErrorKind::NotFound => "check the path in the configuration",
        _ => "check the disk and the kernel's log; recovery at the next start re-verifies the files",
    }
}
