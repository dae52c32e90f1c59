//! The client against a server that follows a script.

mod fake;

use fake::{Conn, Fake, SESSION, within};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;
use zkrs_client::{
    AddWatchMode, Client, Error, ErrorCode, EventKind, Options, RetryPolicy, SessionInfo, SessionState,
};
use zkrs_core::proto::{EventType, OpCode, xid};

fn options() -> Options {
    let mut options = Options::default();
    options.seed = Some(1);
    options
}

/// A client and the connection it is served on.
async fn connected(fake: &Fake, options: Options) -> (Client, Conn) {
    let address = fake.address();
    let (client, (conn, _)) = tokio::join!(Client::connect(&address, options), fake.serve());
    (client.expect("the session is accepted"), conn)
}

#[tokio::test]
async fn requests_of_many_tasks_share_the_connection() {
    let fake = Fake::new().await;
    let (client, mut conn) = connected(&fake, options()).await;
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.get_data(&format!("/{n}")).await })
        })
        .collect();
    // All are received before any is answered.
    let mut received = Vec::new();
    while received.len() < tasks.len() {
        received.push(conn.recv().await);
    }
    for request in &received {
        conn.answer(request).await;
    }
    for (n, task) in tasks.into_iter().enumerate() {
        let (data, _) = within(task).await.unwrap().unwrap();
        assert_eq!(&data[..], format!("/{n}").as_bytes());
    }
}

#[tokio::test]
async fn an_abandoned_future_abandons_its_result_only() {
    let fake = Fake::new().await;
    let (client, mut conn) = connected(&fake, options()).await;
    {
        let mut call = pin!(client.set_data("/dropped", "x", None));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let next = {
        let client = client.clone();
        tokio::spawn(async move { client.get_data("/next").await })
    };
    for op in [OpCode::SetData, OpCode::GetData] {
        let received = conn.expect(op).await;
        conn.answer(&received).await;
    }
    assert_eq!(&within(next).await.unwrap().unwrap().0[..], b"/next");
}

#[tokio::test]
async fn a_lost_connection_is_reported_and_the_session_resumed() {
    let fake = Fake::new().await;
    let (client, mut conn) = connected(&fake, options()).await;
    let mut states = client.state_events();
    let write = {
        let client = client.clone();
        tokio::spawn(async move { client.set_data("/a", "x", Some(3)).await })
    };
    conn.expect(OpCode::SetData).await;
    drop(conn);
    let error = within(write).await.unwrap().unwrap_err();
    assert_eq!(error, Error::ConnectionLoss { path: Some("/a".to_owned()), maybe_applied: true });
    assert!(error.is_retryable() && error.maybe_applied());
    assert_eq!(within(states.next()).await, Some(SessionState::Disconnected));
    // Asked while there is no connection: waits for the next one.
    let read = {
        let client = client.clone();
        tokio::spawn(async move { client.get_data("/a").await })
    };
    let (mut conn, request) = fake.serve().await;
    assert_eq!((request.session_id, request.password), (SESSION, vec![5; 16]));
    let received = conn.expect(OpCode::GetData).await;
    conn.answer(&received).await;
    within(read).await.unwrap().unwrap();
    assert_eq!(within(states.next()).await, Some(SessionState::Connected));
}

#[tokio::test]
async fn reads_are_repeated_where_the_policy_says_so() {
    let fake = Fake::new().await;
    let mut options = options();
    options.retry = RetryPolicy::idempotent().backoff(Duration::from_millis(1), Duration::from_millis(2));
    let (client, mut conn) = connected(&fake, options).await;
    let (read, write) = {
        let (reader, writer) = (client.clone(), client.clone());
        let read = tokio::spawn(async move { reader.get_data_and_watch("/a").await });
        let write = tokio::spawn(async move { writer.set_data("/a", "x", None).await });
        (read, write)
    };
    conn.recv().await;
    conn.recv().await;
    drop(conn);
    assert!(matches!(within(write).await.unwrap(), Err(Error::ConnectionLoss { .. })));
    let (mut conn, _) = fake.serve().await;
    let received = conn.expect(OpCode::GetData).await;
    conn.answer(&received).await;
    let (_, _, watch) = within(read).await.unwrap().unwrap();
    conn.event(EventType::NodeDeleted, "/a").await;
    assert_eq!(within(watch).await.kind, EventKind::NodeDeleted);
}

#[tokio::test]
async fn watches_are_set_anew_and_fire_after_a_reconnect() {
    let fake = Fake::new().await;
    let (client, mut conn) = connected(&fake, options()).await;
    let serve = async {
        for op in [OpCode::GetData, OpCode::AddWatch] {
            let received = conn.expect(op).await;
            conn.answer(&received).await;
        }
    };
    let set = async {
        let (_, _, watch) = client.get_data_and_watch("/a").await.unwrap();
        (watch, client.add_watch("/p", AddWatchMode::PersistentRecursive).await.unwrap())
    };
    let ((watch, mut watcher), ()) = within(async { tokio::join!(set, serve) }).await;
    drop(conn);
    let (mut conn, _) = fake.serve().await;
    for op in [OpCode::SetWatches, OpCode::SetWatches2] {
        let received = conn.expect(op).await;
        assert_eq!(received.xid, xid::SET_WATCHES);
        conn.answer(&received).await;
    }
    conn.event(EventType::NodeDataChanged, "/a").await;
    conn.event(EventType::NodeCreated, "/p/q/r").await;
    let event = within(watch).await;
    assert_eq!((event.kind, &event.path[..], event.zxid), (EventKind::NodeDataChanged, "/a", 7));
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = within(watcher.next()).await.expect("the watch goes on");
        seen.push((event.kind, event.state, event.path));
    }
    assert_eq!(
        seen,
        [
            (EventKind::Session, SessionState::Disconnected, String::new()),
            (EventKind::Session, SessionState::Connected, String::new()),
            (EventKind::NodeCreated, SessionState::Connected, "/p/q/r".to_owned()),
        ]
    );
    // A dropped watcher's watch is dropped at the server.
    drop(watcher);
    conn.expect(OpCode::RemoveWatches).await;
}

