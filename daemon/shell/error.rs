//! Why a command failed, in zkCli's words, with the exit code of a one-shot call.

use serde_json::{Value, json};
use zkrs_client::{Error, ErrorCode};

use super::flags::FlagError;

/// What one-shot mode exits with when a command fails.
pub const EXIT_FAILED: u8 = 1;
/// What one-shot mode exits with when there is no such command.
pub const EXIT_NOT_FOUND: u8 = 127;

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    text: String,
    code: Option<ErrorCode>,
    pub exit: u8,
}

/// What a command ends with.
pub type Outcome = Result<(), CliError>;

impl CliError {
    /// A failure in words of our own or of the caller's making.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: None, exit: EXIT_FAILED }
    }

    pub fn not_found(command: &str) -> Self {
        let text = format!("Command not found: Command not found {command}");
        Self { text, code: None, exit: EXIT_NOT_FOUND }
    }

    /// A code of the server's for a path; `None` for a request that has none.
    pub fn of_code(code: ErrorCode, path: Option<&str>) -> Self {
        Self { text: wrapped(code, path), code: Some(code), exit: EXIT_FAILED }
    }

    pub fn code(&self) -> Option<ErrorCode> {
        self.code
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn json(&self) -> Value {
        match self.code {
            Some(code) => json!({ "error": self.text, "code": code.0, "name": code.name() }),
            None => json!({ "error": self.text }),
        }
    }
}

impl From<FlagError> for CliError {
    fn from(error: FlagError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        match error.code() {
            Some(code) => Self::of_code(code, error.path()),
            None => Self::new(error.to_string()),
        }
    }
}

/// `KeeperException.getMessage`.
pub fn keeper_message(code: ErrorCode, path: Option<&str>) -> String {
    match path {
        Some(path) if !path.is_empty() => format!("KeeperErrorCode = {} for {path}", code_message(code)),
        _ => format!("KeeperErrorCode = {}", code_message(code)),
    }
}

/// `CliWrapperException`: some codes in words that name the path, the others as the exception puts it.
fn wrapped(code: ErrorCode, path: Option<&str>) -> String {
    let shown = path.unwrap_or("null");
    match code {
        ErrorCode::NoNode => format!("Node does not exist: {shown}"),
        ErrorCode::NoChildrenForEphemerals => format!("Ephemerals cannot have children: {shown}"),
        ErrorCode::NodeExists => format!("Node already exists: {shown}"),
        ErrorCode::NotEmpty => format!("Node not empty: {shown}"),
        ErrorCode::NotReadOnly => format!("Not a read-only call: {shown}"),
        ErrorCode::InvalidAcl => format!("Acl is not valid : {shown}"),
        ErrorCode::NoAuth => format!("Insufficient permission : {shown}"),
        ErrorCode::BadArguments => format!("Arguments are not valid : {shown}"),
        ErrorCode::BadVersion => format!("version No is not valid : {shown}"),
        ErrorCode::QuotaExceeded => format!("Quota has exceeded : {shown}"),
        ErrorCode::ReconfigInProgress => {
            "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)".to_owned()
        }
        ErrorCode::NewConfigNoQuorum => {
            // The spelling is zkCli's.
            "No quorum of new config is connected and up-to-date with the leader of last commmitted config - \
             try invoking reconfiguration after new servers are connected and synced"
                .to_owned()
        }
        code => keeper_message(code, path),
    }
}

/// `KeeperException.getCodeMessage`.
fn code_message(code: ErrorCode) -> String {
    match code {
        ErrorCode::Ok => "ok",
        ErrorCode::SystemError => "SystemError",
        ErrorCode::RuntimeInconsistency => "RuntimeInconsistency",
        ErrorCode::DataInconsistency => "DataInconsistency",
        ErrorCode::ConnectionLoss => "ConnectionLoss",
        ErrorCode::MarshallingError => "MarshallingError",
        ErrorCode::NewConfigNoQuorum => "NewConfigNoQuorum",
        ErrorCode::ReconfigInProgress => "ReconfigInProgress",
        ErrorCode::Unimplemented => "Unimplemented",
        ErrorCode::OperationTimeout => "OperationTimeout",
        ErrorCode::BadArguments => "BadArguments",
        ErrorCode::ApiError => "APIError",
        ErrorCode::NoNode => "NoNode",
        ErrorCode::NoAuth => "NoAuth",
        ErrorCode::BadVersion => "BadVersion",
        ErrorCode::NoChildrenForEphemerals => "NoChildrenForEphemerals",
        ErrorCode::NodeExists => "NodeExists",
        ErrorCode::InvalidAcl => "InvalidACL",
        ErrorCode::AuthFailed => "AuthFailed",
        ErrorCode::NotEmpty => "Directory not empty",
        ErrorCode::SessionExpired => "Session expired",
        ErrorCode::InvalidCallback => "Invalid callback",
        ErrorCode::SessionMoved => "Session moved",
        ErrorCode::NotReadOnly => "Not a read-only call",
        ErrorCode::EphemeralOnLocalSession => "Ephemeral node on local session",
        ErrorCode::NoWatcher => "No such watcher",
        ErrorCode::ReconfigDisabled => "Reconfig is disabled",
        ErrorCode::SessionClosedRequireAuth => "Session closed because client failed to authenticate",
        ErrorCode::QuotaExceeded => "Quota has exceeded",
        ErrorCode::ThrottledOp => "Op throttled due to high load",
        code => return format!("Unknown error {}", code.name().unwrap_or("UNKNOWN")),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_as_zkclis() {
        let text = |code, path| CliError::of_code(code, path).text;
        assert_eq!(text(ErrorCode::NoNode, Some("/a")), "Node does not exist: /a");
        assert_eq!(text(ErrorCode::InvalidAcl, None), "Acl is not valid : null");
        assert_eq!(text(ErrorCode::ReconfigDisabled, None), "KeeperErrorCode = Reconfig is disabled");
        assert_eq!(text(ErrorCode::NoWatcher, Some("/a")), "KeeperErrorCode = No such watcher for /a");
        assert_eq!(
            text(ErrorCode::RequestTimeout, Some("/a")),
            "KeeperErrorCode = Unknown error REQUESTTIMEOUT for /a"
        );
    }

    #[test]
    fn json_names_the_code() {
        let value = CliError::of_code(ErrorCode::NoNode, Some("/a")).json();
        assert_eq!(value.to_string(), r#"{"code":-101,"error":"Node does not exist: /a","name":"NONODE"}"#);
        assert_eq!(CliError::not_found("foo").exit, 127);
    }
}
