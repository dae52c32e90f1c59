//! Would this unreadable entry be intact if one bit were flipped back?
//!
//! For the payload this costs one checksum: flipping bit `k` of byte `i` of `n` changes Adler-32's sums by `±2^k`
//! and `±2^k·(n-i)` modulo 65521, from which `k` and `i` follow.

use simd_adler32::adler32;

use super::entry::{END_MARK, ENTRY_HEAD_BYTES, head, payload_if, plausible_len};

/// Adler-32's modulus.
const MODULUS: u32 = 65521;

/// A single flipped bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flip {
    /// The byte with the flipped bit, counted from the entry's start.
    pub byte: usize,
    /// Whether a bit that was written as 1 is read as 0: only then can a torn write be the cause.
    pub cleared: bool,
}

/// The flipped bit that explains why the entry at the start of `bytes` (which run to the end of the file's data, or
/// further) is not intact; `None` when one bit does not explain it.
pub(crate) fn single_bit(bytes: &[u8]) -> Option<Flip> {
    if bytes.len() < ENTRY_HEAD_BYTES {
        return None;
    }
    let (checksum, len) = head(bytes);
    in_length(bytes, checksum, len)
        .or_else(|| in_end_mark(bytes, checksum, len))
        .or_else(|| in_checksum_or_payload(bytes, checksum, len))
}

fn in_length(bytes: &[u8], checksum: u64, len: u32) -> Option<Flip> {
    (0..32).find_map(|bit| {
        let payload = payload_if(bytes, len ^ (1 << bit))?;
        (u64::from(adler32(&payload)) == checksum)
            .then_some(Flip { byte: 8 + (31 - bit) / 8, cleared: len & (1 << bit) == 0 })
    })
}

fn in_end_mark(bytes: &[u8], checksum: u64, len: u32) -> Option<Flip> {
    let end = ENTRY_HEAD_BYTES + len as usize;
    let mark = *bytes.get(end)?;
    if !plausible_len(len) || (mark ^ END_MARK).count_ones() != 1 {
        return None;
    }
    (u64::from(adler32(&&bytes[ENTRY_HEAD_BYTES..end])) == checksum)
        .then_some(Flip { byte: end, cleared: mark & END_MARK == mark })
}

fn in_checksum_or_payload(bytes: &[u8], checksum: u64, len: u32) -> Option<Flip> {
    let payload = payload_if(bytes, len)?;
    let actual = adler32(&payload);
    let difference = checksum ^ u64::from(actual);
    if difference.count_ones() == 1 {
        let bit = difference.trailing_zeros() as usize;
        return Some(Flip { byte: 7 - bit / 8, cleared: checksum & difference == 0 });
    }
    let written = u32::try_from(checksum).ok()?;
    in_payload(payload, written, actual)
        .map(|flip| Flip { byte: ENTRY_HEAD_BYTES + flip.byte, cleared: flip.cleared })
}

fn in_payload(payload: &[u8], written: u32, actual: u32) -> Option<Flip> {
    let delta_a = minus(actual & 0xffff, written & 0xffff);
    let delta_b = minus(actual >> 16, written >> 16);
    (0..8u32).find_map(|bit| {
        [1 << bit, MODULUS - (1 << bit)].into_iter().find_map(|step| {
            if delta_a != step {
                return None;
            }
            let set = step == 1 << bit;
            // n - i, modulo 65521; a payload longer than that has several candidates.
            let mut from_end = times(delta_b, inverse(step)) as usize;
            while from_end <= payload.len() {
                if from_end > 0 && (payload[payload.len() - from_end] & (1 << bit) != 0) == set {
                    return Some(Flip { byte: payload.len() - from_end, cleared: !set });
                }
                from_end += MODULUS as usize;
            }
            None
        })
    })
}

fn minus(a: u32, b: u32) -> u32 {
    (a % MODULUS + MODULUS - b % MODULUS) % MODULUS
}

fn times(a: u32, b: u32) -> u32 {
    (u64::from(a) * u64::from(b) % u64::from(MODULUS)) as u32
}

/// The inverse modulo the prime 65521: `x^(p-2)`.
fn inverse(x: u32) -> u32 {
    let (mut power, mut base, mut exponent) = (1, x, MODULUS - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = times(power, base);
        }
        base = times(base, base);
        exponent >>= 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::payload;
    use super::super::entry::{encode, intact};
    use super::*;

    fn entry(body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&payload(9, 5, body), &mut bytes);
        bytes.resize(bytes.len() + 4096, 0);
        bytes
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = entry(b"a body that is neither short nor long, with a few zeros \0\0\0\0\0 in it");
        let end = good.len() - 4096;
        for bit in 0..end * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(intact(&bytes), None);
            let flip = single_bit(&bytes).unwrap_or_else(|| panic!("bit {bit} not found"));
            assert_eq!(flip.byte, bit / 8, "bit {bit}");
            assert_eq!(flip.cleared, good[bit / 8] & (1 << (bit % 8)) != 0, "bit {bit}");
        }
    }

    #[test]
    fn flips_in_a_long_payload_are_found() {
        let body: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let good = entry(&body);
        for byte in [12, 13, 70_000, 65_521, 65_532, 150_000, 200_000] {
            let mut bytes = good.clone();
            bytes[byte] ^= 0x20;
            assert!(single_bit(&bytes).is_some(), "byte {byte}");
        }
    }

    #[test]
    fn torn_sectors_are_no_flip() {
        let body: Vec<u8> = (0..3000u32).map(|i| (i % 251) as u8 | 1).collect();
        let good = entry(&body);
        for start in (0..3000).step_by(512) {
            let mut bytes = good.clone();
            bytes[start..start + 512].fill(0);
            assert_eq!(single_bit(&bytes), None, "sector {start}");
        }
        assert_eq!(single_bit(&[0; 4096]), None);
    }
}
