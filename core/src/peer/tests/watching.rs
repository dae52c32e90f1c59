//! Watches, who may hear of what, what goes by itself, and reads beside writes.

use super::*;

#[test]
fn set_watches_tells_what_was_missed() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.ask(1, 1, &create("/a", 0)).unwrap();
    rig.ask(1, 2, &create("/b", 0)).unwrap();
    let seen = rig.peer.last_processed_zxid();
    rig.ask(1, 3, &set("/a", b"2")).unwrap();
    rig.ask(1, 4, &delete("/b")).unwrap();
    rig.connect(2);
    let lists = crate::proto::SetWatches {
        relative_zxid: seen,
        data: vec!["/a".into(), "/b".into(), "/zookeeper".into()],
        exist: vec!["/a".into(), "/c".into()],
        child: vec!["/".into(), "/a".into()],
        ..Default::default()
    };
    rig.send(2, -8, &Request::SetWatches(OpCode::SetWatches, lists));
    assert_eq!(rig.event(2), (EventType::NodeDataChanged, "/a".into()));
    assert_eq!(rig.event(2), (EventType::NodeDeleted, "/b".into()));
    assert_eq!(rig.event(2), (EventType::NodeCreated, "/a".into()));
    assert_eq!(rig.event(2), (EventType::NodeChildrenChanged, "/".into()));
    assert_eq!(rig.reply(2).0, -8);
    rig.ask(1, 5, &create("/c", 0)).unwrap();
    assert_eq!(rig.event(2), (EventType::NodeCreated, "/c".into()));
    assert!(rig.frame(2).is_none());
}

#[test]
fn an_unreadable_znode_is_not_told_of() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.connect(2);
    let auth = crate::proto::AuthPacket { kind: 0, scheme: "digest".into(), auth: Some(b"u:p") };
    rig.send(1, -4, &Request::Auth(auth));
    assert_eq!(rig.reply(1).1, ErrorCode::Ok);
    let secret = CreateRequest {
        acl: Some(vec![Acl { perms: 31, id: crate::acl::Id::new("auth", "") }]),
        ..create_body("/s", 0)
    };
    rig.send(2, 1, &Request::AddWatch { path: "/".into(), mode: 1 });
    assert_eq!(rig.reply(2).1, ErrorCode::Ok);
    rig.ask(1, 1, &Request::Create(OpCode::Create, secret)).unwrap();
    assert!(rig.frame(2).is_none());
    assert_eq!(rig.ask(2, 2, &get("/s", false)), Err(ErrorCode::NoAuth));
    rig.ask(1, 2, &create("/open", 0)).unwrap();
    assert_eq!(rig.event(2), (EventType::NodeCreated, "/open".into()));
}

fn sasl(change: impl FnOnce(&mut PeerConfig)) -> Rig {
    let users = [("bob", "secret"), ("root", "secret")];
    let users = users.map(|(name, password)| (name.to_string(), password.to_string())).to_vec();
    let mut config = PeerConfig::default();
    config.sasl.users = crate::sasl::SaslUsers::new(users);
    config.sasl.super_users = vec!["root".to_string()];
    config.sasl.scheme_enabled = true;
    change(&mut config);
    let mut rig = Rig::with(config);
    rig.connect(1);
    rig
}

fn token(rig: &mut Rig, token: &[u8]) -> (ErrorCode, Option<Vec<u8>>) {
    rig.send(1, 7, &Request::Sasl { token: Some(token) });
    let (xid, err, body) = rig.reply(1);
    assert_eq!(xid, 7);
    (err, Reader::new(&body).buffer().unwrap().map(<[u8]>::to_vec))
}

fn log_in(rig: &mut Rig, user: &str, password: &str) -> (ErrorCode, Option<Vec<u8>>) {
    let (_, challenge) = token(rig, b"");
    let response = crate::sasl::tests::respond(&challenge.unwrap(), user, password);
    token(rig, response.as_bytes())
}

