//! A server that does exactly what a test says, frame by frame.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zkrs_core::jute::{Reader, Writer};
use zkrs_core::proto::{
    ConnectRequest, ConnectResponse, ErrorCode, EventType, OpCode, ReplyHeader, Request, RequestHeader, Stat,
    WatcherEvent, frame,
};

pub const SESSION: i64 = 0x1234;

/// Listens on a port of its own.
pub struct Fake {
    listener: TcpListener,
}

/// One accepted connection.
pub struct Conn {
    stream: TcpStream,
}

/// A request as received.
#[derive(Debug)]
pub struct Received {
    pub xid: i32,
    pub op: OpCode,
    pub body: Vec<u8>,
}

impl Received {
    pub fn request(&self) -> Request<'_> {
        Request::decode(self.op, &self.body).expect("the client sends well-formed requests")
    }
}

impl Fake {
    pub async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    pub fn address(&self) -> String {
        self.listener.local_addr().expect("bound").to_string()
    }

    pub async fn accept(&self) -> Conn {
        let accepted = within(self.listener.accept()).await;
        Conn { stream: accepted.expect("the client connects").0 }
    }

    /// Accepts, and agrees to the session; the connect request.
    pub async fn serve(&self) -> (Conn, ConnectRequest) {
        let mut conn = self.accept().await;
        let request = conn.accept_session(10_000).await;
        (conn, request)
    }
}

impl Conn {
    /// Answers the connect request with session [`SESSION`]; a timeout of 0 declares it expired.
    pub async fn accept_session(&mut self, timeout_ms: i32) -> ConnectRequest {
        let request = ConnectRequest::decode(&self.recv_frame().await.expect("a connect request")).unwrap();
        let response = ConnectResponse {
            protocol_version: 0,
            timeout_ms,
            session_id: if timeout_ms == 0 { 0 } else { SESSION },
            password: vec![5; 16],
            read_only: Some(false),
        };
        self.send(|out| response.encode(out)).await;
        request
    }

    /// `None` when the client has closed.
    pub async fn recv_frame(&mut self) -> Option<Vec<u8>> {
        let read = async {
            let length = self.stream.read_u32().await.ok()?;
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some(payload)
        };
        within(read).await
    }

    pub async fn recv(&mut self) -> Received {
        let payload = self.recv_frame().await.expect("a request");
        let mut reader = Reader::new(&payload);
        let header = RequestHeader::decode(&mut reader).unwrap();
        let op = OpCode::from_wire(header.op).expect("a known opcode");
        Received { xid: header.xid, op, body: reader.remaining().to_vec() }
    }

    /// Receives a request of this kind.
    pub async fn expect(&mut self, op: OpCode) -> Received {
        let received = self.recv().await;
        assert_eq!(received.op, op);
        received
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the client reads");
    }

    async fn send(&mut self, body: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        frame(&mut bytes, body);
        self.send_bytes(&bytes).await;
    }

    pub async fn reply(&mut self, xid: i32, err: ErrorCode, body: impl FnOnce(&mut Vec<u8>)) {
        self.send(|out| {
            ReplyHeader { xid, zxid: 1, err }.encode(out);
            body(out);
        })
        .await;
    }

    /// Answers with success, data being the path that was asked for.
    pub async fn answer(&mut self, received: &Received) {
        let path = match received.request() {
            Request::GetData { path, .. } => path.to_string(),
            _ => String::new(),
        };
        self.reply(received.xid, ErrorCode::Ok, |out| match received.op {
            OpCode::GetData => {
                out.put_buffer(Some(path.as_bytes()));
                Stat::default().encode(out);
            }
            OpCode::SetData | OpCode::Exists => Stat::default().encode(out),
            OpCode::AddWatch => out.put_int(0),
            _ => {}
        })
        .await;
    }

    pub async fn event(&mut self, kind: EventType, path: &str) {
        let mut bytes = Vec::new();
        WatcherEvent { kind, path }.encode_frame(7, &mut bytes);
        self.send_bytes(&bytes).await;
    }
}

/// Fails a test that waits for what never comes.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it happens within 20 s")
}
