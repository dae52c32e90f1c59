//! The client wire, as little of it as a load generator needs: frames, handshakes, and request templates
//! that are encoded once and patched per request.
//!
//! It is written apart from the server's codec on purpose. The generator must measure any ZooKeeper server,
//! and a fault shared by both ends of the wire would cancel itself out.

/// Request types (Apache's `ZooDefs.OpCode`).
pub mod opcode {
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const PING: i32 = 11;
    pub const MULTI: i32 = 14;
    pub const ADD_WATCH: i32 = 106;
    pub const CLOSE_SESSION: i32 = -11;
}

/// The xid of a server's notification.
pub const XID_NOTIFICATION: i32 = -1;
/// The xid of a ping and of its reply.
pub const XID_PING: i32 = -2;
/// ReplyHeader: i32 xid, i64 zxid, i32 err.
pub const REPLY_HEADER_BYTES: usize = 16;
/// A Stat on the wire.
pub const STAT_BYTES: usize = 68;
/// MultiHeader: i32 type, bool done, i32 err.
pub const MULTI_HEADER_BYTES: usize = 9;
/// Decimal digits of a number inside a templated path.
pub const NUMBER_DIGITS: usize = 10;

/// The header of every reply and notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyHeader {
    pub xid: i32,
    pub zxid: i64,
    pub err: i32,
}

impl ReplyHeader {
    /// Reads the header at the start of a frame's payload; `None` if it is too short.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let (xid, rest) = frame.split_first_chunk::<4>()?;
        let (zxid, rest) = rest.split_first_chunk::<8>()?;
        let (err, _) = rest.split_first_chunk::<4>()?;
        Some(Self {
            xid: i32::from_be_bytes(*xid),
            zxid: i64::from_be_bytes(*zxid),
            err: i32::from_be_bytes(*err),
        })
    }
}

/// What a server answers to a ConnectRequest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectReply {
    /// The negotiated session timeout in milliseconds; 0 means that the session was refused.
    pub timeout_ms: i32,
    /// The session's id.
    pub session_id: i64,
}

impl ConnectReply {
    /// Reads a ConnectResponse payload; `None` if it is too short.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let (_protocol, rest) = frame.split_first_chunk::<4>()?;
        let (timeout, rest) = rest.split_first_chunk::<4>()?;
        let (session, _) = rest.split_first_chunk::<8>()?;
        Some(Self { timeout_ms: i32::from_be_bytes(*timeout), session_id: i64::from_be_bytes(*session) })
    }
}

/// One step through a receive buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// A whole frame: its payload is `buffer[4..4 + payload]`.
    Frame(usize),
    /// The rest has yet to arrive.
    Partial,
    /// A length that no server may send to us (negative, or beyond the limit given).
    BadLength(i32),
}

/// Looks for a whole frame at the start of `buffer`, whose payload may have `payload_bytes_max` bytes.
pub fn cut_frame(buffer: &[u8], payload_bytes_max: usize) -> Cut {
    let Some(head) = buffer.first_chunk::<4>() else { return Cut::Partial };
    let length = i32::from_be_bytes(*head);
    match usize::try_from(length) {
        Ok(payload) if payload <= payload_bytes_max => {
            if buffer.len() - 4 >= payload {
                Cut::Frame(payload)
            } else {
                Cut::Partial
            }
        }
        _ => Cut::BadLength(length),
    }
}

/// The frame of a ConnectRequest for a new session.
pub fn connect_request(timeout_ms: i32) -> Vec<u8> {
    let mut out = Encoder::default();
    out.i32(0).i64(0).i32(timeout_ms).i64(0).buffer(&[0; 16]).bool(false);
    out.into_frame()
}

/// The frame of a ping.
pub fn ping() -> Vec<u8> {
    let mut out = Encoder::default();
    out.i32(XID_PING).i32(opcode::PING);
    out.into_frame()
}

/// The frame of a closeSession.
pub fn close_session(xid: i32) -> Vec<u8> {
    let mut out = Encoder::default();
    out.i32(xid).i32(opcode::CLOSE_SESSION);
    out.into_frame()
}

/// The frame of an addWatch; mode 0 is persistent, 1 persistent recursive.
pub fn add_watch(xid: i32, path: &str, mode: i32) -> Vec<u8> {
    let mut out = Encoder::default();
    out.i32(xid).i32(opcode::ADD_WATCH).buffer(path.as_bytes()).i32(mode);
    out.into_frame()
}

/// The frame of a getData or an exists, by `op`.
pub fn read_request(xid: i32, op: i32, path: &str, watch: bool) -> Vec<u8> {
    let mut out = Encoder::default();
    out.i32(xid).i32(op).buffer(path.as_bytes()).bool(watch);
    out.into_frame()
}

/// The frame of a create of a persistent znode that anyone may use.
pub fn create_request(xid: i32, path: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Encoder::default();
    out.i32(xid).i32(opcode::CREATE).buffer(path.as_bytes());
    out.create_tail(data);
    out.into_frame()
}

