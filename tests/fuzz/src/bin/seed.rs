//! Writes the first inputs of every corpus: small real requests, files and configurations. What the fuzzer finds is
//! merged on top (`run.sh --merge`).

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use zkrs_core::Now;
use zkrs_core::peer::{Effect, Effects, Input as PeerInput, Loader, Peer, PeerConfig};
use zkrs_core::proto::{ConnectRequest, OpCode, RequestHeader};
use zkrs_fuzz::input::Input;
use zkrs_fuzz::{TARGETS, request};
use zkrs_server::config::keys;
use zkrs_sim::{Disk, Prng};
use zkrs_storage::snapshot::SnapshotWriter;
use zkrs_storage::{Compression, Dirs, LogWriter, LogWriterOptions};

const CONFIGS: [&str; 8] = [
    "tickTime=2000\ndataDir=/var/lib/zookeeper\nclientPort=2181\n",
    "dataDir=/d\nclientPortAddress=127.0.0.1\nclientPort=0\nmaxClientCnxns=60\nautopurge.snapRetainCount=3\n\
     autopurge.purgeInterval=1\n4lw.commands.whitelist=ruok, srvr,*\n",
    "dataDir=/d\nclientPort=2181\ninitLimit=5\nsyncLimit=2\nserver.1=a:2888:3888\nserver.2=[::1]:2888:3888:observer;\
     127.0.0.1:2181\nserver.3=c:1:2:participant;3|d:4:5\ngroup.1=1:2\ngroup.2=3\nweight.1=2\n",
    "# comment\n! comment\ndataDir = C:\\\\zk\\n \\\n   continued\nclientPort:2181\nminSessionTimeout 4000\n\
     maxSessionTimeout\t40000\n\\u0061\\u00e9=\\uD83D\\uDE00\n",
    "snapCount=100000\npreAllocSize=65536\njute.maxbuffer=0xfffff\nfsync.warningthresholdms=1000\nforceSync=no\n\
     snapshot.compression.method=gz\nsnapshot.trust.empty=true\ndigest.enabled=true\ndataDir=/d\nclientPort=1\n",
    "secureClientPort=2281\nssl.keyStore.location=/k\nssl.keyStore.password=p\nauthProvider.1=x\nsuperUser=y\n\
     dynamicConfigFile=/z.cfg\nstandaloneEnabled=false\nreconfigEnabled=true\n",
    "dataDri=/typo\nclientPort=99999\ntickTime=-1\nmaxClientCnxns=abc\n",
    "clientPort=2181\r\ndataDir=/d\r\ntickTime=2000\r\n\0\u{feff}",
];

const SASL_RESPONSE: &[u8] =
    b"charset=utf-8,username=\"user\",realm=\"zk-sasl-md5\",nonce=\"x\",nc=00000001,\
    cnonce=\"y\",digest-uri=\"zookeeper/zk-sasl-md5\",maxbuf=65536,qop=auth,\
    response=0123456789abcdef0123456789abcdef";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in &TARGETS {
        fs::create_dir_all(root.join(target.name)).expect("the corpus can be made");
    }
    let put = |target: &str, name: String, bytes: &[u8]| {
        fs::write(root.join(target).join(format!("seed-{name}")), bytes).expect("the corpus can be written");
    };
    let mut prng = Prng::new(1);
    for n in 0..24 {
        put("client_port", n.to_string(), &random(&mut prng, 60 + 20 * n));
        put("client_replies", n.to_string(), &session(&mut prng, 30 + 10 * n));
    }
    for (index, op) in OpCode::ALL.into_iter().enumerate() {
        let mut bytes = vec![index as u8];
        while bytes.len() == 1 {
            let choices = [&[index as u8], &*random(&mut prng, 60)].concat();
            request::request(&mut Input::new(&choices)).encode(&mut bytes);
            if matches!(op, OpCode::Ping | OpCode::WhoAmI | OpCode::CloseSession) {
                break;
            }
        }
        put("jute_records", format!("{op:?}"), &bytes);
    }
    put("jute_records", "sasl".to_owned(), &[&[35], SASL_RESPONSE].concat());
    let (mut peer, payloads) = busy_peer(&mut prng);
    for (n, payload) in payloads.iter().take(24).enumerate() {
        put("jute_records", format!("txn-{n}"), &[&[34], &**payload].concat());
    }
    logs(&payloads, &put);
    snapshots(&mut peer, &put);
    for (n, text) in CONFIGS.iter().enumerate() {
        put("zoo_cfg", n.to_string(), &[&[n as u8 & 1], text.as_bytes()].concat());
    }
    keys(&put);
}

/// Every key with a good value, and the names as a dictionary for libFuzzer.
fn keys(put: &impl Fn(&str, String, &[u8])) {
    let mut dictionary = String::from("# Written by the binary `seed`: the keys of zoo.cfg.\n");
    let lines: Vec<String> = keys::all().map(|key| format!("{}={}\n", key.name, key.example())).collect();
    for (n, lines) in lines.chunks(24).enumerate() {
        put(
            "zoo_cfg",
            format!("keys-{n}"),
            format!("\0dataDir=/d\nclientPort=2181\n{}", lines.concat()).as_bytes(),
        );
    }
    for key in keys::all().filter(|key| key.name.is_ascii()) {
        dictionary.push_str(&format!("\"{}=\"\n", key.name));
    }
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("zoo_cfg.dict"), dictionary)
        .expect("the dictionary can be written");
}

