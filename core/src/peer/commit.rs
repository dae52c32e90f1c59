//! From a prepared transaction to its effect: propose, commit when the log has it, apply, tell, reply.

use super::conn::{Conn, Origin, OriginKind, Pending, Stage};
use super::{ConnId, Effect, Effects, Peer, Proposal, Ticket};
use crate::acl::{self, Acl, perms};
use crate::jute::Writer;
use crate::prep::Prepared;
use crate::proto::{ErrorCode, EventType, OpCode, Stat, WatcherEvent, encode_multi_header};
use crate::tree::Observer;
use crate::txn::{Txn, TxnHeader, decode_payload, encode_payload, kind};
use crate::watch::Watches;
use crate::{Now, Zxid};
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

impl Peer {
    /// Gives a transaction its place in the order and sends it to the log. Returns its zxid.
    pub(super) fn propose(
        &mut self,
        now: Now,
        client_id: i64,
        cxid: i32,
        prepared: Prepared<'_>,
        origin: Option<Origin>,
        effects: &mut Effects,
    ) -> Zxid {
        self.last_proposed += 1;
        self.last_ticket += 1;
        let (zxid, ticket) = (self.last_proposed, self.last_ticket);
        let header = TxnHeader { client_id, cxid, zxid, time_ms: now.wall_ms, kind: prepared.kind };
        let start = effects.bytes.len();
        encode_payload(&header, &prepared.txn, prepared.digest, &mut effects.bytes);
        let range = start..effects.bytes.len();
        let payload = effects.bytes[range.clone()].into();
        self.snapshots.on_logged(range.len());
        effects.list.push(Effect::Append { ticket, zxid, range });
        self.proposals.push_back(Proposal { zxid, ticket, payload, origin });
        zxid
    }

    /// The log holds everything up to `upto`. Alone, a server's own log is the quorum: that commits it.
    pub(super) fn on_log_done(&mut self, now: Now, upto: Ticket, effects: &mut Effects) {
        while self.proposals.front().is_some_and(|proposal| proposal.ticket <= upto) {
            let Some(proposal) = self.proposals.pop_front() else { return };
            self.commit(now, &proposal, effects);
        }
    }

    fn commit(&mut self, now: Now, proposal: &Proposal, effects: &mut Effects) {
        let (header, txn, digest) =
            decode_payload(&proposal.payload).expect("a transaction we encoded decodes");
        let mut stats = core::mem::take(&mut self.stats);
        stats.clear();
        let mut teller = Teller {
            watches: &mut self.watches,
            conns: &self.conns,
            effects,
            zxid: header.zxid,
            skip_acl: self.config.skip_acl,
        };
        self.tree.apply(&header, &txn, digest, &mut teller, &mut stats);
        self.prep.on_applied(header.zxid);
        if let Txn::CreateSession { .. } = txn {
            self.sessions.on_created(header.client_id);
        }
        if let Some(origin) = proposal.origin {
            self.answer_txn(now, origin, &header, &txn, &stats, effects);
        }
        self.stats = stats;
        if let Txn::CloseSession { .. } = txn {
            self.end_session(header.client_id, effects);
        }
        if let Some(origin) = proposal.origin {
            self.drain(now, origin.conn, effects);
        }
        while self.syncs.front().is_some_and(|(upto, _)| *upto <= header.zxid) {
            let Some((_, conn)) = self.syncs.pop_front() else { return };
            self.drain(now, conn, effects);
        }
    }

    fn end_session(&mut self, session: i64, effects: &mut Effects) {
        self.sessions.remove(session);
        if let Some(conn) = self.owners.get(&session).copied() {
            self.close(conn, effects);
        }
    }

    fn answer_txn(
        &mut self,
        now: Now,
        origin: Origin,
        header: &TxnHeader,
        txn: &Txn<'_>,
        stats: &[Stat],
        effects: &mut Effects,
    ) {
        let Some(conn) = self.conns.get_mut(&origin.conn) else { return };
        if conn.stage == Stage::Closing {
            return;
        }
        match conn.pending.pop_front() {
            Some(Pending::Txn(zxid)) if zxid == header.zxid => {}
            other => panic!("the reply to 0x{:x} is due, but {other:?} is next in line", header.zxid),
        }
        match origin.request {
            OriginKind::CreateSession => {
                self.sessions.touch(header.client_id, conn.timeout_ms, now);
                self.establish(origin.conn, effects);
                self.take_early_frames(now, origin.conn, effects);
            }
            OriginKind::Op(op) => {
                self.send_reply(origin.conn, origin.xid, effects, |out| write_result(op, txn, stats, out));
            }
        }
    }
}