#[tokio::test]
async fn a_slow_watcher_hears_that_it_lost_events() {
    let fake = Fake::new().await;
    let mut options = options();
    options.watcher_queue_events_max = 2;
    let (client, mut conn) = connected(&fake, options).await;
    let serve = async {
        let received = conn.expect(OpCode::AddWatch).await;
        conn.answer(&received).await;
        for n in 0..5 {
            conn.event(EventType::NodeCreated, &format!("/p/{n}")).await;
        }
        // Its answer shows that all events were seen.
        let received = conn.expect(OpCode::Exists).await;
        conn.answer(&received).await;
    };
    let set = async {
        let watcher = client.add_watch("/p", AddWatchMode::PersistentRecursive).await.unwrap();
        client.exists("/p").await.unwrap();
        watcher
    };
    let (mut watcher, ()) = within(async { tokio::join!(set, serve) }).await;
    let mut seen = Vec::new();
    while let Some(event) = watcher.try_next() {
        seen.push((event.kind, event.path));
    }
    assert_eq!(
        seen,
        [
            (EventKind::NodeCreated, "/p/0".to_owned()),
            (EventKind::NodeCreated, "/p/1".to_owned()),
            (EventKind::EventsLost, "/p".to_owned()),
        ]
    );
    conn.event(EventType::NodeDeleted, "/p/0").await;
    assert_eq!(within(watcher.next()).await.unwrap().kind, EventKind::NodeDeleted);
}

#[tokio::test]
async fn a_request_that_waits_too_long_gives_up_alone() {
    let fake = Fake::new().await;
    let mut options = options();
    options.request_timeout = Some(Duration::from_millis(50));
    let (client, mut conn) = connected(&fake, options).await;
    let error = within(client.set_data("/slow", "x", None)).await.unwrap_err();
    assert!(matches!(error, Error::RequestTimeout { maybe_applied: true, .. }), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::RequestTimeout));
    let slow = conn.expect(OpCode::SetData).await;
    conn.answer(&slow).await;
    assert_eq!(client.state(), SessionState::Connected);
}

#[tokio::test]
async fn an_expired_session_is_not_resumed() {
    let fake = Fake::new().await;
    let mut options = options();
    options.resume = Some(SessionInfo { id: 0x99, password: [1; 16] });
    let address = fake.address();
    let serve = async {
        let mut conn = fake.accept().await;
        conn.accept_session(0).await
    };
    let (result, request) = within(async { tokio::join!(Client::connect(&address, options), serve) }).await;
    assert_eq!(request.session_id, 0x99);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::SessionEnded { state: SessionState::Expired, .. }), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::SessionExpired));
}