fn random(prng: &mut Prng, length: usize) -> Vec<u8> {
    (0..length).map(|_| prng.below(256) as u8).collect()
}

/// A client that has got a connection and a session, then anything.
fn session(prng: &mut Prng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0, 5, 0, 0, 0, 0];
    bytes.extend(random(prng, length));
    bytes
}

/// A peer that did a little of everything, and its transactions.
fn busy_peer(prng: &mut Prng) -> (Peer, Vec<Vec<u8>>) {
    let config = PeerConfig { extended_types_enabled: true, ..PeerConfig::default() };
    let now = Now { mono_ms: 1, wall_ms: 1_700_000_000_000 };
    let mut peer = Loader::new(config, 5).finish(now);
    let mut effects = Effects::default();
    let mut payloads = Vec::new();
    let mut connect = Vec::new();
    ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms: 10_000,
        session_id: 0,
        password: vec![0; 16],
        read_only: false,
        has_read_only: true,
    }
    .encode(&mut connect);
    let mut frames = vec![connect];
    for xid in 1..120 {
        let choices = random(prng, 60);
        let request = request::request(&mut Input::new(&choices));
        let mut frame = Vec::new();
        RequestHeader { xid, op: request.op() as i32 }.encode(&mut frame);
        request.encode(&mut frame);
        if request.op().is_write() && request.op() != OpCode::CloseSession {
            frames.push(frame);
        }
    }
    peer.step(
        now,
        PeerInput::ClientOpened { conn: 1, address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
        &mut effects,
    );
    for frame in frames {
        peer.step(now, PeerInput::ClientRequest { conn: 1, payload: &frame }, &mut effects);
        for effect in &effects.list {
            if let Effect::Append { range, .. } = effect {
                payloads.push(effects.bytes[range.clone()].to_vec());
            }
        }
        effects.clear();
        peer.step(now, PeerInput::LogDone { upto: payloads.len() as u64 }, &mut effects);
        effects.clear();
    }
    (peer, payloads)
}

fn logs(payloads: &[Vec<u8>], put: &impl Fn(&str, String, &[u8])) {
    for count in [1, 3, 12] {
        let disk = Disk::new();
        let dirs = Dirs::new("/data", None);
        dirs.ensure(&disk, true).expect("an empty disk takes directories");
        let options = LogWriterOptions { pre_alloc_bytes: 0, ..LogWriterOptions::default() };
        let mut writer = LogWriter::open(Arc::new(disk.clone()), &dirs.log(), 0, options)
            .expect("an empty disk takes a log");
        writer.append(&payloads[..count]).and_then(|()| writer.flush()).expect("the disk does not fail");
        drop(writer);
        let path = disk.paths().into_iter().find(|path| path.ends_with("log.1")).expect("there is a log");
        let file = disk.bytes(&path);
        let file = &file[..file.len().min(6000)];
        let mut bytes = vec![0, 0, 1];
        bytes.extend((file.len() as u16).to_be_bytes());
        bytes.extend(file);
        put("txn_log", format!("file-{count}"), &bytes);
    }
    for (n, some) in payloads.chunks(6).take(8).enumerate() {
        let mut bytes = vec![1];
        for payload in some.iter().filter(|payload| payload.len() < 280) {
            let (head, record) = payload.split_at(32);
            bytes.extend([4, head[7], head[31], record.len() as u8]);
            bytes.extend(record);
        }
        bytes.push(0);
        put("txn_log", format!("txns-{n}"), &bytes);
    }
}

fn snapshots(peer: &mut Peer, put: &impl Fn(&str, String, &[u8])) {
    let fresh = Loader::new(PeerConfig::default(), 5).finish(Now::default());
    for (which, peer) in [("fresh", &mut { fresh }), ("busy", peer)] {
        for (n, compression) in
            [Compression::None, Compression::Gz, Compression::Snappy].into_iter().enumerate()
        {
            let disk = Disk::new();
            let dirs = Dirs::new("/data", None);
            dirs.ensure(&disk, true).expect("an empty disk takes directories");
            let writer = SnapshotWriter::create(Arc::new(disk.clone()), &dirs.snap(), 5, compression)
                .expect("an empty disk takes a snapshot");
            zkrs_storage::loader::write_first_snapshot(peer, writer, Now::default())
                .expect("the disk does not fail");
            let path = disk.paths().into_iter().next().expect("there is a snapshot");
            let file = disk.bytes(&path);
            put("snapshot", format!("{which}-file-{n}"), &[&[0, n as u8], &*file].concat());
        }
        let mut effects = Effects::default();
        peer.start_snapshot(&mut effects);
        let mut body = Vec::new();
        peer.snapshot_slice(1 << 20, &mut body);
        // Without the terminator, which the target adds.
        let body = &body[..body.len().saturating_sub(5)];
        put("snapshot", format!("{which}-body"), &[&[1, 0, 5, 0], body].concat());
    }
}
