//! The client against a real server, Apache's or ours: see `live.sh`.

use std::time::Duration;
use zkrs_client::raw::{RawConnection, four_letter_word};
use zkrs_client::{
    Acl, AddWatchMode, Client, CreateMode, CreateOptions, DataRef, Error, ErrorCode, EventKind, Id, Op,
    OpResult, Options, ReadOp, ReadResult, SessionState, Watcher, WatcherType, perms,
};
use zkrs_core::proto::{ReplyHeader, Request};

fn hosts() -> String {
    std::env::var("ZK_HOSTS").expect("ZK_HOSTS names a running server; run client/tests/live.sh")
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it happens within 30 s")
}

/// A client whose root is a fresh znode of this test's own.
async fn client(test: &str) -> Client {
    let root = format!("/{test}");
    let above = Client::connect(&hosts(), Options::default()).await.unwrap();
    above.create(&root, DataRef::NULL, CreateMode::Persistent).await.unwrap();
    above.close().await.unwrap();
    Client::connect(&format!("{}{root}", hosts()), Options::default()).await.unwrap()
}

fn code<T>(result: Result<T, Error>) -> ErrorCode {
    result.map(drop).expect_err("it must fail").code().expect("the server says why")
}

async fn next(watcher: &mut Watcher) -> (EventKind, String) {
    let event = within(watcher.next()).await.expect("the watch goes on");
    (event.kind, event.path)
}

#[tokio::test]
async fn znodes_come_change_and_go() {
    let client = client("basics").await;
    let (path, stat) = client.create_with_stat("/a", "one", CreateMode::Persistent).await.unwrap();
    assert_eq!((&path[..], stat.version, stat.data_length), ("/a", 0, 3));
    assert_eq!(code(client.create("/a", "", CreateMode::Persistent).await), ErrorCode::NodeExists);
    let error = client.create("/x/y", "", CreateMode::Persistent).await.unwrap_err();
    assert_eq!((error.code(), error.path()), (Some(ErrorCode::NoNode), Some("/x/y")));
    let set = client.set_data("/a", "two", Some(0)).await.unwrap();
    assert_eq!(code(client.set_data("/a", "three", Some(0)).await), ErrorCode::BadVersion);
    let (data, stat) = client.get_data("/a").await.unwrap();
    assert_eq!((&data[..], stat), (&b"two"[..], set));
    assert_eq!(client.exists("/a").await.unwrap(), Some(set));
    assert_eq!(client.exists("/b").await.unwrap(), None);
    client.create("/null", DataRef::NULL, CreateMode::Persistent).await.unwrap();
    client.create("/empty", "", CreateMode::Persistent).await.unwrap();
    assert!(client.get_data("/null").await.unwrap().0.is_null());
    assert!(!client.get_data("/empty").await.unwrap().0.is_null());
    let mut names = client.get_children("/").await.unwrap();
    names.sort();
    assert_eq!(names, ["a", "empty", "null"]);
    let (names, stat) = client.get_children_with_stat("/").await.unwrap();
    assert_eq!((names.len(), stat.num_children), (3, 3));
    assert_eq!(client.get_all_children_number("/").await.unwrap(), 3);
    assert_eq!(client.sync("/").await.unwrap(), "/");
    assert_eq!(code(client.delete("/", None).await), ErrorCode::BadArguments);
    assert_eq!(code(client.delete("/a", Some(7)).await), ErrorCode::BadVersion);
    client.delete("/a", Some(1)).await.unwrap();
    assert_eq!(code(client.delete("/a", None).await), ErrorCode::NoNode);
    client.close().await.unwrap();
}

