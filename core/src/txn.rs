//! Transactions: what the log, the snapshots' replay and (later) the peers carry.
//!
//! The bytes are Apache's (`TxnHeader`, the record of its type, an optional `TxnDigest`); a leader encodes
//! them once and everybody else keeps them as they are. ACL vectors stay encoded here, because the tree
//! interns them by their bytes.

use crate::Zxid;
use crate::acl::{Acl, encode_acls};
use crate::jute::{DecodeError, Reader, Writer};
use crate::proto::ErrorCode;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The version of the digest algorithm that [`TxnDigest`] carries.
pub const DIGEST_VERSION: i32 = 2;

/// Type numbers of transactions.
pub mod kind {
    #![allow(missing_docs)]
    pub const CREATE_SESSION: i32 = -10;
    pub const CLOSE_SESSION: i32 = -11;
    pub const ERROR: i32 = -1;
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const SET_DATA: i32 = 5;
    pub const SET_ACL: i32 = 7;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
    pub const RECONFIG: i32 = 16;
    pub const CREATE_CONTAINER: i32 = 19;
    pub const DELETE_CONTAINER: i32 = 20;
    pub const CREATE_TTL: i32 = 21;
}

/// Who asked for a transaction, when, and in which place of the order it stands (32 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxnHeader {
    /// Session id of the client, 0 for the server itself.
    pub client_id: i64,
    /// The client's xid.
    pub cxid: i32,
    /// The place in the order.
    pub zxid: Zxid,
    /// The leader's wall clock when it prepared the transaction, milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// One of [`kind`].
    pub kind: i32,
}

impl TxnHeader {
    /// Appends the 32 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_long(self.client_id);
        out.put_int(self.cxid);
        out.put_long(self.zxid);
        out.put_long(self.time_ms);
        out.put_int(self.kind);
    }

    /// Reads the 32 bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            client_id: reader.long()?,
            cxid: reader.int()?,
            zxid: reader.long()?,
            time_ms: reader.long()?,
            kind: reader.int()?,
        })
    }
}

/// The tree's digest after a transaction, as its leader predicted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxnDigest {
    /// Algorithm version; digests of other versions are not compared.
    pub version: i32,
    /// The digest.
    pub digest: i64,
}

/// An ACL vector in its encoded form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedAcls<'a>(pub Cow<'a, [u8]>);

impl<'a> EncodedAcls<'a> {
    /// Encodes a list.
    pub fn of(acls: &[Acl]) -> EncodedAcls<'static> {
        let mut bytes = Vec::new();
        encode_acls(&mut bytes, Some(acls));
        EncodedAcls(Cow::Owned(bytes))
    }

    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let start = reader.remaining();
        for _ in 0..reader.vector_len()?.unwrap_or(0) {
            reader.int()?;
            reader.buffer()?;
            reader.buffer()?;
        }
        Ok(Self(Cow::Borrowed(&start[..start.len() - reader.remaining().len()])))
    }
}

/// A transaction's record, borrowing from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Txn<'a> {
    CreateSession {
        timeout_ms: i32,
    },
    /// The ephemerals that end with the session; `None` in logs of before 3.6, where the tree knows them.
    CloseSession {
        paths: Option<Vec<Cow<'a, str>>>,
    },
    Error {
        code: ErrorCode,
    },
    /// create, create2, createContainer or createTTL: which one is the type number.
    Create(CreateTxn<'a>),
    /// delete or deleteContainer.
    Delete {
        path: Cow<'a, str>,
    },
    /// setData or reconfig; `version` is the new one.
    SetData {
        path: Cow<'a, str>,
        data: Option<&'a [u8]>,
        version: i32,
    },
    /// `version` is the new aversion.
    SetAcl {
        path: Cow<'a, str>,
        acl: EncodedAcls<'a>,
        version: i32,
    },
    Check {
        path: Cow<'a, str>,
        version: i32,
    },
    /// Type number and record of each element.
    Multi(Vec<(i32, Txn<'a>)>),
}

/// The record of all four creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTxn<'a> {
    /// Full path, with its sequence number.
    pub path: Cow<'a, str>,
    /// Data.
    pub data: Option<&'a [u8]>,
    /// The expanded ACL.
    pub acl: EncodedAcls<'a>,
    /// What the znode is besides its data.
    pub owner: Owner,
    /// The parent's stored cversion after the create; -1 in logs of before 3.4: one more than it is.
    pub parent_cversion: i32,
}

/// What a create makes of the znode's owner field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Nobody: it stays.
    Persistent,
    /// The session of the transaction header.
    Ephemeral,
    /// A container.
    Container,
    /// Time to live, milliseconds.
    Ttl(i64),
}

