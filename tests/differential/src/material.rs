//! What requests are made of: paths, data, ACLs, versions and numbers, ordinary ones mostly, odd ones often
//! enough.

use crate::request::Mangle;
use crate::rng::Rng;
use crate::step::{Data, Path, Version, ZxidRef};
use crate::wire::AclEntry;

/// `u1:p1` as a digest id.
const DIGEST_ONE: &str = "u1:fpT/y03U+EjItKZOSLGvjnJlyng=";
/// The largest frame that servers take, bytes, less what a setData of the sequence's own znode needs beside
/// its data: two header fields, the path and its length, the data's length, the version.
const LARGEST_DATA_BYTES: usize = 0xf_ffff - (8 + 4 + 10 + 4 + 4);

/// The paths that most requests are about: few, so that requests meet.
pub const COMMON: [&str; 9] = ["", "/a", "/b", "/c", "/a/x", "/a/y", "/a/x/1", "/b/z", "/c/s-"];

/// The limits that quota znodes are given.
const LIMITS: [&str; 7] = [
    "count=3,bytes=-1",
    "count=-1,bytes=20",
    "count=5,bytes=40",
    "count=-1,bytes=-1=;byteHardLimit=30;countHardLimit=-1",
    "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=4",
    "count=2,bytes=10=;byteHardLimit=60;countHardLimit=6",
    "count=-1,bytes=-1",
];

/// One of the common paths or, with `odd_percent`, something stranger.
pub fn path(rng: &mut Rng, existing: &[String], odd_percent: usize) -> Path {
    if rng.percent(odd_percent) {
        return odd_path(rng);
    }
    match rng.below(10) {
        0 => Path::Sequential(rng.below(8)),
        1..=6 if !existing.is_empty() => Path::Below(rng.pick(existing).clone()),
        _ => Path::Below((*rng.pick(&COMMON)).to_string()),
    }
}

fn odd_path(rng: &mut Rng) -> Path {
    let below = |rest: &str| Path::Below(rest.to_string());
    let raw = |bytes: &[u8]| Path::Raw(bytes.to_vec());
    match rng.below(30) {
        0 => Path::Null,
        1 => raw(b""),
        2 => raw(b"/"),
        3 => raw(b"a"),
        4 => raw(b"//"),
        5 => below("/"),
        6 => below("//x"),
        7 => below("/."),
        8 => below("/a/.."),
        9 => below("/a/./x"),
        10 => below("/..."),
        11 => below("/.a"),
        12 => below("/\0"),
        13 => below("/a\0b"),
        14 => below("/\u{1f}"),
        15 => below("/\u{7f}"),
        16 => below("/\u{85}"),
        17 => below("/\u{e9}t\u{e9}"),
        18 => below("/\u{e000}"),
        19 => below("/\u{fffd}"),
        20 => below("/\u{1f600}"),
        // A surrogate pair as Java writes it, and bytes that are no UTF-8.
        21 => Path::Raw(b"/x\xed\xa0\xbd\xed\xb8\x80".to_vec()),
        22 => Path::Raw(b"/x\xff\xfe".to_vec()),
        23 => below(&format!("/{}", "l".repeat(1500))),
        24 => below(&"/n".repeat(400)),
        25 => raw(b"/zookeeper"),
        26 => raw(b"/zookeeper/config"),
        27 => raw(b"/zookeeper/quota"),
        28 => below("/a/"),
        _ => below("/ "),
    }
}

/// Data for a create or setData.
pub fn data(rng: &mut Rng) -> Data {
    match rng.below(12) {
        0 => Data::Null,
        1 => Data::Bytes(Vec::new()),
        2 => Data::Filled(1000),
        3 if rng.once_in(3) => Data::Filled(20_000),
        4 => Data::Bytes(vec![0, 0xff, 0x80, b'\n']),
        _ => Data::Filled(rng.below(24)),
    }
}

/// Data that just fits a frame with the sequence's own znode's path, or just does not.
pub fn boundary_data(rng: &mut Rng) -> Data {
    Data::Filled(LARGEST_DATA_BYTES + rng.below(2))
}

/// Limits for a quota.
pub fn limits(rng: &mut Rng) -> Data {
    Data::Bytes(rng.pick(&LIMITS).as_bytes().to_vec())
}

/// An ACL; open with `100 - closed_percent`.
pub fn acl(rng: &mut Rng, closed_percent: usize) -> Option<Vec<AclEntry>> {
    if !rng.percent(closed_percent) {
        return Some(vec![entry(31, "world", "anyone")]);
    }
    if rng.percent(25) {
        return odd_acl(rng);
    }
    let count = 1 + rng.below(3);
    Some((0..count).map(|_| usual_entry(rng)).collect())
}

fn usual_entry(rng: &mut Rng) -> AclEntry {
    let perms = *rng.pick(&[31, 31, 1, 2, 4, 8, 16, 15, 30, 29, 27, 0]);
    let (scheme, id) = *rng.pick(&[
        ("world", "anyone"),
        ("auth", ""),
        ("auth", "ignored"),
        ("digest", DIGEST_ONE),
        ("digest", "u2:o9NxcCGDPOlcV7JVhmKHOf5ctVE="),
        ("ip", "127.0.0.1"),
        ("ip", "127.0.0.0/8"),
        ("ip", "10.0.0.0/8"),
        ("ip", "0.0.0.0/0"),
        ("ip", "::1"),
    ]);
    entry(perms, scheme, id)
}

