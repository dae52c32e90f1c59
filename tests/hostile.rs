//! Clients that mean no good, against a real server: it closes them, or bounds them, and serves the others.

mod wire;

use std::net::{Shutdown, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wire::{
    Ended, PATIENCE, TempDir, Wire, connect_frame, create, eventually, framed, op_frame, request_frame, word,
};
use zkrs_core::proto::{CreateMode, ErrorCode, OpCode, Request, RequestHeader};
use zkrs_server::Server;
use zkrs_server::config::ServerConfig;

/// A server in this process, and its directory.
struct Host {
    server: Server,
    address: SocketAddr,
    _dir: TempDir,
}

impl Host {
    fn start(extra: &str) -> Self {
        let dir = TempDir::new("hostile");
        let text = format!(
            "dataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\npreAllocSize=64\n4lw.commands.whitelist=ruok, mntr\n{extra}\n",
            dir.path().display()
        );
        let (config, _) =
            ServerConfig::from_text("zoo.cfg", text.as_bytes(), true).expect("a good configuration");
        let server = Server::start(config).expect("the server starts");
        Self { address: server.client_addr(), server, _dir: dir }
    }

    /// The rest of the world is still served: a write, a read, an end.
    fn serves_others(&self) {
        let mut client = Wire::with_session(self.address);
        let path = format!("/others-{:x}", client.session);
        assert_eq!(client.create(&path, b"x", CreateMode::Ephemeral), Ok(ErrorCode::Ok));
        assert_eq!(client.exists(&path), Ok(true));
        let end = client.call(&Request::CloseSession).expect("the session ends properly");
        assert_eq!(end.header.err, ErrorCode::Ok);
    }

    /// Waits until all connections are gone.
    fn is_deserted(&self) {
        eventually("all connections are gone", || (self.server.connections() == 0).then_some(()));
    }

    /// A line of `mntr`.
    fn metric(&self, name: &str) -> u64 {
        let text = word(self.address, "mntr");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("mntr has the line");
        line.trim().parse().expect("a number")
    }
}

/// Whoever has no session in time is closed: the silent, and those who say one byte at a time.
#[test]
fn slow_talkers_are_closed_within_the_sessionless_timeout() {
    let host = Host::start("nio.sessionlessCnxnTimeout=300");
    let handshake = connect_frame(0, &[0; 16], 10_000);
    let slow: [(&str, &[u8]); 5] = [
        ("a silent client", b""),
        ("a slow handshake", &handshake[..handshake.len() - 1]),
        ("a slow word", b"ruo"),
        ("a slow length", &[0, 0, 0]),
        ("a slow HTTP request", b"\0\0\0\x40GET / HTTP/1.1"),
    ];
    std::thread::scope(|scope| {
        for (name, bytes) in slow {
            let address = host.address;
            scope.spawn(move || {
                let mut wire = Wire::connect(address);
                let mut bytes = bytes.iter();
                let end = Instant::now() + PATIENCE;
                loop {
                    // The wait for an answer is the pause between two bytes.
                    match wire.poll(Duration::from_millis(20)) {
                        Err(Ended::Closed) => break,
                        Err(Ended::Silence) => assert!(Instant::now() < end, "{name} is never closed"),
                        Ok(byte) => panic!("{name} is answered with {byte}"),
                    }
                    if let Some(byte) = bytes.next() {
                        wire.send(&[*byte]);
                    }
                }
            });
        }
        host.serves_others();
    });
    assert_eq!(host.metric("zk_sessionless_connections_expired"), slow.len() as u64);
    host.is_deserted();
}

/// A client with a session that sends half a frame forever is no sign of life: its session expires.
#[test]
fn half_a_request_does_not_keep_a_session_alive() {
    let host = Host::start("tickTime=50\nminSessionTimeout=100");
    let mut wire = Wire::connect(host.address);
    wire.open_session(100).expect("a session");
    let request = request_frame(1, &create("/never", b"x", CreateMode::Persistent));
    let mut bytes = request[..request.len() - 1].iter();
    eventually("the session expires and the connection with it", || {
        if let Some(byte) = bytes.next() {
            wire.send(&[*byte]);
        }
        (wire.poll(Duration::from_millis(5)) == Err(Ended::Closed)).then_some(())
    });
    let mut other = Wire::with_session(host.address);
    assert_eq!(other.exists("/never"), Ok(false));
    let mut late = Wire::connect(host.address);
    let answer = late.resume_session(wire.session, &wire.password).expect("an answer");
    assert_eq!((answer.session_id, answer.timeout_ms), (0, 0), "the session is gone");
}

/// Clients that vanish in the middle of anything leave nothing behind, and do not wait for a timeout to go.
#[test]
fn half_open_and_aborted_connections_are_cleaned_up() {
    let host = Host::start("maxClientCnxns=0\nnio.sessionlessCnxnTimeout=600000");
    let handshake = connect_frame(0, &[0; 16], 10_000);
    for n in 0..200usize {
        let mut wire = Wire::connect(host.address);
        wire.send(&handshake[..n % handshake.len()]);
        match n % 3 {
            0 => drop(wire),
            1 => {
                wire.stream.shutdown(Shutdown::Write).expect("a socket can be shut");
                assert!(wire.rest().is_ok(), "the server ends a connection that will never say more");
            }
            _ => {
                wire.stream.shutdown(Shutdown::Both).expect("a socket can be shut");
            }
        }
    }
    host.is_deserted();
    // The same with a session, and with the last bytes and the end in one packet.
    for n in 0..100 {
        let mut wire = Wire::connect(host.address);
        wire.open_session(600_000).expect("a session");
        wire.send(&request_frame(1, &create(&format!("/last-{n}"), b"", CreateMode::Persistent)));
        drop(wire);
    }
    host.is_deserted();
    let mut other = Wire::with_session(host.address);
    for n in 0..100 {
        assert_eq!(other.exists(&format!("/last-{n}")), Ok(true), "what was sent before the end counts");
    }
}

/// Lengths that no frame may have close the connection before anything is allocated, with a session and without.
#[test]
fn oversize_and_negative_lengths_close_the_connection() {
    let host = Host::start("jute.maxbuffer=4096");
    for length in [-1, i32::MIN, i32::MAX, 4097, 0x4000_0000] {
        let bytes = length.to_be_bytes();
        let mut fresh = Wire::connect(host.address);
        fresh.send(&bytes);
        assert_eq!(fresh.rest(), Ok(Vec::new()), "length {length} as the first bytes");
        let mut known = Wire::with_session(host.address);
        known.send(&bytes);
        assert_eq!(known.rest(), Ok(Vec::new()), "length {length} after a handshake");
    }
    // Empty frames are no handshake and no request.
    for with_session in [false, true] {
        let mut wire = Wire::connect(host.address);
        if with_session {
            wire.open_session(10_000).expect("a session");
        }
        wire.send(&[0; 4]);
        assert_eq!(wire.rest(), Ok(Vec::new()), "an empty frame");
    }
    // The longest frame that may be.
    let mut wire = Wire::with_session(host.address);
    let request = |length| create("/long", &[7; 4096][..length], CreateMode::Persistent);
    let extra = request_frame(1, &request(0)).len() - 4;
    let xid = wire.request(&request(4096 - extra));
    let reply = wire.reply().expect("a frame of exactly jute.maxbuffer is served");
    assert_eq!((reply.header.xid, reply.header.err), (xid, ErrorCode::Ok));
    wire.request(&request(4096 - extra + 1));
    assert_eq!(wire.rest(), Ok(Vec::new()), "one more byte is too long");
    host.serves_others();
}

/// Other protocols on the client port.
#[test]
fn strangers_are_closed_without_an_answer() {
    let host = Host::start("");
    let tls_hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0x5a; 506]].concat();
    let strangers: [(&str, &[u8]); 6] = [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("TLS", &tls_hello),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("Redis", b"*1\r\n$4\r\nPING\r\n"),
        ("a framed stranger", b"\0\0\0\x10GET / HTTP/1.1\r\n"),
    ];
    for (name, bytes) in strangers {
        let mut wire = Wire::connect(host.address);
        wire.send(bytes);
        assert_eq!(wire.rest(), Ok(Vec::new()), "{name}");
    }
    host.is_deserted();
    host.serves_others();
}

