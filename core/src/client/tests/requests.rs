//! Requests and their replies.

use super::*;
use crate::proto::{CreateRequest, MultiElement, encode_multi_header};

#[test]
fn replies_belong_to_requests_in_order() {
    let mut shell = Shell::connected(config());
    shell.session.submit(1, &get_data("/a"), None).unwrap();
    shell.session.submit(2, &set_data("/a"), None).unwrap();
    assert_eq!(shell.sent(), [(1, OpCode::GetData), (2, OpCode::SetData)]);
    shell.reply(1, 8, ErrorCode::Ok, |out| success_body(OpCode::GetData, out));
    shell.reply(2, 9, ErrorCode::BadVersion, |_| {});
    assert_eq!(
        shell.results(),
        [
            (1, Ok(Response::Data { data: Some(b"data".to_vec()), stat: Stat::default() })),
            (2, Err(RequestError::Code(ErrorCode::BadVersion))),
        ]
    );
}

#[test]
fn a_reply_to_another_request_breaks_the_connection() {
    for (got, expected) in [(2, Some(1)), (xid::SET_WATCHES, Some(1)), (0, Some(1)), (-9, Some(1))] {
        let mut shell = Shell::connected(config());
        shell.session.submit(1, &set_data("/a"), None).unwrap();
        shell.sent();
        shell.ok(got, 1);
        let effects = shell.take();
        let reason = BreakReason::XidMismatch { expected, got };
        assert_eq!(effects[0], Effect::Disconnect { reason });
        let loss = Err(RequestError::ConnectionLoss { maybe_applied: true });
        assert_eq!(effects[1], Effect::Complete { token: 1, zxid: 0, result: loss });
        assert_eq!(shell.session.last_zxid(), 0);
    }
    let mut shell = Shell::connected(config());
    shell.ok(1, 1);
    let reason = BreakReason::XidMismatch { expected: None, got: 1 };
    assert_eq!(shell.take()[0], Effect::Disconnect { reason });
}

#[test]
fn xids_wrap_past_the_reserved_ones() {
    let mut shell = Shell::connected(config());
    shell.session.last_xid = i32::MAX - 1;
    for token in 1..=3 {
        shell.session.submit(token, &get_data("/a"), None).unwrap();
    }
    let xids: Vec<i32> = shell.sent().into_iter().map(|(xid, _)| xid).collect();
    assert_eq!(xids, [i32::MAX, 1, 2]);
}

