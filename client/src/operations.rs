//! The operations, one method each.

use crate::client::random;
use crate::multi::{self, MultiError, Op, OpResult, ReadOp, ReadResult};
use crate::watch::Registration;
use crate::{
    Acl, AddWatchMode, Client, ClientInfo, CreateOptions, Data, DataRef, Error, ErrorCode, OneShotWatch,
    Response, Stat, Watcher, WatcherType,
};
use zkrs_core::Zxid;
use zkrs_core::client::WatcherId;
use zkrs_core::path::CONFIG;
use zkrs_core::proto::{OpCode, ReconfigRequest, Request};

/// The version a znode must have for a write to happen; `None` for whatever it has.
pub type Version = Option<i32>;

/// A change of the ensemble's membership (`reconfig`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconfig {
    /// Servers to add or change, `server.N=...` each, separated by commas.
    pub joining: Option<String>,
    /// Ids of servers to remove, separated by commas.
    pub leaving: Option<String>,
    /// A whole new membership, instead of the two above.
    pub new_members: Option<String>,
    /// The configuration's version (hexadecimal in its text) this is based on; `None` for whatever it is.
    pub config_id: Option<i64>,
}

impl Client {
    /// Creates a znode and returns its path, which differs from the one given in sequential modes.
    ///
    /// # Errors
    /// `NodeExists`, `NoNode` (no parent), `NoAuth`, `InvalidAcl`, `NoChildrenForEphemerals`,
    /// `Unimplemented` (TTL modes switched off), `QuotaExceeded`.
    pub async fn create<'a>(
        &self,
        path: &str,
        data: impl Into<DataRef<'a>>,
        options: impl Into<CreateOptions>,
    ) -> Result<String, Error> {
        Ok(self.create_any(path, data.into(), &options.into(), false).await?.0)
    }

    /// As [`Client::create`], with the new znode's metadata.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn create_with_stat<'a>(
        &self,
        path: &str,
        data: impl Into<DataRef<'a>>,
        options: impl Into<CreateOptions>,
    ) -> Result<(String, Stat), Error> {
        let (path, stat) = self.create_any(path, data.into(), &options.into(), true).await?;
        Ok((path, stat.expect("every create but the plain one promises a stat")))
    }

    /// Deletes a znode without children.
    ///
    /// # Errors
    /// `NoNode`, `BadVersion`, `NotEmpty`, `NoAuth`.
    pub async fn delete(&self, path: &str, version: Version) -> Result<(), Error> {
        Error::check_path(path, path)?;
        let request = Request::Delete { path: path.into(), version: version.unwrap_or(-1) };
        self.ask(&request, Some(path)).await.map(drop)
    }

    /// A znode's metadata, or `None` if there is no such znode.
    ///
    /// # Errors
    /// `NoAuth`.
    pub async fn exists(&self, path: &str) -> Result<Option<Stat>, Error> {
        Error::check_path(path, path)?;
        let request = Request::Exists { path: path.into(), watch: false };
        existing(self.ask(&request, Some(path)).await)
    }

    /// As [`Client::exists`], and waits for the znode's creation, deletion or next change of data.
    ///
    /// # Errors
    /// As [`Client::exists`]; no watch is left then.
    pub async fn exists_and_watch(&self, path: &str) -> Result<(Option<Stat>, OneShotWatch), Error> {
        Error::check_path(path, path)?;
        let request = Request::Exists { path: path.into(), watch: true };
        let (registration, pending) = Registration::one_shot(self.shared())?;
        let stat = existing(self.ask_watching(&request, Some(path), registration.id).await)?;
        Ok((stat, pending.confirmed(registration)))
    }

    /// A znode's data and metadata.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub async fn get_data(&self, path: &str) -> Result<(Data, Stat), Error> {
        Error::check_path(path, path)?;
        let request = Request::GetData { path: path.into(), watch: false };
        Ok(data_and_stat(self.ask(&request, Some(path)).await?))
    }

    /// As [`Client::get_data`], and waits for the next change of data or the znode's deletion.
    ///
    /// # Errors
    /// As [`Client::get_data`]; no watch is left then.
    pub async fn get_data_and_watch(&self, path: &str) -> Result<(Data, Stat, OneShotWatch), Error> {
        Error::check_path(path, path)?;
        let request = Request::GetData { path: path.into(), watch: true };
        let (response, watch) = self.ask_and_watch(&request, path).await?;
        let (data, stat) = data_and_stat(response);
        Ok((data, stat, watch))
    }

    /// Sets a znode's data.
    ///
    /// # Errors
    /// `NoNode`, `BadVersion`, `NoAuth`, `QuotaExceeded`.
    pub async fn set_data<'a>(
        &self,
        path: &str,
        data: impl Into<DataRef<'a>>,
        version: Version,
    ) -> Result<Stat, Error> {
        Error::check_path(path, path)?;
        let data = data.into().0;
        let request = Request::SetData { path: path.into(), data, version: version.unwrap_or(-1) };
        Ok(stat(self.ask(&request, Some(path)).await?))
    }

    /// A znode's ACL and metadata. Without ADMIN, digests are masked.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub async fn get_acl(&self, path: &str) -> Result<(Vec<Acl>, Stat), Error> {
        Error::check_path(path, path)?;
        match self.ask(&Request::GetAcl { path: path.into() }, Some(path)).await? {
            Response::Acl { acl, stat } => Ok((acl, stat)),
            other => unexpected(&other),
        }
    }

    /// Sets a znode's ACL, if `version` is its ACL version.
    ///
    /// # Errors
    /// `NoNode`, `BadVersion`, `NoAuth`, `InvalidAcl`.
    pub async fn set_acl(&self, path: &str, acl: &[Acl], version: Version) -> Result<Stat, Error> {
        Error::check_path(path, path)?;
        let acl = Some(acl.to_vec());
        let request = Request::SetAcl { path: path.into(), acl, version: version.unwrap_or(-1) };
        Ok(stat(self.ask(&request, Some(path)).await?))
    }

    /// The names of a znode's children, in no order.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub async fn get_children(&self, path: &str) -> Result<Vec<String>, Error> {
        Error::check_path(path, path)?;
        let request = Request::GetChildren { path: path.into(), watch: false };
        Ok(children(self.ask(&request, Some(path)).await?).0)
    }

    /// As [`Client::get_children`], and waits for the next child to come or go, or the znode's deletion.
    ///
    /// # Errors
    /// As [`Client::get_children`]; no watch is left then.
    pub async fn get_children_and_watch(&self, path: &str) -> Result<(Vec<String>, OneShotWatch), Error> {
        Error::check_path(path, path)?;
        let request = Request::GetChildren { path: path.into(), watch: true };
        let (response, watch) = self.ask_and_watch(&request, path).await?;
        Ok((children(response).0, watch))
    }

    /// As [`Client::get_children`], with the znode's metadata.
    ///
    /// # Errors
    /// As [`Client::get_children`].
    pub async fn get_children_with_stat(&self, path: &str) -> Result<(Vec<String>, Stat), Error> {
        Error::check_path(path, path)?;
        let request = Request::GetChildren2 { path: path.into(), watch: false };
        Ok(children_and_stat(self.ask(&request, Some(path)).await?))
    }

    /// As [`Client::get_children_and_watch`], with the znode's metadata.
    ///
    /// # Errors
    /// As [`Client::get_children`]; no watch is left then.
    pub async fn get_children_with_stat_and_watch(
        &self,
        path: &str,
    ) -> Result<(Vec<String>, Stat, OneShotWatch), Error> {
        Error::check_path(path, path)?;
        let request = Request::GetChildren2 { path: path.into(), watch: true };
        let (response, watch) = self.ask_and_watch(&request, path).await?;
        let (children, stat) = children_and_stat(response);
        Ok((children, stat, watch))
    }

    /// How many znodes lie below a znode, children's children included.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub async fn get_all_children_number(&self, path: &str) -> Result<i32, Error> {
        Error::check_path(path, path)?;
        match self.ask(&Request::GetAllChildrenNumber { path: path.into() }, Some(path)).await? {
            Response::ChildrenNumber(number) => Ok(number),
            other => unexpected(&other),
        }
    }

    /// This session's ephemeral znodes whose paths start with a prefix, which is taken literally.
    ///
    /// # Errors
    /// Those of the connection only.
    pub async fn get_ephemerals(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let request = Request::GetEphemerals { prefix: Some(prefix.into()) };
        match self.ask(&request, Some(prefix)).await? {
            Response::Ephemerals(paths) => Ok(paths),
            other => unexpected(&other),
        }
    }

    /// Waits until the server has caught up with the leader. Servers echo the path and look at it no further.
    ///
    /// # Errors
    /// Those of the connection only.
    pub async fn sync(&self, path: &str) -> Result<String, Error> {
        match self.ask(&Request::Sync { path: path.into() }, Some(path)).await? {
            Response::Synced(path) => Ok(path),
            other => unexpected(&other),
        }
    }

    /// Carries out all operations, in order and at once, or none.
    ///
    /// # Errors
    /// [`MultiError`] names the operation that failed and why.
    pub async fn multi(&self, ops: Vec<Op>) -> Result<Vec<OpResult>, MultiError> {
        let elements = ops.iter().map(Op::element).collect::<Result<_, _>>()?;
        match self.ask(&Request::Multi(elements), None).await? {
            Response::Multi(results) => multi::write_results(&ops, results),
            other => unexpected(&other),
        }
    }

    /// Carries out several reads in one request; each succeeds or fails by itself.
    ///
    /// # Errors
    /// Those of the connection; a read's own are in its slot.
    pub async fn multi_read(&self, ops: Vec<ReadOp>) -> Result<Vec<Result<ReadResult, Error>>, Error> {
        let elements = ops.iter().map(ReadOp::element).collect::<Result<_, _>>()?;
        match self.ask(&Request::MultiRead(elements), None).await? {
            Response::Multi(results) => Ok(multi::read_results(&ops, results)),
            other => unexpected(&other),
        }
    }

    /// Watches a path, which need not exist, until the watcher is dropped.
    ///
    /// # Errors
    /// Those of the connection, and `MarshallingError` from servers that know no persistent watches.
    pub async fn add_watch(&self, path: &str, mode: AddWatchMode) -> Result<Watcher, Error> {
        Error::check_path(path, path)?;
        let events_max = self.options().watcher_queue_events_max;
        let watcher = Registration::stream(self.shared(), events_max, path, mode)?;
        let request = Request::AddWatch { path: path.into(), mode: mode as i32 };
        self.ask_watching(&request, Some(path), watcher.id()).await?;
        Ok(watcher)
    }

    /// Removes all of this client's watches of a kind at a path; each is told by a `...WatchRemoved` event.
    /// `local`: they end on this side even if the server cannot be asked.
    ///
    /// # Errors
    /// `NoWatcher` if there are none.
    pub async fn remove_watches(&self, path: &str, kind: WatcherType, local: bool) -> Result<(), Error> {
        Error::check_path(path, path)?;
        let submit = |core: &mut crate::shared::Core, token| {
            core.session.remove_watches(token, path, kind, local, &mut core.effects)
        };
        let answer = self.within(Some(path), true, self.shared().call_with(Some(path), submit)).await?;
        answer.result.map(drop).map_err(|error| Error::from_request(error, Some(path)))
    }

    /// Succeeds if the server holds a watch of a kind at a path for this connection.
    ///
    /// # Errors
    /// `NoWatcher` if it does not.
    pub async fn check_watches(&self, path: &str, kind: WatcherType) -> Result<(), Error> {
        Error::check_path(path, path)?;
        let request = Request::CheckWatches { path: path.into(), kind: kind as i32 };
        self.ask(&request, Some(path)).await.map(drop)
    }

    /// The identities of this connection.
    ///
    /// # Errors
    /// Those of the connection only.
    pub async fn who_am_i(&self) -> Result<Vec<ClientInfo>, Error> {
        match self.ask(&Request::WhoAmI, None).await? {
            Response::WhoAmI(infos) => Ok(infos),
            other => unexpected(&other),
        }
    }

    /// The ensemble's configuration. Its znode lies outside every chroot.
    ///
    /// # Errors
    /// `NoAuth`.
    pub async fn get_config(&self) -> Result<(Data, Stat), Error> {
        self.get_data(CONFIG).await
    }

    /// As [`Client::get_config`], and waits for its next change.
    ///
    /// # Errors
    /// As [`Client::get_config`].
    pub async fn get_config_and_watch(&self) -> Result<(Data, Stat, OneShotWatch), Error> {
        self.get_data_and_watch(CONFIG).await
    }

    /// Changes the ensemble's membership; returns the new configuration.
    ///
    /// # Errors
    /// `ReconfigDisabled`, `Unimplemented` (standalone), `ReconfigInProgress`, `NewConfigNoQuorum`,
    /// `BadVersion`, `BadArguments`, `NoAuth`.
    pub async fn reconfig(&self, change: Reconfig) -> Result<(Data, Stat), Error> {
        let request = Request::Reconfig(ReconfigRequest {
            joining: change.joining.map(Into::into),
            leaving: change.leaving.map(Into::into),
            new_members: change.new_members.map(Into::into),
            config_id: change.config_id.unwrap_or(-1),
        });
        Ok(data_and_stat(self.ask(&request, None).await?))
    }

    /// Presents credentials, now and on every later connection.
    ///
    /// # Errors
    /// `AuthFailed` if they are refused: the session is over then.
    pub async fn auth(&self, scheme: &str, credentials: &[u8]) -> Result<(), Error> {
        let call =
            self.shared().call_with(None, |core, token| core.session.add_auth(token, scheme, credentials));
        let answer = self.within(None, false, call).await?;
        answer.result.map(drop).map_err(|error| Error::from_request(error, None))
    }

    /// Sends any request as it is, unchecked but for its limits, and returns the zxid of the reply's header and
    /// its body. Nothing is repeated. For tests and tools; watches set this way reach nobody.
    ///
    /// # Errors
    /// As for any operation.
    pub async fn request(&self, request: &Request<'_>) -> Result<(Zxid, Response), Error> {
        let call = self.shared().call(request, None, None);
        let answer = self.within(None, request.op().is_write(), call).await?;
        match answer.result {
            Ok(response) => Ok((answer.zxid, response)),
            Err(error) => Err(Error::from_request(error, None)),
        }
    }

    async fn create_any(
        &self,
        path: &str,
        data: DataRef<'_>,
        options: &CreateOptions,
        with_stat: bool,
    ) -> Result<(String, Option<Stat>), Error> {
        let (op, create) = options.request(path, data, with_stat)?;
        match self.ask(&Request::Create(op, create), Some(path)).await? {
            Response::Created { path, stat } => Ok((path, stat)),
            other => unexpected(&other),
        }
    }

    async fn ask(&self, request: &Request<'_>, path: Option<&str>) -> Result<Response, Error> {
        self.ask_repeatedly(request, path, None).await
    }

    async fn ask_watching(
        &self,
        request: &Request<'_>,
        path: Option<&str>,
        watcher: WatcherId,
    ) -> Result<Response, Error> {
        self.ask_repeatedly(request, path, Some(watcher)).await
    }

    /// For reads whose watch is only left when they succeed.
    async fn ask_and_watch(
        &self,
        request: &Request<'_>,
        path: &str,
    ) -> Result<(Response, OneShotWatch), Error> {
        let (registration, pending) = Registration::one_shot(self.shared())?;
        let response = self.ask_watching(request, Some(path), registration.id).await?;
        Ok((response, pending.confirmed(registration)))
    }

    async fn ask_repeatedly(
        &self,
        request: &Request<'_>,
        path: Option<&str>,
        watcher: Option<WatcherId>,
    ) -> Result<Response, Error> {
        let mut repeated = 0;
        loop {
            let call = self.shared().call(request, watcher, path);
            let answer = self.within(path, request.op().is_write(), call).await?;
            let error = match answer.result {
                Ok(response) => return Ok(response),
                Err(error) => Error::from_request(error, path),
            };
            let pause = match error {
                Error::ConnectionLoss { .. } if is_idempotent(request.op()) => {
                    self.options().retry.pause(repeated, random())
                }
                _ => None,
            };
            let Some(pause) = pause else { return Err(error) };
            tokio::time::sleep(pause).await;
            repeated += 1;
        }
    }

    async fn within<T>(
        &self,
        path: Option<&str>,
        is_write: bool,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(limit) = self.options().request_timeout else { return call.await };
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result,
            Err(_) => {
                let path = path.map(str::to_owned);
                Err(Error::RequestTimeout { limit, path, maybe_applied: is_write })
            }
        }
    }
}

