//! Several operations in one request.

use crate::{CreateOptions, Data, DataRef, Error, ErrorCode, Stat, Version};
use std::fmt;
use zkrs_core::client::MultiResult;
use zkrs_core::proto::MultiElement;

/// One operation of [`crate::Client::multi`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    path: String,
    kind: OpKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OpKind {
    Create { data: Option<Vec<u8>>, options: CreateOptions, with_stat: bool },
    Delete { version: Version },
    SetData { data: Option<Vec<u8>>, version: Version },
    Check { version: Version },
}

impl Op {
    /// Creates a znode.
    pub fn create<'a>(
        path: impl Into<String>,
        data: impl Into<DataRef<'a>>,
        options: impl Into<CreateOptions>,
    ) -> Self {
        Self::new_create(path.into(), data.into(), options.into(), false)
    }

    /// Creates a znode and wants its metadata.
    pub fn create_with_stat<'a>(
        path: impl Into<String>,
        data: impl Into<DataRef<'a>>,
        options: impl Into<CreateOptions>,
    ) -> Self {
        Self::new_create(path.into(), data.into(), options.into(), true)
    }

    /// Deletes a znode, if `version` is its data version (`None`: whatever that is).
    pub fn delete(path: impl Into<String>, version: Version) -> Self {
        Self { path: path.into(), kind: OpKind::Delete { version } }
    }

    /// Sets a znode's data, if `version` is its data version.
    pub fn set_data<'a>(path: impl Into<String>, data: impl Into<DataRef<'a>>, version: Version) -> Self {
        let data = data.into().0.map(<[u8]>::to_vec);
        Self { path: path.into(), kind: OpKind::SetData { data, version } }
    }

    /// Fails unless the znode exists and `version` is its data version.
    pub fn check(path: impl Into<String>, version: Version) -> Self {
        Self { path: path.into(), kind: OpKind::Check { version } }
    }

    /// The znode it is about.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn new_create(path: String, data: DataRef<'_>, options: CreateOptions, with_stat: bool) -> Self {
        let data = data.0.map(<[u8]>::to_vec);
        Self { path, kind: OpKind::Create { data, options, with_stat } }
    }

    pub(crate) fn element(&self) -> Result<MultiElement<'_>, Error> {
        let path = self.path.as_str();
        if !matches!(self.kind, OpKind::Create { .. }) {
            Error::check_path(path, path)?;
        }
        Ok(match &self.kind {
            OpKind::Create { data, options, with_stat } => {
                let (op, request) = options.request(path, data.as_deref().into(), *with_stat)?;
                MultiElement::Create(op, request)
            }
            OpKind::Delete { version } => {
                MultiElement::Delete { path: path.into(), version: version.unwrap_or(-1) }
            }
            OpKind::SetData { data, version } => MultiElement::SetData {
                path: path.into(),
                data: data.as_deref(),
                version: version.unwrap_or(-1),
            },
            OpKind::Check { version } => {
                MultiElement::Check { path: path.into(), version: version.unwrap_or(-1) }
            }
        })
    }
}

/// What one operation of a successful multi did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResult {
    /// A znode was created.
    Create {
        /// Its path, with its sequence number.
        path: String,
        /// Its metadata; plain creates do not say.
        stat: Option<Stat>,
    },
    /// A znode was deleted.
    Delete,
    /// Data was set.
    SetData(Stat),
    /// The check held.
    Check,
}

/// A multi that changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiError {
    /// Why: the code and path of the operation that failed, or what kept the whole request from being
    /// answered.
    pub error: Error,
    /// Which operation failed; `None` if none in particular.
    pub failed: Option<usize>,
    /// Apache's code for every operation: `Ok` for those before the failed one, `RuntimeInconsistency` for
    /// those after it. Empty if none in particular failed.
    pub codes: Vec<ErrorCode>,
}

impl fmt::Display for MultiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failed {
            Some(index) => write!(f, "operation {index} of the multi: {}", self.error),
            None => write!(f, "multi: {}", self.error),
        }
    }
}

