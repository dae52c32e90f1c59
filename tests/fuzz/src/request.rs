//! Requests that make sense more often than random bytes do: few paths, few versions, every opcode.

use std::borrow::Cow;

use zkrs_core::acl::{Acl, Id};
use zkrs_core::proto::{
    AuthPacket, CreateRequest, MultiElement, OpCode, ReconfigRequest, Request, SetWatches,
};

use crate::input::Input;

const PATHS: [&str; 26] = [
    "/a",
    "/b",
    "/a/b",
    "/a/b/c",
    "/a/c",
    "/b/s-",
    "/c",
    "/c/x",
    "/",
    "/zookeeper",
    "/zookeeper/quota",
    "/zookeeper/quota/a",
    "/zookeeper/quota/a/zookeeper_limits",
    "/zookeeper/quota/a/zookeeper_stats",
    "/zookeeper/quota/a/b",
    "/zookeeper/quota/zookeeper_limits",
    "/zookeeper/config",
    "/zookeeper/x",
    "/a/b0000000001",
    "/b/s-0000000000",
    "",
    "a",
    "/a/",
    "//a",
    "/a/../b",
    "/a\u{0}",
];
const DATA: [&[u8]; 12] = [
    b"",
    b"x",
    b"0123456789",
    b"count=1,bytes=5",
    b"count=-1,bytes=-1",
    b"count=1,bytes=5=;byteHardLimit=9;countHardLimit=2",
    b"count=2147483647,bytes=9223372036854775807",
    b"count=99999999999999999999,bytes=x",
    b"=,=;=",
    b"user:secret",
    &[0xff; 40],
    &[7; 600],
];
const VERSIONS: [i32; 8] = [-1, 0, 1, 2, 3, i32::MAX, i32::MIN, -2];

/// A request, borrowing from the input.
pub fn request<'a>(input: &mut Input<'a>) -> Request<'a> {
    let op = input.pick(&OpCode::ALL);
    match op {
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
            Request::Create(op, create(input))
        }
        OpCode::Delete => Request::Delete { path: path(input), version: version(input) },
        OpCode::Exists => Request::Exists { path: path(input), watch: input.flag() },
        OpCode::GetData => Request::GetData { path: path(input), watch: input.flag() },
        OpCode::SetData => Request::SetData { path: path(input), data: data(input), version: version(input) },
        OpCode::GetAcl => Request::GetAcl { path: path(input) },
        OpCode::SetAcl => Request::SetAcl { path: path(input), acl: acl(input), version: version(input) },
        OpCode::GetChildren => Request::GetChildren { path: path(input), watch: input.flag() },
        OpCode::GetChildren2 => Request::GetChildren2 { path: path(input), watch: input.flag() },
        OpCode::GetAllChildrenNumber => Request::GetAllChildrenNumber { path: path(input) },
        OpCode::GetEphemerals => {
            Request::GetEphemerals { prefix: if input.flag() { None } else { Some(path(input)) } }
        }
        OpCode::Sync => Request::Sync { path: path(input) },
        OpCode::Ping => Request::Ping,
        OpCode::Check => Request::Check { path: path(input), version: version(input) },
        OpCode::Multi => Request::Multi(elements(input, false)),
        OpCode::MultiRead => Request::MultiRead(elements(input, true)),
        OpCode::Reconfig => Request::Reconfig(ReconfigRequest {
            joining: Some(path(input)),
            leaving: None,
            new_members: None,
            config_id: -1,
        }),
        OpCode::CheckWatches => Request::CheckWatches { path: path(input), kind: small(input) },
        OpCode::RemoveWatches => Request::RemoveWatches { path: path(input), kind: small(input) },
        OpCode::Auth => Request::Auth(AuthPacket {
            kind: 0,
            scheme: Cow::Borrowed(input.pick(&["digest", "ip", "world", "auth", "super", "sasl", ""])),
            auth: data(input),
        }),
        OpCode::Sasl => Request::Sasl { token: data(input) },
        OpCode::SetWatches | OpCode::SetWatches2 => Request::SetWatches(op, set_watches(input, op)),
        OpCode::AddWatch => Request::AddWatch { path: path(input), mode: small(input) },
        OpCode::WhoAmI => Request::WhoAmI,
        // Often, it would end most sequences early.
        OpCode::CloseSession if input.byte() < 200 => Request::WhoAmI,
        OpCode::CloseSession => Request::CloseSession,
    }
}