#[tokio::test]
async fn every_create_mode() {
    let client = client("modes").await;
    let sequence = client.create("/s-", "", CreateMode::PersistentSequential).await.unwrap();
    assert_eq!(sequence, "/s-0000000000");
    let ephemeral = client.create("/e-", "", CreateMode::EphemeralSequential).await.unwrap();
    assert_eq!(ephemeral, "/e-0000000001");
    let (_, stat) = client.create_with_stat("/e", "", CreateMode::Ephemeral).await.unwrap();
    assert_eq!(stat.ephemeral_owner, client.session().id);
    assert_eq!(
        code(client.create("/e/child", "", CreateMode::Persistent).await),
        ErrorCode::NoChildrenForEphemerals
    );
    let mut ephemerals = client.get_ephemerals("/").await.unwrap();
    ephemerals.sort();
    assert_eq!(ephemerals, ["/e", "/e-0000000001"]);
    client.create("/c", "", CreateMode::Container).await.unwrap();
    let ttl = CreateOptions::new(CreateMode::PersistentWithTtl).ttl(Duration::from_secs(3600));
    let (path, _) = client.create_with_stat("/t", "", ttl).await.unwrap();
    assert_eq!(path, "/t");
    client.create("/dir", "", CreateMode::Persistent).await.unwrap();
    let below = client.create("/dir/", "", CreateMode::PersistentSequential).await.unwrap();
    assert_eq!(below, "/dir/0000000000");
    assert_eq!(code(client.create("/bad/", "", CreateMode::Persistent).await), ErrorCode::BadArguments);
    client.close().await.unwrap();
}

#[tokio::test]
async fn one_shot_watches_fire_once() {
    let client = client("oneshot").await;
    let (stat, created) = client.exists_and_watch("/a").await.unwrap();
    assert_eq!(stat, None);
    client.create("/a", "", CreateMode::Persistent).await.unwrap();
    let event = within(created).await;
    assert_eq!(
        (event.kind, &event.path[..], event.state),
        (EventKind::NodeCreated, "/a", SessionState::Connected)
    );
    assert_eq!(event.zxid, client.exists("/a").await.unwrap().unwrap().czxid);
    let (_, _, mut changed) = client.get_data_and_watch("/a").await.unwrap();
    let (_, children) = client.get_children_and_watch("/a").await.unwrap();
    assert_eq!(changed.try_event(), None);
    client.set_data("/a", "x", None).await.unwrap();
    // The event precedes the reply.
    assert_eq!(changed.try_event().expect("seen before the reply").kind, EventKind::NodeDataChanged);
    client.create("/a/b", "", CreateMode::Persistent).await.unwrap();
    assert_eq!(within(children).await.kind, EventKind::NodeChildrenChanged);
    assert_eq!(code(client.get_data_and_watch("/none").await), ErrorCode::NoNode);
    let (_, _, deleted) = client.get_children_with_stat_and_watch("/a/b").await.unwrap();
    client.delete("/a/b", None).await.unwrap();
    assert_eq!(within(deleted).await.kind, EventKind::NodeDeleted);
    let (_, _, ended) = client.get_data_and_watch("/a").await.unwrap();
    client.close().await.unwrap();
    assert_eq!(within(ended).await.state, SessionState::Closed);
}

#[tokio::test]
async fn persistent_watches_go_on() {
    let client = client("persistent").await;
    let mut exact = client.add_watch("/a", AddWatchMode::Persistent).await.unwrap();
    let mut below = client.add_watch("/", AddWatchMode::PersistentRecursive).await.unwrap();
    client.create("/a", "", CreateMode::Persistent).await.unwrap();
    client.create("/a/b", "", CreateMode::Persistent).await.unwrap();
    client.set_data("/a", "x", None).await.unwrap();
    client.delete("/a/b", None).await.unwrap();
    client.delete("/a", None).await.unwrap();
    use EventKind::*;
    let event = |kind: EventKind, path: &str| (kind, path.to_owned());
    for expected in [
        event(NodeCreated, "/a"),
        event(NodeChildrenChanged, "/a"),
        event(NodeDataChanged, "/a"),
        event(NodeChildrenChanged, "/a"),
        event(NodeDeleted, "/a"),
    ] {
        assert_eq!(next(&mut exact).await, expected);
    }
    for expected in [
        event(NodeCreated, "/a"),
        event(NodeCreated, "/a/b"),
        event(NodeDataChanged, "/a"),
        event(NodeDeleted, "/a/b"),
        event(NodeDeleted, "/a"),
    ] {
        assert_eq!(next(&mut below).await, expected);
    }
    client.check_watches("/a", WatcherType::Persistent).await.unwrap();
    exact.remove().await.unwrap();
    assert_eq!(code(client.check_watches("/a", WatcherType::Persistent).await), ErrorCode::NoWatcher);
    client.remove_watches("/", WatcherType::PersistentRecursive, false).await.unwrap();
    assert_eq!(next(&mut below).await, (PersistentWatchRemoved, "/".to_owned()));
    assert_eq!(within(below.next()).await, None);
    assert_eq!(code(client.remove_watches("/", WatcherType::Any, false).await), ErrorCode::NoWatcher);
    client.close().await.unwrap();
}

