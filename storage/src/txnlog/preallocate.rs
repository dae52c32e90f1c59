//! How far a log file reaches beyond what is written.
//!
//! Overwriting a block that exists is what makes `fdatasync` cheap: no metadata changes, so no journal commit.

/// How near to the end of the file a write may come before the file grows (Apache's `FilePadding`).
const PADDING_MARGIN_BYTES: u64 = 4096;

/// The length that a log file should have when the next write starts at `position`: Apache's
/// `FilePadding.calculateFileSizeWithPadding`. A new file has `file_bytes` 16 and so becomes
/// `16 + pre_alloc_bytes` long.
pub fn padded_len(position: u64, file_bytes: u64, pre_alloc_bytes: u64) -> u64 {
    if pre_alloc_bytes == 0 || position + PADDING_MARGIN_BYTES < file_bytes {
        return file_bytes;
    }
    if position > file_bytes {
        let len = position + pre_alloc_bytes;
        len - len % pre_alloc_bytes
    } else {
        file_bytes + pre_alloc_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_apache_pads() {
        // More than 4 KiB from the end, within them, at the end, beyond it; and switched off.
        assert_eq!(padded_len(5000, 10240, 10240), 10240);
        assert_eq!(padded_len(7000, 10240, 10240), 20480);
        assert_eq!(padded_len(10240, 10240, 10240), 20480);
        assert_eq!(padded_len(11000, 10240, 10240), 20480);
        assert_eq!(padded_len(20000, 10240, 0), 10240);
        assert_eq!(padded_len(16, 16, 64 << 20), (64 << 20) + 16);
    }
}
