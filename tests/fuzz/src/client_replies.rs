//! The client as a server sees it: a session that is told arbitrary things. Every request it accepted gets exactly
//! one result, its memory stays bounded, and it asks for sensible things only.

use std::collections::BTreeSet;

use zkrs_core::client::{ClientConfig, ClientSession, Effect, Input as ClientInput, SessionState};
use zkrs_core::jute::Writer;
use zkrs_core::proto::{ConnectResponse, ErrorCode, ReplyHeader, WatcherType, frame};

use crate::input::Input;
use crate::request;

const EVENTS_MAX: usize = 400;

/// Plays the input against a fresh client.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut rig = Rig::new(&mut input);
    for _ in 0..EVENTS_MAX {
        if input.is_empty() {
            break;
        }
        rig.event(&mut input);
    }
    rig.finish();
}

struct Rig {
    client: ClientSession<u64>,
    hosts: usize,
    now_ms: u64,
    effects: Vec<Effect<u64>>,
    /// Between `Connect` and the end of the connection.
    has_connection: bool,
    next_token: u64,
    open: BTreeSet<u64>,
    watchers: Vec<u64>,
    state: SessionState,
    xid: i32,
    sent: Vec<u8>,
}

impl Rig {
    fn new(input: &mut Input<'_>) -> Self {
        let bits = input.byte();
        let config = ClientConfig {
            hosts: 1 + usize::from(bits & 3),
            chroot: if bits & 4 == 0 { String::new() } else { "/a".to_owned() },
            read_only: bits & 8 != 0,
            session_timeout_ms: 10_000,
            reply_bytes_max: 4096,
            request_bytes_max: 4096,
            requests_max: 32,
            request_queue_bytes_max: 16 << 10,
            watches_max: 16,
            auths_max: 4,
            ..ClientConfig::default()
        };
        let hosts = config.hosts;
        let client = ClientSession::new(config, u64::from(bits));
        let mut rig = Self {
            client,
            hosts,
            now_ms: 1000,
            effects: Vec::new(),
            has_connection: false,
            next_token: 0,
            open: BTreeSet::new(),
            watchers: Vec::new(),
            state: SessionState::Connecting,
            xid: 0,
            sent: Vec::new(),
        };
        rig.step(ClientInput::Wake);
        rig
    }

    fn event(&mut self, input: &mut Input<'_>) {
        match input.byte() % 14 {
            0 => {
                self.now_ms += input.pick(&[1, 50, 100, 1000, 3334, 6700, 60_000, 1 << 40]);
                self.step(ClientInput::Wake);
            }
            1 if self.has_connection => self.step(ClientInput::Connected),
            2 if self.has_connection => {
                self.has_connection = false;
                self.step(ClientInput::Disconnected);
            }
            3 => {
                let host = input.below(self.hosts);
                self.step(ClientInput::Probed { host, read_write: input.flag() });
            }
            4 => self.received(input.string()),
            5 => self.handshake(input),
            6..9 => self.reply(input),
            9 => self.notification(input),
            10 => self.ask(input),
            11 => self.submit(input),
            12 => self.submit(input),
            _ => self.transmit(usize::from(input.byte()) * 16),
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        if self.has_connection {
            self.step(ClientInput::Received(bytes));
        }
    }

    fn handshake(&mut self, input: &mut Input<'_>) {
        let response = ConnectResponse {
            protocol_version: 0,
            timeout_ms: input.pick(&[10_000, 6000, 0, 1, -1, i32::MAX, i32::MIN]),
            session_id: input.pick(&[0x100, 0, -1, i64::MAX]),
            password: if input.byte() == 255 { input.string().to_vec() } else { vec![7; 16] },
            read_only: input.pick(&[Some(false), Some(true), None]),
        };
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| response.encode(out));
        self.step_connected(&bytes);
    }

    fn step_connected(&mut self, bytes: &[u8]) {
        if self.has_connection {
            self.step(ClientInput::Connected);
            self.transmit(1 << 20);
            self.received(bytes);
        }
    }

