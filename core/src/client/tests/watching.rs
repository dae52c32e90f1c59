//! Watches over the life of a session.

use super::*;
use crate::proto::WatcherType;
use alloc::collections::BTreeSet;

#[test]
fn a_failed_read_leaves_no_watch_but_exists_does() {
    let mut shell = Shell::connected(config());
    let read = shell.watch(1, &get_data("/a"));
    let exist = shell.watch(2, &exists("/a"));
    shell.sent();
    shell.reply(1, 1, ErrorCode::NoNode, |_| {});
    shell.reply(2, 1, ErrorCode::NoNode, |_| {});
    shell.take();
    shell.event(EventType::NodeCreated, "/a", 2);
    let event = WatchedEvent {
        kind: EventKind::NodeCreated,
        state: SessionState::Connected,
        path: "/a".to_string(),
        zxid: 2,
    };
    assert_eq!(shell.take(), [Effect::Event { watcher: exist, event, last: true }]);
    assert_eq!(shell.session.watchers(), 1, "the failed one is reserved until forgotten");
    shell.session.forget_watcher(read);
    assert_eq!(shell.session.watchers(), 0);
}

#[test]
fn events_come_before_the_reply_that_reveals_the_change() {
    let mut shell = Shell::connected(config());
    let watcher = shell.watch_agreed(&get_data("/a"));
    shell.session.submit(1, &set_data("/a"), None).unwrap();
    shell.sent();
    // Both in one read.
    let mut bytes = Vec::new();
    WatcherEvent { kind: EventType::NodeDataChanged, path: "/a" }.encode_frame(5, &mut bytes);
    frame(&mut bytes, |out| {
        ReplyHeader { xid: 2, zxid: 5, err: ErrorCode::Ok }.encode(out);
        Stat::default().encode(out);
    });
    shell.step(Input::Received(&bytes));
    let effects = shell.take();
    assert!(matches!(effects[0], Effect::Event { watcher: id, last: true, .. } if id == watcher));
    assert!(matches!(effects[1], Effect::Complete { token: 1, zxid: 5, .. }));
}

#[test]
fn a_reconnect_sets_each_kind_of_watch_anew() {
    let mut shell = Shell::connected(ClientConfig { chroot: "/app".to_string(), ..config() });
    shell.watch_agreed(&get_data("/data"));
    shell.watch_agreed(&get_data("/data"));
    let exist = shell.watch(1, &exists("/exist"));
    let (xid, _) = shell.sent()[0];
    shell.reply(xid, 70, ErrorCode::NoNode, |_| {});
    shell.watch_agreed(&get_children("/"));
    let persistent = shell.watch_agreed(&add_watch("/p", 0));
    let recursive = shell.watch_agreed(&add_watch("/r", 1));
    shell.step(Input::Disconnected);
    let lost = [persistent, recursive].map(|id| (id, EventKind::Session, String::new(), false));
    assert_eq!(shell.events(), lost);
    shell.open();
    shell.take();
    shell.accept(30_000, false);
    assert_eq!(shell.events(), lost, "persistent watchers hear that they may have missed something");
    let lists = |frame: &Vec<u8>| {
        let op = OpCode::from_wire(i32::from_be_bytes(frame[4..8].try_into().unwrap())).unwrap();
        let Request::SetWatches(_, lists) = Request::decode(op, &frame[8..]).unwrap() else { panic!() };
        assert_eq!(lists.relative_zxid, 70);
        [lists.data, lists.exist, lists.child, lists.persistent, lists.persistent_recursive]
            .map(|paths| paths.iter().map(ToString::to_string).collect::<Vec<String>>().join(" "))
    };
    let sent: Vec<[String; 5]> = shell.sent_frames().iter().map(lists).collect();
    assert_eq!(sent, [["/app/data", "/app/exist", "/app", "", ""], ["", "", "", "/app/p", "/app/r"]]);
    // What the server finds changed comes as ordinary events, before its answer.
    shell.event(EventType::NodeCreated, "/app/exist", -1);
    shell.ok(xid::SET_WATCHES, 80);
    shell.ok(xid::SET_WATCHES, 80);
    assert_eq!(shell.events(), [(exist, EventKind::NodeCreated, "/exist".to_string(), true)]);
    assert_eq!(shell.session.pending(), 0);
}

#[test]
fn many_watches_travel_in_chunks() {
    let mut shell = Shell::connected(config());
    let path = |n: usize| alloc::format!("/{}{n:05}", "x".repeat(95));
    for n in 0..5_000 {
        let watcher = shell.session.reserve_watcher().unwrap();
        let list = if n % 2 == 0 { watches::WatchList::Data } else { watches::WatchList::Child };
        assert!(shell.session.watches.list(watcher, list, &alloc::sync::Arc::from(path(n))));
    }
    shell.step(Input::Disconnected);
    shell.open();
    shell.accept(30_000, false);
    let frames = shell.sent_frames();
    assert_eq!(frames.len(), (5_000usize * 105).div_ceil((128 << 10) - 40));
    let mut seen = BTreeSet::new();
    for frame in &frames {
        assert!(frame.len() + 4 <= 128 << 10);
        let Request::SetWatches(_, lists) = Request::decode(OpCode::SetWatches, &frame[8..]).unwrap() else {
            panic!("something else was sent")
        };
        seen.extend(lists.data.iter().chain(&lists.child).map(ToString::to_string));
    }
    assert_eq!(seen, (0..5_000).map(path).collect());
    for _ in &frames {
        shell.ok(xid::SET_WATCHES, 1);
    }
    assert_eq!(shell.session.pending(), 0);
}

