//! SASL packets, which are answered out of turn (`ZooKeeperServer.processSasl`).

use super::request::add_identity;
use super::{ConnId, Effects, Peer};
use crate::acl::Id;
use crate::jute::Writer;
use crate::proto::{ErrorCode, OpCode, ReplyHeader, Request, RequestHeader, frame};
use crate::sasl::{SaslFailed, SaslStep};
use alloc::vec::Vec;

impl Peer {
    /// Hands the client's token to the mechanism and its answer to the client.
    ///
    /// Where SASL is not configured, Apache answers a token with a null one.
    pub(super) fn on_sasl(&mut self, id: ConnId, header: RequestHeader, body: &[u8], effects: &mut Effects) {
        let Ok(Request::Sasl { token: Some(token) }) = Request::decode(OpCode::Sasl, body) else {
            return self.close(id, effects);
        };
        let is_required = self.config.enforce_auth_schemes.iter().any(|scheme| scheme == "sasl");
        let (err, token) = match self.evaluate(id, token) {
            Ok(token) => (ErrorCode::Ok, token),
            Err(SaslFailed) if is_required => (ErrorCode::SessionClosedRequireAuth, None),
            Err(SaslFailed) if self.config.sasl.allow_failed_clients => (ErrorCode::Ok, None),
            Err(SaslFailed) => (ErrorCode::AuthFailed, None),
        };
        effects.send(id, |out| {
            frame(out, |out| {
                ReplyHeader { xid: header.xid, zxid: 0, err }.encode(out);
                out.put_buffer(token.as_deref());
            });
        });
        if !err.is_ok() {
            self.close(id, effects);
        }
    }

    fn evaluate(&mut self, id: ConnId, token: &[u8]) -> Result<Option<Vec<u8>>, SaslFailed> {
        let config = &self.config.sasl;
        let Some(conn) = self.conns.get_mut(&id).filter(|_| !config.users.is_empty()) else {
            return Ok(None);
        };
        match conn.sasl.evaluate(token, &config.users, &mut self.nonces)? {
            SaslStep::Challenge(token) => Ok(Some(token)),
            SaslStep::Complete { token, user } => {
                // Without its provider the scheme means nothing to Apache, in ACLs or elsewhere.
                let as_user = !config.scheme_enabled || add_identity(conn, Id::new("sasl", &user));
                let as_super =
                    !config.super_users.contains(&user) || add_identity(conn, Id::new("super", ""));
                if as_user && as_super { Ok(Some(token)) } else { Err(SaslFailed) }
            }
        }
    }
}
