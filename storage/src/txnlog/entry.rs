//! One log entry's bytes, and the file header before the first.

use simd_adler32::adler32;

/// `ZKLG`.
pub(crate) const LOG_MAGIC: i32 = 0x5A4B_4C47;
/// The only version there is.
pub(crate) const LOG_VERSION: i32 = 2;
/// Length of the file header: magic, version, dbid.
pub(crate) const LOG_HEADER_BYTES: u64 = 16;
/// Checksum and length, before the payload.
pub(crate) const ENTRY_HEAD_BYTES: usize = 12;
/// What an entry adds to its payload: checksum, length, end mark.
pub(crate) const ENTRY_EXTRA_BYTES: usize = ENTRY_HEAD_BYTES + 1;
/// The end mark, `B`.
pub(crate) const END_MARK: u8 = 0x42;

/// The shortest payload: a `TxnHeader` alone.
pub const TXN_BYTES_MIN: usize = 32;
/// The longest payload that is written or read. Apache's limit is `jute.maxbuffer` and as much again, 2 MiB by default.
pub const TXN_BYTES_MAX: usize = 64 << 20;
/// The longest batch of several transactions between two syncs, in bytes of the file.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// The zxid of a payload (`TxnHeader`: client id, cxid, zxid, time, type).
///
/// # Panics
/// When the payload is shorter than [`TXN_BYTES_MIN`].
pub fn zxid_of(payload: &[u8]) -> i64 {
    be_i64(&payload[12..20])
}

/// The transaction type of a payload.
///
/// # Panics
/// When the payload is shorter than [`TXN_BYTES_MIN`].
pub fn txn_type_of(payload: &[u8]) -> i32 {
    be_i32(&payload[28..32])
}

/// The type of an `error` transaction, the only one that may repeat a zxid.
pub(crate) const TXN_TYPE_ERROR: i32 = -1;

pub(crate) fn file_header() -> [u8; LOG_HEADER_BYTES as usize] {
    let mut header = [0; LOG_HEADER_BYTES as usize];
    header[..4].copy_from_slice(&LOG_MAGIC.to_be_bytes());
    header[4..8].copy_from_slice(&LOG_VERSION.to_be_bytes());
    header
}

/// Appends one entry to `out`.
pub(crate) fn encode(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u64::from(adler32(&payload)).to_be_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(payload);
    out.push(END_MARK);
}

/// The checksum and the length at the start of an entry.
pub(crate) fn head(bytes: &[u8]) -> (u64, u32) {
    (be_i64(&bytes[..8]) as u64, be_i32(&bytes[8..12]) as u32)
}

/// Whether a payload may be this long.
pub(crate) fn plausible_len(len: u32) -> bool {
    (TXN_BYTES_MIN..=TXN_BYTES_MAX).contains(&(len as usize))
}

/// The length of the payload of an intact entry at the start of `bytes`, if there is one.
pub(crate) fn intact(bytes: &[u8]) -> Option<usize> {
    // All-zero upper half of the checksum first: it is what random bytes fail.
    if bytes.len() < ENTRY_EXTRA_BYTES + TXN_BYTES_MIN || bytes[..4] != [0; 4] {
        return None;
    }
    let (checksum, len) = head(bytes);
    let payload = payload_if(bytes, len)?;
    (u64::from(adler32(&payload)) == checksum).then_some(payload.len())
}

/// The payload of an entry at the start of `bytes` if it had length `len`, provided that its end mark is there.
pub(crate) fn payload_if(bytes: &[u8], len: u32) -> Option<&[u8]> {
    if !plausible_len(len) {
        return None;
    }
    let end = ENTRY_HEAD_BYTES + len as usize;
    (*bytes.get(end)? == END_MARK).then(|| &bytes[ENTRY_HEAD_BYTES..end])
}

pub(crate) fn be_i64(bytes: &[u8]) -> i64 {
    i64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}

pub(crate) fn be_i32(bytes: &[u8]) -> i32 {
    i32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A payload with a proper header and `body` bytes after it.
    pub(crate) fn payload(zxid: i64, txn_type: i32, body: &[u8]) -> Vec<u8> {
        let mut p = Vec::new();
        p.extend_from_slice(&0x0100_0001_0000_0000i64.to_be_bytes());
        p.extend_from_slice(&7i32.to_be_bytes());
        p.extend_from_slice(&zxid.to_be_bytes());
        p.extend_from_slice(&1_700_000_000_000i64.to_be_bytes());
        p.extend_from_slice(&txn_type.to_be_bytes());
        p.extend_from_slice(body);
        p
    }

    #[test]
    fn golden_entry() {
        // createSession, timeout 30000, by session 0x0100000100000000, cxid 7, zxid 0x100000001.
        let p = payload(0x1_0000_0001, -10, &30_000i32.to_be_bytes());
        let mut out = Vec::new();
        encode(&p, &mut out);
        let mut want = Vec::new();
        want.extend_from_slice(&u64::from(adler2::adler32_slice(&p)).to_be_bytes());
        want.extend_from_slice(&[0, 0, 0, 36]);
        want.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1]);
        want.extend_from_slice(&[
            0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, 0xff, 0xff, 0xff, 0xf6, 0, 0, 0x75, 0x30,
        ]);
        want.push(b'B');
        assert_eq!(out, want);
        assert_eq!(intact(&out), Some(36));
        assert_eq!((zxid_of(&p), txn_type_of(&p)), (0x1_0000_0001, -10));
        assert_eq!(file_header(), *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn every_prefix_of_an_entry_is_not_intact() {
        let mut out = Vec::new();
        encode(&payload(5, 1, b"some data"), &mut out);
        for cut in 0..out.len() {
            assert_eq!(intact(&out[..cut]), None, "{cut}");
        }
    }
}
