//! Requests: decoding at the server, encoding at the client.

use super::{MultiElement, OpCode, decode_multi, decode_multi_read};
use crate::Zxid;
use crate::acl::{Acl, decode_acls, encode_acls};
use crate::jute::{DecodeError, Reader, Writer};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The first frame of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Protocol version, 0.
    pub protocol_version: i32,
    /// The largest zxid the client has seen in a reply.
    pub last_zxid_seen: Zxid,
    /// The session timeout asked for, milliseconds.
    pub timeout_ms: i32,
    /// The session to resume, or 0 for a new one.
    pub session_id: i64,
    /// The password of the session to resume.
    pub password: Vec<u8>,
    /// Whether a read-only server will do.
    pub read_only: bool,
    /// Whether the client sent the read-only flag at all; clients up to 3.3 do not, and get none back.
    pub has_read_only: bool,
}

impl ConnectRequest {
    /// Decodes the frame's payload.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not a connect request.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let protocol_version = reader.int()?;
        let last_zxid_seen = reader.long()?;
        let timeout_ms = reader.int()?;
        let session_id = reader.long()?;
        let password = reader.buffer()?.unwrap_or_default().to_vec();
        let has_read_only = !reader.remaining().is_empty();
        let read_only = has_read_only && reader.bool()?;
        Ok(Self {
            protocol_version,
            last_zxid_seen,
            timeout_ms,
            session_id,
            password,
            read_only,
            has_read_only,
        })
    }

    /// Appends the frame's payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_int(self.protocol_version);
        out.put_long(self.last_zxid_seen);
        out.put_int(self.timeout_ms);
        out.put_long(self.session_id);
        out.put_buffer(Some(&self.password));
        if self.has_read_only {
            out.put_bool(self.read_only);
        }
    }
}

/// What precedes every request but the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader {
    /// The client's number for the request; see [`super::xid`] for the reserved ones.
    pub xid: i32,
    /// The opcode as sent.
    pub op: i32,
}

impl RequestHeader {
    /// Reads the 8 bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { xid: reader.int()?, op: reader.int()? })
    }

    /// Appends the 8 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_int(self.xid);
        out.put_int(self.op);
    }
}

/// `AuthPacket`: credentials for a scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthPacket<'a> {
    /// Always 0.
    pub kind: i32,
    /// `digest`, `ip`, ...
    pub scheme: Cow<'a, str>,
    /// The credentials, in the scheme's own form; `None` for null.
    pub auth: Option<&'a [u8]>,
}

/// `CreateRequest` and `CreateTTLRequest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest<'a> {
    /// Full path, before any sequence number.
    pub path: Cow<'a, str>,
    /// Data; null and empty are different things.
    pub data: Option<&'a [u8]>,
    /// `None` for a null vector.
    pub acl: Option<Vec<Acl>>,
    /// `CreateMode` flags as sent.
    pub flags: i32,
    /// Time to live, milliseconds; -1 in requests that carry none.
    pub ttl_ms: i64,
}

impl<'a> CreateRequest<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, with_ttl: bool) -> Result<Self, DecodeError> {
        Ok(Self {
            path: reader.string()?,
            data: reader.buffer()?,
            acl: decode_acls(reader)?,
            flags: reader.int()?,
            ttl_ms: if with_ttl { reader.long()? } else { -1 },
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>, with_ttl: bool) {
        out.put_string(&self.path);
        out.put_buffer(self.data);
        encode_acls(out, self.acl.as_deref());
        out.put_int(self.flags);
        if with_ttl {
            out.put_long(self.ttl_ms);
        }
    }
}

/// `ReconfigRequest`. Null and empty member lists mean different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconfigRequest<'a> {
    /// `server.N=...` entries to add or change.
    pub joining: Option<Cow<'a, str>>,
    /// Server ids to remove.
    pub leaving: Option<Cow<'a, str>>,
    /// A whole new membership instead of the two above.
    pub new_members: Option<Cow<'a, str>>,
    /// The configuration version this is based on, or -1.
    pub config_id: i64,
}

/// `SetWatches` and `SetWatches2`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetWatches<'a> {
    /// The client's last seen zxid; changes after it are reported at once.
    pub relative_zxid: Zxid,
    /// Standard data watches.
    pub data: Vec<Cow<'a, str>>,
    /// Watches left by `exists` on missing znodes.
    pub exist: Vec<Cow<'a, str>>,
    /// Standard child watches.
    pub child: Vec<Cow<'a, str>>,
    /// Persistent watches (setWatches2 only).
    pub persistent: Vec<Cow<'a, str>>,
    /// Persistent recursive watches (setWatches2 only).
    pub persistent_recursive: Vec<Cow<'a, str>>,
}

