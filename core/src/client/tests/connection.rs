//! Connecting, losing connections, and the end of a session.

use super::*;

#[test]
fn a_handshake_opens_the_session_and_requests_wait_for_it() {
    let mut shell = Shell::new(ClientConfig { session_timeout_ms: 9_000, ..config() });
    shell.session.submit(1, &get_data("/a"), None).unwrap();
    shell.step(Input::Wake);
    assert_eq!(shell.take(), [Effect::Connect { host: 0 }]);
    assert!(!shell.session.wants_transmit());
    shell.step(Input::Connected);
    let sent = shell.sent_frames();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        ConnectRequest::decode(&sent[0]).unwrap(),
        ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms: 9_000,
            session_id: 0,
            password: vec![0; 16],
            read_only: false,
            has_read_only: true,
        }
    );
    assert_eq!(shell.session.state(), SessionState::Connecting);
    shell.accept(6_000, false);
    assert_eq!(shell.take(), [Effect::State(SessionState::Connected)]);
    assert_eq!(shell.session.session(), SessionInfo { id: 0x55, password: PASSWORD });
    assert_eq!(shell.session.timeout_ms(), 6_000);
    assert_eq!(shell.sent(), [(1, OpCode::GetData)]);
}

#[test]
fn a_lost_connection_fails_what_was_sent_and_keeps_what_was_not() {
    let mut shell = Shell::connected(config());
    shell.session.submit(1, &get_data("/a"), None).unwrap();
    shell.session.submit(2, &set_data("/a"), None).unwrap();
    assert_eq!(shell.sent(), [(1, OpCode::GetData), (2, OpCode::SetData)]);
    shell.session.submit(3, &set_data("/b"), None).unwrap();
    shell.step(Input::Disconnected);
    let state = |effect: &Effect<u32>| matches!(effect, Effect::State(SessionState::Disconnected));
    assert!(shell.effects.iter().any(state));
    assert_eq!(
        shell.results(),
        [
            (1, Err(RequestError::ConnectionLoss { maybe_applied: false })),
            (2, Err(RequestError::ConnectionLoss { maybe_applied: true })),
        ]
    );
    let request = shell.open();
    assert_eq!((request.session_id, &request.password[..]), (0x55, &PASSWORD[..]));
    shell.accept(30_000, false);
    assert_eq!(shell.sent(), [(3, OpCode::SetData)]);
}

#[test]
fn only_replies_move_the_last_zxid() {
    let mut shell = Shell::connected(config());
    shell.session.submit(1, &set_data("/a"), None).unwrap();
    shell.sent();
    shell.event(EventType::NodeDataChanged, "/a", 99);
    shell.ok(xid::PING, 98);
    assert_eq!(shell.session.last_zxid(), 0);
    shell.reply(1, 42, ErrorCode::NoNode, |_| {});
    assert_eq!(shell.session.last_zxid(), 42);
    shell.step(Input::Disconnected);
    assert_eq!(shell.open().last_zxid_seen, 42);
}

#[test]
fn credentials_then_watches_then_requests() {
    let mut shell = Shell::connected(config());
    shell.watch_agreed(&get_data("/a"));
    shell.watch_agreed(&add_watch("/p", 1));
    shell.session.add_auth(7, "digest", b"a:b").unwrap();
    assert_eq!(shell.sent(), [(xid::AUTH, OpCode::Auth)]);
    shell.ok(xid::AUTH, 0);
    assert_eq!(shell.results(), [(7, Ok(Response::Done))]);
    shell.step(Input::Disconnected);
    shell.session.submit(8, &get_data("/a"), None).unwrap();
    shell.session.add_auth(9, "digest", b"c:d").unwrap();
    shell.open();
    shell.accept(30_000, false);
    assert_eq!(
        shell.sent(),
        [
            (xid::AUTH, OpCode::Auth),
            (xid::AUTH, OpCode::Auth),
            (xid::SET_WATCHES, OpCode::SetWatches),
            (xid::SET_WATCHES, OpCode::SetWatches2),
            (3, OpCode::GetData),
        ]
    );
    shell.take();
    shell.ok(xid::AUTH, 0);
    shell.ok(xid::AUTH, 0);
    shell.ok(xid::SET_WATCHES, 50);
    shell.ok(xid::SET_WATCHES, 51);
    assert_eq!(shell.results(), [(9, Ok(Response::Done))]);
    assert_eq!(shell.session.state(), SessionState::Connected);
    assert_eq!(shell.session.last_zxid(), 51);
}

