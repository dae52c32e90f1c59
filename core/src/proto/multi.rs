//! The element stream of multi and multiRead.

use super::{CreateMode, CreateRequest, ErrorCode, OpCode};
use crate::jute::{DecodeError, Reader, Writer};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// One element of a multi or multiRead request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MultiElement<'a> {
    /// The opcode is the one Apache's own parser arrives at, which may differ from the one sent.
    Create(OpCode, CreateRequest<'a>),
    Delete {
        path: Cow<'a, str>,
        version: i32,
    },
    SetData {
        path: Cow<'a, str>,
        data: Option<&'a [u8]>,
        version: i32,
    },
    Check {
        path: Cow<'a, str>,
        version: i32,
    },
    GetData {
        path: Cow<'a, str>,
    },
    GetChildren {
        path: Cow<'a, str>,
    },
}

/// Decodes the elements of a transactional multi.
///
/// # Errors
/// [`DecodeError`] for malformed bytes, elements that a multi cannot hold, and create flags that name no mode:
/// Apache answers each with MARSHALLINGERROR for the whole request (`MultiOperationRecord`, `CreateOptions`).
pub fn decode_multi<'a>(reader: &mut Reader<'a>) -> Result<Vec<MultiElement<'a>>, DecodeError> {
    let elements = decode_elements(reader)?;
    match elements.iter().all(|element| !element.is_read()) {
        true => Ok(elements),
        false => Err(DecodeError::UnknownValue(OpCode::GetData as i32)),
    }
}

/// Decodes the elements of a multiRead.
///
/// # Errors
/// As [`decode_multi`]; writes are refused.
pub fn decode_multi_read<'a>(reader: &mut Reader<'a>) -> Result<Vec<MultiElement<'a>>, DecodeError> {
    let elements = decode_elements(reader)?;
    match elements.iter().all(MultiElement::is_read) {
        true => Ok(elements),
        false => Err(DecodeError::UnknownValue(OpCode::Create as i32)),
    }
}

/// Appends a `MultiHeader`.
pub fn encode_multi_header(out: &mut Vec<u8>, kind: i32, done: bool, err: ErrorCode) {
    out.put_int(kind);
    out.put_bool(done);
    out.put_int(err.0);
}

fn decode_elements<'a>(reader: &mut Reader<'a>) -> Result<Vec<MultiElement<'a>>, DecodeError> {
    let mut elements = Vec::new();
    loop {
        let kind = reader.int()?;
        let done = reader.bool()?;
        let _err = reader.int()?;
        if done {
            return Ok(elements);
        }
        elements.push(MultiElement::decode(kind, reader)?);
    }
}

impl<'a> MultiElement<'a> {
    fn decode(kind: i32, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let op = OpCode::from_wire(kind).ok_or(DecodeError::UnknownValue(kind))?;
        Ok(match op {
            OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                Self::decode_create(op, reader)?
            }
            OpCode::Delete => Self::Delete { path: reader.string()?, version: reader.int()? },
            OpCode::SetData => {
                Self::SetData { path: reader.string()?, data: reader.buffer()?, version: reader.int()? }
            }
            OpCode::Check => Self::Check { path: reader.string()?, version: reader.int()? },
            OpCode::GetData => {
                let path = reader.string()?;
                reader.bool()?;
                Self::GetData { path }
            }
            OpCode::GetChildren => {
                let path = reader.string()?;
                reader.bool()?;
                Self::GetChildren { path }
            }
            _ => return Err(DecodeError::UnknownValue(kind)),
        })
    }

    /// Apache rebuilds the op from its flags: flag 4 makes a container of create and create2, and createTTL
    /// without a TTL mode is a plain create. A null ACL or a TTL mode without a TTL field fails to decode.
    fn decode_create(op: OpCode, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut create = CreateRequest::decode(reader, op == OpCode::CreateTtl)?;
        let mode = CreateMode::from_flags(create.flags).ok_or(DecodeError::UnknownValue(create.flags))?;
        if create.acl.is_none() {
            return Err(DecodeError::UnexpectedNull);
        }
        let op = if mode.is_ttl() {
            match op {
                OpCode::CreateTtl => op,
                _ => return Err(DecodeError::UnknownValue(create.flags)),
            }
        } else {
            create.ttl_ms = -1;
            match (mode, op) {
                (CreateMode::Container, _) => OpCode::CreateContainer,
                (_, OpCode::CreateTtl | OpCode::CreateContainer) => OpCode::Create,
                (_, op) => op,
            }
        };
        Ok(Self::Create(op, create))
    }

    fn is_read(&self) -> bool {
        matches!(self, Self::GetData { .. } | Self::GetChildren { .. })
    }

    /// The opcode under which the element travels.
    pub fn op(&self) -> OpCode {
        match self {
            Self::Create(op, _) => *op,
            Self::Delete { .. } => OpCode::Delete,
            Self::SetData { .. } => OpCode::SetData,
            Self::Check { .. } => OpCode::Check,
            Self::GetData { .. } => OpCode::GetData,
            Self::GetChildren { .. } => OpCode::GetChildren,
        }
    }

    /// Appends all elements and the closing header.
    pub fn encode_all(elements: &[Self], out: &mut Vec<u8>) {
        for element in elements {
            encode_multi_header(out, element.op() as i32, false, ErrorCode(-1));
            match element {
                Self::Create(op, create) => create.encode(out, *op == OpCode::CreateTtl),
                Self::Delete { path, version } | Self::Check { path, version } => {
                    out.put_string(path);
                    out.put_int(*version);
                }
                Self::SetData { path, data, version } => {
                    out.put_string(path);
                    out.put_buffer(*data);
                    out.put_int(*version);
                }
                Self::GetData { path } | Self::GetChildren { path } => {
                    out.put_string(path);
                    out.put_bool(false);
                }
            }
        }
        encode_multi_header(out, -1, true, ErrorCode(-1));
    }
}
