//! Blocking sessions: the handshakes of all sessions, and the few requests before and after a measurement.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::connection::{InFlight, Pending, Received};
use super::tally::Trouble;
use super::wire::{self, ConnectReply};

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// A session on a blocking socket, for what comes before and after a measurement.
#[derive(Debug)]
pub struct Control {
    stream: TcpStream,
    pending: Pending,
}

impl Control {
    /// Opens a session.
    ///
    /// # Errors
    /// When the server is not there, closes the connection, or refuses the session.
    pub fn open(server: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let mut stream = start_handshake(server, timeout)?;
        finish_handshake(&mut stream)?;
        Ok(Self { stream, pending: Pending::default() })
    }

    /// Creates a persistent znode; one that exists already is as good.
    ///
    /// # Errors
    /// The socket's, or a reply with another error code.
    pub fn create(&mut self, path: &str, data: &[u8]) -> io::Result<()> {
        self.call(|xid| wire::create_request(xid, path, data), &[-110])
    }

    /// Deletes a znode; one that does not exist, or still has children, is left alone.
    ///
    /// # Errors
    /// The socket's, or a reply with another error code.
    pub fn delete(&mut self, path: &str) -> io::Result<()> {
        self.call(|xid| wire::delete_request(xid, path), &[-101, -111])
    }

    /// Closes the session.
    ///
    /// # Errors
    /// The socket's, or an error code in the reply.
    pub fn close(mut self) -> io::Result<()> {
        self.call(wire::close_session, &[])
    }

    fn call(&mut self, request: impl FnOnce(i32) -> Vec<u8>, tolerated: &[i32]) -> io::Result<()> {
        let xid = self.pending.next_xid();
        self.pending.push(InFlight { xid, reply_bytes: 0, due_nanos: 0 });
        self.stream.write_all(&request(xid))?;
        let frame = read_frame(&mut self.stream)?;
        match self.pending.settle(&frame) {
            Received::Reply(_) => Ok(()),
            Received::Faulty(_, Trouble::ErrorReply(code)) if tolerated.contains(&code) => Ok(()),
            Received::Faulty(_, trouble) | Received::Broken(trouble) => {
                Err(io::Error::other(trouble.to_string()))
            }
            Received::Notification | Received::Pong => {
                Err(io::Error::other("an event that nobody asked for"))
            }
        }
    }
}

/// Connects and sends the ConnectRequest.
///
/// # Errors
/// If the server is not there.
pub fn start_handshake(server: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&server, HANDSHAKE_TIMEOUT)
        .map_err(|error| io::Error::new(error.kind(), format!("connect to {server}: {error}")))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    stream.write_all(&wire::connect_request(timeout.as_millis().min(i32::MAX as u128) as i32))?;
    Ok(stream)
}

/// Waits for the ConnectResponse.
///
/// # Errors
/// If the server closes the connection or refuses the session.
pub fn finish_handshake(stream: &mut TcpStream) -> io::Result<ConnectReply> {
    let frame = read_frame(stream)
        .map_err(|error| io::Error::new(error.kind(), format!("the server's handshake: {error}")))?;
    match ConnectReply::parse(&frame) {
        Some(reply) if reply.timeout_ms > 0 => Ok(reply),
        Some(_) => Err(io::Error::other(Trouble::SessionRefused.to_string())),
        None => Err(io::Error::other("the server's handshake is no ConnectResponse")),
    }
}

fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let length = i32::from_be_bytes(head);
    // A control reply is a path or a Stat.
    let length = usize::try_from(length)
        .ok()
        .filter(|&length| length <= 1 << 16)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")))?;
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}