/// Four-letter words and what looks like them.
#[test]
fn words_are_answered_and_their_likes_are_not() {
    let host = Host::start("");
    assert_eq!(word(host.address, "ruok"), "imok");
    assert_eq!(word(host.address, "ruok\n"), "imok");
    assert_eq!(word(host.address, "ruokruokruok"), "imok");
    assert_eq!(word(host.address, "stat"), "stat is not executed because it is not in the whitelist.\n");
    for not_a_word in ["RUOK", "ruo\0", "quit", "    ", "\u{1f600}"] {
        assert_eq!(word(host.address, not_a_word), "", "{not_a_word:?}");
    }
    // After a handshake a word is a length, and far too long a one.
    let mut wire = Wire::with_session(host.address);
    wire.send(b"ruok");
    assert_eq!(wire.rest(), Ok(Vec::new()));
    host.serves_others();
}

/// A client that never reads, with large replies under way and watches that fire, is given up at its limit; nobody
/// else waits for it.
#[test]
fn a_client_that_never_reads_is_bounded_and_closed() {
    let host = Host::start("zkrs.connOutBufferBytesMax=2097152");
    let mut writer = Wire::with_session(host.address);
    assert_eq!(writer.create("/big", &[7; 900_000], CreateMode::Persistent), Ok(ErrorCode::Ok));
    assert_eq!(writer.create("/small", b"", CreateMode::Persistent), Ok(ErrorCode::Ok));
    let mut deaf = Wire::with_session(host.address);
    // Mode 1: persistent recursive.
    let watch = deaf.call(&Request::AddWatch { path: "/".into(), mode: 1 }).expect("a watch");
    assert_eq!(watch.header.err, ErrorCode::Ok);
    for _ in 0..200 {
        deaf.request(&Request::GetData { path: "/big".into(), watch: false });
    }
    let before = rss_kib(std::process::id());
    let mut notified = 0u64;
    eventually("the server gives the deaf client up", || {
        let reply = writer
            .call(&Request::SetData { path: "/small".into(), data: Some(&[1; 64]), version: -1 })
            .expect("the writer is served all the time");
        assert_eq!(reply.header.err, ErrorCode::Ok);
        notified += 1;
        (host.server.connections() == 1).then_some(())
    });
    let grown = rss_kib(std::process::id()).saturating_sub(before);
    assert!(grown < 96 << 10, "200 replies of 900 kB and {notified} events cost {grown} KiB");
    host.serves_others();
}

