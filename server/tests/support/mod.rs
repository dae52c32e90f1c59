//! A server on a port of its own, and a client that speaks in bytes.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use zkrs_core::acl::Acl;
use zkrs_core::jute::{Reader, Writer};
use zkrs_core::proto::{
    ConnectRequest, ConnectResponse, CreateRequest, ErrorCode, OpCode, ReplyHeader, Request, RequestHeader,
    Stat, frame,
};
use zkrs_server::config::ServerConfig;
use zkrs_server::{Server, StartOptions};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The configuration of a server on a free port, with more lines of `zoo.cfg`.
pub fn config(dir: &Path, more: &str) -> ServerConfig {
    let text = format!(
        "dataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\n4lw.commands.whitelist=*\npreAllocSize=64\n{more}",
        dir.display()
    );
    let (config, _) = ServerConfig::from_text("test", text.as_bytes(), false).expect("a right configuration");
    config
}

/// A server on a free port.
pub fn server(dir: &Path, more: &str) -> Server {
    Server::start_with(config(dir, more), StartOptions::default()).expect("the server starts")
}

/// One reply or notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub xid: i32,
    pub zxid: i64,
    pub err: ErrorCode,
    pub body: Vec<u8>,
}

/// A connection that sends and receives frames.
pub struct Client {
    pub stream: TcpStream,
    pub session: ConnectResponse,
    last_xid: i32,
}

impl Client {
    /// A new session.
    pub fn connect(address: SocketAddr) -> Client {
        Client::resume(address, 0, vec![0; 16])
    }

    /// A session by its id and password.
    pub fn resume(address: SocketAddr, session_id: i64, password: Vec<u8>) -> Client {
        let mut stream = raw(address);
        stream.write_all(&connect_frame(session_id, password)).unwrap();
        let response = read_frame(&mut stream).expect("a connect response");
        Client { stream, session: ConnectResponse::decode(&response).unwrap(), last_xid: 0 }
    }

    /// Sends a request without waiting; returns its xid.
    pub fn send(&mut self, request: &Request<'_>) -> i32 {
        self.last_xid += 1;
        let bytes = request_frame(self.last_xid, request);
        self.stream.write_all(&bytes).unwrap();
        self.last_xid
    }

    /// Receives the next reply or notification.
    pub fn receive(&mut self) -> Reply {
        let payload = read_frame(&mut self.stream).expect("a reply");
        let mut reader = Reader::new(&payload);
        let ReplyHeader { xid, zxid, err } = ReplyHeader::decode(&mut reader).unwrap();
        Reply { xid, zxid, err, body: reader.remaining().to_vec() }
    }

    /// Sends a request and receives its reply; nothing else may come before it.
    pub fn call(&mut self, request: &Request<'_>) -> Reply {
        let xid = self.send(request);
        let reply = self.receive();
        assert_eq!(reply.xid, xid, "{reply:?}");
        reply
    }

    /// Creates a persistent znode that everybody may do everything with.
    pub fn create(&mut self, path: &str, data: &[u8]) -> Reply {
        self.call(&create(path, data, 0))
    }

    /// Reads a znode's data.
    pub fn get(&mut self, path: &str) -> Result<Vec<u8>, ErrorCode> {
        let reply = self.call(&get(path, false));
        match reply.err {
            ErrorCode::Ok => Ok(Reader::new(&reply.body).buffer().unwrap().unwrap_or_default().to_vec()),
            code => Err(code),
        }
    }

    /// Closes the session and waits for the server to close the connection.
    pub fn close(mut self) {
        let reply = self.call(&Request::CloseSession);
        assert_eq!(reply.err, ErrorCode::Ok);
        assert_end(&mut self.stream);
    }
}

/// A connection that has sent nothing.
pub fn raw(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn connect_frame(session_id: i64, password: Vec<u8>) -> Vec<u8> {
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms: 10_000,
        session_id,
        password,
        read_only: false,
        has_read_only: true,
    };
    let mut out = Vec::new();
    frame(&mut out, |out| request.encode(out));
    out
}

pub fn request_frame(xid: i32, request: &Request<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, |out| {
        RequestHeader { xid, op: request.op() as i32 }.encode(out);
        request.encode(out);
    });
    out
}

pub fn create<'a>(path: &'a str, data: &'a [u8], flags: i32) -> Request<'a> {
    let acl = Some(Acl::open());
    Request::Create(
        OpCode::Create,
        CreateRequest { path: path.into(), data: Some(data), acl, flags, ttl_ms: -1 },
    )
}

pub fn get(path: &str, watch: bool) -> Request<'_> {
    Request::GetData { path: path.into(), watch }
}

pub fn set<'a>(path: &'a str, data: &'a [u8]) -> Request<'a> {
    Request::SetData { path: path.into(), data: Some(data), version: -1 }
}

/// The stat behind the data in a getData reply.
pub fn stat_of(reply: &Reply) -> Stat {
    let mut reader = Reader::new(&reply.body);
    reader.buffer().unwrap();
    Stat::decode(&mut reader).unwrap()
}

/// One frame's payload; `None` at the end of the stream.
pub fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if is_end(&error) => return None,
        Err(error) => panic!("reading a frame: {error}"),
    }
    let mut payload = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut payload).unwrap();
    Some(payload)
}

/// Asserts that the server has closed a connection and sent nothing more.
pub fn assert_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) if is_end(&error) => {}
        Err(error) => panic!("the server was expected to close the connection: {error}"),
    }
    assert_eq!(rest, b"");
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

/// The whole answer to a four-letter word.
pub fn word(address: SocketAddr, word: &str) -> String {
    String::from_utf8(word_bytes(address, word.as_bytes())).unwrap()
}

pub fn word_bytes(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = raw(address);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let _ = stream.shutdown(Shutdown::Both);
    answer
}

/// The value of a `zk_` key.
pub fn monitored(address: SocketAddr, key: &str) -> String {
    let text = word(address, "mntr");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("zk_{key}\t")));
    line.unwrap_or_else(|| panic!("no zk_{key} in {text}")).to_owned()
}

/// Waits until something holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A jute string as it is in a reply's body.
pub fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_string(text);
    out
}