#[tokio::test]
async fn a_dropped_watcher_is_dropped_at_the_server() {
    let client = client("dropped").await;
    let first = client.add_watch("/a", AddWatchMode::Persistent).await.unwrap();
    let second = client.add_watch("/a", AddWatchMode::Persistent).await.unwrap();
    drop(first);
    client.check_watches("/a", WatcherType::Persistent).await.unwrap();
    drop(second);
    assert_eq!(code(client.check_watches("/a", WatcherType::Persistent).await), ErrorCode::NoWatcher);
    client.close().await.unwrap();
}

#[tokio::test]
async fn a_multi_does_all_or_nothing() {
    let client = client("multi").await;
    let results = client
        .multi(vec![
            Op::create("/a", "1", CreateMode::Persistent),
            Op::create_with_stat("/a/s-", "", CreateMode::PersistentSequential),
            Op::set_data("/a", "2", Some(0)),
            Op::check("/a", Some(1)),
            Op::create("/b", "", CreateMode::Persistent),
            Op::delete("/b", None),
        ])
        .await
        .unwrap();
    let [first, OpResult::Create { path, stat: Some(_) }, OpResult::SetData(stat), OpResult::Check, _, last] =
        &results[..]
    else {
        panic!("{results:?}")
    };
    assert_eq!(*first, OpResult::Create { path: "/a".to_owned(), stat: None });
    assert_eq!((&path[..], stat.version), ("/a/s-0000000000", 1));
    assert_eq!(*last, OpResult::Delete);
    let failing =
        vec![Op::create("/c", "", CreateMode::Persistent), Op::check("/a", Some(9)), Op::delete("/c", None)];
    let error = client.multi(failing).await.unwrap_err();
    assert_eq!(error.failed, Some(1));
    assert_eq!((error.error.code(), error.error.path()), (Some(ErrorCode::BadVersion), Some("/a")));
    assert_eq!(error.codes, [ErrorCode::Ok, ErrorCode::BadVersion, ErrorCode::RuntimeInconsistency]);
    assert_eq!(client.exists("/c").await.unwrap(), None);
    assert_eq!(client.multi(Vec::new()).await.unwrap(), []);
    let reads = vec![ReadOp::get_data("/a"), ReadOp::get_data("/none"), ReadOp::get_children("/a")];
    let results = client.multi_read(reads).await.unwrap();
    assert!(matches!(&results[0], Ok(ReadResult::Data { data, .. }) if data[..] == *b"2"));
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.code(), error.path()), (Some(ErrorCode::NoNode), Some("/none")));
    assert_eq!(results[2], Ok(ReadResult::Children(vec!["s-0000000000".to_owned()])));
    client.close().await.unwrap();
}