/// A decoded request, borrowing from its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Request<'a> {
    /// create, create2, createContainer or createTTL; which one is in the first field.
    Create(OpCode, CreateRequest<'a>),
    Delete {
        path: Cow<'a, str>,
        version: i32,
    },
    Exists {
        path: Cow<'a, str>,
        watch: bool,
    },
    GetData {
        path: Cow<'a, str>,
        watch: bool,
    },
    SetData {
        path: Cow<'a, str>,
        data: Option<&'a [u8]>,
        version: i32,
    },
    GetAcl {
        path: Cow<'a, str>,
    },
    SetAcl {
        path: Cow<'a, str>,
        acl: Option<Vec<Acl>>,
        version: i32,
    },
    GetChildren {
        path: Cow<'a, str>,
        watch: bool,
    },
    GetChildren2 {
        path: Cow<'a, str>,
        watch: bool,
    },
    GetAllChildrenNumber {
        path: Cow<'a, str>,
    },
    GetEphemerals {
        prefix: Option<Cow<'a, str>>,
    },
    Sync {
        path: Cow<'a, str>,
    },
    Ping,
    Check {
        path: Cow<'a, str>,
        version: i32,
    },
    Multi(Vec<MultiElement<'a>>),
    MultiRead(Vec<MultiElement<'a>>),
    Reconfig(ReconfigRequest<'a>),
    CheckWatches {
        path: Cow<'a, str>,
        kind: i32,
    },
    RemoveWatches {
        path: Cow<'a, str>,
        kind: i32,
    },
    Auth(AuthPacket<'a>),
    Sasl {
        token: Option<&'a [u8]>,
    },
    /// setWatches or setWatches2.
    SetWatches(OpCode, SetWatches<'a>),
    AddWatch {
        path: Cow<'a, str>,
        mode: i32,
    },
    WhoAmI,
    CloseSession,
}

impl<'a> Request<'a> {
    /// Decodes the body that follows a request header. Bytes after the record are ignored, as in Apache.
    ///
    /// # Errors
    /// [`DecodeError`], to be answered with MARSHALLINGERROR.
    pub fn decode(op: OpCode, body: &'a [u8]) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(body);
        Ok(match op {
            OpCode::Create | OpCode::Create2 | OpCode::CreateContainer => {
                Self::Create(op, CreateRequest::decode(r, false)?)
            }
            OpCode::CreateTtl => Self::Create(op, CreateRequest::decode(r, true)?),
            OpCode::Delete => Self::Delete { path: r.string()?, version: r.int()? },
            OpCode::Exists => Self::Exists { path: r.string()?, watch: r.bool()? },
            OpCode::GetData => Self::GetData { path: r.string()?, watch: r.bool()? },
            OpCode::SetData => Self::SetData { path: r.string()?, data: r.buffer()?, version: r.int()? },
            OpCode::GetAcl => Self::GetAcl { path: r.string()? },
            OpCode::SetAcl => Self::SetAcl { path: r.string()?, acl: decode_acls(r)?, version: r.int()? },
            OpCode::GetChildren => Self::GetChildren { path: r.string()?, watch: r.bool()? },
            OpCode::GetChildren2 => Self::GetChildren2 { path: r.string()?, watch: r.bool()? },
            OpCode::GetAllChildrenNumber => Self::GetAllChildrenNumber { path: r.string()? },
            OpCode::GetEphemerals => Self::GetEphemerals { prefix: r.string_or_null()? },
            OpCode::Sync => Self::Sync { path: r.string()? },
            OpCode::Ping => Self::Ping,
            OpCode::Check => Self::Check { path: r.string()?, version: r.int()? },
            OpCode::Multi => Self::Multi(decode_multi(r)?),
            OpCode::MultiRead => Self::MultiRead(decode_multi_read(r)?),
            OpCode::Reconfig => Self::Reconfig(ReconfigRequest {
                joining: r.string_or_null()?,
                leaving: r.string_or_null()?,
                new_members: r.string_or_null()?,
                config_id: r.long()?,
            }),
            OpCode::CheckWatches => Self::CheckWatches { path: r.string()?, kind: r.int()? },
            OpCode::RemoveWatches => Self::RemoveWatches { path: r.string()?, kind: r.int()? },
            OpCode::Auth => Self::Auth(AuthPacket {
                kind: r.int()?,
                // No scheme is one that nobody knows.
                scheme: r.string_or_null()?.unwrap_or_default(),
                auth: r.buffer()?,
            }),
            OpCode::Sasl => Self::Sasl { token: r.buffer()? },
            OpCode::SetWatches | OpCode::SetWatches2 => {
                let mut lists = SetWatches {
                    relative_zxid: r.long()?,
                    data: r.strings()?,
                    exist: r.strings()?,
                    child: r.strings()?,
                    ..SetWatches::default()
                };
                if op == OpCode::SetWatches2 {
                    lists.persistent = r.strings()?;
                    lists.persistent_recursive = r.strings()?;
                }
                Self::SetWatches(op, lists)
            }
            OpCode::AddWatch => Self::AddWatch { path: r.string()?, mode: r.int()? },
            OpCode::WhoAmI => Self::WhoAmI,
            OpCode::CloseSession => Self::CloseSession,
        })
    }

    /// The opcode under which the request travels.
    pub fn op(&self) -> OpCode {
        match self {
            Self::Create(op, _) | Self::SetWatches(op, _) => *op,
            Self::Delete { .. } => OpCode::Delete,
            Self::Exists { .. } => OpCode::Exists,
            Self::GetData { .. } => OpCode::GetData,
            Self::SetData { .. } => OpCode::SetData,
            Self::GetAcl { .. } => OpCode::GetAcl,
            Self::SetAcl { .. } => OpCode::SetAcl,
            Self::GetChildren { .. } => OpCode::GetChildren,
            Self::GetChildren2 { .. } => OpCode::GetChildren2,
            Self::GetAllChildrenNumber { .. } => OpCode::GetAllChildrenNumber,
            Self::GetEphemerals { .. } => OpCode::GetEphemerals,
            Self::Sync { .. } => OpCode::Sync,
            Self::Ping => OpCode::Ping,
            Self::Check { .. } => OpCode::Check,
            Self::Multi(_) => OpCode::Multi,
            Self::MultiRead(_) => OpCode::MultiRead,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::CheckWatches { .. } => OpCode::CheckWatches,
            Self::RemoveWatches { .. } => OpCode::RemoveWatches,
            Self::Auth(_) => OpCode::Auth,
            Self::Sasl { .. } => OpCode::Sasl,
            Self::AddWatch { .. } => OpCode::AddWatch,
            Self::WhoAmI => OpCode::WhoAmI,
            Self::CloseSession => OpCode::CloseSession,
        }
    }

    /// Appends the body, without header and frame length.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create(op, create) => create.encode(out, *op == OpCode::CreateTtl),
            Self::Delete { path, version } | Self::Check { path, version } => {
                out.put_string(path);
                out.put_int(*version);
            }
            Self::Exists { path, watch }
            | Self::GetData { path, watch }
            | Self::GetChildren { path, watch }
            | Self::GetChildren2 { path, watch } => {
                out.put_string(path);
                out.put_bool(*watch);
            }
            Self::SetData { path, data, version } => {
                out.put_string(path);
                out.put_buffer(*data);
                out.put_int(*version);
            }
            Self::GetAcl { path } | Self::GetAllChildrenNumber { path } | Self::Sync { path } => {
                out.put_string(path);
            }
            Self::SetAcl { path, acl, version } => {
                out.put_string(path);
                encode_acls(out, acl.as_deref());
                out.put_int(*version);
            }
            Self::GetEphemerals { prefix } => out.put_string_or_null(prefix.as_deref()),
            Self::Multi(elements) | Self::MultiRead(elements) => MultiElement::encode_all(elements, out),
            Self::Reconfig(reconfig) => {
                out.put_string_or_null(reconfig.joining.as_deref());
                out.put_string_or_null(reconfig.leaving.as_deref());
                out.put_string_or_null(reconfig.new_members.as_deref());
                out.put_long(reconfig.config_id);
            }
            Self::CheckWatches { path, kind } | Self::RemoveWatches { path, kind } => {
                out.put_string(path);
                out.put_int(*kind);
            }
            Self::Auth(packet) => {
                out.put_int(packet.kind);
                out.put_string(&packet.scheme);
                out.put_buffer(packet.auth);
            }
            Self::Sasl { token } => out.put_buffer(*token),
            Self::SetWatches(op, lists) => {
                out.put_long(lists.relative_zxid);
                put_strings(out, &lists.data);
                put_strings(out, &lists.exist);
                put_strings(out, &lists.child);
                if *op == OpCode::SetWatches2 {
                    put_strings(out, &lists.persistent);
                    put_strings(out, &lists.persistent_recursive);
                }
            }
            Self::AddWatch { path, mode } => {
                out.put_string(path);
                out.put_int(*mode);
            }
            Self::Ping | Self::WhoAmI | Self::CloseSession => {}
        }
    }
}

fn put_strings(out: &mut Vec<u8>, items: &[Cow<'_, str>]) {
    out.put_vector_len(items.len());
    for item in items {
        out.put_string(item);
    }
}
