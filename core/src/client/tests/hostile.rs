//! A server that sends anything at all.

use super::*;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// One of each operation whose reply has a body.
fn every_request(session: &mut ClientSession<u32>) {
    let path = || "/a".into();
    let requests = [
        get_data("/a"),
        get_children("/a"),
        Request::GetChildren2 { path: path(), watch: true },
        exists("/a"),
        set_data("/a"),
        add_watch("/a", 1),
        Request::GetAcl { path: path() },
        Request::GetEphemerals { prefix: None },
        Request::GetAllChildrenNumber { path: path() },
        Request::Sync { path: path() },
        Request::Multi(Vec::new()),
        Request::MultiRead(Vec::new()),
        Request::WhoAmI,
        Request::RemoveWatches { path: path(), kind: 3 },
        Request::Sasl { token: None },
    ];
    for request in &requests {
        let watcher = session.reserve_watcher().ok();
        let _ = session.submit(1, request, watcher);
    }
}

/// A plausible stream with some bytes changed, cut anywhere.
fn stream(random: &mut Random, xids: core::ops::Range<i32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for xid in xids {
        let body: Vec<u8> = (0..random.below(120)).map(|_| (random.next() >> 60) as u8).collect();
        frame(&mut bytes, |out| {
            let err = if random.below(4) == 0 { ErrorCode::NoNode } else { ErrorCode::Ok };
            ReplyHeader { xid, zxid: random.next() as i64 >> 40, err }.encode(out);
            out.extend_from_slice(&body);
        });
        if random.below(3) == 0 {
            WatcherEvent { kind: EventType::NodeDeleted, path: "/a" }.encode_frame(1, &mut bytes);
        }
    }
    for _ in 0..random.below(6) {
        let place = random.below(bytes.len());
        bytes[place] = random.next() as u8;
    }
    bytes
}

#[test]
fn no_reply_can_panic_or_stall_the_session() {
    let mut random = Random(11);
    for round in 0..3_000 {
        let mut shell = Shell::connected(ClientConfig { reply_bytes_max: 4_096, ..config() });
        every_request(&mut shell.session);
        let sent = shell.sent().len() as i32;
        let bytes = stream(&mut random, 1..sent + 1);
        let cut = random.below(bytes.len() + 1);
        for part in [&bytes[..cut], &bytes[cut..]] {
            shell.step(Input::Received(part));
        }
        // Whatever was said: a request is answered, or its connection is gone, or it waits for more.
        let answered = shell.results().len();
        let waiting = shell.session.pending();
        assert_eq!(answered + waiting, sent as usize, "round {round}");
        shell.step(Input::Disconnected);
        shell.session.abandon(&mut shell.effects);
        assert_eq!(answered + shell.results().len(), sent as usize, "round {round}");
    }
}

#[test]
fn no_handshake_can_panic_the_session() {
    let mut random = Random(12);
    for _ in 0..3_000 {
        let mut shell = Shell::new(config());
        shell.open();
        let length = random.below(60);
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| out.extend((0..length).map(|_| (random.next() >> 61) as u8)));
        shell.step(Input::Received(&bytes));
        assert!(shell.session.next_deadline().is_some() || shell.session.state().is_final());
    }
}

#[test]
fn malformed_bodies_break_the_connection_and_fail_their_request() {
    let mut shell = Shell::connected(config());
    shell.session.submit(1, &get_children("/a"), None).unwrap();
    shell.sent();
    // A vector that claims two billion children.
    shell.reply(1, 1, ErrorCode::Ok, |out| out.put_int(i32::MAX));
    let effects = shell.take();
    let reason = BreakReason::Malformed(crate::jute::DecodeError::Truncated);
    assert_eq!(effects[0], Effect::Disconnect { reason });
    let loss = Err(RequestError::ConnectionLoss { maybe_applied: false });
    assert_eq!(effects[1], Effect::Complete { token: 1, zxid: 0, result: loss });
}

#[test]
fn a_frame_beyond_the_limit_is_refused_by_its_length_alone() {
    let mut shell = Shell::connected(ClientConfig { reply_bytes_max: 1_000, ..config() });
    shell.step(Input::Received(&1_001i32.to_be_bytes()));
    assert_eq!(shell.take()[0], Effect::Disconnect { reason: BreakReason::FrameLength(1_001) });
}