#[test]
fn refused_credentials_end_the_session() {
    let mut shell = Shell::connected(config());
    shell.session.submit(1, &set_data("/a"), None).unwrap();
    shell.session.add_auth(2, "digest", b"nonsense").unwrap();
    shell.sent();
    shell.reply(xid::AUTH, 0, ErrorCode::AuthFailed, |_| {});
    let ended = RequestError::Ended { state: SessionState::AuthFailed, maybe_applied: true };
    assert_eq!(
        shell.take(),
        [
            Effect::Complete { token: 2, zxid: 0, result: Err(RequestError::Code(ErrorCode::AuthFailed)) },
            Effect::Disconnect { reason: BreakReason::SessionEnded(SessionState::AuthFailed) },
            Effect::Complete { token: 1, zxid: 0, result: Err(ended) },
            Effect::State(SessionState::AuthFailed),
        ]
    );
    assert_eq!(
        shell.session.submit(3, &get_data("/a"), None),
        Err(SubmitError::Ended(SessionState::AuthFailed))
    );
    assert_eq!(shell.session.next_deadline(), None);
}

#[test]
fn pings_keep_an_idle_session_and_silence_ends_the_connection() {
    let mut shell = Shell::connected(ClientConfig { session_timeout_ms: 30_000, ..config() });
    // Ping after half the read timeout of 20 s, again and again as long as answers come.
    for _ in 0..3 {
        assert_eq!(shell.sleep(), 10_000);
        assert_eq!(shell.sent(), [(xid::PING, OpCode::Ping)]);
        shell.ok(xid::PING, 0);
        assert_eq!(shell.take(), []);
    }
    // Without an answer the connection is given up 20 s after the last word.
    assert_eq!(shell.sleep(), 10_000);
    shell.sent();
    assert_eq!(shell.sleep(), 10_000);
    assert_eq!(shell.take()[0], Effect::Disconnect { reason: BreakReason::Silence { limit_ms: 20_000 } });
}

#[test]
fn requests_put_off_the_ping() {
    let mut shell = Shell::connected(config());
    shell.now_ms += 9_999;
    shell.session.submit(1, &get_data("/a"), None).unwrap();
    shell.sent();
    assert_eq!(shell.session.next_deadline(), Some(shell.now_ms + 10_000));
}

#[test]
fn a_ping_that_cannot_be_written_is_not_repeated() {
    let mut shell = Shell::connected(config());
    shell.sleep();
    shell.step(Input::Wake);
    shell.step(Input::Wake);
    assert_eq!(shell.sleep(), 10_000, "what is next is the silence");
    assert_eq!(shell.take()[0], Effect::Disconnect { reason: BreakReason::Silence { limit_ms: 20_000 } });
}

#[test]
fn the_server_says_expired() {
    let mut shell = Shell::connected(config());
    let watcher = shell.watch_agreed(&get_data("/a"));
    shell.step(Input::Disconnected);
    shell.session.submit(5, &set_data("/a"), None).unwrap();
    shell.open();
    shell.take();
    shell.accept(0, false);
    let ended = RequestError::Ended { state: SessionState::Expired, maybe_applied: false };
    let event = WatchedEvent {
        kind: EventKind::Session,
        state: SessionState::Expired,
        path: String::new(),
        zxid: -1,
    };
    assert_eq!(
        shell.take(),
        [
            Effect::Disconnect { reason: BreakReason::SessionEnded(SessionState::Expired) },
            Effect::Complete { token: 5, zxid: 0, result: Err(ended) },
            Effect::State(SessionState::Expired),
            Effect::Event { watcher, event, last: true },
        ]
    );
}

#[test]
fn without_a_word_from_anybody_the_session_expires_after_four_thirds() {
    let mut shell = Shell::connected(config());
    let heard = shell.now_ms;
    shell.step(Input::Disconnected);
    while shell.session.state() != SessionState::Expired {
        shell.sleep();
        if shell.take().contains(&Effect::Connect { host: 0 }) {
            shell.step(Input::Disconnected);
        }
        assert!(shell.now_ms <= heard + 40_000);
    }
    assert_eq!(shell.now_ms, heard + 40_000);
}

#[test]
fn a_session_never_opened_does_not_expire() {
    let mut shell = Shell::new(config());
    for _ in 0..500 {
        shell.sleep();
        if shell.take().contains(&Effect::Connect { host: 0 }) {
            shell.step(Input::Disconnected);
        }
    }
    assert!(shell.now_ms > 200_000);
    assert_eq!(shell.session.state(), SessionState::Connecting);
}

