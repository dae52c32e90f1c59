//! A server as its clients see it: sessions, requests, order, limits.

mod support;

use std::io::{ErrorKind, Read, Write};

use support::*;
use zkrs_core::jute::Reader;
use zkrs_core::proto::{ErrorCode, EventType, MultiElement, Request};

#[test]
fn a_session_creates_reads_and_closes() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let mut client = Client::connect(server.client_addr());
    assert_ne!(client.session.session_id, 0);
    assert_eq!(client.session.timeout_ms, 10_000);
    assert_eq!(client.session.read_only, Some(false));
    let created = client.create("/a", b"one");
    assert_eq!((created.err, created.body), (ErrorCode::Ok, string("/a")));
    assert_eq!(client.get("/a"), Ok(b"one".to_vec()));
    assert_eq!(client.get("/b"), Err(ErrorCode::NoNode));
    let changed = client.call(&set("/a", b"two"));
    assert_eq!(changed.err, ErrorCode::Ok);
    let read = client.call(&get("/a", false));
    assert_eq!((stat_of(&read).version, read.zxid), (1, changed.zxid));
    client.close();
}

#[test]
fn a_watch_event_comes_before_the_reply_that_shows_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let mut watcher = Client::connect(server.client_addr());
    let mut writer = Client::connect(server.client_addr());
    writer.create("/w", b"first");
    for round in 0..200 {
        assert_eq!(watcher.call(&get("/w", true)).err, ErrorCode::Ok);
        let data = format!("{round}");
        writer.send(&set("/w", data.as_bytes()));
        // Reads race with the write; none may show it before the event has come.
        loop {
            watcher.send(&get("/w", false));
            let first = watcher.receive();
            if first.xid == -1 {
                let mut reader = Reader::new(&first.body);
                assert_eq!(reader.int(), Ok(EventType::NodeDataChanged as i32));
                assert_eq!(reader.int(), Ok(3));
                assert_eq!(reader.string().as_deref(), Ok("/w"));
                let after = watcher.receive();
                assert_eq!(Reader::new(&after.body).buffer(), Ok(Some(data.as_bytes())));
                break;
            }
            assert_ne!(Reader::new(&first.body).buffer(), Ok(Some(data.as_bytes())), "overtook its event");
        }
        writer.receive();
    }
}

#[test]
fn a_multi_is_one_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let mut client = Client::connect(server.client_addr());
    let Request::Create(op, make) = create("/m", b"", 0) else { unreachable!() };
    let set = MultiElement::SetData { path: "/m".into(), data: Some(b"x"), version: 0 };
    let missing = MultiElement::Delete { path: "/nothing".into(), version: -1 };
    let failed = client.call(&Request::Multi(vec![MultiElement::Create(op, make.clone()), missing]));
    assert_eq!(failed.err, ErrorCode::Ok, "the errors are in the body");
    assert_eq!(client.get("/m"), Err(ErrorCode::NoNode));
    client.call(&Request::Multi(vec![MultiElement::Create(op, make), set]));
    assert_eq!(client.get("/m"), Ok(b"x".to_vec()));
}

#[test]
fn frames_may_arrive_in_any_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    Client::connect(server.client_addr()).create("/f", b"data");
    let mut bytes = connect_frame(0, vec![0; 16]);
    bytes.extend(request_frame(1, &get("/f", false)));
    bytes.extend(request_frame(2, &set("/f", b"data")));
    for cut in 1..bytes.len() {
        let mut stream = raw(server.client_addr());
        stream.write_all(&bytes[..cut]).unwrap();
        // The answer to another connection says that the first piece was very likely handled.
        assert_eq!(word(server.client_addr(), "ruok"), "imok");
        stream.write_all(&bytes[cut..]).unwrap();
        let replies: Vec<_> = (0..3).map(|_| read_frame(&mut stream).unwrap().len()).collect();
        assert_eq!(replies, [37, 16 + 8 + 68, 16 + 68], "cut at {cut}");
    }
}

