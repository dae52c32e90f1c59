//! The side file that says up to where the log was synced.
//!
//! Two slots, in pages of their own, so that a torn write of one leaves the other: the slot that was synced last is
//! never written to before the other one was synced.

use std::path::{Path, PathBuf};

use crate::error::{Result, StorageError};
use crate::fs::{Access, Fs, FsFile, read_full};

/// The side file's name, in the log directory. Neither Apache's server nor its tools look at it.
pub const WATERMARK_FILE: &str = "zkrs.synced";

const MAGIC: &[u8; 8] = b"ZKRSSYNC";
const VERSION: u32 = 1;
const SLOT_BYTES: usize = 56;
const SLOT_STRIDE: u64 = 4096;
const FORCED: u32 = 1;

/// What was synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// The log file, by the first zxid in its name.
    pub log: i64,
    /// Everything in it before this offset was synced.
    pub offset: u64,
    /// The last transaction before that.
    pub zxid: i64,
    /// Whether the writer syncs at all (`forceSync`); if not, `offset` and `zxid` only say what was written.
    pub forced: bool,
}

impl Watermark {
    /// Reads the watermark of a log directory; `None` when there is none, or none that is intact.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn load(fs: &dyn Fs, dir: &Path) -> Result<Option<Watermark>> {
        Ok(load_slots(fs, dir)?.map(|(_, _, watermark)| watermark))
    }
}

/// The watermark of a log being written.
pub(crate) struct WatermarkFile {
    path: PathBuf,
    file: Box<dyn FsFile>,
    /// The slot to write to; the other one is durable.
    slot: usize,
    sequence: u64,
    dirty: bool,
}

impl WatermarkFile {
    /// Opens or creates the file, and makes what it says durable.
    pub fn open(fs: &dyn Fs, dir: &Path) -> Result<WatermarkFile> {
        let path = dir.join(WATERMARK_FILE);
        let known = load_slots(fs, dir)?;
        if !fs.exists(&path) {
            let file = fs.create(&path).map_err(StorageError::io(&path, "create"))?;
            file.write_at(&[0; 2 * SLOT_STRIDE as usize], 0).map_err(StorageError::io(&path, "write"))?;
            file.sync_all().map_err(StorageError::io(&path, "fsync"))?;
            fs.sync_dir(dir).map_err(StorageError::io(dir, "fsync directory"))?;
            return Ok(WatermarkFile { path, file, slot: 0, sequence: 0, dirty: false });
        }
        let file = fs.open(&path, Access::ReadWrite).map_err(StorageError::io(&path, "open"))?;
        // After the death of the process alone, the newest slot may be in the page cache only.
        file.sync_all().map_err(StorageError::io(&path, "fsync"))?;
        let (slot, sequence) = known.map_or((0, 0), |(slot, sequence, _)| (1 - slot, sequence));
        Ok(WatermarkFile { path, file, slot, sequence, dirty: false })
    }

    /// Writes a new watermark; not yet synced.
    pub fn note(&mut self, watermark: Watermark) -> Result<()> {
        self.sequence += 1;
        let at = self.slot as u64 * SLOT_STRIDE;
        self.file
            .write_at(&encode(watermark, self.sequence), at)
            .map_err(StorageError::io(&self.path, "write"))?;
        self.dirty = true;
        Ok(())
    }

    /// Makes the last noted watermark durable.
    pub fn sync(&mut self) -> Result<()> {
        if self.dirty {
            self.file.sync_data().map_err(StorageError::io(&self.path, "fdatasync"))?;
            self.dirty = false;
            self.slot = 1 - self.slot;
        }
        Ok(())
    }
}

/// The newest intact slot: its index, its sequence number, its content.
fn load_slots(fs: &dyn Fs, dir: &Path) -> Result<Option<(usize, u64, Watermark)>> {
    let path = dir.join(WATERMARK_FILE);
    if !fs.exists(&path) {
        return Ok(None);
    }
    let file = fs.open(&path, Access::Read).map_err(StorageError::io(&path, "open"))?;
    let mut newest: Option<(usize, u64, Watermark)> = None;
    for slot in 0..2 {
        let mut bytes = [0; SLOT_BYTES];
        read_full(&*file, &mut bytes, slot as u64 * SLOT_STRIDE).map_err(StorageError::io(&path, "read"))?;
        if let Some((sequence, watermark)) = decode(&bytes)
            && newest.is_none_or(|(_, known, _)| known < sequence)
        {
            newest = Some((slot, sequence, watermark));
        }
    }
    Ok(newest)
}

fn encode(watermark: Watermark, sequence: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
    bytes[12..16].copy_from_slice(&(if watermark.forced { FORCED } else { 0 }).to_be_bytes());
    bytes[16..24].copy_from_slice(&sequence.to_be_bytes());
    bytes[24..32].copy_from_slice(&watermark.log.to_be_bytes());
    bytes[32..40].copy_from_slice(&watermark.offset.to_be_bytes());
    bytes[40..48].copy_from_slice(&watermark.zxid.to_be_bytes());
    let checksum = crc32fast::hash(&bytes[..48]);
    bytes[48..52].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<(u64, Watermark)> {
    let u32_at = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    if bytes[..8] != *MAGIC || u32_at(8) != VERSION || u32_at(48) != crc32fast::hash(&bytes[..48]) {
        return None;
    }
    let watermark = Watermark {
        log: u64_at(24) as i64,
        offset: u64_at(32),
        zxid: u64_at(40) as i64,
        forced: u32_at(12) & FORCED != 0,
    };
    Some((u64_at(16), watermark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealFs;

    fn mark(offset: u64) -> Watermark {
        Watermark { log: 1, offset, zxid: offset as i64, forced: true }
    }

    #[test]
    fn the_newest_intact_slot_wins() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = WatermarkFile::open(&RealFs, dir.path()).unwrap();
        assert_eq!(Watermark::load(&RealFs, dir.path()).unwrap(), None);
        for offset in [100, 200, 300] {
            file.note(mark(offset)).unwrap();
            assert_eq!(Watermark::load(&RealFs, dir.path()).unwrap(), Some(mark(offset)));
        }
        file.sync().unwrap();
        // The synced slot holds 300; the unsynced one is damaged in every bit in turn.
        file.note(mark(400)).unwrap();
        drop(file);
        let path = dir.path().join(WATERMARK_FILE);
        let good = std::fs::read(&path).unwrap();
        for bit in 0..52 * 8 {
            let mut bytes = good.clone();
            bytes[4096 + bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Watermark::load(&RealFs, dir.path()).unwrap(), Some(mark(300)), "bit {bit}");
        }
        std::fs::write(&path, &good).unwrap();
        let mut file = WatermarkFile::open(&RealFs, dir.path()).unwrap();
        file.note(mark(500)).unwrap();
        assert_eq!(Watermark::load(&RealFs, dir.path()).unwrap(), Some(mark(500)));
    }
}
