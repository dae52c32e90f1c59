//! Cuts the byte stream of a client into frames: `i32` length (excluding itself), payload.

/// A frame whose length prefix is negative or beyond the limit; the connection that sent it is closed without a
/// reply, as Apache ZooKeeper does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadLength(pub i32);

/// Iterates over the complete frames at the front of some bytes.
///
/// Nothing is copied and nothing is allocated: a claimed length is only compared with what is there.
#[derive(Debug, Clone)]
pub(crate) struct Frames<'a> {
    rest: &'a [u8],
    payload_bytes_max: usize,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(bytes: &'a [u8], payload_bytes_max: usize) -> Self {
        Self { rest: bytes, payload_bytes_max }
    }

    /// The payload of the next frame; `None` when it is not complete.
    pub(crate) fn next(&mut self) -> Result<Option<&'a [u8]>, BadLength> {
        let Some(length) = self.next_length()? else { return Ok(None) };
        let Some((payload, rest)) = self.rest[4..].split_at_checked(length) else { return Ok(None) };
        self.rest = rest;
        Ok(Some(payload))
    }

    /// The claimed length of the next frame's payload, bytes; `None` when even the prefix is not complete.
    pub(crate) fn next_length(&self) -> Result<Option<usize>, BadLength> {
        let Some(prefix) = self.rest.first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*prefix);
        match usize::try_from(length) {
            Ok(bytes) if bytes <= self.payload_bytes_max => Ok(Some(bytes)),
            _ => Err(BadLength(length)),
        }
    }

    /// What is not cut yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// What can be seen of the replies in some bytes that hold whole frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Replies {
    /// Frames in all.
    pub frames: u32,
    /// Those that are watch notifications (xid -1).
    pub notifications: u32,
    /// The zxid of the last reply that is no notification.
    pub last_zxid: Option<i64>,
    /// The shortest frame's payload, bytes.
    pub payload_bytes_min: usize,
    /// The longest frame's payload, bytes.
    pub payload_bytes_max: usize,
    /// The last frame's payload, bytes.
    pub payload_bytes_last: usize,
}

impl Replies {
    /// Looks through frames that the core wrote.
    pub(crate) fn scan(bytes: &[u8]) -> Self {
        let mut seen = Self { payload_bytes_min: usize::MAX, ..Self::default() };
        let mut frames = Frames::new(bytes, usize::MAX);
        while let Ok(Some(payload)) = frames.next() {
            seen.frames += 1;
            seen.payload_bytes_min = seen.payload_bytes_min.min(payload.len());
            seen.payload_bytes_max = seen.payload_bytes_max.max(payload.len());
            seen.payload_bytes_last = payload.len();
            let Some([x0, x1, x2, x3, zxid @ ..]) = payload.first_chunk::<12>() else { continue };
            match i32::from_be_bytes([*x0, *x1, *x2, *x3]) {
                -1 => seen.notifications += 1,
                // The connect response has no header; it starts with its version, 0, which no client uses as xid.
                0 => {}
                _ => seen.last_zxid = Some(i64::from_be_bytes(*zxid)),
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_whole_frames_and_keeps_the_rest() {
        let bytes = [0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 2, 1];
        let mut frames = Frames::new(&bytes, 10);
        assert_eq!(frames.next(), Ok(Some(&[7][..])));
        assert_eq!(frames.next(), Ok(Some(&[][..])));
        assert_eq!(frames.next(), Ok(None));
        assert_eq!(frames.rest(), &[0, 0, 0, 2, 1]);
        assert_eq!(frames.next_length(), Ok(Some(2)));
    }

    #[test]
    fn lengths_out_of_bounds_are_errors() {
        let at_limit = [0, 0, 0, 10];
        assert_eq!(Frames::new(&at_limit, 10).next(), Ok(None));
        assert_eq!(Frames::new(&[0, 0, 0, 11], 10).next(), Err(BadLength(11)));
        assert_eq!(Frames::new(&[0xff; 4], 10).next(), Err(BadLength(-1)));
        assert_eq!(Frames::new(&[0xff; 3], 10).next(), Ok(None));
    }

    #[test]
    fn replies_are_told_from_notifications() {
        let frame = |xid: i32, zxid: i64, body: usize| {
            let mut payload = xid.to_be_bytes().to_vec();
            payload.extend(zxid.to_be_bytes());
            payload.extend(vec![0; 4 + body]);
            let mut frame = (payload.len() as i32).to_be_bytes().to_vec();
            frame.extend(payload);
            frame
        };
        let bytes = [frame(1, 5, 0), frame(2, 6, 8), frame(-1, 9, 4)].concat();
        let expected = Replies {
            frames: 3,
            notifications: 1,
            last_zxid: Some(6),
            payload_bytes_min: 16,
            payload_bytes_max: 24,
            payload_bytes_last: 20,
        };
        assert_eq!(Replies::scan(&bytes), expected);
    }
}