#[test]
fn requests_behind_the_connect_request_wait_for_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let mut stream = raw(server.client_addr());
    let mut bytes = connect_frame(0, vec![0; 16]);
    bytes.extend(request_frame(1, &create("/p", b"", 0)));
    bytes.extend(request_frame(2, &get("/p", false)));
    stream.write_all(&bytes).unwrap();
    let lengths: Vec<_> = (0..3).map(|_| read_frame(&mut stream).unwrap().len()).collect();
    assert_eq!(lengths, [37, 16 + 6, 16 + 4 + 68]);
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let mut client = Client::connect(server.client_addr());
    client.create("/o", b"");
    let xids: Vec<i32> = (0..3000)
        .map(|n| if n % 3 == 0 { client.send(&set("/o", b"x")) } else { client.send(&get("/o", false)) })
        .collect();
    let mut version = 0;
    for xid in xids {
        let reply = client.receive();
        assert_eq!((reply.xid, reply.err), (xid, ErrorCode::Ok));
        let stat = if reply.body.len() == 68 { None } else { Some(stat_of(&reply)) };
        version += i32::from(stat.is_none());
        assert!(
            stat.is_none_or(|stat| stat.version == version),
            "a read sees the writes before it and no others"
        );
    }
}

#[test]
fn lengths_beyond_the_limit_close_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "jute.maxbuffer=4096\n");
    for length in [4097i32, -1, i32::MIN, i32::MAX] {
        let mut fresh = raw(server.client_addr());
        fresh.write_all(&length.to_be_bytes()).unwrap();
        assert_end(&mut fresh);
        let mut client = Client::connect(server.client_addr());
        client.stream.write_all(&length.to_be_bytes()).unwrap();
        assert_end(&mut client.stream);
    }
    let mut client = Client::connect(server.client_addr());
    let exactly = 4096 - (request_frame(1, &create("/big", b"", 0)).len() - 4);
    assert_eq!(client.create("/big", &vec![7; exactly]).err, ErrorCode::Ok);
    client.send(&create("/bigger", &vec![7; exactly - 2], 0));
    assert_end(&mut client.stream);
}

#[test]
fn a_client_that_does_not_read_is_not_read_either_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let mut client = Client::connect(server.client_addr());
    let data = vec![9; 100_000];
    client.create("/d", &data);
    // Ask until the server reads no more: its socket buffers and ours are full by then.
    client.stream.set_nonblocking(true).unwrap();
    let one = request_frame(1, &get("/d", false));
    let many = one.repeat(20_000);
    let mut sent = 0;
    let end = std::time::Instant::now() + PATIENCE;
    let mut stuck = 0;
    while stuck < 200 && sent < many.len() {
        assert!(std::time::Instant::now() < end);
        match client.stream.write(&many[sent..]) {
            Ok(count) => (sent, stuck) = (sent + count, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                stuck += 1;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
    // Others are served meanwhile.
    assert_eq!(Client::connect(server.client_addr()).get("/d"), Ok(data.clone()));
    client.stream.set_nonblocking(false).unwrap();
    for _ in 0..sent / one.len() {
        let reply = client.receive();
        assert_eq!((reply.err, reply.body.len()), (ErrorCode::Ok, 4 + data.len() + 68));
    }
}

#[test]
fn a_client_that_never_reads_its_events_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "zkrs.connOutBufferBytesMax=65536\n");
    let mut deaf = Client::connect(server.client_addr());
    let mut writer = Client::connect(server.client_addr());
    let path = format!("/{}", "n".repeat(60_000));
    writer.create(&path, b"");
    assert_eq!(deaf.call(&Request::AddWatch { path: path.as_str().into(), mode: 0 }).err, ErrorCode::Ok);
    assert_eq!(server.connections(), 2);
    wait_for("the deaf client is gone", || {
        for _ in 0..20 {
            writer.call(&set(&path, b""));
        }
        server.connections() == 1
    });
}

#[test]
fn connections_are_limited_per_address_and_in_all() {
    let dir = tempfile::tempdir().unwrap();
    let per_address = server(dir.path(), "maxClientCnxns=2\n");
    let first = Client::connect(per_address.client_addr());
    let mut second = Client::connect(per_address.client_addr());
    assert_end(&mut raw(per_address.client_addr()));
    drop(first);
    wait_for("there is room again", || {
        let mut stream = raw(per_address.client_addr());
        let _ = stream.write_all(b"ruok");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer == b"imok"
    });
    assert_eq!(second.create("/still", b"").err, ErrorCode::Ok);
    drop((second, per_address));

    let in_all = server(dir.path(), "maxCnxns=1\nmaxClientCnxns=0\n");
    let _first = Client::connect(in_all.client_addr());
    assert_end(&mut raw(in_all.client_addr()));
}

