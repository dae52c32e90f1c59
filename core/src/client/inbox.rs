//! Cuts the byte stream of a server into frames.

use super::BreakReason;
use alloc::vec::Vec;

/// Holds the bytes of an incomplete frame between two reads: never more than one frame and what arrived with
/// its end, and never memory for a length that is only claimed.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    held: Vec<u8>,
}

/// The next step of [`split`].
enum Cut<'a> {
    Frame(&'a [u8], &'a [u8]),
    Incomplete,
}

impl Inbox {
    pub fn clear(&mut self) {
        self.held = Vec::new();
    }

    /// Calls `on_frame` with each whole frame's payload until it fails.
    ///
    /// # Errors
    /// [`BreakReason::FrameLength`] for a frame that is too long, and whatever `on_frame` returns. The rest of
    /// the stream is unusable then.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        frame_bytes_max: usize,
        mut on_frame: impl FnMut(&[u8]) -> Result<(), BreakReason>,
    ) -> Result<(), BreakReason> {
        let mut bytes = bytes;
        // Complete the held frame with no more than it needs, so that later frames are read in place.
        while !self.held.is_empty() {
            let wanted = match self.held.first_chunk::<4>() {
                None => 4,
                Some(head) => 4 + checked_length(*head, frame_bytes_max)?,
            };
            let missing = wanted - self.held.len();
            if missing > 0 {
                let (now, later) = bytes.split_at(missing.min(bytes.len()));
                self.held.extend_from_slice(now);
                bytes = later;
                if now.len() < missing {
                    return Ok(());
                }
            }
            if wanted > 4 || self.held == [0; 4] {
                let held = core::mem::take(&mut self.held);
                on_frame(&held[4..])?;
            }
        }
        while let Cut::Frame(frame, rest) = split(bytes, frame_bytes_max)? {
            on_frame(frame)?;
            bytes = rest;
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }
}

fn split(bytes: &[u8], frame_bytes_max: usize) -> Result<Cut<'_>, BreakReason> {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else { return Ok(Cut::Incomplete) };
    let length = checked_length(*head, frame_bytes_max)?;
    Ok(rest.split_at_checked(length).map_or(Cut::Incomplete, |(frame, rest)| Cut::Frame(frame, rest)))
}

fn checked_length(head: [u8; 4], frame_bytes_max: usize) -> Result<usize, BreakReason> {
    let length = i32::from_be_bytes(head);
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= frame_bytes_max)
        .ok_or(BreakReason::FrameLength(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn stream() -> (Vec<u8>, Vec<Vec<u8>>) {
        let frames = vec![vec![1; 3], vec![], vec![2; 300], vec![3]];
        let mut bytes = Vec::new();
        for frame in &frames {
            bytes.extend_from_slice(&(frame.len() as u32).to_be_bytes());
            bytes.extend_from_slice(frame);
        }
        (bytes, frames)
    }

    #[test]
    fn frames_come_out_whole_however_the_stream_is_cut() {
        let (bytes, frames) = stream();
        for step in 1..=bytes.len() {
            let mut inbox = Inbox::default();
            let mut got: Vec<Vec<u8>> = Vec::new();
            for part in bytes.chunks(step) {
                let on_frame = |frame: &[u8]| {
                    got.push(frame.to_vec());
                    Ok(())
                };
                inbox.receive(part, 300, on_frame).unwrap();
            }
            assert_eq!(got, frames, "cut every {step} bytes");
            assert!(inbox.held.is_empty());
        }
    }

    #[test]
    fn claimed_lengths_beyond_the_limit_break_the_stream_at_once() {
        for head in [[0x7f, 0xff, 0xff, 0xff], [0xff; 4], [0, 0, 1, 45]] {
            let mut inbox = Inbox::default();
            let length = i32::from_be_bytes(head);
            assert_eq!(inbox.receive(&head, 300, |_| Ok(())), Err(BreakReason::FrameLength(length)));
            let mut inbox = Inbox::default();
            assert_eq!(inbox.receive(&head[..2], 300, |_| Ok(())), Ok(()));
            assert_eq!(inbox.receive(&head[2..], 300, |_| Ok(())), Err(BreakReason::FrameLength(length)));
        }
    }
}
