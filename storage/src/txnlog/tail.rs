//! The decision at the first unreadable entry of a log: a torn tail, or damage. The rules and their reasons are in
//! the module documentation of [`super`].

use super::entry::{
    BATCH_BYTES_MAX, ENTRY_EXTRA_BYTES, ENTRY_HEAD_BYTES, TXN_BYTES_MAX, head, intact, plausible_len, zxid_of,
};
use super::flip::{Flip, single_bit};
use super::scan::LogScan;
use crate::error::{Result, StorageError};
use crate::fs::{FsFile, read_full};

/// What a disk writes whole or not at all, or so we assume in the strict direction: smaller than any page.
const SECTOR_BYTES: usize = 512;
/// More than this behind an unreadable entry cannot come from one batch, whatever it was.
const REGION_BYTES_MAX: usize = TXN_BYTES_MAX + ENTRY_EXTRA_BYTES;

/// What is known of the syncs of the file in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synced {
    /// Nothing: the file was not written by us, or its watermark is lost.
    Unknown,
    /// Everything before this offset was synced.
    UpTo(u64),
    /// The writer did not sync (`forceSync=no`).
    Never,
}

/// What the end of a log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Zeros to the end of the file.
    Clean,
    /// An incomplete write that was never acknowledged, of so many bytes.
    Torn(u64),
    /// Damage.
    Damaged(String),
    /// The log ends before its watermark.
    Shortened(u64),
}

/// Judges the bytes from `scan.offset()` on. `last_zxid` is the last transaction before them; `why` says what is wrong
/// with the entry there, if there is one.
pub(crate) fn judge(scan: &LogScan, last_zxid: i64, synced: Synced, why: Option<&str>) -> Result<Verdict> {
    let at = scan.offset();
    let file = scan.file();
    let read_error = |e| StorageError::io(scan.path(), "read")(e);
    let data_end = last_data(file, at, scan.file_bytes()).map_err(read_error)?;
    if let Synced::UpTo(watermark) = synced
        && at < watermark
    {
        return Ok(match why {
            None if data_end.is_none() => Verdict::Shortened(watermark),
            _ => Verdict::Damaged(format!("{}, in what was synced", why.unwrap_or("zeros inside the log"))),
        });
    }
    let Some(data_end) = data_end else { return Ok(Verdict::Clean) };
    let torn = Verdict::Torn(data_end - at);
    if synced == Synced::Never {
        return Ok(torn);
    }
    let why = why.unwrap_or("zeros inside the log");
    if data_end - at > REGION_BYTES_MAX as u64 {
        return Ok(Verdict::Damaged(format!("{why}, and more follows than one batch holds")));
    }
    // With some zeros behind it, so that a cleared last byte can be seen as such.
    let region_bytes = (data_end - at) as usize;
    let mut region = vec![0; region_bytes + SECTOR_BYTES];
    read_full(file, &mut region[..region_bytes], at).map_err(read_error)?;
    Ok(judge_region(&region, region_bytes, at, last_zxid, synced, why).unwrap_or(torn))
}

fn judge_region(
    region: &[u8],
    region_bytes: usize,
    at: u64,
    last_zxid: i64,
    synced: Synced,
    why: &str,
) -> Option<Verdict> {
    let watched = matches!(synced, Synced::UpTo(_));
    if let Some(flip) = single_bit(region)
        && !(watched && tear_may_have_cleared(region, at, flip))
    {
        return Some(Verdict::Damaged(format!(
            "{why}: one bit of byte {} is flipped",
            at + flip.byte as u64
        )));
    }
    let (first, last_end) = intact_behind(&region[..region_bytes], last_zxid)?;
    if last_end > BATCH_BYTES_MAX {
        return Some(Verdict::Damaged(format!("{why}, and intact transactions of later batches follow")));
    }
    if !watched || !tear_may_lie_before(region, at, first) {
        return Some(Verdict::Damaged(format!(
            "{why}, and an intact transaction follows at {}",
            at + first as u64
        )));
    }
    None
}

