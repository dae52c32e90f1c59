//! The client-side root: all paths a client names lie below it, and none it sees shows it.

use super::SubmitError;
use crate::path::CONFIG;
use crate::proto::{CreateRequest, MultiElement, Request};
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A path prefix, empty for none.
#[derive(Debug, Clone)]
pub(super) struct Chroot(String);

impl Chroot {
    /// `/` and the empty string both mean none.
    pub fn new(path: &str) -> Self {
        Self(path.trim_end_matches('/').to_string())
    }

    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as servers know it. The configuration's znode is the same for all clients.
    pub fn to_server<'p>(&self, path: &'p str) -> Result<Cow<'p, str>, SubmitError> {
        if self.is_none() || path == CONFIG {
            return Ok(Cow::Borrowed(path));
        }
        match path {
            "/" => Ok(Cow::Owned(self.0.clone())),
            _ if path.starts_with('/') => Ok(Cow::Owned([self.0.as_str(), path].concat())),
            _ => Err(SubmitError::RelativePath),
        }
    }

    /// The path as the client knows it; one that lies elsewhere (the configuration) stays as it is.
    pub fn to_client<'p>(&self, path: &'p str) -> &'p str {
        match self.strip(path) {
            Some("") if !self.is_none() => "/",
            Some(rest) => rest,
            None => path,
        }
    }

    /// Whether a server path is the root or lies below it.
    pub fn contains(&self, path: &str) -> bool {
        self.strip(path).is_some()
    }

    fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.0.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The request with server paths. Only called when there is a root, so the copies cost nobody else.
    pub fn request<'a>(&self, request: &'a Request<'a>) -> Result<Request<'a>, SubmitError> {
        Ok(match request {
            Request::Create(op, create) => Request::Create(*op, self.create(create)?),
            Request::Delete { path, version } => {
                Request::Delete { path: self.deleted(path)?, version: *version }
            }
            Request::Exists { path, watch } => Request::Exists { path: self.to_server(path)?, watch: *watch },
            Request::GetData { path, watch } => {
                Request::GetData { path: self.to_server(path)?, watch: *watch }
            }
            Request::SetData { path, data, version } => {
                Request::SetData { path: self.to_server(path)?, data: *data, version: *version }
            }
            Request::GetAcl { path } => Request::GetAcl { path: self.to_server(path)? },
            Request::SetAcl { path, acl, version } => {
                Request::SetAcl { path: self.to_server(path)?, acl: acl.clone(), version: *version }
            }
            Request::GetChildren { path, watch } => {
                Request::GetChildren { path: self.to_server(path)?, watch: *watch }
            }
            Request::GetChildren2 { path, watch } => {
                Request::GetChildren2 { path: self.to_server(path)?, watch: *watch }
            }
            Request::GetAllChildrenNumber { path } => {
                Request::GetAllChildrenNumber { path: self.to_server(path)? }
            }
            Request::GetEphemerals { prefix } => {
                let prefix = self.to_server(prefix.as_deref().unwrap_or("/"))?;
                Request::GetEphemerals { prefix: Some(prefix) }
            }
            Request::Sync { path } => Request::Sync { path: self.to_server(path)? },
            Request::Check { path, version } => {
                Request::Check { path: self.to_server(path)?, version: *version }
            }
            Request::Multi(elements) => Request::Multi(self.elements(elements)?),
            Request::MultiRead(elements) => Request::MultiRead(self.elements(elements)?),
            Request::CheckWatches { path, kind } => {
                Request::CheckWatches { path: self.to_server(path)?, kind: *kind }
            }
            Request::RemoveWatches { path, kind } => {
                Request::RemoveWatches { path: self.to_server(path)?, kind: *kind }
            }
            Request::AddWatch { path, mode } => {
                Request::AddWatch { path: self.to_server(path)?, mode: *mode }
            }
            Request::Ping
            | Request::Reconfig(_)
            | Request::Auth(_)
            | Request::Sasl { .. }
            | Request::SetWatches(..)
            | Request::WhoAmI
            | Request::CloseSession => request.clone(),
        })
    }

    fn create<'a>(&self, create: &'a CreateRequest<'a>) -> Result<CreateRequest<'a>, SubmitError> {
        Ok(CreateRequest {
            path: self.to_server(&create.path)?,
            data: create.data,
            acl: create.acl.clone(),
            flags: create.flags,
            ttl_ms: create.ttl_ms,
        })
    }

    /// Nobody means the znode of the root itself when deleting `/`.
    fn deleted<'a>(&self, path: &'a str) -> Result<Cow<'a, str>, SubmitError> {
        if path == "/" {
            return Err(SubmitError::DeleteRoot);
        }
        self.to_server(path)
    }

    fn elements<'a>(&self, elements: &'a [MultiElement<'a>]) -> Result<Vec<MultiElement<'a>>, SubmitError> {
        let map = |element: &'a MultiElement<'a>| {
            Ok(match element {
                MultiElement::Create(op, create) => MultiElement::Create(*op, self.create(create)?),
                MultiElement::Delete { path, version } => {
                    MultiElement::Delete { path: self.deleted(path)?, version: *version }
                }
                MultiElement::SetData { path, data, version } => {
                    MultiElement::SetData { path: self.to_server(path)?, data: *data, version: *version }
                }
                MultiElement::Check { path, version } => {
                    MultiElement::Check { path: self.to_server(path)?, version: *version }
                }
                MultiElement::GetData { path } => MultiElement::GetData { path: self.to_server(path)? },
                MultiElement::GetChildren { path } => {
                    MultiElement::GetChildren { path: self.to_server(path)? }
                }
            })
        };
        elements.iter().map(map).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_out_below_the_root_and_come_back_without_it() {
        let chroot = Chroot::new("/app/one/");
        assert_eq!(chroot.to_server("/"), Ok(Cow::Borrowed("/app/one")));
        assert_eq!(chroot.to_server("/a"), Ok(Cow::Borrowed("/app/one/a")));
        assert_eq!(chroot.to_server("a"), Err(SubmitError::RelativePath));
        assert_eq!(chroot.to_server(CONFIG), Ok(Cow::Borrowed(CONFIG)));
        assert_eq!(chroot.to_client("/app/one"), "/");
        assert_eq!(chroot.to_client("/app/one/a"), "/a");
        assert_eq!(chroot.to_client(CONFIG), CONFIG);
        // A sibling that merely shares the prefix is not below the root.
        assert_eq!(chroot.to_client("/app/oneself"), "/app/oneself");
        assert!(Chroot::new("/").is_none());
        assert_eq!(Chroot::new("").to_client("/a"), "/a");
    }

    #[test]
    fn the_root_cannot_be_deleted() {
        let request = Request::Delete { path: "/".into(), version: -1 };
        assert_eq!(Chroot::new("/app").request(&request), Err(SubmitError::DeleteRoot));
    }
}