#[tokio::test]
async fn dropping_the_last_clone_closes_the_session_and_its_watches() {
    let fake = Fake::new().await;
    let (client, mut conn) = connected(&fake, options()).await;
    let serve = async {
        let received = conn.expect(OpCode::GetData).await;
        conn.answer(&received).await;
    };
    let (read, ()) = within(async { tokio::join!(client.get_data_and_watch("/a"), serve) }).await;
    let (_, _, watch) = read.unwrap();
    let clone = client.clone();
    drop(client);
    assert_eq!(clone.state(), SessionState::Connected);
    drop(clone);
    let received = conn.expect(OpCode::CloseSession).await;
    conn.answer(&received).await;
    let event = within(watch).await;
    assert_eq!((event.kind, event.state), (EventKind::Session, SessionState::Closed));
    assert_eq!(conn.recv_frame().await, None, "the connection is closed");
}

#[tokio::test]
async fn operations_after_the_end_fail_at_once() {
    let fake = Fake::new().await;
    let (client, mut conn) = connected(&fake, options()).await;
    let serve = async {
        let received = conn.expect(OpCode::CloseSession).await;
        conn.answer(&received).await;
    };
    let (closed, ()) = within(async { tokio::join!(client.close(), serve) }).await;
    assert_eq!(closed, Ok(()));
    let error = within(client.get_data("/a")).await.unwrap_err();
    assert!(matches!(error, Error::SessionEnded { state: SessionState::Closed, maybe_applied: false, .. }));
    assert!(within(client.close()).await.is_err());
    assert_eq!(client.state(), SessionState::Closed);
    assert_eq!(within(client.state_events().next()).await, None);
}

#[tokio::test]
async fn more_requests_than_allowed_wait_their_turn() {
    let fake = Fake::new().await;
    let mut options = options();
    options.requests_max = 1;
    options.request_queue_bytes_max = 60;
    let (client, mut conn) = connected(&fake, options).await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.get_data(&format!("/{n}")).await })
        })
        .collect();
    for _ in 0..tasks.len() {
        let received = conn.recv().await;
        conn.answer(&received).await;
    }
    for task in tasks {
        within(task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn garbage_breaks_the_connection_not_the_client() {
    let fake = Fake::new().await;
    let (client, mut conn) = connected(&fake, options()).await;
    for garbage in
        [&[0xff; 64][..], &[0, 0, 0, 2, 1, 2], &[0, 0, 0, 16, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
    {
        conn.send_bytes(garbage).await;
        assert_eq!(conn.recv_frame().await, None, "the client gives the connection up");
        let (next, request) = fake.serve().await;
        assert_eq!(request.session_id, SESSION);
        conn = next;
    }
    let serve = async {
        let received = conn.expect(OpCode::GetData).await;
        conn.answer(&received).await;
    };
    let (read, ()) = within(async { tokio::join!(client.get_data("/a"), serve) }).await;
    read.unwrap();
}

#[tokio::test]
async fn a_dead_server_is_passed_over() {
    let dead = Fake::new().await.address();
    let fake = Fake::new().await;
    for seed in 0..4 {
        let mut options = Options::default();
        options.seed = Some(seed);
        let hosts = format!("{dead},{}", fake.address());
        let connecting = async { tokio::join!(Client::connect(&hosts, options), fake.serve()) };
        let (client, _served) = within(connecting).await;
        assert_eq!(client.unwrap().server(), Some(fake.address()));
    }
}

#[test]
fn a_client_outlives_its_runtime_without_hanging() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (client, _conn) = first.block_on(async {
        let fake = Fake::new().await;
        connected(&fake, options()).await
    });
    drop(first);
    let error = runtime().block_on(within(client.get_data("/a"))).unwrap_err();
    assert!(matches!(error, Error::SessionEnded { state: SessionState::Closed, .. }), "{error:?}");
}

#[test]
fn without_a_runtime_there_is_an_error() {
    assert_eq!(Client::start("127.0.0.1:1", Options::default()).map(drop), Err(Error::NoRuntime));
}