impl std::error::Error for MultiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<Error> for MultiError {
    fn from(error: Error) -> Self {
        Self { error, failed: None, codes: Vec::new() }
    }
}

impl From<MultiError> for Error {
    fn from(error: MultiError) -> Self {
        error.error
    }
}

/// One read of [`crate::Client::multi_read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOp {
    path: String,
    children: bool,
}

impl ReadOp {
    /// Reads data and metadata.
    pub fn get_data(path: impl Into<String>) -> Self {
        Self { path: path.into(), children: false }
    }

    /// Lists children.
    pub fn get_children(path: impl Into<String>) -> Self {
        Self { path: path.into(), children: true }
    }

    pub(crate) fn element(&self) -> Result<MultiElement<'_>, Error> {
        let path = self.path.as_str();
        Error::check_path(path, path)?;
        Ok(match self.children {
            true => MultiElement::GetChildren { path: path.into() },
            false => MultiElement::GetData { path: path.into() },
        })
    }
}

/// What one read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadResult {
    /// Data and metadata.
    Data {
        /// The data.
        data: Data,
        /// The metadata.
        stat: Stat,
    },
    /// Children's names.
    Children(Vec<String>),
}

/// Turns a multi's answer into all results or the one error.
pub(crate) fn write_results(ops: &[Op], results: Vec<MultiResult>) -> Result<Vec<OpResult>, MultiError> {
    let code = |result: &MultiResult| match result {
        MultiResult::Error(code) => *code,
        _ => ErrorCode::Ok,
    };
    if results.iter().any(|result| matches!(result, MultiResult::Error(_))) {
        let codes: Vec<ErrorCode> = results.iter().map(code).collect();
        let real = |code: &ErrorCode| !code.is_ok() && *code != ErrorCode::RuntimeInconsistency;
        let failed = codes.iter().position(real);
        let code = failed.map_or(ErrorCode::RuntimeInconsistency, |index| codes[index]);
        let path = failed.and_then(|index| ops.get(index)).map(|op| op.path.clone());
        return Err(MultiError { error: Error::Server { code, path }, failed, codes });
    }
    results
        .into_iter()
        .map(|result| match result {
            MultiResult::Created { path, stat } => Ok(OpResult::Create { path, stat }),
            MultiResult::Deleted => Ok(OpResult::Delete),
            MultiResult::Stat(stat) => Ok(OpResult::SetData(stat)),
            MultiResult::Checked => Ok(OpResult::Check),
            MultiResult::Data { .. } | MultiResult::Children(_) | MultiResult::Error(_) => {
                // A server that answers a write with a read has answered nothing.
                Err(Error::Server { code: ErrorCode::MarshallingError, path: None }.into())
            }
        })
        .collect()
}

/// Turns a multiRead's answer into one result per read.
pub(crate) fn read_results(ops: &[ReadOp], results: Vec<MultiResult>) -> Vec<Result<ReadResult, Error>> {
    let one = |(index, result): (usize, MultiResult)| match result {
        MultiResult::Data { data, stat } => Ok(ReadResult::Data { data: data.into(), stat }),
        MultiResult::Children(children) => Ok(ReadResult::Children(children)),
        other => {
            let code = match other {
                MultiResult::Error(code) => code,
                _ => ErrorCode::MarshallingError,
            };
            Err(Error::Server { code, path: ops.get(index).map(|op| op.path.clone()) })
        }
    };
    results.into_iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_multi_names_the_operation_that_failed() {
        let ops = [Op::check("/a", None), Op::delete("/b", Some(3)), Op::check("/c", None)];
        let codes = [ErrorCode::Ok, ErrorCode::BadVersion, ErrorCode::RuntimeInconsistency];
        let error = write_results(&ops, codes.map(MultiResult::Error).to_vec()).unwrap_err();
        assert_eq!(error.failed, Some(1));
        assert_eq!((error.error.code(), error.error.path()), (Some(ErrorCode::BadVersion), Some("/b")));
        assert_eq!(error.codes, codes);
    }
}
