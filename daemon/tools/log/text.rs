//! A transaction as `TxnLogToolkit` prints it.

use zkrs_core::acl::{Acl, decode_acls};
use zkrs_core::jute::Reader;
use zkrs_core::txn::{EncodedAcls, Owner, Txn, TxnHeader, kind};

use crate::date::java_short_date;
use crate::jute_text::{escaped, id_record};

/// `<date> session 0x.. cxid 0x.. zxid 0x.. <type> <record>`, without a last new line.
pub fn line(header: &TxnHeader, txn: &Txn<'_>) -> String {
    let TxnHeader { client_id, cxid, zxid, time_ms, kind } = *header;
    // Java widens the cxid with its sign.
    let cxid = i64::from(cxid);
    let (date, name, record) = (java_short_date(time_ms), kind_name(kind), record(txn));
    let line = format!("{date} session 0x{client_id:x} cxid 0x{cxid:x} zxid 0x{zxid:x} {name} {record}");
    line.strip_suffix('\n').unwrap_or(&line).to_owned()
}

/// The name of a transaction's type.
pub fn kind_name(kind: i32) -> String {
    let name = match kind {
        kind::CREATE_SESSION => "createSession",
        kind::CLOSE_SESSION => "closeSession",
        kind::ERROR => "error",
        kind::CREATE => "create",
        kind::DELETE => "delete",
        kind::SET_DATA => "setData",
        kind::SET_ACL => "setACL",
        kind::CHECK => "check",
        kind::MULTI => "multi",
        kind::CREATE2 => "create2",
        kind::RECONFIG => "reconfig",
        kind::CREATE_CONTAINER => "createContainer",
        kind::DELETE_CONTAINER => "deleteContainer",
        kind::CREATE_TTL => "createTTL",
        unknown => return format!("unknown {unknown}"),
    };
    name.to_owned()
}

/// The list of an ACL field, empty for null.
pub fn acls(encoded: &EncodedAcls<'_>) -> Vec<Acl> {
    decode_acls(&mut Reader::new(&encoded.0)).ok().flatten().unwrap_or_default()
}

fn record(txn: &Txn<'_>) -> String {
    match txn {
        Txn::CreateSession { timeout_ms } => timeout_ms.to_string(),
        Txn::CloseSession { paths: None } => String::new(),
        Txn::CloseSession { paths: Some(paths) } => {
            let paths: Vec<String> = paths.iter().map(|path| escaped(path)).collect();
            format!("v{{{}}}", paths.join(","))
        }
        Txn::Error { code } => code.0.to_string(),
        Txn::Create(create) => {
            let list: Vec<String> = acls(&create.acl).iter().map(|acl| acl_record(acl) + "\n").collect();
            let owner = match create.owner {
                Owner::Persistent => "false,",
                Owner::Ephemeral => "true,",
                Owner::Container | Owner::Ttl(_) => "",
            };
            let ttl =
                if let Owner::Ttl(ttl_ms) = create.owner { format!(",{ttl_ms}") } else { String::new() };
            let (path, data) = (&create.path, data(create.data));
            format!("{path},{data},[{}],{owner}{}{ttl}", list.join(", "), create.parent_cversion)
        }
        Txn::Delete { path } => escaped(path),
        Txn::SetData { path, data: bytes, version } => format!("{path},{},{version}", data(*bytes)),
        Txn::SetAcl { path, acl, version } => {
            let list: Vec<String> = acls(acl).iter().map(|acl| format!("s{{{}}}", acl_record(acl))).collect();
            format!("{},v{{{}}},{version}", escaped(path), list.join(","))
        }
        Txn::Check { path, version } => format!("{},{version}", escaped(path)),
        Txn::Multi(elements) => {
            let elements: Vec<String> = elements.iter().map(|(kind, txn)| element(*kind, txn)).collect();
            elements.join(";")
        }
    }
}

/// An element of a multi is shown by its bytes.
fn element(kind: i32, txn: &Txn<'_>) -> String {
    let mut bytes = Vec::new();
    txn.encode(&mut bytes);
    format!("{}:{}", kind_name(kind), String::from_utf8_lossy(&bytes))
}

fn acl_record(acl: &Acl) -> String {
    format!("{},s{{{}}}", acl.perms, id_record(&acl.id))
}

fn data(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkrs_core::acl::Id;
    use zkrs_core::proto::ErrorCode;
    use zkrs_core::txn::CreateTxn;

    fn shown(kind: i32, txn: &Txn<'_>) -> String {
        let header = TxnHeader { client_id: 0x100, cxid: -1, zxid: 10, time_ms: 0, kind };
        let line = line(&header, txn);
        line.split_once(" session ").unwrap().1.to_owned()
    }

    fn create(owner: Owner) -> Txn<'static> {
        let acls = [
            Acl { perms: 31, id: Id::new("world", "anyone") },
            Acl { perms: 1, id: Id::new("ip", "127.0.0.1") },
        ];
        Txn::Create(CreateTxn {
            path: "/a".into(),
            data: Some(b"x y"),
            acl: EncodedAcls::of(&acls),
            owner,
            parent_cversion: 3,
        })
    }

    #[test]
    fn records_read_as_the_toolkits() {
        let head = "0x100 cxid 0xffffffffffffffff zxid 0xa";
        let list = "[31,s{'world,'anyone}\n, 1,s{'ip,'127.0.0.1}\n]";
        for (kind, txn, expected) in [
            (kind::CREATE, create(Owner::Ephemeral), format!("create /a,x y,{list},true,3")),
            (kind::CREATE_CONTAINER, create(Owner::Container), format!("createContainer /a,x y,{list},3")),
            (kind::CREATE_TTL, create(Owner::Ttl(50)), format!("createTTL /a,x y,{list},3,50")),
            (kind::DELETE, Txn::Delete { path: "/a,b".into() }, "delete '/a%2Cb".to_owned()),
            (
                kind::SET_DATA,
                Txn::SetData { path: "/a".into(), data: None, version: 2 },
                "setData /a,,2".to_owned(),
            ),
            (kind::ERROR, Txn::Error { code: ErrorCode::NoAuth }, "error -102".to_owned()),
            (
                kind::CREATE_SESSION,
                Txn::CreateSession { timeout_ms: 30000 },
                "createSession 30000".to_owned(),
            ),
            (kind::CLOSE_SESSION, Txn::CloseSession { paths: None }, "closeSession ".to_owned()),
            (
                kind::CLOSE_SESSION,
                Txn::CloseSession { paths: Some(vec!["/a".into(), "/b".into()]) },
                "closeSession v{'/a,'/b}".to_owned(),
            ),
            (
                kind::SET_ACL,
                Txn::SetAcl { path: "/a".into(), acl: EncodedAcls::of(&Acl::open()), version: 1 },
                "setACL '/a,v{s{31,s{'world,'anyone}}},1".to_owned(),
            ),
            (
                kind::MULTI,
                Txn::Multi(vec![
                    (kind::DELETE, Txn::Delete { path: "/a".into() }),
                    (kind::DELETE, Txn::Delete { path: "/b".into() }),
                ]),
                "multi delete:\0\0\0\u{2}/a;delete:\0\0\0\u{2}/b".to_owned(),
            ),
        ] {
            assert_eq!(shown(kind, &txn), format!("{head} {expected}"));
        }
    }
}