#[test]
fn sasl_users_get_their_name() {
    let mut rig = sasl(|config| config.enforce_auth_schemes = vec!["sasl".to_string()]);
    assert_eq!(log_in(&mut rig, "bob", "secret").0, ErrorCode::Ok);
    let mine = CreateRequest {
        acl: Some(vec![Acl { perms: 31, id: crate::acl::Id::new("auth", "") }]),
        ..create_body("/bob", 0)
    };
    rig.ask(1, 1, &Request::Create(OpCode::Create, mine)).unwrap();
    rig.ask(1, 2, &get("/bob", false)).unwrap();
    // Once is enough: another token on the same connection fails.
    assert_eq!(token(&mut rig, b""), (ErrorCode::SessionClosedRequireAuth, None));
    assert_eq!(rig.closed, [1]);

    let mut rig = sasl(|_| ());
    let hers = CreateRequest {
        acl: Some(vec![Acl { perms: 31, id: crate::acl::Id::new("sasl", "alice") }]),
        ..create_body("/alice", 0)
    };
    rig.ask(1, 1, &Request::Create(OpCode::Create, hers)).unwrap();
    assert_eq!(rig.ask(1, 2, &get("/alice", false)), Err(ErrorCode::NoAuth));
    assert_eq!(log_in(&mut rig, "root", "secret").0, ErrorCode::Ok);
    rig.ask(1, 3, &get("/alice", false)).unwrap();
}

#[test]
fn failed_sasl_ends_the_connection_unless_allowed() {
    let mut rig = sasl(|_| ());
    assert_eq!(log_in(&mut rig, "bob", "guess"), (ErrorCode::AuthFailed, None));
    assert_eq!(rig.closed, [1]);

    let mut rig = sasl(|config| config.sasl.allow_failed_clients = true);
    assert_eq!(log_in(&mut rig, "eve", "secret"), (ErrorCode::Ok, None));
    assert_eq!(rig.closed, [0; 0]);
    rig.ask(1, 1, &create("/a", 0)).unwrap();

    let mut rig = sasl(|config| {
        config.sasl.allow_failed_clients = true;
        config.enforce_auth_schemes = vec!["sasl".to_string()];
    });
    assert_eq!(log_in(&mut rig, "bob", "guess"), (ErrorCode::SessionClosedRequireAuth, None));
    assert_eq!(rig.closed, [1]);

    // Not configured: a null token.
    let mut rig = Rig::new();
    rig.connect(1);
    assert_eq!(token(&mut rig, b""), (ErrorCode::Ok, None));
    rig.send(1, 8, &Request::Sasl { token: None });
    assert_eq!(rig.closed, [1]);
}

#[test]
fn containers_and_ttl_znodes_are_reaped() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.ask(1, 1, &Request::Create(OpCode::CreateContainer, create_body("/c", 4))).unwrap();
    rig.ask(1, 2, &create("/c/x", 0)).unwrap();
    let ttl = CreateRequest { ttl_ms: 50, ..create_body("/t", 5) };
    rig.ask(1, 3, &Request::Create(OpCode::CreateTtl, ttl)).unwrap();
    rig.ask(1, 4, &delete("/c/x")).unwrap();
    for _ in 0..8 {
        rig.now.mono_ms += 10_000;
        rig.now.wall_ms += 10_000;
        rig.send(1, -2, &Request::Ping);
        rig.step(Input::Wake);
    }
    assert_eq!((rig.peer.stat("/c"), rig.peer.stat("/t")), (None, None));
}

#[test]
fn shared_reads_answer_what_step_answers() {
    let mut rig = Rig::new();
    rig.connect(1);
    rig.ask(1, 1, &create("/a", 0)).unwrap();
    let requests = [
        get("/a", false),
        get("/none", false),
        Request::Exists { path: "/a".into(), watch: false },
        Request::GetChildren2 { path: "/".into(), watch: false },
        Request::WhoAmI,
        Request::GetAcl { path: "/a".into() },
        Request::GetAllChildrenNumber { path: "/".into() },
        Request::Sync { path: "/a".into() },
    ];
    for request in requests {
        let payload = encode(9, &request);
        let mut shared = Vec::new();
        assert_eq!(rig.peer.read(rig.now, 1, &payload, &mut shared), ReadOutcome::Served);
        rig.step(Input::ClientRequest { conn: 1, payload: &payload });
        assert_eq!(rig.sent.remove(&1), Some(shared));
    }
    for request in [get("/a", true), set("/a", b""), Request::AddWatch { path: "/".into(), mode: 0 }] {
        let mut out = Vec::new();
        let outcome = rig.peer.read(rig.now, 1, &encode(9, &request), &mut out);
        assert_eq!((outcome, out.len()), (ReadOutcome::NeedsStep, 0));
    }
}
