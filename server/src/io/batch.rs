//! Requests to the peer, in batches: reads under the shared lock, from the first request on that needs a step under
//! the exclusive one. Replies to reads leave from here; replies to writes from the log's thread.

use std::sync::atomic::Ordering;

use zkrs_core::peer::{Effect, Input, ReadOutcome};
use zkrs_core::proto::OpCode;

use super::IoThread;
use super::read::{CloseNow, HELD_BYTES_MAX, Reader};
use crate::conn::Conn;
use crate::driver::Requester;
use crate::four_letter::{self, Word};
use crate::frames::Frames;
use crate::throttle::SessionKind;

/// Frames handled under one hold of the peer's lock.
const FRAMES_PER_LOCK_MAX: u64 = 64;
/// Replies collected under one hold of the peer's lock.
const REPLY_BYTES_PER_LOCK_MAX: usize = 256 << 10;
/// Memory that a thread's reply buffer keeps, at most.
const REPLY_BYTES_KEPT_MAX: usize = 1 << 20;

impl IoThread {
    pub(super) fn answer_word(&mut self, reader: &mut Reader, word: Word, rest: &[u8]) {
        reader.fresh = false;
        let (conn, shared) = (&reader.conn, &self.shared);
        shared.stats.received.fetch_add(1, Ordering::Relaxed);
        conn.stats.received.fetch_add(1, Ordering::Relaxed);
        let answer = four_letter::answer(word, rest, shared, conn.id);
        shared.stats.sent.fetch_add(1, Ordering::Relaxed);
        let limit = shared.config.clients.out_buffer_bytes_max as usize;
        conn.out.append(&answer, &conn.stream, limit);
        conn.out.drain();
        shared.deadlines.ending(conn.id, shared.clock.mono_ms());
        conn.flush();
    }

    /// Handles the connect request, if all of it is there.
    pub(super) fn connect(&mut self, reader: &mut Reader, frames: &mut Frames<'_>) -> Result<(), CloseNow> {
        let Some(request) = frames.clone().next()? else { return Ok(()) };
        let shared = &self.shared;
        if !shared.serving.load(Ordering::SeqCst) {
            return Err(CloseNow);
        }
        shared.stats.connection_requests.fetch_add(1, Ordering::Relaxed);
        if !shared.throttle.admit(session_kind(request), shared.clock.mono_ms()) {
            shared.stats.connections_dropped.fetch_add(1, Ordering::Relaxed);
            return Err(CloseNow);
        }
        reader.fresh = false;
        self.step_batch(
            reader,
            frames,
            Some(Input::ClientOpened {
                conn: reader.conn.id,
                address: reader.conn.address.ip().to_canonical(),
            }),
        );
        Ok(())
    }

    /// Serves requests from the front on, as long as they need no step, under the shared lock.
    pub(super) fn read_batch(&mut self, reader: &Reader, frames: &mut Frames<'_>) {
        let mut ahead = frames.clone();
        match ahead.next() {
            Ok(Some(first)) if !is_write(first) => {}
            _ => return,
        }
        let (shared, conn) = (&self.shared, &reader.conn);
        let mut last: &[u8] = &[];
        let mut count = 0u64;
        self.replies.clear();
        let core = shared.read();
        let now = shared.clock.now();
        let mut ahead = frames.clone();
        while count < FRAMES_PER_LOCK_MAX && self.replies.len() < REPLY_BYTES_PER_LOCK_MAX {
            let Ok(Some(payload)) = ahead.next() else { break };
            match core.peer.read(now, conn.id, payload, &mut self.replies) {
                ReadOutcome::Served => {}
                ReadOutcome::NeedsStep => break,
            }
            count += 1;
            last = payload;
            *frames = ahead.clone();
        }
        // Under the lock, so that no notification made after these replies overtakes them.
        let claimed = count > 0 && conn.out.claim_or_append(&self.replies);
        drop(core);
        if count > 0 {
            self.count_requests(conn, count, last, true);
            shared.count_replies(conn, &self.replies, now);
            let latency_ms = shared.clock.mono_ms() - now.mono_ms;
            shared.stats.read_latency(latency_ms, count);
            conn.stats.latency(latency_ms, count);
        }
        if claimed {
            conn.out.flush_claimed(&self.replies, &conn.stream);
        }
        if self.replies.capacity() > REPLY_BYTES_KEPT_MAX {
            self.replies = Vec::new();
        }
    }

    /// Gives requests from the front on to the peer, under the exclusive lock.
    pub(super) fn step_batch(
        &mut self,
        reader: &mut Reader,
        frames: &mut Frames<'_>,
        opened: Option<Input<'_>>,
    ) {
        if !matches!(frames.clone().next(), Ok(Some(_))) {
            return;
        }
        let received_ms = self.shared.clock.mono_ms();
        let (shared, conn, work) = (&self.shared, &reader.conn, &mut self.work);
        let mut count = 0u64;
        let mut last: &[u8] = &[];
        let mut core = shared.write();
        let now = shared.clock.now();
        let is_first = opened.is_some();
        if let Some(opened) = opened {
            core.peer.step(now, opened, &mut work.effects);
            reader.opened = true;
        }
        while count < FRAMES_PER_LOCK_MAX {
            let Ok(Some(payload)) = frames.next() else { break };
            core.peer.step(now, Input::ClientRequest { conn: conn.id, payload }, &mut work.effects);
            count += 1;
            last = payload;
            if work.effects.list.last() == Some(&Effect::Close { conn: conn.id }) {
                break;
            }
        }
        // Before the replies are counted.
        self.shared.stats.received.fetch_add(count, Ordering::Relaxed);
        conn.stats.requests(count, last, !is_first || count > 1);
        work.requester = Some(Requester { conn: conn.id, received_ms });
        let appended = shared.carry_out(&mut core, now, work);
        reader.held = core.peer.backlog_bytes(conn.id) > HELD_BYTES_MAX;
        drop(core);
        // What became no transaction was answered at once, or waits behind one and is counted as if it did not.
        let answered = count.saturating_sub(u64::from(appended));
        if answered > 0 {
            let latency_ms = now.mono_ms - received_ms;
            shared.stats.read_latency(latency_ms, answered);
            conn.stats.latency(latency_ms, answered);
        }
        shared.finish(work);
    }

    fn count_requests(&self, conn: &Conn, count: u64, last: &[u8], has_header: bool) {
        self.shared.stats.received.fetch_add(count, Ordering::Relaxed);
        conn.stats.requests(count, last, has_header);
    }
}

/// Whether a request surely needs a step. What is undecidable here the peer decides.
fn is_write(payload: &[u8]) -> bool {
    let Some([_, _, _, _, o0, o1, o2, o3]) = payload.first_chunk::<8>() else { return true };
    match i32::from_be_bytes([*o0, *o1, *o2, *o3]) {
        4 | 3 | 8 | 11 | 12 => false,
        number => OpCode::from_wire(number).is_none_or(OpCode::is_write),
    }
}

/// What a connect request asks for, by its session id (bytes 16 to 24).
fn session_kind(request: &[u8]) -> SessionKind {
    match request.get(16..24) {
        Some(id) if id != [0; 8] => SessionKind::Renewed,
        _ => SessionKind::New,
    }
}
