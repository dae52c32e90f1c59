//! Transaction logs: arbitrary files, and good files with arbitrary transactions or a few bytes changed, through the
//! recovery that a start runs. It ends with a typed error, or with a tree that a second start finds again.

use std::path::Path;
use std::sync::Arc;

use zkrs_core::Now;
use zkrs_core::peer::{Peer, PeerConfig};
use zkrs_sim::Disk;
use zkrs_storage::{
    Dirs, Fs, LogWriter, LogWriterOptions, PeerSink, Recovered, RecoveryOptions, StorageError, recover,
};

use crate::input::Input;

const FILES_MAX: usize = 3;
const TXNS_MAX: usize = 200;

/// The first byte says how the files come about.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let disk = Disk::new();
    let dirs = dirs(&disk);
    match input.byte() % 2 {
        0 => raw_files(&mut input, &disk, &dirs.log()),
        _ => written_files(&mut input, &disk, &dirs.log()),
    }
    start_twice(&disk, &dirs);
}

pub(crate) fn dirs(disk: &Disk) -> Dirs {
    let dirs = Dirs::new("/data", None);
    dirs.ensure(disk, true).expect("an empty disk takes directories");
    dirs
}

/// Starts on what is there. What one start accepts, the next accepts too, with the same result.
pub(crate) fn start_twice(disk: &Disk, dirs: &Dirs) -> Option<Peer> {
    let (first, found) = match start(disk, dirs) {
        Ok(started) => started,
        Err(error) => {
            // Whoever has to deal with it can read what it is.
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let (second, again) = match start(disk, dirs) {
        Ok(started) => started,
        // An empty log went away, and so an older one, damaged, is the last now: it may hold anything.
        Err(StorageError::Damage(_)) if !found.removed.is_empty() => return None,
        Err(error) => panic!("a second start refuses what the first accepted: {error}"),
    };
    assert_eq!(found.last_zxid, again.last_zxid);
    assert_eq!(again.torn_bytes, 0, "the first start cut what was torn");
    assert_eq!(first.stats(), second.stats());
    assert_eq!(first.sessions(), second.sessions());
    Some(first)
}

fn start(disk: &Disk, dirs: &Dirs) -> Result<(Peer, Recovered), StorageError> {
    let options = RecoveryOptions { trust_empty: true, ..RecoveryOptions::default() };
    let config = PeerConfig { extended_types_enabled: true, ..PeerConfig::default() };
    let mut sink = PeerSink::new(config, 5);
    let found = recover(disk, dirs, options, &mut sink, &mut |_| {})?;
    Ok((sink.finish(Now { mono_ms: 1, wall_ms: 1_700_000_000_000 }), found))
}

fn raw_files(input: &mut Input<'_>, disk: &Disk, dir: &Path) {
    for _ in 0..1 + input.below(FILES_MAX) {
        let name = format!("log.{:x}", i64::from(input.byte()));
        disk.put(&dir.join(name), input.long_string().to_vec());
    }
}

/// Logs with right checksums: what is in the transactions is up to the input, and so is what happens to the files
/// afterwards.
fn written_files(input: &mut Input<'_>, disk: &Disk, dir: &Path) {
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let options = LogWriterOptions { pre_alloc_bytes: 4096, ..LogWriterOptions::default() };
    let mut writer = LogWriter::open(fs, dir, 0, options).expect("an empty disk takes a log");
    let mut zxid = 0;
    for _ in 0..TXNS_MAX {
        match input.byte() % 8 {
            0 => break,
            1 => writer.roll().expect("an empty disk takes a log"),
            2 => zxid = i64::saturating_add(zxid, 1 << 32),
            3 => zxid = i64::MAX - 2,
            _ => {
                zxid = i64::saturating_add(zxid, 1);
                let mut payload = Vec::new();
                payload.extend(i64::from(input.byte()).to_be_bytes());
                payload.extend(7i32.to_be_bytes());
                payload.extend(zxid.to_be_bytes());
                payload.extend(1_700_000_000_000i64.to_be_bytes());
                payload.extend(i32::from(input.byte() as i8).to_be_bytes());
                payload.extend_from_slice(input.string());
                // Refused when too short or when the zxids are used up; nothing is written then.
                let _ = writer.append(&[payload]);
                writer.flush().expect("the disk does not fail");
            }
        }
    }
    writer.settle().expect("the disk does not fail");
    drop(writer);
    damage(input, disk, dir);
}

/// Flips, cuts, zeros.
fn damage(input: &mut Input<'_>, disk: &Disk, dir: &Path) {
    for _ in 0..input.below(4) {
        let paths: Vec<_> = disk.paths().into_iter().filter(|path| path.starts_with(dir)).collect();
        if paths.is_empty() {
            return;
        }
        let path = &paths[input.below(paths.len())];
        let mut bytes = disk.bytes(path);
        let at = usize::from(input.u16()).min(bytes.len());
        match input.byte() % 4 {
            0 => bytes.truncate(at),
            1 => bytes[at..].fill(0),
            2 => bytes.extend_from_slice(input.string()),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << input.below(8);
                }
            }
        }
        disk.put(path, bytes);
    }
}