/// Whether the cleared bit may be the only trace of a lost piece of a sector: its byte is zero, and so is the rest of
/// the sector.
fn tear_may_have_cleared(region: &[u8], at: u64, flip: Flip) -> bool {
    let end = next_sector(at, flip.byte).min(region.len());
    flip.cleared && region[flip.byte..end].iter().all(|&b| b == 0)
}

/// Whether some sector that starts before the intact entry at `first` ends in a zero, or the entry before that one
/// does: a lost piece of a write leaves that.
fn tear_may_lie_before(region: &[u8], at: u64, first: usize) -> bool {
    if region[first - 1] == 0 {
        return true;
    }
    let mut end = next_sector(at, 0);
    loop {
        if region.get(end - 1).is_none_or(|&b| b == 0) {
            return true;
        }
        if end >= first {
            return false;
        }
        end += SECTOR_BYTES;
    }
}

/// The end, counted from `at`, of the sector that holds the byte `offset` behind `at`.
fn next_sector(at: u64, offset: usize) -> usize {
    let sector = SECTOR_BYTES as u64;
    (((at + offset as u64) / sector + 1) * sector - at) as usize
}

/// The first intact entry behind the unreadable one at the start of `region`, and the end of the last one. What lies
/// inside the unreadable entry is its data, even if it looks like an entry.
fn intact_behind(region: &[u8], last_zxid: i64) -> Option<(usize, usize)> {
    let (_, claimed) = if region.len() >= ENTRY_HEAD_BYTES { head(region) } else { (0, 0) };
    let mut at = 1;
    if plausible_len(claimed)
        && region.get(claimed as usize + ENTRY_HEAD_BYTES) == Some(&super::entry::END_MARK)
    {
        at = claimed as usize + ENTRY_EXTRA_BYTES;
    }
    let mut found: Option<(usize, usize)> = None;
    while at < region.len() {
        let entry = &region[at..];
        match intact(entry) {
            Some(len) if zxid_of(&entry[ENTRY_HEAD_BYTES..]) > last_zxid => {
                let end = at + len + ENTRY_EXTRA_BYTES;
                found = Some((found.map_or(at, |(first, _)| first), end));
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

/// The offset behind the last byte at or after `from` that is not zero.
pub(crate) fn last_data(file: &dyn FsFile, from: u64, file_bytes: u64) -> std::io::Result<Option<u64>> {
    let mut buf = vec![0; 256 << 10];
    let mut at = from;
    let mut end = None;
    while at < file_bytes {
        match file.next_data(at)? {
            None => break,
            Some(data) => at = data.max(at),
        }
        let n = read_full(file, &mut buf, at)?;
        if n == 0 {
            break;
        }
        if let Some(last) = last_nonzero(&buf[..n]) {
            end = Some(at + last as u64 + 1);
        }
        at += n as u64;
    }
    Ok(end)
}

/// The index of the last byte that is not zero.
fn last_nonzero(bytes: &[u8]) -> Option<usize> {
    // Whole blocks first: or-ing them is what the compiler turns into vector code.
    let mut end = bytes.len();
    while end >= 256 && bytes[end - 256..end].iter().fold(0, |all, &b| all | b) == 0 {
        end -= 256;
    }
    bytes[..end].iter().rposition(|&b| b != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_nonzero_at_any_place() {
        for len in [0, 1, 255, 256, 257, 1000] {
            assert_eq!(last_nonzero(&vec![0; len]), None);
            for at in 0..len {
                let mut bytes = vec![0; len];
                bytes[at] = 1;
                assert_eq!(last_nonzero(&bytes), Some(at));
            }
        }
    }

    #[test]
    fn sectors_end_where_the_disk_ends_them() {
        assert_eq!(next_sector(16, 0), 496);
        assert_eq!(next_sector(16, 495), 496);
        assert_eq!(next_sector(16, 496), 1008);
        assert_eq!(next_sector(512, 0), 512);
    }
}
