//! The `ip` scheme: addresses with an optional number of significant bits.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Whether the id of an ACL entry is one the scheme accepts: an IPv4 or IPv6 address, optionally `/bits`.
pub(super) fn is_ip_id(id: &str) -> bool {
    parse_pattern(id).is_some()
}

/// Whether a peer's address matches an ACL id. The two families never match each other.
pub fn ip_matches(address: &str, pattern: &str) -> bool {
    let (Some(address), Some((wanted, bits))) = (parse_address(address), parse_pattern(pattern)) else {
        return false;
    };
    if address.len() != wanted.len() {
        return false;
    }
    let whole = bits / 8;
    let rest = bits % 8;
    let mask = !(0xffu8.checked_shr(rest as u32).unwrap_or(0));
    address[..whole] == wanted[..whole] && (rest == 0 || (address[whole] ^ wanted[whole]) & mask == 0)
}

fn parse_pattern(id: &str) -> Option<(Vec<u8>, usize)> {
    let (address, bits) = match id.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (id, None),
    };
    let address = parse_address(address)?;
    let most = address.len() * 8;
    let bits = match bits {
        None => most,
        Some(text) => text.parse::<usize>().ok().filter(|bits| *bits <= most)?,
    };
    Some((address, bits))
}

fn parse_address(text: &str) -> Option<Vec<u8>> {
    match text.contains(':') {
        true => text.parse::<Ipv6Addr>().ok().map(|a| a.octets().to_vec()),
        false => parse_v4(text).map(|a| a.octets().to_vec()),
    }
}

/// Four decimal parts of 0 to 255; leading zeros are fine, as in Apache.
fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        *octet = part.parse::<i32>().ok().and_then(|n| u8::try_from(n).ok())?;
    }
    parts.next().is_none().then(|| octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_bits_decide() {
        assert!(ip_matches("10.1.2.3", "10.1.0.0/16"));
        assert!(!ip_matches("10.2.2.3", "10.1.0.0/16"));
        assert!(ip_matches("10.1.2.3", "0.0.0.0/0"));
        assert!(ip_matches("127.0.0.1", "127.0.0.1"));
        assert!(ip_matches("10.1.3.255", "10.1.2.0/23"));
        assert!(!ip_matches("10.1.4.0", "10.1.2.0/23"));
        assert!(ip_matches("2001:db8::1", "2001:db8::/32"));
        assert!(!ip_matches("127.0.0.1", "::/0"));
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for bad in ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.256", "a.b.c.d", "::1/129", ":::"] {
            assert!(!is_ip_id(bad), "{bad}");
        }
    }
}