#[tokio::test]
async fn acls_and_credentials() {
    let client = client("acl").await;
    client.auth("digest", b"user:secret").await.unwrap();
    let infos = client.who_am_i().await.unwrap();
    assert!(infos.iter().any(|info| info.scheme == "digest" && info.user == "user"), "{infos:?}");
    let mine = vec![Acl { perms: perms::ALL, id: Id::new("auth", "") }];
    let options = CreateOptions::new(CreateMode::Persistent).acl(mine);
    client.create("/mine", "x", options).await.unwrap();
    let (acl, stat) = client.get_acl("/mine").await.unwrap();
    assert_eq!((acl.len(), &acl[0].id.scheme[..], stat.aversion), (1, "digest", 0));
    let other = Client::connect(&format!("{}/acl", hosts()), Options::default()).await.unwrap();
    assert_eq!(code(other.get_data("/mine").await), ErrorCode::NoAuth);
    // Credentials given beforehand are presented before anything else.
    let builder = Client::builder().auth("digest", b"user:secret");
    let same = builder.connect(&format!("{}/acl", hosts())).await.unwrap();
    assert_eq!(&same.get_data("/mine").await.unwrap().0[..], b"x");
    same.disconnect();
    assert_eq!(&same.get_data("/mine").await.unwrap().0[..], b"x");
    let stat = client.set_acl("/mine", &Acl::open(), Some(0)).await.unwrap();
    assert_eq!(stat.aversion, 1);
    assert_eq!(code(client.set_acl("/mine", &[], None).await), ErrorCode::InvalidAcl);
    other.get_data("/mine").await.unwrap();
    let refused = other.auth("nonsense", b"").await;
    assert_eq!(code(refused), ErrorCode::AuthFailed);
    assert_eq!(code(other.get_data("/mine").await), ErrorCode::AuthFailed);
    for client in [client, same] {
        client.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_session_survives_its_connection() {
    let client = client("reconnect").await;
    client.create("/e", "", CreateMode::Ephemeral).await.unwrap();
    let (_, _, watch) = client.get_data_and_watch("/e").await.unwrap();
    let mut events = client.state_events();
    let session = client.session();
    client.disconnect();
    assert_eq!(within(events.next()).await, Some(SessionState::Disconnected));
    assert_eq!(within(events.next()).await, Some(SessionState::Connected));
    assert_eq!(client.session(), session);
    client.set_data("/e", "x", None).await.unwrap();
    assert_eq!(within(watch).await.kind, EventKind::NodeDataChanged);
    client.close().await.unwrap();
}

#[test]
fn a_session_survives_its_process() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // A runtime that goes away takes the connection with it and says goodbye to nobody, as a crash would.
    let first = runtime();
    let session = first.block_on(async {
        let client = client("resume").await;
        client.create("/e", "", CreateMode::Ephemeral).await.unwrap();
        let session = client.session();
        std::mem::forget(client);
        session
    });
    drop(first);
    runtime().block_on(async {
        let resumed = Client::builder().resume(session);
        let heir = resumed.connect(&format!("{}/resume", hosts())).await.unwrap();
        assert_eq!(heir.session(), session);
        assert_eq!(heir.exists("/e").await.unwrap().unwrap().ephemeral_owner, session.id);
        heir.close().await.unwrap();
        let late = Client::builder().resume(session).connect(&hosts()).await;
        assert_eq!(code(late), ErrorCode::SessionExpired);
    });
}

#[tokio::test]
async fn changes_missed_while_away_are_reported() {
    let client = client("missed").await;
    client.create("/a", "", CreateMode::Persistent).await.unwrap();
    let (_, _, changed) = client.get_data_and_watch("/a").await.unwrap();
    let (_, created) = client.exists_and_watch("/b").await.unwrap();
    let (_, children) = client.get_children_and_watch("/").await.unwrap();
    let other = Client::connect(&format!("{}/missed", hosts()), Options::default()).await.unwrap();
    client.disconnect();
    other.set_data("/a", "x", None).await.unwrap();
    other.create("/b", "", CreateMode::Persistent).await.unwrap();
    assert_eq!(within(changed).await.kind, EventKind::NodeDataChanged);
    assert_eq!(within(created).await.kind, EventKind::NodeCreated);
    assert_eq!(within(children).await.kind, EventKind::NodeChildrenChanged);
    client.close().await.unwrap();
    other.close().await.unwrap();
}

#[tokio::test]
async fn a_session_that_goes_silent_expires() {
    let watching = client("silent").await;
    let mut raw = RawConnection::connect(hosts()).await.unwrap();
    let session = raw.open_session(1).await.unwrap();
    let create = Request::Create(
        zkrs_core::proto::OpCode::Create,
        zkrs_core::proto::CreateRequest {
            path: "/silent/e".into(),
            data: None,
            acl: Some(Acl::open()),
            flags: CreateMode::Ephemeral as i32,
            ttl_ms: -1,
        },
    );
    let reply = raw.call(1, &create).await.unwrap();
    assert_eq!((reply.header.xid, reply.header.err), (1, ErrorCode::Ok));
    let (stat, gone) = watching.exists_and_watch("/e").await.unwrap();
    assert_eq!(stat.unwrap().ephemeral_owner, session.session_id);
    assert_eq!(within(gone).await.kind, EventKind::NodeDeleted);
    assert_eq!(raw.recv_frame().await.unwrap(), None, "the server closes an expired session's connection");
    watching.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_and_clones_at_once() {
    let client = client("many").await;
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let path = format!("/{n}");
                client.create(&path, "", CreateMode::Persistent).await?;
                for version in 0..20 {
                    let stat = client.set_data(&path, &vec![n; 1000], Some(version)).await?;
                    assert_eq!(stat.version, version + 1);
                    let (data, read) = client.get_data(&path).await?;
                    assert_eq!((data.len(), read), (1000, stat));
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for task in tasks {
        within(task).await.unwrap().unwrap();
    }
    assert_eq!(client.get_all_children_number("/").await.unwrap(), 64);
    client.close().await.unwrap();
}

#[tokio::test]
async fn thousands_of_watches_survive_a_reconnect() {
    let client = client("watches").await;
    let calls = (0..3_000).map(|n| {
        let client = client.clone();
        let path = format!("/{}{n:05}", "x".repeat(95));
        tokio::spawn(async move { client.exists_and_watch(&path).await.map(|(_, watch)| (path, watch)) })
    });
    let mut watches = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        watches.push(within(call).await.unwrap().unwrap());
    }
    client.disconnect();
    let (path, watch) = watches.pop().unwrap();
    client.create(&path, "", CreateMode::Persistent).await.unwrap();
    assert_eq!(within(watch).await.kind, EventKind::NodeCreated);
    let (path, watch) = watches.swap_remove(0);
    client.create(&path, "", CreateMode::Persistent).await.unwrap();
    assert_eq!(within(watch).await.kind, EventKind::NodeCreated);
    client.close().await.unwrap();
}

#[tokio::test]
async fn what_exceeds_the_servers_limit_is_refused_here() {
    let client = client("large").await;
    client.create("/a", &vec![1; 1_000_000], CreateMode::Persistent).await.unwrap();
    assert_eq!(client.get_data("/a").await.unwrap().0.len(), 1_000_000);
    let error = client.set_data("/a", &vec![1; 1 << 20], None).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    client.close().await.unwrap();
}

#[tokio::test]
async fn the_configuration_is_outside_every_chroot() {
    let client = client("config").await;
    let (_, stat) = client.get_config().await.unwrap();
    assert_eq!(stat.czxid, 0);
    let error = client.reconfig(zkrs_client::Reconfig::default()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ReconfigDisabled));
    client.close().await.unwrap();
}

#[tokio::test]
async fn a_raw_connection_shows_what_is_on_the_wire() {
    assert_eq!(four_letter_word(hosts(), "ruok").await.unwrap(), "imok");
    let mut raw = RawConnection::connect(hosts()).await.unwrap();
    let session = raw.open_session(10_000).await.unwrap();
    assert_ne!(session.session_id, 0);
    assert_eq!((session.password.len(), session.read_only), (16, Some(false)));
    let reply = raw.ping().await.unwrap();
    assert_eq!((reply.header.xid, reply.header.err, reply.body.len()), (-2, ErrorCode::Ok, 0));
    let read = Request::GetData { path: "/none".into(), watch: false };
    let reply = raw.call(7, &read).await.unwrap();
    assert!(matches!(reply.header, ReplyHeader { xid: 7, err: ErrorCode::NoNode, .. }));
    raw.send_op(8, 9999, &[]).await.unwrap();
    assert_eq!(raw.recv_reply().await.unwrap().header.err, ErrorCode::Unimplemented);
    assert_eq!(raw.recv_to_end().await.unwrap(), b"");
    let mut raw = RawConnection::connect(hosts()).await.unwrap();
    raw.send_bytes(&[0x7f, 0xff, 0xff, 0xff]).await.unwrap();
    assert_eq!(raw.recv_to_end().await.unwrap(), b"");
}
