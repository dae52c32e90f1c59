//! A client of a few lines for tests that misbehave, and a directory and a server for them. Everything waits for
//! bytes or conditions, with a deadline; nothing sleeps for a guess.

// Each test file uses its part of this.
#![allow(dead_code)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use zkrs_core::acl::Acl;
use zkrs_core::jute::Reader;
use zkrs_core::proto::{
    ConnectRequest, ConnectResponse, CreateMode, CreateRequest, ErrorCode, OpCode, ReplyHeader, Request,
    RequestHeader, frame,
};

/// Nothing here takes this long, but on a machine that is very busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives something.
///
/// # Panics
/// When it has not after [`PATIENCE`].
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "still waiting after {PATIENCE:?}: {what}");
        // Asking all the time would take the core from whoever is waited for.
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// A folder that goes with its owner.
pub struct TempDir(PathBuf);

impl TempDir {
    /// A fresh one.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("zkrs-{name}-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the system's folder for temporary files is writable");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Left behind for whoever looks into the failure.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A connection that sends what it is told and checks nothing.
pub struct Wire {
    pub stream: TcpStream,
    xid: i32,
    /// Set by [`Wire::open_session`].
    pub session: i64,
    pub password: Vec<u8>,
}

/// What came instead of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The server closed the connection.
    Closed,
    /// Nothing came in time.
    Silence,
}

/// A reply's header and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub header: ReplyHeader,
    pub body: Vec<u8>,
}

impl Wire {
    /// Connects. Reads give up after [`PATIENCE`].
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("the server accepts connections")
    }

    /// Connects, if the server lets it.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, xid: 0, session: 0, password: Vec::new() })
    }

    /// Connects and opens a session.
    pub fn with_session(address: SocketAddr) -> Self {
        let mut wire = Self::connect(address);
        wire.open_session(10_000).expect("the server opens sessions");
        wire
    }

    /// Sends bytes; false when the server has closed already.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends the handshake of a new session and reads the answer.
    pub fn open_session(&mut self, timeout_ms: i32) -> Result<ConnectResponse, Ended> {
        self.send(&connect_frame(0, &[0; 16], timeout_ms));
        self.read_session()
    }

    /// Sends the handshake that resumes a session and reads the answer.
    pub fn resume_session(&mut self, session: i64, password: &[u8]) -> Result<ConnectResponse, Ended> {
        self.send(&connect_frame(session, password, 10_000));
        self.read_session()
    }

    /// Reads the answer to a handshake.
    pub fn read_session(&mut self) -> Result<ConnectResponse, Ended> {
        let payload = self.frame()?;
        let response = ConnectResponse::decode(&payload).expect("the first answer is a connect response");
        self.session = response.session_id;
        self.password.clone_from(&response.password);
        Ok(response)
    }

    /// Sends a request under the next xid, which it returns.
    pub fn request(&mut self, request: &Request<'_>) -> i32 {
        self.xid += 1;
        self.send(&request_frame(self.xid, request));
        self.xid
    }

    /// Sends a request and reads the next frame.
    pub fn call(&mut self, request: &Request<'_>) -> Result<Reply, Ended> {
        let xid = self.request(request);
        let reply = self.reply()?;
        assert_eq!(reply.header.xid, xid, "the answer to this request");
        Ok(reply)
    }

    /// Creates a znode.
    pub fn create(&mut self, path: &str, data: &[u8], mode: CreateMode) -> Result<ErrorCode, Ended> {
        self.call(&create(path, data, mode)).map(|reply| reply.header.err)
    }

    /// Whether a znode is there.
    pub fn exists(&mut self, path: &str) -> Result<bool, Ended> {
        let reply = self.call(&Request::Exists { path: path.into(), watch: false })?;
        Ok(reply.header.err == ErrorCode::Ok)
    }

    /// The next frame as a reply.
    pub fn reply(&mut self) -> Result<Reply, Ended> {
        let payload = self.frame()?;
        let mut reader = Reader::new(&payload);
        let header = ReplyHeader::decode(&mut reader).expect("a reply has a header");
        Ok(Reply { header, body: reader.remaining().to_vec() })
    }

    /// The next frame's payload.
    pub fn frame(&mut self) -> Result<Vec<u8>, Ended> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let length = i32::from_be_bytes(length);
        assert!((0..64 << 20).contains(&length), "the server's frames are not {length} bytes long");
        let mut payload = vec![0; length as usize];
        self.fill(&mut payload)?;
        Ok(payload)
    }

    /// Everything that still comes, up to the end of the connection.
    pub fn rest(&mut self) -> Result<Vec<u8>, Ended> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) if is_silence(error.kind()) => Err(Ended::Silence),
            Err(_) => Ok(bytes),
        }
    }

    /// Waits up to `time` for a byte: what came instead of one, if none did.
    pub fn poll(&mut self, time: Duration) -> Result<u8, Ended> {
        self.stream.set_read_timeout(Some(time)).expect("a socket takes a timeout");
        let mut byte = [0];
        let result = self.fill(&mut byte);
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        result.map(|()| byte[0])
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), Ended> {
        match self.stream.read_exact(into) {
            Ok(()) => Ok(()),
            Err(error) if is_silence(error.kind()) => Err(Ended::Silence),
            Err(_) => Err(Ended::Closed),
        }
    }
}

fn is_silence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A whole handshake frame.
pub fn connect_frame(session_id: i64, password: &[u8], timeout_ms: i32) -> Vec<u8> {
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout_ms,
        session_id,
        password: password.to_vec(),
        read_only: false,
        has_read_only: true,
    };
    framed(|out| request.encode(out))
}

/// A whole request frame.
pub fn request_frame(xid: i32, request: &Request<'_>) -> Vec<u8> {
    op_frame(xid, request.op() as i32, |out| request.encode(out))
}

/// A whole frame with any opcode.
pub fn op_frame(xid: i32, op: i32, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    framed(|out| {
        RequestHeader { xid, op }.encode(out);
        body(out);
    })
}

/// A whole frame.
pub fn framed(body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(&mut bytes, body);
    bytes
}

/// A create request, open to all.
pub fn create<'a>(path: &'a str, data: &'a [u8], mode: CreateMode) -> Request<'a> {
    Request::Create(
        OpCode::Create,
        CreateRequest {
            path: path.into(),
            data: Some(data),
            acl: Some(Acl::open()),
            flags: mode as i32,
            ttl_ms: -1,
        },
    )
}

/// Sends a four-letter word and reads the answer.
pub fn word(address: SocketAddr, word: &str) -> String {
    let mut wire = Wire::connect(address);
    wire.send(word.as_bytes());
    String::from_utf8_lossy(&wire.rest().expect("the server closes after a word")).into_owned()
}