/// The frame of a delete of any version.
pub fn delete_request(xid: i32, path: &str) -> Vec<u8> {
    let mut out = Encoder::default();
    out.i32(xid).i32(opcode::DELETE).buffer(path.as_bytes()).i32(-1);
    out.into_frame()
}

/// A path with numbers in it: `prefix`, then for every divisor its own "/" and `number / divisor` in ten digits.
///
/// `PathShape::flat("/a/k")` gives `/a/k0000000042`; a divisor of 1000 before it spreads znodes over
/// directories of a thousand: `/a/0000000000/0000000042`.
#[derive(Debug, Clone)]
pub struct PathShape {
    prefix: String,
    divisors: Vec<u64>,
    slash: bool,
}

impl PathShape {
    /// The number right behind `prefix`.
    pub fn flat(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), divisors: vec![1], slash: false }
    }

    /// Directories of `fanout` znodes each below `prefix`.
    pub fn spread(prefix: &str, fanout: u64) -> Self {
        Self { prefix: prefix.to_owned(), divisors: vec![fanout.max(1), 1], slash: true }
    }

    /// The directories of [`PathShape::spread`], by their own numbers.
    pub fn directories(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), divisors: vec![1], slash: true }
    }

    /// Bytes of every path of this shape.
    pub fn path_bytes(&self) -> usize {
        self.prefix.len() + self.divisors.len() * (NUMBER_DIGITS + usize::from(self.slash))
    }
}

/// A request encoded once. Only its xid and the numbers in its paths change between two uses.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    /// Where a number stands, what it is divided by, and whether it needs a new number or the last one again.
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    at: usize,
    divisor: u64,
    draws: bool,
}

/// What one element of a templated request does to its path.
#[derive(Debug, Clone)]
pub enum Action {
    Get,
    Exists,
    Delete,
    Set(Vec<u8>),
    Create(Vec<u8>),
}

impl Template {
    /// A request of one action.
    pub fn single(action: &Action, path: &PathShape) -> Self {
        let mut out = Encoder::default();
        let mut slots = Vec::new();
        out.i32(0).i32(action.opcode());
        action.encode(&mut out, path, &mut slots);
        Self { bytes: out.into_frame(), slots }
    }

    /// A multi of `elements` times the same write.
    pub fn multi(action: &Action, path: &PathShape, elements: usize) -> Self {
        let mut out = Encoder::default();
        let mut slots = Vec::new();
        out.i32(0).i32(opcode::MULTI);
        for _ in 0..elements {
            out.i32(action.opcode()).bool(false).i32(-1);
            action.encode(&mut out, path, &mut slots);
        }
        out.i32(-1).bool(true).i32(-1);
        Self { bytes: out.into_frame(), slots }
    }

    /// A ping, whose xid is never patched.
    pub fn ping() -> Self {
        Self { bytes: ping(), slots: Vec::new() }
    }

    /// Appends the request with this xid; `next` is asked once per path for its number.
    pub fn append(&self, out: &mut Vec<u8>, xid: i32, mut next: impl FnMut() -> u64) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let request = &mut out[start..];
        request[4..8].copy_from_slice(&xid.to_be_bytes());
        let mut number = 0;
        for slot in &self.slots {
            if slot.draws {
                number = next();
            }
            write_digits(&mut request[slot.at..slot.at + NUMBER_DIGITS], number / slot.divisor);
        }
    }
}

impl Action {
    fn opcode(&self) -> i32 {
        match self {
            Self::Get => opcode::GET_DATA,
            Self::Exists => opcode::EXISTS,
            Self::Delete => opcode::DELETE,
            Self::Set(_) => opcode::SET_DATA,
            Self::Create(_) => opcode::CREATE,
        }
    }

    fn encode(&self, out: &mut Encoder, path: &PathShape, slots: &mut Vec<Slot>) {
        out.path(path, slots);
        match self {
            Self::Get | Self::Exists => {
                out.bool(false);
            }
            Self::Delete => {
                out.i32(-1);
            }
            Self::Set(data) => {
                out.buffer(data).i32(-1);
            }
            Self::Create(data) => {
                out.create_tail(data);
            }
        }
    }

    /// Bytes of the successful reply's body: what tells a whole answer from an empty one.
    pub fn reply_body_bytes(&self, path: &PathShape, stored_bytes: usize) -> usize {
        match self {
            Self::Get => 4 + stored_bytes + STAT_BYTES,
            Self::Exists | Self::Set(_) => STAT_BYTES,
            Self::Delete => 0,
            Self::Create(_) => 4 + path.path_bytes(),
        }
    }
}

fn write_digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Jute, behind a length that is filled in at the end.
struct Encoder {
    bytes: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { bytes: vec![0; 4] }
    }
}

