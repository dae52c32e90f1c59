//! Replies, decoded by what their request promised.

use super::chroot::Chroot;
use crate::acl::{Acl, decode_acls};
use crate::jute::{DecodeError, Reader};
use crate::proto::{ErrorCode, OpCode, Stat};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A successful reply's body. Paths are the client's, without its chroot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// delete, ping, auth, setWatches, checkWatches, removeWatches, addWatch, closeSession.
    Done,
    /// create, create2, createContainer, createTTL.
    Created {
        /// The znode's path, with its sequence number.
        path: String,
        /// Its metadata; plain create does not say.
        stat: Option<Stat>,
    },
    /// exists, setData, setACL.
    Stat(Stat),
    /// getData and reconfig.
    Data {
        /// `None` for null data.
        data: Option<Vec<u8>>,
        /// The znode's metadata.
        stat: Stat,
    },
    /// getACL.
    Acl {
        /// The list.
        acl: Vec<Acl>,
        /// The znode's metadata.
        stat: Stat,
    },
    /// getChildren and getChildren2.
    Children {
        /// Names, in no order.
        children: Vec<String>,
        /// The znode's metadata; plain getChildren does not say.
        stat: Option<Stat>,
    },
    /// sync.
    Synced(String),
    /// getEphemerals.
    Ephemerals(Vec<String>),
    /// getAllChildrenNumber.
    ChildrenNumber(i32),
    /// multi and multiRead, one entry per element.
    Multi(Vec<MultiResult>),
    /// whoAmI.
    WhoAmI(Vec<ClientInfo>),
    /// sasl: the server's next token.
    Sasl(Option<Vec<u8>>),
}

/// One element's result in a multi or multiRead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiResult {
    /// A create; only those that promise a stat carry one.
    Created {
        /// The znode's path, with its sequence number.
        path: String,
        /// Its metadata.
        stat: Option<Stat>,
    },
    /// A delete.
    Deleted,
    /// A setData.
    Stat(Stat),
    /// A check.
    Checked,
    /// A getData.
    Data {
        /// `None` for null data.
        data: Option<Vec<u8>>,
        /// The znode's metadata.
        stat: Stat,
    },
    /// A getChildren.
    Children(Vec<String>),
    /// The element failed, or in a multi: was rolled back (`Ok`, as Apache has it) or not attempted
    /// (`RuntimeInconsistency`).
    Error(ErrorCode),
}

/// One identity of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// The scheme.
    pub scheme: String,
    /// The user's name in it, without secrets.
    pub user: String,
}

impl Response {
    pub(super) fn decode(op: OpCode, body: &[u8], chroot: &Chroot) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(body);
        Ok(match op {
            OpCode::Create => Self::Created { path: client_path(r, chroot)?, stat: None },
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                Self::Created { path: client_path(r, chroot)?, stat: Some(Stat::decode(r)?) }
            }
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => Self::Stat(Stat::decode(r)?),
            OpCode::GetData | OpCode::Reconfig => {
                Self::Data { data: r.buffer()?.map(<[u8]>::to_vec), stat: Stat::decode(r)? }
            }
            OpCode::GetAcl => Self::Acl { acl: decode_acls(r)?.unwrap_or_default(), stat: Stat::decode(r)? },
            OpCode::GetChildren => Self::Children { children: strings(r)?, stat: None },
            OpCode::GetChildren2 => Self::Children { children: strings(r)?, stat: Some(Stat::decode(r)?) },
            OpCode::Sync => Self::Synced(client_path(r, chroot)?),
            OpCode::GetEphemerals => {
                let below = r.strings()?.into_iter().filter(|path| chroot.contains(path));
                Self::Ephemerals(below.map(|path| chroot.to_client(&path).to_string()).collect())
            }
            OpCode::GetAllChildrenNumber => Self::ChildrenNumber(r.int()?),
            OpCode::Multi | OpCode::MultiRead => Self::Multi(multi_results(r, chroot)?),
            OpCode::WhoAmI => Self::WhoAmI(client_infos(r)?),
            OpCode::Sasl => Self::Sasl(r.buffer()?.map(<[u8]>::to_vec)),
            OpCode::Delete
            | OpCode::Ping
            | OpCode::Check
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::AddWatch
            | OpCode::CloseSession => Self::Done,
        })
    }
}

fn client_path(r: &mut Reader<'_>, chroot: &Chroot) -> Result<String, DecodeError> {
    Ok(chroot.to_client(&r.string()?).to_string())
}

fn strings(r: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let count = r.vector_len()?.unwrap_or(0);
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(r.string()?.into_owned());
    }
    Ok(items)
}

fn multi_results(r: &mut Reader<'_>, chroot: &Chroot) -> Result<Vec<MultiResult>, DecodeError> {
    let mut results = Vec::new();
    loop {
        let kind = r.int()?;
        let done = r.bool()?;
        let _err = r.int()?;
        if done {
            return Ok(results);
        }
        results.push(match OpCode::from_wire(kind) {
            // The body repeats the header's code; Apache's client believes the body.
            None if kind == -1 => MultiResult::Error(ErrorCode(r.int()?)),
            Some(OpCode::Create) => MultiResult::Created { path: client_path(r, chroot)?, stat: None },
            Some(OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl) => {
                MultiResult::Created { path: client_path(r, chroot)?, stat: Some(Stat::decode(r)?) }
            }
            Some(OpCode::Delete) => MultiResult::Deleted,
            Some(OpCode::SetData) => MultiResult::Stat(Stat::decode(r)?),
            Some(OpCode::Check) => MultiResult::Checked,
            Some(OpCode::GetData) => {
                MultiResult::Data { data: r.buffer()?.map(<[u8]>::to_vec), stat: Stat::decode(r)? }
            }
            Some(OpCode::GetChildren) => MultiResult::Children(strings(r)?),
            _ => return Err(DecodeError::UnknownValue(kind)),
        });
    }
}

fn client_infos(r: &mut Reader<'_>) -> Result<Vec<ClientInfo>, DecodeError> {
    let count = r.vector_len()?.unwrap_or(0);
    let mut infos = Vec::new();
    for _ in 0..count {
        let scheme = r.string()?.into_owned();
        let user = r.string_or_null()?.unwrap_or_default().into_owned();
        infos.push(ClientInfo { scheme, user });
    }
    Ok(infos)
}
