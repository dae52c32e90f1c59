//! The two directories of a server, and the checks that they are the right ones.

use std::path::{Path, PathBuf};

use crate::error::{Result, StorageError};
use crate::fs::Fs;
use crate::names;

/// Where a server's files live. Apache keeps both kinds below a `version-2` folder; so do we.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// `dataDir` itself: `myid` is there.
    pub data_root: PathBuf,
    /// `dataLogDir` itself (equal to `data_root` when not configured): `initialize` is there.
    pub log_root: PathBuf,
}

impl Dirs {
    /// The directories of a server; `data_log_dir` defaults to `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>, data_log_dir: Option<PathBuf>) -> Dirs {
        let data_root = data_dir.into();
        let log_root = data_log_dir.unwrap_or_else(|| data_root.clone());
        Dirs { data_root, log_root }
    }

    /// `dataDir/version-2`: snapshots and epoch files.
    pub fn snap(&self) -> PathBuf {
        self.data_root.join("version-2")
    }

    /// `dataLogDir/version-2`: transaction logs.
    pub fn log(&self) -> PathBuf {
        self.log_root.join("version-2")
    }

    /// Whether logs and snapshots live apart.
    pub fn apart(&self) -> bool {
        self.data_root != self.log_root
    }

    /// Creates what is missing.
    ///
    /// # Errors
    /// [`StorageError::Refused`] when a directory is missing and `auto_create` is false (`datadir.autocreate`).
    pub fn ensure(&self, fs: &dyn Fs, auto_create: bool) -> Result<()> {
        for dir in [self.snap(), self.log()] {
            if fs.is_dir(&dir) {
                continue;
            }
            if !auto_create {
                return Err(StorageError::refused(
                    &dir,
                    "the directory does not exist and datadir.autocreate is false",
                    "create it, or set datadir.autocreate=true",
                ));
            }
            fs.create_dir_all(&dir).map_err(StorageError::io(&dir, "create directory"))?;
        }
        Ok(())
    }

    /// Refuses logs among the snapshots and snapshots among the logs when the two live apart: the sign of swapped
    /// `dataDir` and `dataLogDir` (Apache's `LogDirContentCheckException`, `SnapDirContentCheckException`).
    ///
    /// # Errors
    /// [`StorageError::Refused`] naming the first file in the wrong place.
    pub fn check_contents(&self, fs: &dyn Fs) -> Result<()> {
        if !self.apart() {
            return Ok(());
        }
        self.refuse_prefix(fs, &self.log(), names::SNAPSHOT_PREFIX, "log directory", "snapshot")?;
        self.refuse_prefix(fs, &self.snap(), names::LOG_PREFIX, "data directory", "log")
    }

    fn refuse_prefix(&self, fs: &dyn Fs, dir: &Path, prefix: &str, which: &str, what: &str) -> Result<()> {
        let names = fs.list(dir).map_err(StorageError::io(dir, "list"))?;
        match names.iter().find(|name| name.starts_with(prefix)) {
            None => Ok(()),
            Some(name) => Err(StorageError::refused(
                dir,
                format!("the {which} holds a {what} file, {name}"),
                "check that dataDir and dataLogDir are not swapped, and move the file to the other one",
            )),
        }
    }
}
