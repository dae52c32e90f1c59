//! Writing a snapshot: under a name of its own until it is whole and durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use simd_adler32::Adler32;

use super::encoder::Encoder;
use super::{Compression, SLASH, file_header};
use crate::error::{Result, StorageError};
use crate::fs::Fs;
use crate::names::{TEMP_PREFIX, snapshot_name};

/// A snapshot being written. Dropped before [`SnapshotWriter::finish`], or after an error, it leaves no file.
pub struct SnapshotWriter {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    temp: PathBuf,
    target: PathBuf,
    /// `None` once an error has made it useless.
    encoder: Option<Encoder>,
    adler: Adler32,
    stream_bytes: u64,
    finished: bool,
}

/// A snapshot that is whole and durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub file_bytes: u64,
    /// The length of the uncompressed stream in bytes.
    pub stream_bytes: u64,
}

impl SnapshotWriter {
    /// Begins a snapshot of the state after `zxid` in `dir`, and writes the file header.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn create(
        fs: Arc<dyn Fs>,
        dir: &Path,
        zxid: i64,
        compression: Compression,
    ) -> Result<SnapshotWriter> {
        let name = snapshot_name(zxid, compression);
        let temp = dir.join(format!("{TEMP_PREFIX}{name}"));
        if fs.exists(&temp) {
            fs.remove(&temp).map_err(StorageError::io(&temp, "remove"))?;
        }
        let file = fs.create(&temp).map_err(StorageError::io(&temp, "create"))?;
        let mut writer = SnapshotWriter {
            dir: dir.to_owned(),
            target: dir.join(name),
            encoder: None,
            adler: Adler32::new(),
            stream_bytes: 0,
            finished: false,
            fs,
            temp,
        };
        writer.encoder =
            Some(Encoder::new(file, compression).map_err(StorageError::io(&writer.temp, "write"))?);
        writer.write(&file_header())?;
        Ok(writer)
    }

    /// Appends bytes of the current part. Any size will do: they are gathered.
    ///
    /// # Errors
    /// [`StorageError::Io`]; [`StorageError::Poisoned`] after an earlier error.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(encoder) = &mut self.encoder else {
            return Err(StorageError::Poisoned {
                path: self.temp.clone(),
                cause: "this snapshot was given up".to_owned(),
            });
        };
        if let Err(error) = encoder.write_all(bytes) {
            self.encoder = None;
            return Err(StorageError::io(&self.temp, "write")(error));
        }
        self.adler.write(bytes);
        self.stream_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Ends a part: the body, the digest, the last zxid.
    ///
    /// # Errors
    /// As [`SnapshotWriter::write`].
    pub fn seal(&mut self) -> Result<()> {
        let checksum = u64::from(self.adler.finish());
        self.write(&checksum.to_be_bytes())?;
        self.write(&SLASH)
    }

    /// Makes the file durable and gives it its name. After this, it is what recovery starts from.
    ///
    /// # Errors
    /// As [`SnapshotWriter::write`]; no file is left then, unless the directory could not be synced.
    pub fn finish(mut self) -> Result<Written> {
        self.write(&[])?;
        let encoder = self.encoder.take().expect("checked by the write");
        let file_bytes = encoder.finish().map_err(StorageError::io(&self.temp, "write and fsync"))?;
        self.fs.rename(&self.temp, &self.target).map_err(StorageError::io(&self.target, "rename"))?;
        self.finished = true;
        self.fs.sync_dir(&self.dir).map_err(StorageError::io(&self.dir, "fsync directory"))?;
        Ok(Written { path: self.target.clone(), file_bytes, stream_bytes: self.stream_bytes })
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Recovery removes what cannot be removed now.
            let _ = self.fs.remove(&self.temp);
        }
    }
}
