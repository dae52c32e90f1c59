//! A server for the loops' own tests: it opens every session and answers as the test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What the fake does with the `index`-th request of a connection, given its payload.
pub enum Answer {
    /// This xid, error code and body.
    Reply(i32, i32, Vec<u8>),
    /// Closes the connection.
    HangUp,
}

/// Starts a fake on a free port. Its threads end with their connections, and with the test's process.
pub fn start(answer: impl Fn(usize, &[u8]) -> Answer + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || serve(stream, &*answer));
        }
    });
    address
}

/// The xid and the type of a request.
pub fn header(request: &[u8]) -> (i32, i32) {
    let word =
        |at: usize| i32::from_be_bytes([request[at], request[at + 1], request[at + 2], request[at + 3]]);
    (word(0), word(4))
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(usize, &[u8]) -> Answer) -> Option<()> {
    read_frame(&mut stream)?;
    let mut hello = vec![0; 37];
    hello[4..8].copy_from_slice(&30_000i32.to_be_bytes());
    hello[8..16].copy_from_slice(&77i64.to_be_bytes());
    hello[16..20].copy_from_slice(&16i32.to_be_bytes());
    write_frame(&mut stream, &hello)?;
    for index in 0.. {
        let request = read_frame(&mut stream)?;
        let (xid, op) = header(&request);
        if op == super::wire::opcode::CLOSE_SESSION {
            return write_frame(&mut stream, &reply(xid, 0, &[]));
        }
        match answer(index, &request) {
            Answer::Reply(xid, err, body) => write_frame(&mut stream, &reply(xid, err, &body))?,
            Answer::HangUp => return None,
        }
    }
    None
}

fn reply(xid: i32, err: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&xid.to_be_bytes());
    frame.extend_from_slice(&1i64.to_be_bytes());
    frame.extend_from_slice(&err.to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).ok()?;
    let mut frame = vec![0; i32::from_be_bytes(head) as usize];
    stream.read_exact(&mut frame).ok()?;
    Some(frame)
}

fn write_frame(stream: &mut TcpStream, payload: &[u8]) -> Option<()> {
    let mut frame = (payload.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(payload);
    stream.write_all(&frame).ok()
}