#[test]
fn a_connection_without_session_is_closed_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "nio.sessionlessCnxnTimeout=1500\n");
    let mut silent = raw(server.client_addr());
    let mut slow = raw(server.client_addr());
    slow.write_all(&connect_frame(0, vec![0; 16])[..20]).unwrap();
    let mut client = Client::connect(server.client_addr());
    assert_end(&mut silent);
    assert_end(&mut slow);
    assert_eq!(client.create("/here", b"").err, ErrorCode::Ok, "who has a session stays");
    assert_eq!(monitored(server.client_addr(), "sessionless_connections_expired"), "2");
}

#[test]
fn connect_requests_are_throttled() {
    let dir = tempfile::tempdir().unwrap();
    let more = "connection_throttle_tokens=2\nconnection_throttle_fill_time=3600000\nmaxClientCnxns=0\n";
    let server = server(dir.path(), more);
    let _two = (Client::connect(server.client_addr()), Client::connect(server.client_addr()));
    let mut third = raw(server.client_addr());
    third.write_all(&connect_frame(0, vec![0; 16])).unwrap();
    assert_end(&mut third);
    assert_eq!(monitored(server.client_addr(), "connection_drop_count"), "1");
}

#[test]
fn large_requests_are_limited_together() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "largeRequestThreshold=1000\nlargeRequestMaxBytes=5000\n");
    let mut first = Client::connect(server.client_addr());
    let mut second = Client::connect(server.client_addr());
    let large = request_frame(1, &create("/large", &[1; 3000], 0));
    first.stream.write_all(&large[..1500]).unwrap();
    wait_for("the first is being received", || {
        let mut probe = Client::connect(server.client_addr());
        probe.send(&create("/probe", &[1; 3000], 0));
        read_frame(&mut probe.stream).is_none()
    });
    second.send(&create("/second", &[1; 3000], 0));
    assert_end(&mut second.stream);
    first.stream.write_all(&large[1500..]).unwrap();
    assert_eq!(first.receive().err, ErrorCode::Ok);
    let mut third = Client::connect(server.client_addr());
    assert_eq!(third.create("/third", &[1; 3000]).err, ErrorCode::Ok, "there is room again");
}

#[test]
fn an_outstanding_limit_holds_back_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "globalOutstandingLimit=4\n");
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(server.client_addr())).collect();
    clients[0].create("/l", b"");
    let count = 500;
    for client in &mut clients {
        for _ in 0..count {
            client.send(&set("/l", b"x"));
        }
    }
    for client in &mut clients {
        for _ in 0..count {
            assert_eq!(client.receive().err, ErrorCode::Ok);
        }
    }
    let read = clients[0].call(&get("/l", false));
    assert_eq!(stat_of(&read).version, count * 4);
}

#[test]
fn a_session_expires_and_takes_its_ephemerals_along() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "tickTime=20\nmaxSessionTimeout=200\n");
    let mut watcher = Client::connect(server.client_addr());
    let mut owner = Client::connect(server.client_addr());
    assert_eq!(owner.session.timeout_ms, 200);
    assert_eq!(owner.call(&create("/e", b"", 1)).err, ErrorCode::Ok);
    let Client { mut stream, .. } = owner;
    wait_for("the ephemeral is gone", || watcher.get("/e") == Err(ErrorCode::NoNode));
    assert_end(&mut stream);
}

#[test]
fn a_session_moves_to_another_connection() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path(), "");
    let mut old = Client::connect(server.client_addr());
    let session = old.session.clone();
    let mut new = Client::resume(server.client_addr(), session.session_id, session.password);
    assert_eq!(new.session.session_id, session.session_id);
    assert_end(&mut old.stream);
    assert_eq!(new.create("/moved", b"").err, ErrorCode::Ok);
    let mut wrong = Client::resume(server.client_addr(), session.session_id, vec![1; 16]);
    assert_eq!((wrong.session.session_id, wrong.session.timeout_ms), (0, 0));
    assert_end(&mut wrong.stream);
}
