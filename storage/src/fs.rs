//! The seam between this crate and a disk: two small object-safe traits, and the real file system behind them.
//!
//! Everything that must survive a crash says so itself: [`FsFile::sync_data`] for the bytes of a file,
//! [`Fs::sync_dir`] for the names in a directory. Nothing else may be relied on.

mod real;

use std::io;
use std::path::Path;

pub use real::RealFs;

/// A file system, as much of it as logs, snapshots, epoch files and purge need.
pub trait Fs: Send + Sync {
    /// The names (not paths) in a directory, in any order.
    ///
    /// # Errors
    /// Those of the file system.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Whether `path` is a directory.
    fn is_dir(&self, path: &Path) -> bool;

    /// Whether `path` exists.
    fn exists(&self, path: &Path) -> bool;

    /// Creates a directory and those above it, durably.
    ///
    /// # Errors
    /// Those of the file system.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Opens an existing file.
    ///
    /// # Errors
    /// `NotFound`, and those of the file system.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn FsFile>>;

    /// Creates a new file for reading and writing. The name is durable only after [`Fs::sync_dir`].
    ///
    /// # Errors
    /// `AlreadyExists`, and those of the file system.
    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;

    /// Renames a file, replacing what has the new name, atomically. Durable only after [`Fs::sync_dir`].
    ///
    /// # Errors
    /// Those of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Durable only after [`Fs::sync_dir`].
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes an exclusive lock on `path`, creating the file if need be; it lasts until the guard is dropped or the
    /// process ends.
    ///
    /// # Errors
    /// `WouldBlock` when somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// An open file. All offsets and lengths are bytes.
pub trait FsFile: Send + Sync {
    /// The file's length.
    ///
    /// # Errors
    /// Those of the file system.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads at `offset`, up to `buf.len()` bytes; 0 only at the end of the file.
    ///
    /// # Errors
    /// Those of the file system.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, growing the file if need be.
    ///
    /// # Errors
    /// Those of the file system; how much was written is then unknown.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts or extends (with zeros) to `len`.
    ///
    /// # Errors
    /// Those of the file system.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Extends to `len` with zeros and reserves the blocks where the file system can, so that later writes there
    /// neither fail for want of space nor change the file's metadata.
    ///
    /// # Errors
    /// `StorageFull`, and those of the file system.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes the bytes durable, and as much metadata as reading them back needs.
    ///
    /// # Errors
    /// Those of the file system. After an error the state of the unsynced bytes is unknown, for good.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes bytes and metadata durable.
    ///
    /// # Errors
    /// As [`FsFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;

    /// The next offset at or after `offset` that may hold something else than zeros; `None` when only zeros follow.
    /// A hint that may always answer `offset` itself.
    ///
    /// # Errors
    /// Those of the file system.
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>>;

    /// Says that `len` bytes at `offset` will not be read soon, so that their writeback may begin now. A hint.
    fn done_with(&self, offset: u64, len: u64);
}

/// Fills `buf` from `offset` on, as far as the file goes; returns how much there was.
///
/// # Errors
/// Those of the file system.
pub(crate) fn read_full(file: &dyn FsFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Reads a whole small file.
///
/// # Errors
/// `InvalidData` when it is longer than `limit_bytes`; `NotFound`; those of the file system.
pub(crate) fn read_small(fs: &dyn Fs, path: &Path, limit_bytes: usize) -> io::Result<Vec<u8>> {
    let file = fs.open(path, Access::Read)?;
    let mut buf = vec![0; limit_bytes + 1];
    let n = read_full(&*file, &mut buf, 0)?;
    if n > limit_bytes {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {limit_bytes} bytes")));
    }
    buf.truncate(n);
    Ok(buf)
}
