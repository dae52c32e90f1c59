//! One server per directory: two that share one would destroy each other's log.

use std::io;

use crate::dirs::Dirs;
use crate::error::{Result, StorageError};
use crate::fs::Fs;

/// The lock file's name, in both `version-2` folders. Neither Apache's server nor its tools look at it.
pub const LOCK_FILE: &str = "zkrs.lock";

/// Holds a server's directories until it is dropped or the process ends, however it ends.
pub struct DirLock {
    _guards: Vec<Box<dyn Send + Sync>>,
}

impl DirLock {
    /// Locks both directories, which must exist.
    ///
    /// # Errors
    /// [`StorageError::Refused`] when another process holds one of them; [`StorageError::Io`].
    pub fn take(fs: &dyn Fs, dirs: &Dirs) -> Result<DirLock> {
        let mut guards = Vec::new();
        let mut folders = vec![dirs.snap()];
        if dirs.apart() {
            folders.push(dirs.log());
        }
        for folder in folders {
            let path = folder.join(LOCK_FILE);
            guards.push(fs.lock(&path).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock => StorageError::refused(
                    &folder,
                    "another server is running on this directory",
                    "stop it, or give this server a dataDir and a dataLogDir of its own",
                ),
                _ => StorageError::io(&path, "lock")(error),
            })?);
        }
        Ok(DirLock { _guards: guards })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealFs;

    #[test]
    fn a_directory_has_one_holder() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let both = Dirs::new(a.path(), Some(b.path().to_owned()));
        let one = Dirs::new(b.path(), None);
        both.ensure(&RealFs, true).unwrap();
        let held = DirLock::take(&RealFs, &both).unwrap();
        let error = DirLock::take(&RealFs, &one).err().expect("its log directory is taken");
        assert!(error.to_string().contains("another server is running"), "{error}");
        drop(held);
        DirLock::take(&RealFs, &one).unwrap();
    }
}