    /// An answer with the next xid, mostly, and a body of the input's choice.
    fn reply(&mut self, input: &mut Input<'_>) {
        let xid = match input.byte() {
            255 => input.int(),
            choice if choice < 200 => {
                self.xid += 1;
                self.xid
            }
            choice => [-1, -2, -4, -8][usize::from(choice) % 4],
        };
        let err = ErrorCode(match input.byte() {
            255 => input.int(),
            choice if choice < 128 => 0,
            choice => -i32::from(choice),
        });
        let body = input.string();
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| {
            ReplyHeader { xid, zxid: input.pick(&[1, 5, i64::MAX, -1]), err }.encode(out);
            out.extend_from_slice(body);
        });
        self.received(&bytes);
    }

    fn notification(&mut self, input: &mut Input<'_>) {
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| {
            ReplyHeader { xid: -1, zxid: -1, err: ErrorCode::Ok }.encode(out);
            out.put_int(i32::from(input.byte() % 8) - 1);
            out.put_int(input.pick(&[3, 0, -112, 5]));
            out.put_string(&request::path(input));
        });
        self.received(&bytes);
    }

    fn submit(&mut self, input: &mut Input<'_>) {
        let watcher = if input.flag() { self.client.reserve_watcher().ok() } else { None };
        self.watchers.extend(watcher);
        let request = request::request(input);
        let token = self.token();
        if self.client.submit(token, &request, watcher).is_ok() {
            self.open.insert(token);
        }
    }

    /// Everything else that a caller may ask.
    fn ask(&mut self, input: &mut Input<'_>) {
        let token = self.token();
        let mut effects = std::mem::take(&mut self.effects);
        let accepted = match input.byte() % 8 {
            0 => self.client.add_auth(token, input.pick(&["digest", "ip"]), input.string()).is_ok(),
            1 => match self.watchers.pop() {
                Some(watcher) => self.client.remove_watcher(token, watcher).is_ok(),
                None => false,
            },
            2 => {
                let kind = input.pick(&[
                    WatcherType::Any,
                    WatcherType::Data,
                    WatcherType::Children,
                    WatcherType::Persistent,
                    WatcherType::PersistentRecursive,
                ]);
                let path = request::path(input);
                // The result may be there at once.
                self.open.insert(token);
                let accepted =
                    self.client.remove_watches(token, &path, kind, input.flag(), &mut effects).is_ok();
                if !accepted {
                    self.open.remove(&token);
                }
                accepted
            }
            3 => {
                if let Some(watcher) = self.watchers.pop() {
                    self.client.forget_watcher(watcher);
                }
                false
            }
            4 => {
                self.client.disconnect(self.now_ms, &mut effects);
                false
            }
            5 if input.byte() > 200 => {
                self.client.abandon(&mut effects);
                false
            }
            6 if input.byte() > 128 => {
                self.open.insert(token);
                let accepted = self.client.close(token, &mut effects).is_ok();
                if !accepted {
                    self.open.remove(&token);
                }
                accepted
            }
            _ => false,
        };
        if accepted {
            self.open.insert(token);
        }
        self.effects = effects;
        self.carry_out();
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    fn transmit(&mut self, bytes_max: usize) {
        self.sent.clear();
        self.client.transmit(self.now_ms, &mut self.sent, bytes_max);
        assert!(self.sent.len() <= bytes_max + (64 << 10), "what is sent at once is bounded");
    }

    fn step(&mut self, input: ClientInput<'_>) {
        self.client.step(self.now_ms, input, &mut self.effects);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Connect { host } => {
                    assert!(host < self.hosts, "a host of the list");
                    assert!(!self.has_connection, "one connection at a time");
                    self.has_connection = true;
                    self.xid = 0;
                }
                Effect::Disconnect { reason } => {
                    assert!(self.has_connection, "there is something to drop");
                    assert!(!reason.to_string().is_empty());
                    self.has_connection = false;
                }
                Effect::ProbeReadWrite { host } => assert!(host < self.hosts, "a host of the list"),
                Effect::Complete { token, .. } => {
                    assert!(self.open.remove(&token), "one result per request");
                }
                Effect::Event { watcher, .. } => assert!(watcher > 0 || !self.watchers.is_empty()),
                Effect::State(state) => {
                    assert!(!self.state.is_final(), "nothing follows a final state");
                    self.state = state;
                }
            }
        }
        assert_eq!(self.state, self.client.state(), "every change of state is told");
        assert!(self.client.pending() <= 32 + 16 + 8, "requests are bounded");
        assert!(self.client.watchers() <= 16, "watchers are bounded");
    }

    fn finish(mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        self.client.abandon(&mut effects);
        self.effects = effects;
        self.carry_out();
        assert!(self.client.state().is_final());
        assert!(self.open.is_empty(), "every accepted request got its result: {:?}", self.open);
        assert_eq!(self.client.next_deadline(), None, "nothing is due any more");
    }
}
