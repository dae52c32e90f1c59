//! The small files: `acceptedEpoch`, `currentEpoch`, `myid`, `initialize`.
//!
//! Epoch files are replaced atomically: written as `<name>.tmp`, synced, renamed, and the directory synced. (Apache's
//! `AtomicFileWritingIdiom`, which leaves the last step out.)

use std::io;
use std::path::Path;

use crate::dirs::Dirs;
use crate::epoch_of;
use crate::error::{DamageKind, Result, StorageError};
use crate::fs::{Fs, read_small};

const ACCEPTED: &str = "acceptedEpoch";
const CURRENT: &str = "currentEpoch";
const MYID: &str = "myid";
const INITIALIZE: &str = "initialize";
/// No such file is longer.
const SMALL_FILE_BYTES_MAX: usize = 1024;

/// The two epochs of a server. `current <= accepted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epochs {
    /// The last epoch that it promised to a leader-to-be.
    pub accepted: i64,
    /// The last epoch whose leader it followed, or was.
    pub current: i64,
}

impl Epochs {
    /// Loads the epochs of a server whose last transaction is `last_zxid`, by the rules of Apache's
    /// `QuorumPeer.loadDataBase`: a missing file means the epoch of `last_zxid` and is written; a `currentEpoch` below
    /// it is replaced by `currentEpoch.tmp` if a crash left one.
    ///
    /// # Errors
    /// [`StorageError::Refused`] when the files contradict `last_zxid` or each other;
    /// [`StorageError::Damage`] when one does not hold a number; [`StorageError::Io`].
    pub fn load(fs: &dyn Fs, dirs: &Dirs, last_zxid: i64) -> Result<Epochs> {
        let dir = dirs.snap();
        let of_zxid = epoch_of(last_zxid).max(0);
        let mut current = load_or_write(fs, &dir, CURRENT, of_zxid)?;
        if of_zxid > current {
            current = match read_number(fs, &dir.join(format!("{CURRENT}.tmp")))? {
                Some(epoch) if epoch >= of_zxid => epoch,
                _ => {
                    return Err(StorageError::refused(
                        &dir.join(CURRENT),
                        format!(
                            "epoch {current} is older than that of the last transaction, 0x{last_zxid:x}"
                        ),
                        "restore the file from a copy; the log and this file are not of the same server",
                    ));
                }
            };
            replace(fs, &dir, CURRENT, current)?;
        }
        let accepted = load_or_write(fs, &dir, ACCEPTED, of_zxid.max(current))?;
        if accepted < current {
            return Err(StorageError::refused(
                &dir.join(ACCEPTED),
                format!("epoch {accepted} is older than that in {CURRENT}, {current}"),
                "restore the file from a copy; the two files are not of the same moment",
            ));
        }
        Ok(Epochs { accepted, current })
    }

    /// Makes an accepted epoch durable.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn save_accepted(fs: &dyn Fs, dirs: &Dirs, epoch: i64) -> Result<()> {
        replace(fs, &dirs.snap(), ACCEPTED, epoch)
    }

    /// Makes a current epoch durable.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn save_current(fs: &dyn Fs, dirs: &Dirs, epoch: i64) -> Result<()> {
        replace(fs, &dirs.snap(), CURRENT, epoch)
    }
}

/// The server's id from `dataDir/myid`; `None` without such a file.
///
/// # Errors
/// [`StorageError::Damage`] when its first line is not a number; [`StorageError::Io`].
pub fn load_myid(fs: &dyn Fs, dirs: &Dirs) -> Result<Option<i64>> {
    read_number(fs, &dirs.data_root.join(MYID))
}

/// Whether the marker `initialize` says that this server may start with an empty database although
/// `db.autocreate=false`.
pub fn may_initialize(fs: &dyn Fs, dirs: &Dirs) -> bool {
    fs.exists(&dirs.log_root.join(INITIALIZE))
}

/// Removes the marker `initialize`, if it is there.
///
/// # Errors
/// [`StorageError::Io`].
pub fn clear_initialize(fs: &dyn Fs, dirs: &Dirs) -> Result<()> {
    let path = dirs.log_root.join(INITIALIZE);
    if fs.exists(&path) {
        fs.remove(&path).map_err(StorageError::io(&path, "remove"))?;
        fs.sync_dir(&dirs.log_root).map_err(StorageError::io(&dirs.log_root, "fsync directory"))?;
    }
    Ok(())
}

