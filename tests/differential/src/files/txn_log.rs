//! A reader of Apache's transaction logs, only as far as the digests go.

use crate::wire::Take;
use std::path::{Path, PathBuf};

const MAGIC: i32 = 0x5a4b_4c47;
const END_OF_ENTRY: u8 = 0x42;
const TYPE_ERROR: i32 = -1;
const DIGEST_VERSION: i32 = 2;
const HEADER_BYTES: usize = 32;
const DIGEST_BYTES: usize = 12;

/// A transaction as the log holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// Its zxid.
    pub zxid: i64,
    /// Its type (an opcode, or -1 for a failed request).
    pub kind: i32,
    /// The digest of the tree after it, where it carries one.
    pub digest: Option<i64>,
}

/// All transactions in the logs of a data directory, in order.
///
/// # Errors
/// A message naming the file that is no log.
pub fn read_all(data_dir: &Path) -> Result<Vec<Logged>, String> {
    let mut all = Vec::new();
    for path in numbered(data_dir, "log.")? {
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        read_one(&bytes, &mut all).ok_or_else(|| format!("{} is no transaction log", path.display()))?;
    }
    Ok(all)
}

/// The files `version-2/<prefix><hex>...` of a data directory, by their number.
///
/// # Errors
/// A message when the folder cannot be read.
pub fn numbered(data_dir: &Path, prefix: &str) -> Result<Vec<PathBuf>, String> {
    let folder = data_dir.join("version-2");
    let explain = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(explain)? {
        let path = entry.map_err(explain)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hex = name.strip_prefix(prefix).and_then(|rest| rest.split('.').next());
        if let Some(number) = hex.and_then(|hex| i64::from_str_radix(hex, 16).ok()) {
            files.push((number, path));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

fn read_one(bytes: &[u8], all: &mut Vec<Logged>) -> Option<()> {
    let mut from = Take::new(bytes);
    if (from.int()?, from.int()?, from.long()?) != (MAGIC, 2, 0) {
        return None;
    }
    // A torn tail and the preallocated zeros both end a log.
    while let (Some(checksum), Some(Some(payload))) = (from.long(), from.buffer()) {
        if payload.len() < HEADER_BYTES || from.rest.first() != Some(&END_OF_ENTRY) {
            break;
        }
        if checksum != i64::from(adler32(payload)) {
            return None;
        }
        from.rest = &from.rest[1..];
        let mut header = Take::new(&payload[12..HEADER_BYTES]);
        let (zxid, _time, kind) = (header.long()?, header.long()?, header.int()?);
        let mut tail = Take::new(&payload[payload.len().checked_sub(DIGEST_BYTES)?..]);
        let (version, digest) = (tail.int()?, tail.long()?);
        let digest = (kind != TYPE_ERROR && version == DIGEST_VERSION).then_some(digest);
        all.push(Logged { zxid, kind, digest });
    }
    Some(())
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    // So many additions stay below 2^32 before the remainders must be taken.
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= 65_521;
        b %= 65_521;
    }
    (b << 16) | a
}

#[cfg(test)]
mod tests {
    #[test]
    fn adler_is_the_known_one() {
        assert_eq!(super::adler32(b"Wikipedia"), 0x11e6_0398);
    }
}
