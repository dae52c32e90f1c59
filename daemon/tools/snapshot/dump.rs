//! `SnapshotFormatter`: every znode and session of a snapshot, as text, as JSON lines, or for ncdu.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use zkrs_core::tree::Meta;

use super::load::{Loaded, Place, walk};
use crate::date::java_date;
use crate::tools::ToolError;
use crate::tools::log::put_data;

/// ncdu counts each inode once.
const FIRST_INODE: usize = 1001;

/// Apache's text: a block for each znode, with its data's length or its data in base64.
pub fn text(out: &mut dyn Write, loaded: &Loaded, with_data: bool) -> Result<(), ToolError> {
    let tree = &loaded.tree;
    writeln!(out, "ZNode Details (count={}):", tree.znode_count())?;
    let mut last = loaded.file_zxid;
    for place in places(loaded)? {
        let (meta, data) = tree.meta_and_data(place.id);
        writeln!(out, "----\n{}", place.path)?;
        print_meta(out, &meta)?;
        if with_data {
            writeln!(out, "  data = {}", BASE64.encode(data.unwrap_or_default()))?;
        } else {
            writeln!(out, "  dataLength = {}", data.map_or(0, <[u8]>::len))?;
        }
        last = last.max(meta.mzxid).max(meta.pzxid);
    }
    writeln!(out, "----\nSession Details (sid, timeout, ephemeralCount):")?;
    for (session, timeout_ms) in &loaded.sessions {
        let ephemerals = tree.ephemerals(*session).count();
        writeln!(out, "{session:#016x}, {timeout_ms}, {ephemerals}")?;
    }
    Ok(writeln!(out, "----\nLast zxid: 0x{last:x}")?)
}

fn print_meta(out: &mut dyn Write, meta: &Meta) -> Result<(), ToolError> {
    writeln!(out, "  cZxid = {:#016x}", meta.czxid)?;
    writeln!(out, "  ctime = {}", java_date(meta.ctime))?;
    writeln!(out, "  mZxid = {:#016x}", meta.mzxid)?;
    writeln!(out, "  mtime = {}", java_date(meta.mtime))?;
    writeln!(out, "  pZxid = {:#016x}", meta.pzxid)?;
    writeln!(out, "  cversion = {}", meta.cversion)?;
    writeln!(out, "  dataVersion = {}", meta.version)?;
    writeln!(out, "  aclVersion = {}", meta.aversion)?;
    Ok(writeln!(out, "  ephemeralOwner = {:#016x}", meta.owner)?)
}

/// One JSON object a line: the znodes, then the sessions, then what the file says of itself.
pub fn json(out: &mut dyn Write, loaded: &Loaded, base64: bool) -> Result<(), ToolError> {
    let tree = &loaded.tree;
    for place in places(loaded)? {
        let (meta, data) = tree.meta_and_data(place.id);
        let acl = tree.acl_of(&meta).iter().map(|acl| json!([acl.id.scheme, acl.id.id, acl.perms]));
        let mut object = Map::new();
        if base64 {
            object.insert("base64".to_owned(), json!(data.map(|bytes| BASE64.encode(bytes))));
        } else {
            put_data(&mut object, data);
        }
        object.insert("path".to_owned(), json!(place.path));
        object.insert("acl".to_owned(), acl.collect());
        object.insert("stat".to_owned(), meta_json(&meta));
        writeln!(out, "{}", Value::Object(object))?;
    }
    for (session, timeout_ms) in &loaded.sessions {
        writeln!(out, "{}", json!({ "session": format!("0x{session:x}"), "timeout": timeout_ms }))?;
    }
    let hex = |zxid: i64| format!("0x{zxid:x}");
    let summary = json!({
        "zxid": hex(loaded.file_zxid),
        "lastZxid": loaded.last_zxid.map(hex),
        "digest": loaded.digest.map(|(zxid, digest)| json!({ "zxid": hex(zxid), "digest": digest })),
        "znodes": tree.znode_count() - 1,
        "sessions": loaded.sessions.len(),
    });
    Ok(writeln!(out, "{summary}")?)
}

/// What is stored, which counts `cversion` in another way than a client sees it.
fn meta_json(meta: &Meta) -> Value {
    json!({
        "czxid": meta.czxid,
        "mzxid": meta.mzxid,
        "pzxid": meta.pzxid,
        "ctime": meta.ctime,
        "mtime": meta.mtime,
        "version": meta.version,
        "cversion": meta.cversion,
        "aversion": meta.aversion,
        "ephemeralOwner": format!("0x{:x}", meta.owner),
    })
}

/// Apache's JSON, which the disk usage viewer ncdu reads: nested lists of names and sizes.
pub fn ncdu(out: &mut dyn Write, loaded: &Loaded) -> Result<(), ToolError> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let header = r#"{"progname":"SnapshotFormatter.java","progver":"0.01","timestamp":"#;
    write!(out, "[1,0,{header}{now_ms}}}")?;
    let mut open = 0;
    for (index, place) in places(loaded)?.iter().enumerate() {
        while open > place.depth {
            write!(out, "]")?;
            open -= 1;
        }
        let (meta, data) = loaded.tree.meta_and_data(place.id);
        let (name, bytes, inode) = (json!(place.name()), data.map_or(0, <[u8]>::len), FIRST_INODE + index);
        let bracket = if meta.num_children > 0 { "[" } else { "" };
        open += usize::from(meta.num_children > 0);
        write!(out, r#",{bracket}{{"name":{name},"asize":{bytes},"dsize":{bytes},"dev":0,"ino":{inode}}}"#)?;
    }
    Ok(write!(out, "{}]", "]".repeat(open))?)
}

fn places(loaded: &Loaded) -> Result<Vec<Place>, ToolError> {
    walk(&loaded.tree, "/").ok_or_else(|| ToolError::new("the snapshot has no root"))
}