#[test]
fn transmission_stops_at_its_limit_and_goes_on() {
    let mut shell = Shell::connected(config());
    for token in 0..10 {
        shell.session.submit(token, &get_data("/abc"), None).unwrap();
    }
    let mut all = Vec::new();
    let mut calls = 0;
    while shell.session.wants_transmit() {
        let mut bytes = Vec::new();
        shell.session.transmit(shell.now_ms, &mut bytes, 40);
        assert_eq!(bytes.len(), 2 * 21, "two frames pass a limit of 40 bytes");
        all.extend_from_slice(&bytes);
        calls += 1;
    }
    assert_eq!(calls, 5);
    let xids: Vec<u8> = all.chunks(21).map(|frame| frame[7]).collect();
    assert_eq!(xids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn a_chroot_is_added_and_taken_away() {
    let mut shell = Shell::connected(ClientConfig { chroot: "/app".to_string(), ..config() });
    let create = CreateRequest {
        path: "/n-".into(),
        data: None,
        acl: Some(crate::acl::Acl::open()),
        flags: 2,
        ttl_ms: -1,
    };
    let multi = Request::Multi(vec![
        MultiElement::Create(OpCode::Create, create.clone()),
        MultiElement::Delete { path: "/x".into(), version: -1 },
    ]);
    shell.session.submit(1, &Request::Create(OpCode::Create, create), None).unwrap();
    shell.session.submit(2, &multi, None).unwrap();
    shell.session.submit(3, &Request::GetEphemerals { prefix: None }, None).unwrap();
    shell.session.submit(4, &Request::Sync { path: "/".into() }, None).unwrap();
    shell.session.submit(5, &get_data(crate::path::CONFIG), None).unwrap();
    let root = Request::Delete { path: "/".into(), version: -1 };
    assert_eq!(shell.session.submit(6, &root, None), Err(SubmitError::DeleteRoot));
    assert_eq!(shell.session.submit(6, &get_data("a"), None), Err(SubmitError::RelativePath));
    let paths = |frame: &[u8]| {
        let (_, op) = (&frame[..4], i32::from_be_bytes(frame[4..8].try_into().unwrap()));
        match Request::decode(OpCode::from_wire(op).unwrap(), &frame[8..]).unwrap() {
            Request::Create(_, create) => vec![create.path.to_string()],
            Request::Multi(elements) => elements
                .iter()
                .map(|element| match element {
                    MultiElement::Create(_, create) => create.path.to_string(),
                    MultiElement::Delete { path, .. } => path.to_string(),
                    other => panic!("{other:?}"),
                })
                .collect(),
            Request::GetEphemerals { prefix } => vec![prefix.unwrap().to_string()],
            Request::Sync { path } | Request::GetData { path, .. } => vec![path.to_string()],
            other => panic!("{other:?}"),
        }
    };
    let sent: Vec<Vec<String>> = shell.sent_frames().iter().map(|frame| paths(frame)).collect();
    assert_eq!(
        sent,
        [
            vec!["/app/n-".to_string()],
            vec!["/app/n-".to_string(), "/app/x".to_string()],
            vec!["/app".to_string()],
            vec!["/app".to_string()],
            vec!["/zookeeper/config".to_string()],
        ]
    );
    shell.reply(1, 1, ErrorCode::Ok, |out| out.put_string("/app/n-0000000000"));
    shell.reply(2, 2, ErrorCode::Ok, |out| {
        encode_multi_header(out, 1, false, ErrorCode::Ok);
        out.put_string("/app/n-0000000001");
        encode_multi_header(out, 2, false, ErrorCode::Ok);
        encode_multi_header(out, -1, true, ErrorCode(-1));
    });
    shell.reply(3, 2, ErrorCode::Ok, |out| {
        out.put_vector_len(2);
        out.put_string("/app/e");
        out.put_string("/apple");
    });
    shell.reply(4, 2, ErrorCode::Ok, |out| out.put_string("/app"));
    let results: Vec<Response> = shell.results().into_iter().map(|(_, result)| result.unwrap()).collect();
    let created = MultiResult::Created { path: "/n-0000000001".to_string(), stat: None };
    assert_eq!(
        results,
        [
            Response::Created { path: "/n-0000000000".to_string(), stat: None },
            Response::Multi(vec![created, MultiResult::Deleted]),
            Response::Ephemerals(vec!["/e".to_string()]),
            Response::Synced("/".to_string()),
        ]
    );
}

#[test]
fn a_failed_multi_has_a_code_for_each_element() {
    let mut shell = Shell::connected(config());
    shell.session.submit(1, &Request::Multi(Vec::new()), None).unwrap();
    shell.sent();
    let codes = [ErrorCode::Ok, ErrorCode::NoNode, ErrorCode::RuntimeInconsistency];
    shell.reply(1, 3, ErrorCode::Ok, |out| {
        for code in codes {
            encode_multi_header(out, -1, false, code);
            out.put_int(code.0);
        }
        encode_multi_header(out, -1, true, ErrorCode(-1));
    });
    let errors = codes.map(MultiResult::Error).to_vec();
    assert_eq!(shell.results(), [(1, Ok(Response::Multi(errors)))]);
}

#[test]
fn what_exceeds_a_limit_is_refused_and_leaves_no_trace() {
    let limits = ClientConfig {
        requests_max: 2,
        request_bytes_max: 100,
        request_queue_bytes_max: 150,
        watches_max: 1,
        auths_max: 1,
        ..config()
    };
    let mut shell = Shell::connected(limits);
    let long = ["/", &"x".repeat(200)].concat();
    assert_eq!(
        shell.session.submit(1, &get_data(&long), None),
        Err(SubmitError::RequestTooLarge { bytes: 8 + 4 + 201 + 1, max_bytes: 100 })
    );
    let path = ["/", &"x".repeat(80)].concat();
    shell.session.submit(2, &get_data(&path), None).unwrap();
    assert_eq!(
        shell.session.submit(3, &get_data(&path), None),
        Err(SubmitError::QueueFull { max_bytes: 150 })
    );
    shell.session.submit(4, &get_data("/a"), None).unwrap();
    assert_eq!(shell.session.submit(5, &get_data("/a"), None), Err(SubmitError::TooManyRequests { max: 2 }));
    assert_eq!(shell.sent_frames().len(), 2);
    shell.session.reserve_watcher().unwrap();
    assert_eq!(shell.session.reserve_watcher(), Err(SubmitError::TooManyWatches { max: 1 }));
    shell.session.add_auth(6, "digest", b"a:b").unwrap();
    shell.session.add_auth(7, "digest", b"a:b").unwrap();
    assert_eq!(shell.session.add_auth(8, "digest", b"c:d"), Err(SubmitError::TooManyAuths { max: 1 }));
    assert_eq!(shell.session.submit(9, &Request::CloseSession, None), Err(SubmitError::Reserved));
}