/// `maxClientCnxns` and `maxCnxns`: one too many is closed at once, and a place that becomes free is given away.
#[test]
fn connections_beyond_the_limits_are_refused() {
    for limit in ["maxClientCnxns=3", "maxCnxns=3"] {
        let host = Host::start(limit);
        let mut within: Vec<Wire> = (0..3).map(|_| Wire::with_session(host.address)).collect();
        let mut beyond = Wire::connect(host.address);
        assert_eq!(beyond.rest(), Ok(Vec::new()), "{limit}: the fourth");
        assert_eq!(within[0].exists("/"), Ok(true), "{limit}: the first is served");
        drop(within.pop());
        eventually("the place is free", || (host.server.connections() == 2).then_some(()));
        within.push(Wire::with_session(host.address));
        assert_eq!(within[2].exists("/"), Ok(true), "{limit}: the next one is served");
    }
}

/// Opcodes that do not exist, and those that servers use among themselves: an error, then the end. No transaction.
#[test]
fn unknown_and_internal_opcodes_end_the_connection() {
    let host = Host::start("");
    for op in [-1, -10, 10, 13, 20, 23, 99, 108, 999, i32::MAX, i32::MIN] {
        let mut wire = Wire::with_session(host.address);
        wire.send(&op_frame(1, op, |out| out.extend_from_slice(&[0; 64])));
        let reply = wire.reply().expect("an answer");
        assert_eq!((reply.header.xid, reply.header.err), (1, ErrorCode::Unimplemented), "opcode {op}");
        assert_eq!(wire.rest(), Ok(Vec::new()), "opcode {op}");
    }
    host.serves_others();
}

/// Valid requests in front of garbage are carried out, whatever follows; the garbage ends the connection.
#[test]
fn garbage_after_valid_requests_ends_the_connection_only() {
    let host = Host::start("");
    let garbage: [(&str, Vec<u8>); 4] = [
        ("a bad length", vec![0xff; 64]),
        ("a frame too short for a header", vec![0, 0, 0, 3, 1, 2, 3]),
        ("an unknown opcode", framed(|out| RequestHeader { xid: 1, op: 4711 }.encode(out))),
        ("random bytes", (0..=255u8).map(|n| n.wrapping_mul(197) ^ 0x5a).collect()),
    ];
    for (n, (name, bytes)) in garbage.iter().enumerate() {
        let mut wire = Wire::with_session(host.address);
        let mut stream = Vec::new();
        for i in 0..20 {
            let path = format!("/garbage-{n}-{i}");
            stream.extend(request_frame(i, &create(&path, b"x", CreateMode::Persistent)));
        }
        stream.extend_from_slice(bytes);
        wire.send(&stream);
        assert!(wire.rest().is_ok(), "{name}: the connection ends");
        let mut other = Wire::with_session(host.address);
        for i in 0..20 {
            let path = format!("/garbage-{n}-{i}");
            let there = || other.exists(&path).expect("the others are served").then_some(());
            eventually("a request before the garbage is carried out", there);
        }
    }
}

