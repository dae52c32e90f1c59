//! Requests as symbols, their bytes, and how they look to people.

use crate::op;
use crate::step::{Data, Path, Version, World, ZxidRef, Zxids};
use crate::wire::{AclEntry, Put, put_acls, show, show_or_null};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Request {
    /// The four creates; `ttl` only where the record has it.
    Create {
        op: i32,
        path: Path,
        data: Data,
        acl: Option<Vec<AclEntry>>,
        flags: i32,
        ttl: Option<i64>,
    },
    /// delete, check.
    Versioned {
        op: i32,
        path: Path,
        version: Version,
    },
    /// exists, getData, getChildren, getChildren2.
    Watching {
        op: i32,
        path: Path,
        watch: bool,
    },
    SetData {
        path: Path,
        data: Data,
        version: Version,
    },
    SetAcl {
        path: Path,
        acl: Option<Vec<AclEntry>>,
        version: Version,
    },
    /// getACL, sync, getEphemerals, getAllChildrenNumber.
    PathOnly {
        op: i32,
        path: Path,
    },
    /// multi, multiRead.
    Multi {
        op: i32,
        elements: Vec<Request>,
    },
    /// checkWatches, removeWatches, addWatch.
    WatchKind {
        op: i32,
        path: Path,
        kind: i32,
    },
    /// setWatches (the first three lists) and setWatches2.
    SetWatches {
        op: i32,
        zxid: ZxidRef,
        lists: Vec<Vec<Path>>,
    },
    Auth {
        scheme: Option<Vec<u8>>,
        auth: Option<Vec<u8>>,
    },
    Sasl {
        token: Option<Vec<u8>>,
    },
    Reconfig {
        members: [Option<Vec<u8>>; 3],
        config_id: i64,
    },
    /// ping, whoAmI, closeSession, and opcodes that nobody knows.
    Bare {
        op: i32,
    },
    Mangled {
        inner: Box<Request>,
        how: Mangle,
    },
}

/// A change to an encoded body that makes it wrong, or at least odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mangle {
    /// Keep only so many thousandths of it.
    Truncate(usize),
    /// Put these bytes over what is at so many thousandths.
    Overwrite(usize, Vec<u8>),
    /// More bytes at its end.
    Append(Vec<u8>),
}

impl Request {
    /// The opcode it travels under.
    pub fn op(&self) -> i32 {
        match self {
            Self::Create { op, .. }
            | Self::Versioned { op, .. }
            | Self::Watching { op, .. }
            | Self::PathOnly { op, .. }
            | Self::Multi { op, .. }
            | Self::WatchKind { op, .. }
            | Self::SetWatches { op, .. }
            | Self::Bare { op } => *op,
            Self::SetData { .. } => op::SET_DATA,
            Self::SetAcl { .. } => op::SET_ACL,
            Self::Auth { .. } => op::AUTH,
            Self::Sasl { .. } => op::SASL,
            Self::Reconfig { .. } => op::RECONFIG,
            Self::Mangled { inner, .. } => inner.op(),
        }
    }