impl<'a> Txn<'a> {
    /// Decodes a record of type `kind`.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are no such record; [`DecodeError::UnknownValue`] for an unknown type.
    pub fn decode(kind: i32, r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match kind {
            kind::CREATE_SESSION => Self::CreateSession { timeout_ms: r.int()? },
            kind::CLOSE_SESSION if r.remaining().is_empty() => Self::CloseSession { paths: None },
            kind::CLOSE_SESSION => Self::CloseSession { paths: Some(r.strings()?) },
            kind::ERROR => Self::Error { code: ErrorCode(r.int()?) },
            kind::CREATE | kind::CREATE2 | kind::CREATE_CONTAINER | kind::CREATE_TTL => {
                Self::Create(CreateTxn::decode(kind, r)?)
            }
            kind::DELETE | kind::DELETE_CONTAINER => Self::Delete { path: r.string()? },
            kind::SET_DATA | kind::RECONFIG => {
                Self::SetData { path: r.string()?, data: r.buffer()?, version: r.int()? }
            }
            kind::SET_ACL => {
                Self::SetAcl { path: r.string()?, acl: EncodedAcls::decode(r)?, version: r.int()? }
            }
            kind::CHECK => Self::Check { path: r.string()?, version: r.int()? },
            kind::MULTI => Self::Multi(Self::decode_elements(r)?),
            other => return Err(DecodeError::UnknownValue(other)),
        })
    }

    fn decode_elements(r: &mut Reader<'a>) -> Result<Vec<(i32, Txn<'a>)>, DecodeError> {
        let mut elements = Vec::new();
        for _ in 0..r.vector_len()?.unwrap_or(0) {
            let kind = r.int()?;
            let bytes = r.buffer()?.ok_or(DecodeError::UnexpectedNull)?;
            if kind == kind::MULTI {
                return Err(DecodeError::UnknownValue(kind));
            }
            elements.push((kind, Txn::decode(kind, &mut Reader::new(bytes))?));
        }
        Ok(elements)
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::CreateSession { timeout_ms } => out.put_int(*timeout_ms),
            Self::CloseSession { paths } => {
                if let Some(paths) = paths {
                    out.put_vector_len(paths.len());
                    paths.iter().for_each(|path| out.put_string(path));
                }
            }
            Self::Error { code } => out.put_int(code.0),
            Self::Create(create) => create.encode(out),
            Self::Delete { path } => out.put_string(path),
            Self::SetData { path, data, version } => {
                out.put_string(path);
                out.put_buffer(*data);
                out.put_int(*version);
            }
            Self::SetAcl { path, acl, version } => {
                out.put_string(path);
                out.extend_from_slice(&acl.0);
                out.put_int(*version);
            }
            Self::Check { path, version } => {
                out.put_string(path);
                out.put_int(*version);
            }
            Self::Multi(elements) => {
                out.put_vector_len(elements.len());
                for (kind, element) in elements {
                    out.put_int(*kind);
                    let start = out.len();
                    out.put_int(0);
                    element.encode(out);
                    let length = i32::try_from(out.len() - start - 4).expect("a txn stays below 2 GiB");
                    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
                }
            }
        }
    }
}

impl<'a> CreateTxn<'a> {
    fn decode(kind: i32, r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let path = r.string()?;
        let data = r.buffer()?;
        let acl = EncodedAcls::decode(r)?;
        let owner = match kind {
            kind::CREATE_CONTAINER | kind::CREATE_TTL => Owner::Container,
            _ if r.bool()? => Owner::Ephemeral,
            _ => Owner::Persistent,
        };
        // Logs of 3.3 end here (`CreateTxnV0`).
        let parent_cversion = if r.remaining().is_empty() { -1 } else { r.int()? };
        let owner = if kind == kind::CREATE_TTL { Owner::Ttl(r.long()?) } else { owner };
        Ok(Self { path, data, acl, owner, parent_cversion })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_string(&self.path);
        out.put_buffer(self.data);
        out.extend_from_slice(&self.acl.0);
        if matches!(self.owner, Owner::Persistent | Owner::Ephemeral) {
            out.put_bool(self.owner == Owner::Ephemeral);
        }
        out.put_int(self.parent_cversion);
        if let Owner::Ttl(ttl_ms) = self.owner {
            out.put_long(ttl_ms);
        }
    }
}

/// Decodes a whole payload of the log: header, record, digest if there is one.
///
/// # Errors
/// [`DecodeError`] when the payload is no transaction.
pub fn decode_payload(payload: &[u8]) -> Result<(TxnHeader, Txn<'_>, Option<TxnDigest>), DecodeError> {
    let mut reader = Reader::new(payload);
    let header = TxnHeader::decode(&mut reader)?;
    let txn = Txn::decode(header.kind, &mut reader)?;
    let digest = match reader.remaining().len() {
        12.. => Some(TxnDigest { version: reader.int()?, digest: reader.long()? }),
        _ => None,
    };
    Ok((header, txn, digest))
}

/// Appends a whole payload.
pub fn encode_payload(header: &TxnHeader, txn: &Txn<'_>, digest: Option<i64>, out: &mut Vec<u8>) {
    header.encode(out);
    txn.encode(out);
    if let Some(digest) = digest {
        out.put_int(DIGEST_VERSION);
        out.put_long(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_round_trip() {
        let create = |owner, path| {
            Txn::Create(CreateTxn {
                path: Cow::Borrowed(path),
                data: Some(b"x"),
                acl: EncodedAcls::of(&Acl::open()),
                owner,
                parent_cversion: 3,
            })
        };
        let cases = [
            (kind::CREATE, create(Owner::Ephemeral, "/a")),
            (kind::CREATE_CONTAINER, create(Owner::Container, "/c")),
            (kind::CREATE_TTL, create(Owner::Ttl(5), "/t")),
            (kind::CLOSE_SESSION, Txn::CloseSession { paths: Some(alloc::vec!["/a".into()]) }),
            (
                kind::MULTI,
                Txn::Multi(alloc::vec![
                    (kind::CREATE, create(Owner::Persistent, "/m")),
                    (kind::ERROR, Txn::Error { code: ErrorCode::NoNode }),
                    (kind::DELETE, Txn::Delete { path: "/m".into() }),
                ]),
            ),
        ];
        for (kind, txn) in cases {
            let header = TxnHeader { client_id: 1, cxid: 2, zxid: 3, time_ms: 4, kind };
            let mut bytes = Vec::new();
            encode_payload(&header, &txn, Some(9), &mut bytes);
            let digest = Some(TxnDigest { version: DIGEST_VERSION, digest: 9 });
            assert_eq!(decode_payload(&bytes), Ok((header, txn, digest)));
        }
    }
}