/// Requests whose bodies are not what their opcodes want: an error for each, and the connection goes on.
#[test]
fn undecodable_bodies_are_answered_with_an_error() {
    let host = Host::start("");
    let mut wire = Wire::with_session(host.address);
    let mut xid = 0;
    for op in OpCode::ALL {
        let has_no_body = matches!(op, OpCode::Ping | OpCode::WhoAmI | OpCode::CloseSession);
        // These end the connection by design: a bad auth packet or token, and a check outside of a multi.
        if has_no_body || matches!(op, OpCode::Auth | OpCode::Sasl | OpCode::Check) {
            continue;
        }
        xid += 1;
        // A length of 2^31 - 1 where a string, a buffer, a vector or the second half of a zxid should be.
        wire.send(&op_frame(xid, op as i32, |out| out.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0])));
        let reply = wire.reply().unwrap_or_else(|end| panic!("{op:?}: {end:?}"));
        assert_eq!((reply.header.xid, reply.header.err), (xid, ErrorCode::MarshallingError), "{op:?}");
    }
    host.serves_others();
}

/// Ten thousand sessions that do nothing, in a server process of its own, and one client that works.
#[test]
fn ten_thousand_idle_connections_are_nothing() {
    const IDLE: usize = 10_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    if limit < IDLE as u64 + 200 {
        eprintln!(
            "SKIPPED: {IDLE} connections need as many open files, and the limit is {limit}; raise it (ulimit -n)"
        );
        return;
    }
    let server = ServerProcess::start();
    let before = rss_kib(server.child.id());
    let handshake = connect_frame(0, &[0; 16], 60_000);
    let mut idle: Vec<Wire> = Vec::with_capacity(IDLE);
    // Some handshakes at a time, as a crowd would come.
    for _ in 0..IDLE / 500 {
        let first = idle.len();
        idle.extend((0..500).map(|_| Wire::connect(server.address)));
        idle[first..].iter_mut().for_each(|wire| assert!(wire.send(&handshake)));
        idle[first..].iter_mut().for_each(|wire| assert!(wire.read_session().is_ok(), "a session each"));
    }
    let grown_bytes = rss_kib(server.child.id()).saturating_sub(before) * 1024;
    assert!(
        grown_bytes / (IDLE as u64) < 8 << 10,
        "an idle session costs {} bytes",
        grown_bytes / IDLE as u64
    );
    let mut worker = Wire::with_session(server.address);
    for n in 0..100 {
        assert_eq!(worker.create(&format!("/work-{n}"), b"x", CreateMode::Persistent), Ok(ErrorCode::Ok));
    }
    // Every hundredth of them is still served.
    for wire in idle.iter_mut().step_by(100) {
        assert_eq!(wire.exists("/work-99"), Ok(true));
    }
    drop(idle);
    eventually("the server lets them go", || {
        word(server.address, "mntr").contains("zk_num_alive_connections\t2\n").then_some(())
    });
    assert_eq!(worker.exists("/work-0"), Ok(true));
}

/// The real binary.
struct ServerProcess {
    child: Child,
    address: SocketAddr,
    _dir: TempDir,
}

impl ServerProcess {
    fn start() -> Self {
        let dir = TempDir::new("idle");
        // The port is free when it is asked for; nobody else here takes it in between.
        let address =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let config = dir.path().join("zoo.cfg");
        let text = format!(
            "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n4lw.commands.whitelist=*\n",
            dir.path().display(),
            address.port()
        );
        std::fs::write(&config, text).expect("the folder is writable");
        let child = Command::new(env!("CARGO_BIN_EXE_zkrs"))
            .arg("server")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        eventually("the server serves", || Wire::try_connect(address).ok());
        Self { child, address, _dir: dir }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Memory that a process has in use.
fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}
