//! Recovery's end of the core: storage reads files, the core's loader makes a peer of what they hold.

use zkrs_core::Now;
use zkrs_core::peer::{Effects, Input, Loader, Peer, PeerConfig, SnapshotStatus};
use zkrs_core::sasl::{SaslConfig, SaslUsers};
use zkrs_core::tree::LoadError;
use zkrs_storage::recovery::{RecoverySink, SinkError};
use zkrs_storage::snapshot::SnapshotPart;
use zkrs_storage::{SnapshotWriter, StorageError};

use crate::config::ServerConfig;

/// Feeds a [`Loader`].
pub(crate) struct Sink {
    loader: Loader,
    /// What was wrong with a part behind the body; reported at the end of the snapshot.
    bad_part: Option<LoadError>,
}

impl Sink {
    pub(crate) fn new(config: PeerConfig, seed: u64) -> Self {
        Self { loader: Loader::new(config, seed), bad_part: None }
    }

    pub(crate) fn finish(self, now: Now) -> Peer {
        self.loader.finish(now)
    }
}

impl RecoverySink for Sink {
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

/// Writes the snapshot of a peer that nobody else has yet.
pub(crate) fn write_first_snapshot(
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

/// What the core is told of the configuration.
pub(crate) fn peer_config(config: &ServerConfig) -> PeerConfig {
    let (tree, auth, snapshots) = (&config.tree, &config.auth, &config.snapshots);
    PeerConfig {
        // A standalone server is number 1, whatever myid says.
        server_id: 1,
        tick_time_ms: config.sessions.tick_time_ms,
        min_session_timeout_ms: config.sessions.timeout_ms_min,
        max_session_timeout_ms: config.sessions.timeout_ms_max,
        snap_count: snapshots.snap_count,
        snap_size_limit_bytes: snapshots.log_bytes_max.unwrap_or(0),
        jute_max_buffer_bytes: config.requests.jute_bytes_max as usize,
        digest_enabled: tree.digest_enabled,
        serialize_last_processed_zxid: snapshots.serialize_last_processed_zxid,
        extended_types_enabled: tree.extended_types_enabled,
        enforce_quota: tree.enforce_quota,
        skip_acl: auth.skip_acl,
        super_digest: auth.super_digest.as_ref().map(|secret| secret.expose().to_owned()),
        sasl: SaslConfig {
            users: SaslUsers::new(
                auth.sasl
                    .users
                    .iter()
                    .map(|(name, password)| (name.clone(), password.expose().to_owned()))
                    .collect(),
            ),
            super_users: auth.sasl.super_users.iter().cloned().collect(),
            scheme_enabled: auth.sasl.scheme_enabled,
            allow_failed_clients: auth.sasl.allow_failed_clients,
        },
        enforce_auth_schemes: auth.enforced_schemes.iter().flatten().cloned().collect(),
        container_check_interval_ms: u64::from(tree.container_check_interval_ms),
        container_max_per_minute: tree.containers_per_minute_max,
        container_max_never_used_ms: tree.container_never_used_ms_max.unwrap_or(0),
        reconfig_enabled: config.reconfig_enabled,
    }
}
