//! Why an operation has no result.

use crate::{ErrorCode, SessionState};
use std::fmt;
use std::time::Duration;
use zkrs_core::client::{RequestError, SubmitError};

/// Why an operation has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with this code.
    Server {
        /// The code.
        code: ErrorCode,
        /// The znode it is about, if the operation names one.
        path: Option<String>,
    },
    /// The connection broke after the request had been written to it; the session may be alive.
    ConnectionLoss {
        /// The znode it is about.
        path: Option<String>,
        /// Whether the request is a write, which the server may have applied.
        maybe_applied: bool,
    },
    /// The session is over: expired, closed, or its credentials were refused.
    SessionEnded {
        /// Which of the three.
        state: SessionState,
        /// The znode it is about.
        path: Option<String>,
        /// Whether the request is a write, which the server may have applied.
        maybe_applied: bool,
    },
    /// [`crate::Options::request_timeout`] passed. The request may still be carried out.
    RequestTimeout {
        /// The timeout.
        limit: Duration,
        /// The znode it is about.
        path: Option<String>,
        /// Whether the request is a write.
        maybe_applied: bool,
    },
    /// No server accepted the session within [`crate::Options::connect_timeout`].
    ConnectTimeout {
        /// The timeout.
        limit: Duration,
    },
    /// The request was not sent: it exceeds a limit of [`crate::Options`].
    Refused {
        /// Which one.
        reason: SubmitError,
        /// The znode it is about.
        path: Option<String>,
    },
    /// The path cannot name a znode; nothing was sent.
    InvalidPath {
        /// The path.
        path: String,
    },
    /// The connect string cannot be understood.
    InvalidConnectString {
        /// What is wrong with it.
        reason: String,
    },
    /// Arguments that contradict each other; nothing was sent.
    InvalidArgument(&'static str),
    /// The client was opened outside a tokio runtime.
    NoRuntime,
}

impl Error {
    /// The code under which Apache's clients report the same thing; `None` where they have none.
    pub fn code(&self) -> Option<ErrorCode> {
        Some(match self {
            Self::Server { code, .. } => *code,
            Self::ConnectionLoss { .. } | Self::ConnectTimeout { .. } => ErrorCode::ConnectionLoss,
            Self::SessionEnded { state: SessionState::AuthFailed, .. } => ErrorCode::AuthFailed,
            Self::SessionEnded { .. } => ErrorCode::SessionExpired,
            Self::RequestTimeout { .. } => ErrorCode::RequestTimeout,
            Self::Refused { reason, .. } => reason.code(),
            Self::InvalidPath { .. } | Self::InvalidConnectString { .. } | Self::InvalidArgument(_) => {
                ErrorCode::BadArguments
            }
            Self::NoRuntime => return None,
        })
    }

    /// The znode it is about, if the operation names one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Server { path, .. }
            | Self::ConnectionLoss { path, .. }
            | Self::SessionEnded { path, .. }
            | Self::RequestTimeout { path, .. }
            | Self::Refused { path, .. } => path.as_deref(),
            Self::InvalidPath { path } => Some(path),
            _ => None,
        }
    }

    /// Whether the same request may succeed later on the same session. Look at [`Error::maybe_applied`]
    /// before repeating a write.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ConnectionLoss { .. } | Self::RequestTimeout { .. } | Self::ConnectTimeout { .. } => true,
            Self::Server { code, .. } => *code == ErrorCode::ThrottledOp,
            Self::Refused { reason, .. } => reason.is_transient(),
            _ => false,
        }
    }

    /// Whether the server may have applied the request although it has no result.
    pub fn maybe_applied(&self) -> bool {
        match self {
            Self::ConnectionLoss { maybe_applied, .. }
            | Self::SessionEnded { maybe_applied, .. }
            | Self::RequestTimeout { maybe_applied, .. } => *maybe_applied,
            _ => false,
        }
    }

    pub(crate) fn from_request(error: RequestError, path: Option<&str>) -> Self {
        let path = path.map(str::to_owned);
        match error {
            RequestError::Code(code) => Self::Server { code, path },
            RequestError::ConnectionLoss { maybe_applied } => Self::ConnectionLoss { path, maybe_applied },
            RequestError::Ended { state, maybe_applied } => Self::SessionEnded { state, path, maybe_applied },
        }
    }

    pub(crate) fn from_submit(reason: SubmitError, path: Option<&str>) -> Self {
        let path = path.map(str::to_owned);
        match reason {
            SubmitError::Ended(state) => Self::SessionEnded { state, path, maybe_applied: false },
            SubmitError::NoWatcher => Self::Server { code: ErrorCode::NoWatcher, path },
            SubmitError::RelativePath => Self::InvalidPath { path: path.unwrap_or_default() },
            reason => Self::Refused { reason, path },
        }
    }

    /// Apache's clients check paths before they send them, and so does this one.
    pub(crate) fn check_path(path: &str, complete: &str) -> Result<(), Self> {
        if zkrs_core::path::is_valid(complete) {
            return Ok(());
        }
        Err(Self::InvalidPath { path: path.to_owned() })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { code, .. } => write!(f, "{code}")?,
            Self::ConnectionLoss { .. } => write!(f, "the connection was lost before the answer")?,
            Self::SessionEnded { state, .. } => {
                write!(f, "the session is over ({state:?}); open a new client")?
            }
            Self::RequestTimeout { limit, .. } => write!(f, "no answer within {limit:?}")?,
            Self::ConnectTimeout { limit } => write!(f, "no server accepted the session within {limit:?}")?,
            Self::Refused { reason, .. } => write!(f, "{reason}")?,
            Self::InvalidPath { .. } => write!(
                f,
                "not a path: it must start with a slash, not end with one, and have no empty, . or .. segments and no control characters"
            )?,
            Self::InvalidConnectString { reason } => {
                write!(f, "{reason}; the connect string is host:port,host:port/chroot")?;
            }
            Self::InvalidArgument(reason) => write!(f, "{reason}")?,
            Self::NoRuntime => write!(f, "a client must be opened inside a tokio runtime")?,
        }
        if let Some(path) = self.path() {
            write!(f, " (path {path:?})")?;
        }
        if self.maybe_applied() {
            write!(f, "; the write may have been applied")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
