//! A well-behaved client: a session, requests one by one or many in flight.

use crate::conn::{ANSWER_MS, Conn, Connected, Incoming, connect_payload, session_password};
use crate::op;
use crate::reply::Header;
use crate::wire::Put;
use std::net::SocketAddr;

/// Requests in flight at once.
const WINDOW_REQUESTS: usize = 300;
/// The longest timeout that the servers of our runs grant.
pub const LONG_TIMEOUT_MS: i32 = 120_000;
/// The credentials of super at every server of our runs.
pub const SUPER: &str = "super:test";

/// A connected session.
#[derive(Debug)]
pub struct Client {
    /// Its connection.
    pub conn: Conn,
    /// Its session id.
    pub session: i64,
    /// The negotiated timeout, milliseconds.
    pub timeout_ms: i32,
}

impl Client {
    /// Opens a session.
    ///
    /// # Errors
    /// A message when the server refuses it.
    pub fn open(address: SocketAddr, timeout_ms: i32) -> Result<Self, String> {
        Self::connect(address, timeout_ms, 0, &[0; 16])
    }

    /// Opens a session with super's rights.
    ///
    /// # Errors
    /// As [`Client::open`] and [`Client::authenticate`].
    pub fn open_super(address: SocketAddr) -> Result<Self, String> {
        let mut client = Self::open(address, LONG_TIMEOUT_MS)?;
        client.authenticate(SUPER)?;
        Ok(client)
    }

    /// Takes a session up again that some server once granted.
    ///
    /// # Errors
    /// A message when the server does not know it.
    pub fn resume(address: SocketAddr, timeout_ms: i32, session: i64) -> Result<Self, String> {
        Self::connect(address, timeout_ms, session, &session_password(session))
    }

    /// Adds an identity of scheme digest.
    ///
    /// # Errors
    /// A message when the server refuses it.
    pub fn authenticate(&mut self, credentials: &str) -> Result<(), String> {
        let mut auth = Vec::new();
        auth.int(0);
        auth.buffer(Some(b"digest"));
        auth.buffer(Some(credentials.as_bytes()));
        match self.call(op::AUTH, &auth)? {
            (Header { err: 0, .. }, _) => Ok(()),
            (Header { err, .. }, _) => Err(format!("auth {credentials}: error {err}")),
        }
    }

    /// One request and its reply.
    ///
    /// # Errors
    /// A message when there is no reply.
    pub fn call(&mut self, op: i32, body: &[u8]) -> Result<(Header, Vec<u8>), String> {
        self.conn.request(op, body);
        self.reply()
    }

    /// Sends all requests, a window at a time, and returns their replies in order.
    ///
    /// # Errors
    /// A message when replies stop coming.
    pub fn call_all(&mut self, requests: &[(i32, Vec<u8>)]) -> Result<Vec<(Header, Vec<u8>)>, String> {
        let mut replies = Vec::with_capacity(requests.len());
        for window in requests.chunks(WINDOW_REQUESTS) {
            let mut bytes = Vec::new();
            for (op, body) in window {
                let xid = self.conn.take_xid();
                bytes.buffer(Some(&crate::conn::request_payload(xid, *op, body)));
            }
            self.conn.send_raw(&bytes);
            for _ in window {
                replies.push(self.reply()?);
            }
        }
        Ok(replies)
    }

    fn connect(address: SocketAddr, timeout_ms: i32, session: i64, password: &[u8]) -> Result<Self, String> {
        let mut conn = Conn::open(address).map_err(|error| format!("connect to {address}: {error}"))?;
        conn.send(&connect_payload(0, timeout_ms, session, password, Some(false)));
        let Incoming::Frame(frame) = conn.receive(ANSWER_MS) else {
            return Err(format!("{address} gave no connect response"));
        };
        match Connected::take(&frame) {
            Some(Connected { session: granted, timeout_ms, .. }) if granted != 0 => {
                Ok(Self { conn, session: granted, timeout_ms })
            }
            _ => Err(format!("{address} refused session {session:#x}")),
        }
    }

    fn reply(&mut self) -> Result<(Header, Vec<u8>), String> {
        match self.conn.receive(ANSWER_MS) {
            Incoming::Frame(frame) => {
                let (header, body) = Header::take(&frame).ok_or("a reply without a header")?;
                Ok((header, body.to_vec()))
            }
            Incoming::Closed => Err("the server closed the connection".to_string()),
            Incoming::Silence => Err(format!("the server did not answer within {ANSWER_MS} ms")),
        }
    }
}