fn load_or_write(fs: &dyn Fs, dir: &Path, name: &str, missing: i64) -> Result<i64> {
    match read_number(fs, &dir.join(name))? {
        Some(epoch) => Ok(epoch),
        None => replace(fs, dir, name, missing).map(|()| missing),
    }
}

/// The number in a file's first line; `None` without such a file.
fn read_number(fs: &dyn Fs, path: &Path) -> Result<Option<i64>> {
    let bytes = match read_small(fs, path, SMALL_FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StorageError::io(path, "read")(e)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or("").trim();
    match line.parse::<i64>() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        _ => {
            Err(StorageError::damage(path, 0, 0, DamageKind::SmallFile, format!("{line:?} is not a number")))
        }
    }
}

fn replace(fs: &dyn Fs, dir: &Path, name: &str, number: i64) -> Result<()> {
    let (path, temp) = (dir.join(name), dir.join(format!("{name}.tmp")));
    if fs.exists(&temp) {
        fs.remove(&temp).map_err(StorageError::io(&temp, "remove"))?;
    }
    let file = fs.create(&temp).map_err(StorageError::io(&temp, "create"))?;
    file.write_at(number.to_string().as_bytes(), 0).map_err(StorageError::io(&temp, "write"))?;
    file.sync_all().map_err(StorageError::io(&temp, "fsync"))?;
    fs.rename(&temp, &path).map_err(StorageError::io(&path, "rename"))?;
    fs.sync_dir(dir).map_err(StorageError::io(dir, "fsync directory"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealFs;

    fn server() -> (tempfile::TempDir, Dirs) {
        let root = tempfile::tempdir().unwrap();
        let dirs = Dirs::new(root.path(), None);
        dirs.ensure(&RealFs, true).unwrap();
        (root, dirs)
    }

    #[test]
    fn missing_files_take_the_epoch_of_the_last_transaction() {
        let (_root, dirs) = server();
        let epochs = Epochs::load(&RealFs, &dirs, 0x3_0000_0007).unwrap();
        assert_eq!(epochs, Epochs { accepted: 3, current: 3 });
        assert_eq!(std::fs::read_to_string(dirs.snap().join(ACCEPTED)).unwrap(), "3");
        Epochs::save_accepted(&RealFs, &dirs, 5).unwrap();
        Epochs::save_current(&RealFs, &dirs, 4).unwrap();
        assert_eq!(Epochs::load(&RealFs, &dirs, 0x3_0000_0007).unwrap(), Epochs { accepted: 5, current: 4 });
    }

    #[test]
    fn contradictions_are_refused() {
        let (_root, dirs) = server();
        let write = |name: &str, text: &str| std::fs::write(dirs.snap().join(name), text).unwrap();
        write(CURRENT, "2\n");
        write(ACCEPTED, "9");
        assert!(matches!(Epochs::load(&RealFs, &dirs, 4 << 32), Err(StorageError::Refused { .. })));
        // What a crash between writing and renaming leaves.
        write("currentEpoch.tmp", "4");
        assert_eq!(Epochs::load(&RealFs, &dirs, 4 << 32).unwrap(), Epochs { accepted: 9, current: 4 });
        write(ACCEPTED, "3");
        assert!(matches!(Epochs::load(&RealFs, &dirs, 4 << 32), Err(StorageError::Refused { .. })));
        for bad in ["", "four", "-1", "99999999999999999999", "\u{0}"] {
            write(ACCEPTED, bad);
            assert!(matches!(Epochs::load(&RealFs, &dirs, 4 << 32), Err(StorageError::Damage(_))), "{bad:?}");
        }
    }

    #[test]
    fn myid_is_the_first_line() {
        let (_root, dirs) = server();
        assert_eq!(load_myid(&RealFs, &dirs).unwrap(), None);
        std::fs::write(dirs.data_root.join(MYID), " 12 \nmore").unwrap();
        assert_eq!(load_myid(&RealFs, &dirs).unwrap(), Some(12));
        assert!(!may_initialize(&RealFs, &dirs));
        std::fs::write(dirs.log_root.join(INITIALIZE), "").unwrap();
        assert!(may_initialize(&RealFs, &dirs));
        clear_initialize(&RealFs, &dirs).unwrap();
        assert!(!may_initialize(&RealFs, &dirs));
    }
}
