//! Recovery's end of the core: what storage reads, the core's loader turns into a peer.

use zkrs_core::Now;
use zkrs_core::peer::{Effects, Input, Loader, Peer, PeerConfig, SnapshotStatus};
use zkrs_core::tree::LoadError;

use crate::error::StorageError;
use crate::recovery::{RecoverySink, SinkError};
use crate::snapshot::{SnapshotPart, SnapshotWriter};

/// Feeds a [`Loader`].
#[derive(Debug)]
pub struct PeerSink {
    loader: Loader,
    /// What was wrong with a part behind the body; reported at the end of the snapshot.
    bad_part: Option<LoadError>,
}

impl PeerSink {
    /// A sink that has read nothing; the arguments are [`Loader::new`]'s.
    pub fn new(config: PeerConfig, seed: u64) -> Self {
        Self { loader: Loader::new(config, seed), bad_part: None }
    }

    /// The peer, as [`Loader::finish`] makes it.
    pub fn finish(self, now: Now) -> Peer {
        self.loader.finish(now)
    }
}

impl RecoverySink for PeerSink {
    fn snapshot_begin(&mut self, zxid: i64) {
        self.loader.snapshot_begin(zxid);
    }

    fn snapshot_bytes(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let progress = self.loader.snapshot_bytes(bytes)?;
        if progress.consumed < bytes.len() {
            return Err("bytes follow the end of the tree".into());
        }
        Ok(())
    }

    fn snapshot_part(&mut self, part: SnapshotPart) {
        let mut bytes = Vec::new();
        match part {
            SnapshotPart::Digest { zxid, version, digest } => {
                bytes.extend(zxid.to_be_bytes());
                bytes.extend(version.to_be_bytes());
                bytes.extend(digest.to_be_bytes());
            }
            SnapshotPart::LastZxid(zxid) => bytes.extend(zxid.to_be_bytes()),
        }
        if let Err(error) = self.loader.snapshot_bytes(&bytes) {
            self.bad_part.get_or_insert(error);
        }
    }

    fn snapshot_end(&mut self) -> Result<(), SinkError> {
        match self.bad_part.take() {
            Some(error) => Err(error.into()),
            None => Ok(self.loader.snapshot_end()?),
        }
    }

    fn reset(&mut self) {
        self.bad_part = None;
        self.loader.reset();
    }

    fn txn(&mut self, payload: &[u8]) -> Result<(), SinkError> {
        Ok(self.loader.txn(payload)?)
    }
}

/// Writes the snapshot of a peer that nobody else has yet: the one a fresh server must have before its first
/// transaction, because logs without a snapshot are refused.
///
/// # Errors
/// [`StorageError::Io`]; nothing is left of the snapshot then.
pub fn write_first_snapshot(
    peer: &mut Peer,
    mut writer: SnapshotWriter,
    now: Now,
) -> Result<(), StorageError> {
    // What it asks for is done right here.
    let mut effects = Effects::default();
    peer.start_snapshot(&mut effects);
    let mut slice = Vec::new();
    loop {
        slice.clear();
        let status = peer.snapshot_slice(1 << 20, &mut slice);
        writer.write(&slice)?;
        match status {
            SnapshotStatus::More => {}
            SnapshotStatus::Seal => writer.seal()?,
            SnapshotStatus::Done => {
                writer.seal()?;
                writer.finish()?;
                peer.step(now, Input::SnapshotDone, &mut effects);
                return Ok(());
            }
        }
    }
}