    /// The path it is about, if it has exactly one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Create { path, .. }
            | Self::Versioned { path, .. }
            | Self::Watching { path, .. }
            | Self::SetData { path, .. }
            | Self::SetAcl { path, .. }
            | Self::PathOnly { path, .. }
            | Self::WatchKind { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The body, without request header.
    pub fn body(&self, world: &World, zxids: Zxids) -> Vec<u8> {
        let mut out = Vec::new();
        let put_path = |out: &mut Vec<u8>, path: &Path| out.buffer(world.path(path).as_deref());
        match self {
            Self::Create { path, data, acl, flags, ttl, .. } => {
                put_path(&mut out, path);
                out.buffer(data.bytes().as_deref());
                put_acls(&mut out, acl.as_deref());
                out.int(*flags);
                if let Some(ttl) = ttl {
                    out.long(*ttl);
                }
            }
            Self::Versioned { path, version, .. } => {
                put_path(&mut out, path);
                out.int(world.version(path, *version, false));
            }
            Self::Watching { path, watch, .. } => {
                put_path(&mut out, path);
                out.flag(*watch);
            }
            Self::SetData { path, data, version } => {
                put_path(&mut out, path);
                out.buffer(data.bytes().as_deref());
                out.int(world.version(path, *version, false));
            }
            Self::SetAcl { path, acl, version } => {
                put_path(&mut out, path);
                put_acls(&mut out, acl.as_deref());
                out.int(world.version(path, *version, true));
            }
            Self::PathOnly { path, .. } => put_path(&mut out, path),
            Self::Multi { elements, .. } => {
                for element in elements {
                    out.int(element.op());
                    out.flag(false);
                    out.int(-1);
                    out.extend_from_slice(&element.body(world, zxids));
                }
                out.int(-1);
                out.flag(true);
                out.int(-1);
            }
            Self::WatchKind { path, kind, .. } => {
                put_path(&mut out, path);
                out.int(*kind);
            }
            Self::SetWatches { zxid, lists, .. } => {
                out.long(zxids.resolve(*zxid));
                for list in lists {
                    out.int(list.len() as i32);
                    for path in list {
                        put_path(&mut out, path);
                    }
                }
            }
            Self::Auth { scheme, auth } => {
                out.int(0);
                out.buffer(scheme.as_deref());
                out.buffer(auth.as_deref());
            }
            Self::Sasl { token } => out.buffer(token.as_deref()),
            Self::Reconfig { members, config_id } => {
                for text in members {
                    out.buffer(text.as_deref());
                }
                out.long(*config_id);
            }
            Self::Bare { .. } => {}
            Self::Mangled { inner, how } => {
                out = inner.body(world, zxids);
                how.apply(&mut out);
            }
        }
        out
    }

    /// One line for people.
    pub fn describe(&self, world: &World) -> String {
        let name = op::name(self.op()).map_or_else(|| format!("op {}", self.op()), str::to_string);
        let at = |path: &Path| show_path(world, path);
        let rest = match self {
            Self::Create { path, data, acl, flags, ttl, .. } => {
                let ttl = ttl.map_or(String::new(), |ttl| format!(" ttl={ttl}"));
                format!(
                    "{} {} acl={} flags={flags}{ttl}",
                    at(path),
                    show_data(data),
                    show_acls(acl.as_deref())
                )
            }
            Self::Versioned { path, version, .. } => {
                format!("{} v={}", at(path), world.version(path, *version, false))
            }
            Self::Watching { path, watch, .. } => {
                format!("{}{}", at(path), if *watch { " watch" } else { "" })
            }
            Self::SetData { path, data, version } => {
                format!("{} {} v={}", at(path), show_data(data), world.version(path, *version, false))
            }
            Self::SetAcl { path, acl, version } => {
                let version = world.version(path, *version, true);
                format!("{} acl={} v={version}", at(path), show_acls(acl.as_deref()))
            }
            Self::PathOnly { path, .. } => at(path),
            Self::Multi { elements, .. } => {
                let inner: Vec<String> = elements.iter().map(|element| element.describe(world)).collect();
                format!("[{}]", inner.join("; "))
            }
            Self::WatchKind { path, kind, .. } => format!("{} kind={kind}", at(path)),
            Self::SetWatches { zxid, lists, .. } => {
                let lists: Vec<String> =
                    lists.iter().map(|list| list.iter().map(at).collect::<Vec<_>>().join(",")).collect();
                format!("zxid={zxid:?} [{}]", lists.join(" | "))
            }
            Self::Auth { scheme, auth } => {
                format!("{} {}", show_or_null(scheme.as_deref()), show_or_null(auth.as_deref()))
            }
            Self::Sasl { token } => show_or_null(token.as_deref()),
            Self::Reconfig { members, config_id } => {
                let texts: Vec<String> = members.iter().map(|text| show_or_null(text.as_deref())).collect();
                format!("{} id={config_id}", texts.join(" "))
            }
            Self::Bare { .. } => String::new(),
            Self::Mangled { inner, how } => {
                let how = match how {
                    Mangle::Truncate(thousandths) => format!("cut at {thousandths}/1000"),
                    Mangle::Overwrite(at, bytes) => format!("{} put at {at}/1000", show(bytes)),
                    Mangle::Append(bytes) => format!("followed by {}", show(bytes)),
                };
                return format!("{} <- {how}", inner.describe(world));
            }
        };
        format!("{name} {rest}")
    }
}

impl Mangle {
    /// Applies the change.
    pub fn apply(&self, body: &mut Vec<u8>) {
        match self {
            Self::Truncate(thousandths) => body.truncate(body.len() * thousandths / 1000),
            Self::Overwrite(thousandths, bytes) => {
                let at = body.len() * thousandths / 1000;
                for (offset, byte) in bytes.iter().enumerate() {
                    if let Some(place) = body.get_mut(at + offset) {
                        *place = *byte;
                    }
                }
            }
            Self::Append(bytes) => body.extend_from_slice(bytes),
        }
    }
}

fn show_path(world: &World, path: &Path) -> String {
    let text = show_or_null(world.path(path).as_deref());
    text.replace(&world.root, "~")
}

fn show_data(data: &Data) -> String {
    match data.bytes() {
        None => "null".to_string(),
        Some(bytes) => format!("'{}'", show(&bytes)),
    }
}

/// An ACL for people: `perms:scheme:id` entries. Neighbours that differ in nothing but their digest id are sorted:
/// an `auth` entry becomes one for each identity of the connection, in no particular order.
pub fn show_acls(acls: Option<&[AclEntry]>) -> String {
    let Some(acls) = acls else { return "null".to_string() };
    let mut acls = acls.to_vec();
    let expanded =
        |a: &AclEntry, b: &AclEntry| (a.0, &a.1) == (b.0, &b.1) && a.1.as_deref() == Some(&b"digest"[..]);
    acls.chunk_by_mut(expanded).for_each(|run| run.sort());
    let entries: Vec<String> = acls
        .iter()
        .map(|(perms, scheme, id)| {
            format!("{perms}:{}:{}", show_or_null(scheme.as_deref()), show_or_null(id.as_deref()))
        })
        .collect();
    format!("[{}]", entries.join(" "))
}