fn odd_acl(rng: &mut Rng) -> Option<Vec<AclEntry>> {
    let some = |perms, scheme: &str, id: &str| Some(vec![entry(perms, scheme, id)]);
    match rng.below(24) {
        0 => None,
        1 => Some(Vec::new()),
        2 => some(31, "world", "nobody"),
        3 => some(31, "world", ""),
        4 => some(31, "super", ""),
        5 => some(31, "bogus", "x"),
        6 => some(31, "", ""),
        7 => some(31, "digest", "user"),
        8 => some(31, "digest", "user:"),
        9 => some(31, "digest", ":h"),
        10 => some(31, "digest", "a:b:"),
        11 => some(31, "digest", "a:b:c"),
        12 => some(31, "ip", "127.0.0"),
        13 => some(31, "ip", "127.0.0.1/33"),
        14 => some(31, "ip", "127.0.0.256"),
        15 => some(31, "ip", "fe80::1/64"),
        16 => some(31, "ip", "1::2::3"),
        17 => some(-1, "world", "anyone"),
        18 => some(0xff, "world", "anyone"),
        19 => Some(vec![
            entry(31, "world", "anyone"),
            entry(31, "world", "anyone"),
            entry(1, "world", "anyone"),
        ]),
        20 => Some(vec![(31, None, Some(b"anyone".to_vec()))]),
        21 => Some(vec![(31, Some(b"world".to_vec()), None)]),
        22 => Some(vec![(31, Some(b"digest".to_vec()), None)]),
        _ => some(31, "sasl", "joe"),
    }
}

fn entry(perms: i32, scheme: &str, id: &str) -> AclEntry {
    (perms, Some(scheme.as_bytes().to_vec()), Some(id.as_bytes().to_vec()))
}

/// Scheme and credentials of an auth packet.
pub fn credentials(rng: &mut Rng) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (scheme, auth): (&[u8], &[u8]) = match rng.below(24) {
        0..=9 => (b"digest", b"u1:p1"),
        10..=15 => (b"digest", b"u2:p2"),
        16 => (b"digest", b"super:test"),
        17 => (b"digest", b"super:wrong"),
        18 => (b"digest", b"nocolon"),
        19 => (b"digest", b""),
        20 => (b"ip", b"anything"),
        21 => (b"digest", b"\xff\xfe:\xc3\xa9"),
        22 => *rng.pick(&[(&b"world"[..], &b"anyone"[..]), (b"bogus", b"x"), (b"super", b""), (b"", b"")]),
        _ if rng.once_in(2) => return (None, Some(b"u1:p1".to_vec())),
        _ => return (Some(b"digest".to_vec()), None),
    };
    (Some(scheme.to_vec()), Some(auth.to_vec()))
}

/// A version to expect.
pub fn version(rng: &mut Rng) -> Version {
    match rng.below(20) {
        0..=9 => Version::Exact(-1),
        10..=15 => Version::Seen(0),
        16 => Version::Seen(1),
        17 => Version::Exact(0),
        18 => Version::Seen(-1),
        _ => Version::Exact(*rng.pick(&[i32::MAX, i32::MIN, -2, 1])),
    }
}

/// A time to live, milliseconds, for the modes that have one.
pub fn ttl(rng: &mut Rng) -> i64 {
    match rng.below(10) {
        0..=5 => 1 + rng.below(100_000) as i64,
        _ => *rng.pick(&[0, 1, -1, i64::MAX, i64::MIN, 0xff_ffff_ffff, 0x100_0000_0000]),
    }
}

/// A zxid for setWatches and connect requests.
pub fn zxid(rng: &mut Rng) -> ZxidRef {
    match rng.below(10) {
        0..=4 => ZxidRef::Last,
        5..=7 => ZxidRef::Base(rng.below(20) as i64),
        _ => ZxidRef::Exact(*rng.pick(&[0, -1, 1, i64::MAX, i64::MIN])),
    }
}

/// Something that spoils a record.
pub fn mangle(rng: &mut Rng) -> Mangle {
    match rng.below(8) {
        0..=3 => Mangle::Truncate(rng.below(1000)),
        4 => Mangle::Append(vec![7; 1 + rng.below(8)]),
        5 => Mangle::Overwrite(0, length(rng)),
        _ => Mangle::Overwrite(rng.below(1000), length(rng)),
    }
}

/// Four bytes that claim a length.
fn length(rng: &mut Rng) -> Vec<u8> {
    let claim = *rng.pick(&[-1_i32, -2, i32::MIN, i32::MAX, 0, 1, 5, 0x10_0000, 0x20_0000]);
    claim.to_be_bytes().to_vec()
}

/// Bytes that are no frame, or whose payload is no request.
pub fn raw_bytes(rng: &mut Rng) -> Vec<u8> {
    let frames: [&[u8]; 8] = [
        &[0xff, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0, 0, 0, 0],
        &[0, 0, 0, 4, 0, 0, 0, 1],
        &[0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0],
        &[0, 0x10, 0, 0],
        &[0x7f, 0xff, 0xff, 0xff],
        b"ruok",
    ];
    rng.pick(&frames).to_vec()
}