/// Operations that may be repeated without changing what they do.
fn is_idempotent(op: OpCode) -> bool {
    !op.is_write() && !matches!(op, OpCode::RemoveWatches | OpCode::Auth | OpCode::Sasl)
}

fn existing(result: Result<Response, Error>) -> Result<Option<Stat>, Error> {
    match result {
        Ok(response) => Ok(Some(stat(response))),
        Err(Error::Server { code: ErrorCode::NoNode, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn stat(response: Response) -> Stat {
    match response {
        Response::Stat(stat) => stat,
        other => unexpected(&other),
    }
}

fn data_and_stat(response: Response) -> (Data, Stat) {
    match response {
        Response::Data { data, stat } => (data.into(), stat),
        other => unexpected(&other),
    }
}

fn children(response: Response) -> (Vec<String>, Option<Stat>) {
    match response {
        Response::Children { children, stat } => (children, stat),
        other => unexpected(&other),
    }
}

fn children_and_stat(response: Response) -> (Vec<String>, Stat) {
    let (children, stat) = children(response);
    (children, stat.expect("getChildren2 promises a stat"))
}

/// A reply is decoded by its request's opcode, so it cannot be another operation's.
fn unexpected(response: &Response) -> ! {
    unreachable!("decoded by the request's opcode, yet {response:?}")
}
