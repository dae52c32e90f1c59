//! A bare connection, for tests: any bytes go out, whole frames come in, nothing happens by itself.

use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};
use zkrs_core::jute::Reader;
use zkrs_core::proto::{ConnectRequest, ConnectResponse, OpCode, ReplyHeader, Request, RequestHeader, frame};

/// A connection that neither pings, nor reconnects, nor checks what it is made to send.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    frame_bytes_max: usize,
}

/// A reply that was not decoded further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its header.
    pub header: ReplyHeader,
    /// What follows.
    pub body: Vec<u8>,
}

impl RawConnection {
    /// Connects.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, frame_bytes_max: 64 << 20 })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends one frame: the payload's length, then the payload.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn send_frame(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(payload.len() + 4);
        frame(&mut bytes, |out| out.extend_from_slice(payload));
        self.send_bytes(&bytes).await
    }

    /// Sends a request under any xid.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn send_request(&mut self, xid: i32, request: &Request<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| {
            RequestHeader { xid, op: request.op() as i32 }.encode(out);
            request.encode(out);
        });
        self.send_bytes(&bytes).await
    }

    /// Sends any opcode and body.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn send_op(&mut self, xid: i32, op: i32, body: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame(&mut bytes, |out| {
            RequestHeader { xid, op }.encode(out);
            out.extend_from_slice(body);
        });
        self.send_bytes(&bytes).await
    }

    /// The next frame's payload; `None` when the server has closed the connection, whether or not in the midst
    /// of a frame.
    ///
    /// # Errors
    /// Those of the socket but resets, which count as closing; `InvalidData` for a frame above 64 MiB.
    pub async fn recv_frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut head = [0; 4];
        if !self.read_whole(&mut head).await? {
            return Ok(None);
        }
        let length = i32::from_be_bytes(head);
        let length =
            usize::try_from(length).ok().filter(|length| *length <= self.frame_bytes_max).ok_or_else(
                || io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")),
            )?;
        let mut payload = Vec::new();
        // Memory grows with what arrives, not with what is claimed.
        while payload.len() < length {
            let start = payload.len();
            payload.resize(length.min(start + (64 << 10)), 0);
            if !self.read_whole(&mut payload[start..]).await? {
                return Ok(None);
            }
        }
        Ok(Some(payload))
    }

    /// The next frame as a reply or notification.
    ///
    /// # Errors
    /// As [`RawConnection::recv_frame`]; `UnexpectedEof` if the server closed, `InvalidData` without a header.
    pub async fn recv_reply(&mut self) -> io::Result<Reply> {
        let payload = self.recv_frame().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut reader = Reader::new(&payload);
        let header = ReplyHeader::decode(&mut reader)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Reply { header, body: reader.remaining().to_vec() })
    }

    /// Everything until the server closes the connection, as it came.
    ///
    /// # Errors
    /// Those of the socket but resets.
    pub async fn recv_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes).await {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(bytes),
        }
    }

    /// Sends a connect request and waits for its answer; `None` if the server closed instead.
    ///
    /// # Errors
    /// As [`RawConnection::recv_frame`]; `InvalidData` if the answer is none.
    pub async fn handshake(&mut self, request: &ConnectRequest) -> io::Result<Option<ConnectResponse>> {
        let mut payload = Vec::new();
        request.encode(&mut payload);
        self.send_frame(&payload).await?;
        let Some(answer) = self.recv_frame().await? else { return Ok(None) };
        let decoded = ConnectResponse::decode(&answer);
        decoded.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Opens a new session with this timeout, milliseconds.
    ///
    /// # Errors
    /// As [`RawConnection::handshake`]; `UnexpectedEof` if the server closed instead.
    pub async fn open_session(&mut self, timeout_ms: i32) -> io::Result<ConnectResponse> {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms,
            session_id: 0,
            password: vec![0; 16],
            read_only: false,
            has_read_only: true,
        };
        Ok(self.handshake(&request).await?.ok_or(io::ErrorKind::UnexpectedEof)?)
    }

    /// Sends a request and waits for the next frame, whatever it is.
    ///
    /// # Errors
    /// As [`RawConnection::recv_reply`].
    pub async fn call(&mut self, xid: i32, request: &Request<'_>) -> io::Result<Reply> {
        self.send_request(xid, request).await?;
        self.recv_reply().await
    }

    /// Pings and waits for the next frame: a reply proves that all earlier requests were answered.
    ///
    /// # Errors
    /// As [`RawConnection::recv_reply`].
    pub async fn ping(&mut self) -> io::Result<Reply> {
        self.send_op(zkrs_core::proto::xid::PING, OpCode::Ping as i32, &[]).await?;
        self.recv_reply().await
    }

    /// The socket, for what this type does not do.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    async fn read_whole(&mut self, into: &mut [u8]) -> io::Result<bool> {
        match self.stream.read_exact(into).await {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Ok(false),
                _ => Err(error),
            },
        }
    }
}

/// Sends a four-letter word and returns all that the server answers.
///
/// # Errors
/// Those of the socket.
pub async fn four_letter_word(address: impl ToSocketAddrs, word: &str) -> io::Result<String> {
    let mut connection = RawConnection::connect(address).await?;
    connection.send_bytes(word.as_bytes()).await?;
    let answer = connection.recv_to_end().await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