#[test]
fn each_host_gets_its_share_of_the_timeout() {
    let mut shell = Shell::new(ClientConfig { hosts: 3, ..config() });
    shell.step(Input::Wake);
    let mut tried = Vec::new();
    for round in 0..3 {
        let Some(Effect::Connect { host }) = shell.take().pop() else { panic!("round {round}: no host") };
        tried.push(host);
        if round == 1 {
            // A server that accepts and says nothing.
            shell.step(Input::Connected);
            shell.sent_frames();
        }
        assert_eq!(shell.sleep(), 10_000);
        let reason = BreakReason::ConnectTimeout { limit_ms: 10_000 };
        assert_eq!(shell.effects[0], Effect::Disconnect { reason });
    }
    assert_eq!(shell.take().len(), 1, "a pause follows the last host");
    tried.sort_unstable();
    assert_eq!(tried, [0, 1, 2]);
}

#[test]
fn closing_waits_for_earlier_requests() {
    let mut shell = Shell::connected(config());
    shell.session.submit(1, &set_data("/a"), None).unwrap();
    shell.session.close(2, &mut shell.effects).unwrap();
    assert_eq!(shell.session.submit(3, &set_data("/a"), None), Err(SubmitError::Ended(SessionState::Closed)));
    assert_eq!(shell.sent(), [(1, OpCode::SetData), (2, OpCode::CloseSession)]);
    shell.reply(1, 5, ErrorCode::Ok, |out| success_body(OpCode::SetData, out));
    shell.ok(2, 6);
    let effects = shell.take();
    assert!(matches!(effects[0], Effect::Complete { token: 1, result: Ok(_), .. }));
    assert_eq!(
        effects[1..],
        [
            Effect::Complete { token: 2, zxid: 6, result: Ok(Response::Done) },
            Effect::Disconnect { reason: BreakReason::SessionEnded(SessionState::Closed) },
            Effect::State(SessionState::Closed),
        ]
    );
    assert_eq!(shell.session.next_deadline(), None);
}

#[test]
fn closing_without_a_connection_ends_on_this_side() {
    let mut shell = Shell::connected(config());
    shell.step(Input::Disconnected);
    shell.take();
    shell.session.close(1, &mut shell.effects).unwrap();
    assert_eq!(
        shell.take(),
        [
            Effect::State(SessionState::Closed),
            Effect::Complete {
                token: 1,
                zxid: 0,
                result: Err(RequestError::ConnectionLoss { maybe_applied: false })
            },
        ]
    );
}

#[test]
fn a_read_only_session_is_offered_to_nobody_and_left_for_a_server_that_writes() {
    let mut shell = Shell::new(ClientConfig { hosts: 2, read_only: true, ..config() });
    assert!(shell.open().read_only);
    shell.take();
    shell.accept(30_000, true);
    assert_eq!(shell.take(), [Effect::State(SessionState::ConnectedReadOnly)]);
    let here = shell.session.host().unwrap();
    // The search slows down: 100 ms, 200 ms, 400 ms.
    for pause in [100, 200, 400] {
        assert_eq!(shell.sleep(), pause);
        let [Effect::ProbeReadWrite { host }] = shell.take()[..] else { panic!("no probe") };
        shell.step(Input::Probed { host, read_write: false });
    }
    let other = 1 - here;
    shell.step(Input::Probed { host: other, read_write: true });
    let effects = shell.take();
    assert_eq!(effects[0], Effect::Disconnect { reason: BreakReason::FoundReadWrite });
    assert_eq!(effects.last(), Some(&Effect::Connect { host: other }));
    shell.step(Input::Connected);
    let request = ConnectRequest::decode(&shell.sent_frames()[0]).unwrap();
    assert_eq!(request.session_id, 0, "a session of a read-only server means nothing elsewhere");
    shell.accept(30_000, false);
    assert_eq!(shell.session.state(), SessionState::Connected);
    shell.step(Input::Disconnected);
    shell.take();
    assert_eq!(shell.open().session_id, 0x55);
}

#[test]
fn a_resumed_session_presents_itself() {
    let resume = SessionInfo { id: 0x77, password: [9; 16] };
    let mut shell = Shell::new(ClientConfig { resume: Some(resume), ..config() });
    let request = shell.open();
    assert_eq!((request.session_id, &request.password[..]), (0x77, &[9; 16][..]));
}