impl Encoder {
    fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn bool(&mut self, value: bool) -> &mut Self {
        self.bytes.push(u8::from(value));
        self
    }

    /// A buffer or a string: the encoding is the same.
    fn buffer(&mut self, value: &[u8]) -> &mut Self {
        self.i32(value.len() as i32);
        self.bytes.extend_from_slice(value);
        self
    }

    fn path(&mut self, path: &PathShape, slots: &mut Vec<Slot>) {
        self.i32(path.path_bytes() as i32);
        self.bytes.extend_from_slice(path.prefix.as_bytes());
        for (index, &divisor) in path.divisors.iter().enumerate() {
            if path.slash {
                self.bytes.push(b'/');
            }
            slots.push(Slot { at: self.bytes.len(), divisor, draws: index == 0 });
            self.bytes.extend_from_slice(&[b'0'; NUMBER_DIGITS]);
        }
    }

    /// Data, the open ACL, and the flags of a persistent znode.
    fn create_tail(&mut self, data: &[u8]) {
        self.buffer(data).i32(1).i32(31).buffer(b"world").buffer(b"anyone").i32(0);
    }

    fn into_frame(mut self) -> Vec<u8> {
        let payload = (self.bytes.len() - 4) as i32;
        self.bytes[..4].copy_from_slice(&payload.to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_request_has_the_c_clients_49_bytes() {
        let frame = connect_request(30_000);
        assert_eq!(frame.len(), 49);
        assert_eq!(frame[..4], 45i32.to_be_bytes());
        assert_eq!(frame[16..20], 30_000i32.to_be_bytes());
        assert_eq!(frame[28..32], 16i32.to_be_bytes());
    }

    #[test]
    fn a_get_template_is_patched_into_the_plain_request() {
        let template = Template::single(&Action::Get, &PathShape::flat("/b/k"));
        let mut out = vec![7, 7];
        template.append(&mut out, 99, || 1234);
        assert_eq!(out[..2], [7, 7]);
        assert_eq!(out[2..], read_request(99, opcode::GET_DATA, "/b/k0000001234", false));
    }

    #[test]
    fn a_spread_create_is_the_plain_create_below_its_directory() {
        let path = PathShape::spread("/p", 1000);
        let template = Template::single(&Action::Create(b"data".to_vec()), &path);
        let mut out = Vec::new();
        template.append(&mut out, 3, || 2_345_678);
        assert_eq!(out, create_request(3, "/p/0000002345/0002345678", b"data"));
        assert_eq!(path.path_bytes(), "/p/0000002345/0002345678".len());
    }

    #[test]
    fn a_multi_draws_one_number_per_element_and_ends_with_the_done_header() {
        let template = Template::multi(&Action::Delete, &PathShape::flat("/x"), 2);
        let mut out = Vec::new();
        let mut numbers = [5u64, 6].into_iter();
        template.append(&mut out, 8, || numbers.next().expect("two elements draw two numbers"));
        let mut expected = Encoder::default();
        expected.i32(8).i32(opcode::MULTI);
        for path in ["/x0000000005", "/x0000000006"] {
            expected.i32(opcode::DELETE).bool(false).i32(-1).buffer(path.as_bytes()).i32(-1);
        }
        expected.i32(-1).bool(true).i32(-1);
        assert_eq!(out, expected.into_frame());
        assert_eq!(numbers.next(), None);
    }

    #[test]
    fn frames_are_cut_only_when_whole_and_within_the_limit() {
        let frame = ping();
        assert_eq!(cut_frame(&frame, 100), Cut::Frame(8));
        for short in 0..frame.len() {
            assert_eq!(cut_frame(&frame[..short], 100), Cut::Partial);
        }
        assert_eq!(cut_frame(&frame, 7), Cut::BadLength(8));
        assert_eq!(cut_frame(&(-1i32).to_be_bytes(), 100), Cut::BadLength(-1));
    }

    #[test]
    fn headers_are_read_and_short_ones_refused() {
        let mut frame = Vec::new();
        frame.extend_from_slice(&17i32.to_be_bytes());
        frame.extend_from_slice(&0x1_0000_0002i64.to_be_bytes());
        frame.extend_from_slice(&(-101i32).to_be_bytes());
        assert_eq!(ReplyHeader::parse(&frame), Some(ReplyHeader { xid: 17, zxid: 0x1_0000_0002, err: -101 }));
        assert_eq!(ReplyHeader::parse(&frame[..15]), None);

        let mut reply = Vec::new();
        reply.extend_from_slice(&0i32.to_be_bytes());
        reply.extend_from_slice(&4000i32.to_be_bytes());
        reply.extend_from_slice(&0xabcdi64.to_be_bytes());
        assert_eq!(ConnectReply::parse(&reply), Some(ConnectReply { timeout_ms: 4000, session_id: 0xabcd }));
        assert_eq!(ConnectReply::parse(&reply[..15]), None);
    }
}