#[test]
fn refused_watches_are_reported_and_throttled_ones_tried_again() {
    let mut shell = Shell::connected(config());
    let watcher = shell.watch_agreed(&add_watch("/p", 0));
    for err in [ErrorCode::ThrottledOp, ErrorCode::MarshallingError] {
        shell.step(Input::Disconnected);
        shell.open();
        shell.accept(30_000, false);
        assert_eq!(shell.sent(), [(xid::SET_WATCHES, OpCode::SetWatches2)]);
        shell.take();
        shell.reply(xid::SET_WATCHES, 1, err, |_| {});
        if err == ErrorCode::ThrottledOp {
            assert_eq!(shell.take()[0], Effect::Disconnect { reason: BreakReason::WatchesThrottled });
        }
    }
    assert_eq!(shell.events(), [(watcher, EventKind::PersistentWatchRemoved, "/p".to_string(), true)]);
}

#[test]
fn removal_asks_the_server_only_for_the_last_one() {
    let mut shell = Shell::connected(config());
    let first = shell.watch_agreed(&add_watch("/p", 0));
    let second = shell.watch_agreed(&add_watch("/p", 0));
    shell.session.remove_watcher(1, first).unwrap();
    let sent = shell.sent();
    assert_eq!(sent[0].1, OpCode::CheckWatches);
    shell.ok(sent[0].0, 3);
    let removed = |id| (id, EventKind::PersistentWatchRemoved, "/p".to_string(), true);
    assert_eq!(shell.events(), [removed(first)]);
    shell.session.remove_watcher(2, second).unwrap();
    let sent = shell.sent();
    assert_eq!(sent[0].1, OpCode::RemoveWatches);
    shell.reply(sent[0].0, 3, ErrorCode::NoWatcher, |_| {});
    assert_eq!(shell.results(), [(2, Err(RequestError::Code(ErrorCode::NoWatcher)))]);
    assert_eq!(shell.session.remove_watcher(3, first), Err(SubmitError::NoWatcher));
}

#[test]
fn removal_by_path_tells_every_watcher() {
    let mut shell = Shell::connected(config());
    let data = shell.watch_agreed(&get_data("/a"));
    let child = shell.watch_agreed(&get_children("/a"));
    let persistent = shell.watch_agreed(&add_watch("/a", 1));
    shell.session.remove_watches(1, "/a", WatcherType::Data, false, &mut shell.effects).unwrap();
    let (xid, _) = shell.sent()[0];
    shell.ok(xid, 3);
    assert_eq!(shell.events(), [(data, EventKind::DataWatchRemoved, "/a".to_string(), true)]);
    // Locally, without a connection.
    shell.step(Input::Disconnected);
    shell.take();
    shell.session.remove_watches(2, "/a", WatcherType::Any, true, &mut shell.effects).unwrap();
    let effects = core::mem::take(&mut shell.effects);
    assert!(effects.contains(&Effect::Complete { token: 2, zxid: 0, result: Ok(Response::Done) }));
    shell.effects = effects;
    assert_eq!(
        shell.events(),
        [
            (child, EventKind::ChildWatchRemoved, "/a".to_string(), true),
            (persistent, EventKind::PersistentWatchRemoved, "/a".to_string(), true),
        ]
    );
}

#[test]
fn a_local_removal_in_flight_succeeds_when_the_connection_is_lost() {
    let mut shell = Shell::connected(config());
    let data = shell.watch_agreed(&get_data("/a"));
    shell.session.remove_watches(1, "/a", WatcherType::Data, true, &mut shell.effects).unwrap();
    shell.sent();
    shell.step(Input::Disconnected);
    let effects = shell.take();
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Event { watcher, last: true, .. } if *watcher == data))
    );
    assert!(effects.contains(&Effect::Complete { token: 1, zxid: 0, result: Ok(Response::Done) }));
}

#[test]
fn a_forgotten_persistent_watch_is_dropped_at_the_server() {
    let mut shell = Shell::connected(config());
    let first = shell.watch_agreed(&add_watch("/p", 1));
    let second = shell.watch(9, &add_watch("/p", 1));
    shell.session.forget_watcher(first);
    let sent = shell.sent();
    assert_eq!(sent.len(), 1, "the second needs the watch: {sent:?}");
    // Forgotten before its answer.
    shell.session.forget_watcher(second);
    shell.reply(sent[0].0, 4, ErrorCode::Ok, |out| success_body(OpCode::AddWatch, out));
    let sent = shell.sent();
    assert_eq!(sent[0].1, OpCode::RemoveWatches);
    shell.take();
    shell.ok(sent[0].0, 5);
    assert_eq!(shell.take(), [], "nobody is told");
    // One-shot watches are left to fire at nobody.
    let data = shell.watch_agreed(&get_data("/a"));
    shell.session.forget_watcher(data);
    assert_eq!(shell.sent(), []);
    shell.event(EventType::NodeDataChanged, "/a", 6);
    assert_eq!(shell.take(), []);
}
