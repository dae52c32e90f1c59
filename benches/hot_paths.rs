//! The hot paths by themselves: codec, tree, watch table, a whole read and a whole write in the core, log append.
//!
//! `cargo bench --bench hot_paths`. These say where time goes; what counts for users is `benches/compare/run.py`.

use std::borrow::Cow;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use zkrs_core::Now;
use zkrs_core::acl::Acl;
use zkrs_core::jute::Reader;
use zkrs_core::peer::{ConnId, Effect, Effects, Input, Loader, Peer, PeerConfig};
use zkrs_core::proto::{ConnectRequest, CreateRequest, EventType, OpCode, Request, RequestHeader};
use zkrs_core::watch::Watches;
use zkrs_storage::{LogWriter, LogWriterOptions, RealFs};

const CONN: ConnId = 1;
const ZNODES: usize = 100_000;

fn frame(xid: i32, request: &Request<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    RequestHeader { xid, op: request.op() as i32 }.encode(&mut payload);
    request.encode(&mut payload);
    payload
}

fn create<'a>(path: &'a str, data: &'a [u8]) -> Request<'a> {
    let create = CreateRequest {
        path: Cow::Borrowed(path),
        data: Some(data),
        acl: Some(Acl::open()),
        flags: 0,
        ttl_ms: -1,
    };
    Request::Create(OpCode::Create, create)
}

/// A peer with one session, whose disk is as fast as thought.
struct Rig {
    peer: Peer,
    effects: Effects,
    now: Now,
}

impl Rig {
    fn new() -> Self {
        let now = Now { mono_ms: 1000, wall_ms: 1_700_000_000_000 };
        let config = PeerConfig { snap_count: u32::MAX, ..PeerConfig::default() };
        let mut rig = Self { peer: Loader::new(config, 3).finish(now), effects: Effects::default(), now };
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        rig.peer.step(now, Input::ClientOpened { conn: CONN, address }, &mut rig.effects);
        let mut payload = Vec::new();
        ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms: 30_000,
            session_id: 0,
            password: vec![0; 16],
            read_only: false,
            has_read_only: true,
        }
        .encode(&mut payload);
        rig.request(&payload);
        rig
    }

    /// One request, made durable and answered. Returns the bytes of the answer.
    fn request(&mut self, payload: &[u8]) -> usize {
        self.peer.step(self.now, Input::ClientRequest { conn: CONN, payload }, &mut self.effects);
        let ticket = self.effects.list.iter().rev().find_map(|effect| match effect {
            Effect::Append { ticket, .. } => Some(*ticket),
            _ => None,
        });
        if let Some(upto) = ticket {
            self.peer.step(self.now, Input::LogDone { upto }, &mut self.effects);
        }
        let bytes = self.effects.bytes.len();
        self.effects.clear();
        bytes
    }

    fn fill(&mut self) {
        self.request(&frame(1, &create("/b", b"")));
        for i in 0..ZNODES {
            self.request(&frame(1, &create(&format!("/b/{i:010}"), &[7; 100])));
        }
    }
}

fn codec(c: &mut Criterion) {
    let payload = frame(7, &create("/app/config/service-0000000042", &[1; 100]));
    let mut group = c.benchmark_group("codec");
    group.throughput(Throughput::Bytes(payload.len() as u64));
    group.bench_function("decode create", |b| {
        b.iter(|| {
            let mut reader = Reader::new(black_box(&payload));
            RequestHeader::decode(&mut reader).expect("a header");
            Request::decode(OpCode::Create, reader.remaining()).expect("a create").op()
        });
    });
    let request = create("/app/config/service-0000000042", &[1; 100]);
    let mut out = Vec::new();
    group.bench_function("encode create", |b| {
        b.iter(|| {
            out.clear();
            black_box(&request).encode(&mut out);
            out.len()
        });
    });
}

fn core(c: &mut Criterion) {
    let mut rig = Rig::new();
    rig.fill();
    let mut group = c.benchmark_group("core");
    let gets: Vec<Vec<u8>> = (0..1024)
        .map(|i| {
            frame(2, &Request::GetData { path: format!("/b/{:010}", i * 97 % ZNODES).into(), watch: false })
        })
        .collect();
    let mut at = 0;
    let mut out = Vec::new();
    group.bench_function("get 100 B of 100,000 znodes, shared", |b| {
        b.iter(|| {
            at = (at + 1) % gets.len();
            out.clear();
            rig.peer.read(rig.now, CONN, &gets[at], &mut out)
        });
    });
    let sets: Vec<Vec<u8>> = (0..1024)
        .map(|i| {
            let path = format!("/b/{:010}", i * 89 % ZNODES).into();
            frame(3, &Request::SetData { path, data: Some(&[9; 100]), version: -1 })
        })
        .collect();
    group.bench_function("set 100 B: prepare, propose, commit, apply, reply", |b| {
        b.iter(|| {
            at = (at + 1) % sets.len();
            rig.request(&sets[at])
        });
    });
    let mut next = 0;
    group.bench_function("create and delete 100 B", |b| {
        b.iter(|| {
            next += 1;
            let path = format!("/b/x{next}");
            rig.request(&frame(4, &create(&path, &[9; 100])));
            rig.request(&frame(5, &Request::Delete { path: path.into(), version: -1 }))
        });
    });
    let mut image = Vec::new();
    group.bench_function("snapshot slice of 32 KiB", |b| {
        rig.peer.start_snapshot(&mut rig.effects);
        b.iter(|| {
            image.clear();
            if rig.peer.snapshot_slice(32 << 10, &mut image) == zkrs_core::peer::SnapshotStatus::Done {
                rig.peer.step(rig.now, Input::SnapshotDone, &mut rig.effects);
                rig.peer.start_snapshot(&mut rig.effects);
            }
            image.len()
        });
    });
}

fn watches(c: &mut Criterion) {
    let mut group = c.benchmark_group("watches");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("trigger 1,000 one-shot watchers", |b| {
        b.iter_batched_ref(
            || {
                let mut watches = Watches::new(1);
                (0..1000).for_each(|conn| watches.add_data(conn, "/a/b"));
                watches
            },
            |watches| {
                let mut told = 0;
                watches.on_data_changed("/a/b", &mut |_, kind, _| {
                    told += usize::from(kind == EventType::NodeDataChanged);
                });
                told
            },
            BatchSize::SmallInput,
        );
    });
}

fn log(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = LogWriterOptions { force_sync: false, ..LogWriterOptions::default() };
    let mut log = LogWriter::open(Arc::new(RealFs), dir.path(), 0, options).expect("a log");
    let mut zxid = 0i64;
    let mut group = c.benchmark_group("log");
    for batch in [1usize, 100] {
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(format!("append {batch} x 200 B, not synced"), |b| {
            b.iter(|| {
                let payloads: Vec<Vec<u8>> = (0..batch)
                    .map(|_| {
                        zxid += 1;
                        let mut payload = vec![0; 200];
                        payload[12..20].copy_from_slice(&zxid.to_be_bytes());
                        payload
                    })
                    .collect();
                log.append(&payloads).expect("an append");
                log.flush().expect("a flush");
            });
        });
    }
}

criterion_group!(benches, codec, core, watches, log);
criterion_main!(benches);
