//! How a znode is to be created.

use crate::{Acl, CreateMode, DataRef, Error};
use std::time::Duration;
use zkrs_core::proto::{CreateRequest, OpCode};

/// The kind of znode, its ACL and its time to live. A [`CreateMode`] alone is enough where the ACL is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOptions {
    mode: CreateMode,
    acl: Vec<Acl>,
    ttl: Option<Duration>,
}

impl CreateOptions {
    /// A znode of this kind that everybody may do everything with.
    pub fn new(mode: CreateMode) -> Self {
        Self { mode, acl: Acl::open(), ttl: None }
    }

    /// Who may do what.
    #[must_use]
    pub fn acl(mut self, acl: Vec<Acl>) -> Self {
        self.acl = acl;
        self
    }

    /// How long a znode of a TTL mode stays after its last change; required by those modes, refused by others.
    /// Servers take 1 ms to about 34 years.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The request, and the opcode it has to travel under.
    pub(crate) fn request<'a>(
        &self,
        path: &'a str,
        data: DataRef<'a>,
        with_stat: bool,
    ) -> Result<(OpCode, CreateRequest<'a>), Error> {
        check_create_path(path, self.mode)?;
        let op = match self.mode {
            CreateMode::Container => OpCode::CreateContainer,
            mode if mode.is_ttl() => OpCode::CreateTtl,
            _ if with_stat => OpCode::Create2,
            _ => OpCode::Create,
        };
        let ttl_ms = match (self.ttl, self.mode.is_ttl()) {
            (None, false) => -1,
            (Some(ttl), true) => i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX),
            (None, true) => return Err(Error::InvalidArgument("a TTL mode needs CreateOptions::ttl")),
            (Some(_), false) => return Err(Error::InvalidArgument("a TTL needs one of the TTL modes")),
        };
        let acl = Some(self.acl.clone());
        Ok((op, CreateRequest { path: path.into(), data: data.0, acl, flags: self.mode as i32, ttl_ms }))
    }
}

impl From<CreateMode> for CreateOptions {
    fn from(mode: CreateMode) -> Self {
        Self::new(mode)
    }
}

/// A sequential name is complete only with its number: `/queue/` is a fine prefix.
fn check_create_path(path: &str, mode: CreateMode) -> Result<(), Error> {
    if mode.is_sequential() {
        Error::check_path(path, &format!("{path}1"))
    } else {
        Error::check_path(path, path)
    }
}
