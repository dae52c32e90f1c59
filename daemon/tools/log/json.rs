//! A transaction as a JSON object.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use zkrs_core::txn::{EncodedAcls, Owner, Txn, TxnDigest, TxnHeader};

use super::text;

/// One transaction. Ids are hexadecimal texts, as everywhere in ZooKeeper; data is text where it is UTF-8, and base64
/// under another name otherwise.
pub fn object(header: &TxnHeader, txn: &Txn<'_>, digest: Option<&TxnDigest>) -> Value {
    let mut object = fields(header.kind, txn);
    let mut put = |name: &str, value| object.insert(name.to_owned(), value);
    put("zxid", json!(format!("0x{:x}", header.zxid)));
    put("session", json!(format!("0x{:x}", header.client_id)));
    put("cxid", json!(header.cxid));
    put("time", json!(header.time_ms));
    if let Some(digest) = digest {
        put("digest", json!(digest.digest));
    }
    Value::Object(object)
}

fn fields(kind: i32, txn: &Txn<'_>) -> Map<String, Value> {
    let mut object = Map::new();
    let mut put = |name: &str, value| object.insert(name.to_owned(), value);
    put("type", json!(text::kind_name(kind)));
    match txn {
        Txn::CreateSession { timeout_ms } => _ = put("timeout", json!(timeout_ms)),
        Txn::CloseSession { paths } => _ = put("paths", json!(paths)),
        Txn::Error { code } => {
            put("code", json!(code.0));
            put("name", json!(code.name()));
        }
        Txn::Create(create) => {
            put("path", json!(create.path));
            put_data(&mut object, create.data);
            object.insert("acl".to_owned(), acl(&create.acl));
            object.insert("parentCversion".to_owned(), json!(create.parent_cversion));
            match create.owner {
                Owner::Ephemeral => _ = object.insert("ephemeral".to_owned(), json!(true)),
                Owner::Ttl(ttl_ms) => _ = object.insert("ttl".to_owned(), json!(ttl_ms)),
                Owner::Persistent | Owner::Container => {}
            }
        }
        Txn::Delete { path } => _ = put("path", json!(path)),
        Txn::SetData { path, data, version } => {
            put("path", json!(path));
            put("version", json!(version));
            put_data(&mut object, *data);
        }
        Txn::SetAcl { path, acl: list, version } => {
            put("path", json!(path));
            put("acl", acl(list));
            put("version", json!(version));
        }
        Txn::Check { path, version } => {
            put("path", json!(path));
            put("version", json!(version));
        }
        Txn::Multi(elements) => {
            let elements = elements.iter().map(|(kind, txn)| Value::Object(fields(*kind, txn)));
            put("txns", elements.collect());
        }
    }
    object
}

/// Adds `data`, or `base64` for what is no text.
pub fn put_data(object: &mut Map<String, Value>, data: Option<&[u8]>) {
    let (name, value) = match data.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => ("data", Value::Null),
        Some((_, Ok(text))) => ("data", json!(text)),
        Some((bytes, Err(_))) => ("base64", json!(BASE64.encode(bytes))),
    };
    object.insert(name.to_owned(), value);
}

fn acl(list: &EncodedAcls<'_>) -> Value {
    let entry = |acl: &zkrs_core::acl::Acl| json!([acl.id.scheme, acl.id.id, acl.perms]);
    text::acls(list).iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkrs_core::txn::kind;

    #[test]
    fn objects_hold_text_or_base64() {
        let header = TxnHeader { client_id: 16, cxid: 2, zxid: 255, time_ms: 7, kind: kind::SET_DATA };
        let shown =
            |data| object(&header, &Txn::SetData { path: "/a".into(), data, version: 1 }, None).to_string();
        let start = r#"{"cxid":2,"#;
        let end = r#""path":"/a","session":"0x10","time":7,"type":"setData","version":1,"zxid":"0xff"}"#;
        assert_eq!(shown(Some(b"x")), format!(r#"{start}"data":"x",{end}"#));
        assert_eq!(shown(None), format!(r#"{start}"data":null,{end}"#));
        assert_eq!(shown(Some(b"\xff")), format!(r#"{{"base64":"/w==","cxid":2,{end}"#));
    }
}