/// The body of the reply to an applied transaction.
fn write_result(op: OpCode, txn: &Txn<'_>, stats: &[Stat], out: &mut Vec<u8>) -> Result<(), ErrorCode> {
    match txn {
        Txn::Error { code } => return Err(*code),
        Txn::Create(create) => {
            out.put_string(&create.path);
            if op != OpCode::Create
                && let Some(stat) = stats.first()
            {
                stat.encode(out);
            }
        }
        Txn::SetData { .. } | Txn::SetAcl { .. } => {
            if let Some(stat) = stats.first() {
                stat.encode(out);
            }
        }
        Txn::Multi(elements) => write_multi_result(elements, stats, out),
        Txn::Delete { .. } | Txn::Check { .. } | Txn::CreateSession { .. } | Txn::CloseSession { .. } => {}
    }
    Ok(())
}

fn write_multi_result(elements: &[(i32, Txn<'_>)], stats: &[Stat], out: &mut Vec<u8>) {
    let failed = elements.iter().any(|(_, element)| matches!(element, Txn::Error { .. }));
    let mut stats = stats.iter();
    for (kind, element) in elements {
        match element {
            Txn::Error { code } => write_multi_error(*code, out),
            _ if failed => write_multi_error(ErrorCode::Ok, out),
            Txn::Create(create) => {
                let stat = stats.next();
                let kind = if *kind == kind::CREATE { kind::CREATE } else { kind::CREATE2 };
                encode_multi_header(out, kind, false, ErrorCode::Ok);
                out.put_string(&create.path);
                if kind == kind::CREATE2
                    && let Some(stat) = stat
                {
                    stat.encode(out);
                }
            }
            Txn::SetData { .. } => {
                encode_multi_header(out, *kind, false, ErrorCode::Ok);
                if let Some(stat) = stats.next() {
                    stat.encode(out);
                }
            }
            _ => encode_multi_header(out, *kind, false, ErrorCode::Ok),
        }
    }
    encode_multi_header(out, -1, true, ErrorCode(-1));
}

fn write_multi_error(code: ErrorCode, out: &mut Vec<u8>) {
    encode_multi_header(out, -1, false, code);
    out.put_int(code.0);
}

/// Turns changes of the tree into notifications for those who watch and may read.
struct Teller<'a> {
    watches: &'a mut Watches,
    conns: &'a HashMap<ConnId, Conn, FixedState>,
    effects: &'a mut Effects,
    zxid: Zxid,
    skip_acl: bool,
}

impl Teller<'_> {
    /// A watch whose owner may not read is spent in silence.
    fn tell(
        conns: &HashMap<ConnId, Conn, FixedState>,
        skip_acl: bool,
        zxid: Zxid,
        effects: &mut Effects,
        (conn, kind, path, acls): (ConnId, EventType, &str, &[Acl]),
    ) {
        let Some(identities) = conns.get(&conn).map(|conn| &conn.identities) else { return };
        if skip_acl || acl::allows(acls, perms::READ, identities) {
            effects.send(conn, |out| WatcherEvent { kind, path }.encode_frame(zxid, out));
        }
    }
}

impl Observer for Teller<'_> {
    fn created(&mut self, path: &str, acl: &[Acl], parent: &str, parent_acl: &[Acl]) {
        let Self { watches, conns, effects, zxid, skip_acl } = self;
        watches.on_created(path, parent, &mut |conn, kind, path| {
            let acls = if kind == EventType::NodeChildrenChanged { parent_acl } else { acl };
            Self::tell(conns, *skip_acl, *zxid, effects, (conn, kind, path, acls));
        });
    }

    fn deleted(&mut self, path: &str, acl: &[Acl], parent: &str, parent_acl: &[Acl]) {
        let Self { watches, conns, effects, zxid, skip_acl } = self;
        watches.on_deleted(path, parent, &mut |conn, kind, path| {
            let acls = if kind == EventType::NodeChildrenChanged { parent_acl } else { acl };
            Self::tell(conns, *skip_acl, *zxid, effects, (conn, kind, path, acls));
        });
    }

    fn data_changed(&mut self, path: &str, acl: &[Acl]) {
        let Self { watches, conns, effects, zxid, skip_acl } = self;
        watches.on_data_changed(path, &mut |conn, kind, path| {
            Self::tell(conns, *skip_acl, *zxid, effects, (conn, kind, path, acl));
        });
    }
}