/// A path out of a few, now and then an arbitrary one.
pub fn path<'a>(input: &mut Input<'a>) -> Cow<'a, str> {
    match input.byte() {
        255 => String::from_utf8_lossy(input.string()),
        choice => Cow::Borrowed(PATHS[usize::from(choice) % PATHS.len()]),
    }
}

fn data<'a>(input: &mut Input<'a>) -> Option<&'a [u8]> {
    match input.byte() {
        255 => Some(input.string()),
        254 => None,
        choice => Some(DATA[usize::from(choice) % DATA.len()]),
    }
}

fn version(input: &mut Input<'_>) -> i32 {
    match input.byte() {
        255 => input.int(),
        // Mostly the one that fits.
        choice if choice < 128 => -1,
        choice => VERSIONS[usize::from(choice) % VERSIONS.len()],
    }
}

fn small(input: &mut Input<'_>) -> i32 {
    i32::from(input.byte() as i8).clamp(-2, 8)
}

fn acl(input: &mut Input<'_>) -> Option<Vec<Acl>> {
    let entry = |perms, scheme: &str, id: &str| Acl { perms, id: Id::new(scheme, id) };
    match input.byte() {
        255 => {
            let scheme = String::from_utf8_lossy(input.string()).into_owned();
            let id = String::from_utf8_lossy(input.string()).into_owned();
            Some(vec![entry(input.int(), &scheme, &id)])
        }
        choice => match choice % 16 {
            0..8 => Some(Acl::open()),
            8 => None,
            9 => Some(Vec::new()),
            10 => Some(vec![entry(1, "world", "anyone")]),
            11 => Some(vec![entry(31, "auth", "")]),
            12 => Some(vec![entry(31, "digest", "user:smGaoVKd/cQkjm7b88GyorAUz20=")]),
            13 => Some(vec![entry(31, "ip", "127.0.0.1/8"), entry(1, "ip", "10.0.0.1")]),
            14 => Some(vec![entry(0x7fff_ffff, "world", "anyone"), entry(-1, "nobody", "x")]),
            _ => Some(vec![entry(31, "x509", "CN=x"), entry(31, "world", "anyone")]),
        },
    }
}

fn create<'a>(input: &mut Input<'a>) -> CreateRequest<'a> {
    CreateRequest {
        path: path(input),
        data: data(input),
        acl: acl(input),
        flags: match input.byte() {
            255 => input.int(),
            choice => i32::from(choice % 8),
        },
        ttl_ms: input.pick(&[1, 1000, 60_000, -1, 0, 0x00ff_ffff_ffff, i64::MAX, i64::MIN]),
    }
}

fn elements<'a>(input: &mut Input<'a>, reads: bool) -> Vec<MultiElement<'a>> {
    let count = input.below(6);
    (0..count)
        .map(|_| {
            // Now and then what does not belong.
            let reads = reads != (input.byte() == 255);
            match (reads, input.below(5)) {
                (true, 0..3) => MultiElement::GetData { path: path(input) },
                (true, _) => MultiElement::GetChildren { path: path(input) },
                (false, 0 | 1) => MultiElement::Create(
                    input.pick(&[
                        OpCode::Create,
                        OpCode::Create2,
                        OpCode::CreateContainer,
                        OpCode::CreateTtl,
                    ]),
                    create(input),
                ),
                (false, 2) => MultiElement::Delete { path: path(input), version: version(input) },
                (false, 3) => {
                    MultiElement::SetData { path: path(input), data: data(input), version: version(input) }
                }
                (false, _) => MultiElement::Check { path: path(input), version: version(input) },
            }
        })
        .collect()
}

fn set_watches<'a>(input: &mut Input<'a>, op: OpCode) -> SetWatches<'a> {
    let mut list = |wanted: bool| -> Vec<Cow<'a, str>> {
        let count = if wanted { input.below(4) } else { 0 };
        (0..count).map(|_| path(input)).collect()
    };
    let both = op == OpCode::SetWatches2;
    SetWatches {
        data: list(true),
        exist: list(true),
        child: list(true),
        persistent: list(both),
        persistent_recursive: list(both),
        relative_zxid: input.pick(&[0, 1, 5, i64::MAX, -1]),
    }
}
