//! The state machine driven by scripted bytes: these tests are both its shell and its server.

mod connection;
mod hostile;
mod requests;
mod watching;

use super::*;
use crate::jute::Writer;
use crate::proto::{
    ConnectRequest, ConnectResponse, ErrorCode, EventType, OpCode, ReplyHeader, Request, RequestHeader, Stat,
    WatcherEvent, frame, xid,
};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

pub(super) const PASSWORD: [u8; 16] = [7; 16];

/// A session, its clock, and what it has asked for so far.
pub(super) struct Shell {
    pub session: ClientSession<u32>,
    pub now_ms: u64,
    pub effects: Vec<Effect<u32>>,
}

impl Shell {
    pub fn new(config: ClientConfig) -> Self {
        Self { session: ClientSession::new(config, 1), now_ms: 1_000, effects: Vec::new() }
    }

    /// With one server, connected to session 0x55 with a timeout of 30 s.
    pub fn connected(config: ClientConfig) -> Self {
        let mut shell = Self::new(config);
        shell.open();
        shell.accept(30_000, false);
        shell.take();
        shell
    }

    pub fn step(&mut self, input: Input<'_>) {
        self.session.step(self.now_ms, input, &mut self.effects);
    }

    /// What was asked for since the last call.
    pub fn take(&mut self) -> Vec<Effect<u32>> {
        core::mem::take(&mut self.effects)
    }

    /// Moves the clock to the next deadline and wakes the session; how long that took, milliseconds.
    pub fn sleep(&mut self) -> u64 {
        let deadline = self.session.next_deadline().expect("something is due");
        let slept = deadline.saturating_sub(self.now_ms);
        self.now_ms += slept;
        self.step(Input::Wake);
        slept
    }

    /// Opens a connection up to the server's answer; the connect request.
    pub fn open(&mut self) -> ConnectRequest {
        while !self.effects.iter().any(|effect| matches!(effect, Effect::Connect { .. })) {
            self.sleep();
        }
        self.step(Input::Connected);
        let sent = self.sent_frames();
        assert_eq!(sent.len(), 1, "nothing but the connect request goes first");
        ConnectRequest::decode(&sent[0]).unwrap()
    }

    pub fn accept(&mut self, timeout_ms: i32, read_only: bool) {
        let response = ConnectResponse {
            protocol_version: 0,
            timeout_ms,
            session_id: if timeout_ms == 0 { 0 } else { 0x55 },
            password: PASSWORD.to_vec(),
            read_only: Some(read_only),
        };
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| response.encode(out));
        self.step(Input::Received(&bytes));
    }

    /// Everything the session wants sent, frame by frame.
    pub fn sent_frames(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        self.session.transmit(self.now_ms, &mut bytes, usize::MAX);
        let mut frames = Vec::new();
        let mut inbox = super::inbox::Inbox::default();
        inbox
            .receive(&bytes, usize::MAX, |frame| {
                frames.push(frame.to_vec());
                Ok(())
            })
            .unwrap();
        frames
    }

    /// The same, as headers.
    pub fn sent(&mut self) -> Vec<(i32, OpCode)> {
        let header = |frame: &Vec<u8>| {
            let header = RequestHeader::decode(&mut crate::jute::Reader::new(frame)).unwrap();
            (header.xid, OpCode::from_wire(header.op).unwrap())
        };
        self.sent_frames().iter().map(header).collect()
    }

    pub fn reply(&mut self, xid: i32, zxid: Zxid, err: ErrorCode, body: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| {
            ReplyHeader { xid, zxid, err }.encode(out);
            body(out);
        });
        self.step(Input::Received(&bytes));
    }

    pub fn ok(&mut self, xid: i32, zxid: Zxid) {
        self.reply(xid, zxid, ErrorCode::Ok, |_| {});
    }

    pub fn event(&mut self, kind: EventType, path: &str, zxid: Zxid) {
        let mut bytes = Vec::new();
        WatcherEvent { kind, path }.encode_frame(zxid, &mut bytes);
        self.step(Input::Received(&bytes));
    }

    /// Results since the last [`Shell::take`], which this is.
    pub fn results(&mut self) -> Vec<(u32, Result<Response, RequestError>)> {
        let result = |effect| match effect {
            Effect::Complete { token, result, .. } => Some((token, result)),
            _ => None,
        };
        self.take().into_iter().filter_map(result).collect()
    }

    /// Events since the last [`Shell::take`], which this is.
    pub fn events(&mut self) -> Vec<(WatcherId, EventKind, String, bool)> {
        let event = |effect| match effect {
            Effect::Event { watcher, event, last } => Some((watcher, event.kind, event.path, last)),
            _ => None,
        };
        self.take().into_iter().filter_map(event).collect()
    }

    /// Submits a request whose watcher, if it is one that watches, is returned.
    pub fn watch(&mut self, token: u32, request: &Request<'_>) -> WatcherId {
        let watcher = self.session.reserve_watcher().unwrap();
        self.session.submit(token, request, Some(watcher)).unwrap();
        watcher
    }

    /// Sets a watch and has the server agree.
    pub fn watch_agreed(&mut self, request: &Request<'_>) -> WatcherId {
        self.take();
        let watcher = self.watch(0, request);
        let (xid, op) = *self.sent().last().expect("the request is sent");
        self.reply(xid, 1, ErrorCode::Ok, |out| success_body(op, out));
        assert!(matches!(self.results()[..], [(0, Ok(_))]));
        watcher
    }
}

/// The body of a successful reply to an operation.
pub(super) fn success_body(op: OpCode, out: &mut Vec<u8>) {
    match op {
        OpCode::Exists | OpCode::SetData => Stat::default().encode(out),
        OpCode::GetData => {
            out.put_buffer(Some(b"data"));
            Stat::default().encode(out);
        }
        OpCode::GetChildren => {
            out.put_vector_len(1);
            out.put_string("child");
        }
        OpCode::AddWatch => out.put_int(0),
        _ => {}
    }
}

pub(super) fn exists(path: &str) -> Request<'_> {
    Request::Exists { path: path.into(), watch: true }
}

pub(super) fn get_data(path: &str) -> Request<'_> {
    Request::GetData { path: path.into(), watch: true }
}

pub(super) fn get_children(path: &str) -> Request<'_> {
    Request::GetChildren { path: path.into(), watch: true }
}

pub(super) fn add_watch(path: &str, mode: i32) -> Request<'_> {
    Request::AddWatch { path: path.into(), mode }
}

pub(super) fn set_data(path: &str) -> Request<'_> {
    Request::SetData { path: path.into(), data: Some(b"x"), version: -1 }
}

pub(super) fn config() -> ClientConfig {
    ClientConfig::default()
}
