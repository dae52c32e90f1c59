//! Error codes of replies (`KeeperException.Code`).

use core::fmt;

/// A result code of the client protocol; 0 is success, the rest are ZooKeeper's own negative numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        #[allow(non_upper_case_globals)]
        impl ErrorCode {
            $($(#[$doc])* pub const $name: ErrorCode = ErrorCode($value);)*

            /// The code's name as ZooKeeper's documentation has it, or `None` for a number it does not know.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// Success.
    Ok = 0, "OK";
    /// A system error (marks a range, also "not attempted" in old clients).
    SystemError = -1, "SYSTEMERROR";
    /// An element of a failed multi that was not attempted.
    RuntimeInconsistency = -2, "RUNTIMEINCONSISTENCY";
    /// Data inconsistency.
    DataInconsistency = -3, "DATAINCONSISTENCY";
    /// The connection was lost (client side only).
    ConnectionLoss = -4, "CONNECTIONLOSS";
    /// The request's bytes are not the record its opcode promises.
    MarshallingError = -5, "MARSHALLINGERROR";
    /// The operation is unknown or switched off.
    Unimplemented = -6, "UNIMPLEMENTED";
    /// The operation timed out (client side only).
    OperationTimeout = -7, "OPERATIONTIMEOUT";
    /// An argument is malformed.
    BadArguments = -8, "BADARGUMENTS";
    /// The session is not known.
    UnknownSession = -12, "UNKNOWNSESSION";
    /// No quorum of the new configuration is connected.
    NewConfigNoQuorum = -13, "NEWCONFIGNOQUORUM";
    /// Another reconfiguration is under way.
    ReconfigInProgress = -14, "RECONFIGINPROGRESS";
    /// An API error (marks a range).
    ApiError = -100, "APIERROR";
    /// The znode does not exist.
    NoNode = -101, "NONODE";
    /// The caller lacks the permission.
    NoAuth = -102, "NOAUTH";
    /// The expected version is not the znode's.
    BadVersion = -103, "BADVERSION";
    /// Ephemerals have no children.
    NoChildrenForEphemerals = -108, "NOCHILDRENFOREPHEMERALS";
    /// The znode exists.
    NodeExists = -110, "NODEEXISTS";
    /// The znode has children.
    NotEmpty = -111, "NOTEMPTY";
    /// The session has expired.
    SessionExpired = -112, "SESSIONEXPIRED";
    /// A callback is invalid (client side only).
    InvalidCallback = -113, "INVALIDCALLBACK";
    /// The ACL is malformed or names nobody.
    InvalidAcl = -114, "INVALIDACL";
    /// Authentication failed.
    AuthFailed = -115, "AUTHFAILED";
    /// The session is served elsewhere now.
    SessionMoved = -118, "SESSIONMOVED";
    /// A write at a read-only server.
    NotReadOnly = -119, "NOTREADONLY";
    /// An ephemeral znode on a local session.
    EphemeralOnLocalSession = -120, "EPHEMERALONLOCALSESSION";
    /// No such watch.
    NoWatcher = -121, "NOWATCHER";
    /// The request timed out (client side only).
    RequestTimeout = -122, "REQUESTTIMEOUT";
    /// Reconfiguration is switched off.
    ReconfigDisabled = -123, "RECONFIGDISABLED";
    /// The session was closed because authentication is required.
    SessionClosedRequireAuth = -124, "SESSIONCLOSEDREQUIRESASLAUTH";
    /// An enforced quota would be exceeded.
    QuotaExceeded = -125, "QUOTAEXCEEDED";
    /// The request waited too long under throttling and was not executed.
    ThrottledOp = -127, "THROTTLEDOP";
}

impl ErrorCode {
    /// Whether this is success.
    pub fn is_ok(self) -> bool {
        self == Self::Ok
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "code {}", self.0),
        }
    }
}

impl core::error::Error for ErrorCode {}
