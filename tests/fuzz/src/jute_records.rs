//! Records: whatever decodes encodes to bytes that decode to the same, and those bytes are canonical.

use zkrs_core::acl::{Id, allows, decode_acls, digest_identity, encode_acls, masked, user_name};
use zkrs_core::jute::Reader;
use zkrs_core::proto::{ConnectRequest, ConnectResponse, OpCode, ReplyHeader, Request, Stat};
use zkrs_core::sasl::{DigestMd5Server, Nonces, SaslStep, SaslUsers};
use zkrs_core::txn::{TxnDigest, decode_payload, encode_payload};

/// The first byte says what the rest is taken for.
pub fn check(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    match usize::from(*choice) {
        choice if choice < OpCode::ALL.len() => request(OpCode::ALL[choice], body),
        choice => match choice % 6 {
            0 => connect_request(body),
            1 => connect_response(body),
            2 => fixed_records(body),
            3 => acls(body),
            5 => sasl(body),
            _ => payload(body),
        },
    }
}

fn request(op: OpCode, body: &[u8]) {
    let Ok(request) = Request::decode(op, body) else { return };
    let mut once = Vec::new();
    request.encode(&mut once);
    let again = Request::decode(request.op(), &once).expect("what we encode decodes");
    assert_eq!(request, again, "the request survives its encoding");
    let mut twice = Vec::new();
    again.encode(&mut twice);
    assert_eq!(once, twice, "the encoding is canonical");
    // Every claimed element needs bytes: a decoded request is no larger than what it was read from, but for what
    // a multi's canonical creates and replaced bytes of text add.
    assert!(once.len() <= 4 * body.len() + 64, "{} bytes became {}", body.len(), once.len());
}

fn connect_request(body: &[u8]) {
    let Ok(request) = ConnectRequest::decode(body) else { return };
    let mut once = Vec::new();
    request.encode(&mut once);
    assert_eq!(ConnectRequest::decode(&once), Ok(request));
}

fn connect_response(body: &[u8]) {
    let Ok(response) = ConnectResponse::decode(body) else { return };
    let mut once = Vec::new();
    response.encode(&mut once);
    assert_eq!(ConnectResponse::decode(&once), Ok(response));
}

fn fixed_records(body: &[u8]) {
    if let Ok(header) = ReplyHeader::decode(&mut Reader::new(body)) {
        let mut once = Vec::new();
        header.encode(&mut once);
        assert_eq!(once, body[..once.len()]);
    }
    if let Ok(stat) = Stat::decode(&mut Reader::new(body)) {
        let mut once = Vec::new();
        stat.encode(&mut once);
        assert_eq!(once, body[..once.len()]);
    }
}

fn acls(body: &[u8]) {
    let identity = digest_identity(body);
    assert!(!user_name(&identity).contains(':'), "a user's name ends at the colon");
    let Ok(acls) = decode_acls(&mut Reader::new(body)) else { return };
    let mut once = Vec::new();
    encode_acls(&mut once, acls.as_deref());
    assert_eq!(decode_acls(&mut Reader::new(&once)), Ok(acls.clone()));
    let Some(acls) = acls else { return };
    let identities = [identity, Id::new("ip", "127.0.0.1"), Id::new("ip", "::1")];
    let _ = allows(&acls, 31, &identities);
    assert_eq!(masked(&acls).len(), acls.len());
}

/// Neither a first token nor a response of the input's choice proves anything.
fn sasl(body: &[u8]) {
    let users = SaslUsers::new(vec![("user".to_owned(), "secret".to_owned())]);
    let mut nonces = Nonces::new(5);
    for first in [&b""[..], body] {
        let mut server = DigestMd5Server::default();
        for token in [first, body, body] {
            if let Ok(SaslStep::Complete { user, .. }) = server.evaluate(token, &users, &mut nonces) {
                panic!("{user} did not prove anything");
            }
        }
    }
}

fn payload(body: &[u8]) {
    let Ok((header, txn, digest)) = decode_payload(body) else { return };
    let mut once = Vec::new();
    encode_payload(&header, &txn, digest.map(|digest| digest.digest), &mut once);
    let version = zkrs_core::txn::DIGEST_VERSION;
    let digest = digest.map(|digest| TxnDigest { version, ..digest });
    assert_eq!(decode_payload(&once), Ok((header, txn, digest)), "the transaction survives its encoding");
}
