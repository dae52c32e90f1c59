//! The log lane: one thread, one FIFO, one watermark.
//!
//! The lane swaps out all that is queued, writes it, syncs once, and then itself tells the peer and sends the
//! replies. So a lone write costs one hop to this thread and none back, and when many are queued they share a sync.
//! Nothing waits for company, unless `flushDelay` asks for it.
//!
//! A failed write or sync ends the process ([`crate::Fatal::Disk`]).

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use zkrs_core::peer::{ConnId, Input, Ticket};
use zkrs_storage::{LogWriter, StorageError};

use crate::driver::{Shared, Work};
use crate::fatal::Fatal;

/// Memory that the queue keeps between batches, at most.
const QUEUE_BYTES_KEPT_MAX: usize = 4 << 20;

/// When nothing came for so long, it is quiet: a client that sends one write after the other is not kept waiting by
/// the log's chores.
const QUIET: Duration = Duration::from_millis(20);

/// One thing for the lane to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LaneWork {
    /// Append the transaction at this place of [`Queue::bytes`].
    Append(Range<usize>),
    /// Begin a new file.
    Roll,
}

/// Requests that wait for the sync of a batch: their latency ends there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub conn: ConnId,
    /// On the monotonic clock.
    pub received_ms: u64,
    pub requests: u32,
}

/// What is queued.
#[derive(Default)]
pub(crate) struct Queue {
    work: Vec<LaneWork>,
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
    upto: Ticket,
    stopped: bool,
}

impl Queue {
    /// Queues a transaction. Tickets come in order.
    pub(crate) fn append(&mut self, ticket: Ticket, payload: &[u8]) {
        debug_assert!(ticket > self.upto);
        self.upto = ticket;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.work.push(LaneWork::Append(start..self.bytes.len()));
    }

    pub(crate) fn push(&mut self, work: LaneWork) {
        self.work.push(work);
    }

    /// Notes requests whose transactions were just queued.
    pub(crate) fn waiting(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    fn clear(&mut self) {
        self.work.clear();
        self.waiting.clear();
        self.bytes.clear();
        self.bytes.shrink_to(QUEUE_BYTES_KEPT_MAX);
    }
}

/// The queue and its thread's bed.
#[derive(Default)]
pub(crate) struct Lane {
    queue: Mutex<Queue>,
    queued_bytes: AtomicUsize,
    /// The thread sleeps, or is about to.
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The queue, to append to. Take it under the peer's lock, so that its order is the order of steps.
    pub(crate) fn lock(&self) -> LaneGuard<'_> {
        LaneGuard { lane: self, queue: self.queue.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Bytes that wait to be written.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// Wakes the thread, if it sleeps.
    pub(crate) fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Ends the thread once all that is queued is done.
    pub(crate) fn stop(&self) {
        self.lock().queue.stopped = true;
        self.wake();
    }

    /// Swaps what is queued for the empty `done`; returns whether the lane is to stop.
    fn take(&self, done: &mut Queue) -> bool {
        let mut queue = self.lock();
        let stopped = queue.queue.stopped;
        std::mem::swap(&mut *queue.queue, done);
        queue.queue.upto = done.upto;
        queue.queue.stopped = stopped;
        stopped
    }

    /// Sleeps until something is queued, but no longer than `limit`; wakes up for nothing now and then. Returns
    /// whether there is still nothing.
    fn sleep(&self, limit: Option<Duration>) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        // Whoever queued before the store did not see it and does not wake us: look again.
        if self.is_idle() {
            match limit {
                Some(limit) => std::thread::park_timeout(limit),
                None => std::thread::park(),
            }
        }
        self.asleep.store(false, Ordering::SeqCst);
        self.is_idle()
    }

    fn is_idle(&self) -> bool {
        let queue = self.lock();
        queue.work.is_empty() && !queue.stopped
    }
}

/// The locked queue.
pub(crate) struct LaneGuard<'a> {
    lane: &'a Lane,
    queue: MutexGuard<'a, Queue>,
}

impl std::ops::Deref for LaneGuard<'_> {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.queue
    }
}

impl std::ops::DerefMut for LaneGuard<'_> {
    fn deref_mut(&mut self) -> &mut Queue {
        &mut self.queue
    }
}

impl Drop for LaneGuard<'_> {
    fn drop(&mut self) {
        self.lane.queued_bytes.store(self.queue.bytes.len(), Ordering::Relaxed);
    }
}

/// The lane's thread: runs until [`Lane::stop`], and then closes the log.
pub(crate) fn run(shared: &Shared, mut log: LogWriter) {
    let _ = shared.lane.thread.set(std::thread::current());
    match run_until_stopped(shared, &mut log).and_then(|()| log.close()) {
        Ok(()) => {}
        Err(error) => shared.exit.take(&Fatal::Disk { message: error.to_string() }),
    }
}

fn run_until_stopped(shared: &Shared, log: &mut LogWriter) -> Result<(), StorageError> {
    let mut work = Work::default();
    let mut batch = Queue::default();
    // Whether the log has work for a quiet moment.
    let mut has_chores = true;
    loop {
        delay(shared);
        let stopped = shared.lane.take(&mut batch);
        if !batch.work.is_empty() {
            write(shared, log, &batch)?;
            acknowledge(shared, &batch, &mut work);
            batch.clear();
            log.settle()?;
            has_chores = true;
        } else if stopped {
            return Ok(());
        } else if !has_chores {
            shared.lane.sleep(None);
        } else if shared.lane.sleep(Some(QUIET)) {
            while log.idle()? && shared.lane.is_idle() {}
            has_chores = !shared.lane.is_idle();
        }
    }
}

/// With `flushDelay`, waits for more to come: that long at most, or until a batch is full, or until nothing came
/// for `maxWriteQueuePollTime`.
fn delay(shared: &Shared) {
    let config = &shared.config.log;
    if config.flush_delay_ms == 0 {
        return;
    }
    let queued = || shared.lane.lock().work.len();
    let end = Instant::now() + Duration::from_millis(config.flush_delay_ms);
    let mut before = queued();
    while before > 0 && before < config.batch_txns_max as usize && !shared.lane.lock().stopped {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(Duration::from_millis(config.queue_poll_ms_max.max(1))));
        let now = queued();
        if now == before {
            return;
        }
        before = now;
    }
}

/// Writes a batch and syncs it.
fn write(shared: &Shared, log: &mut LogWriter, batch: &Queue) -> Result<(), StorageError> {
    let mut payloads = Vec::with_capacity(batch.work.len());
    for work in &batch.work {
        match work {
            LaneWork::Append(range) => payloads.push(&batch.bytes[range.clone()]),
            LaneWork::Roll => {
                log.append(&payloads)?;
                payloads.clear();
                log.roll()?;
            }
        }
    }
    log.append(&payloads)?;
    let start = Instant::now();
    log.flush()?;
    let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    shared.stats.fsync_ms.record(took_ms, 1);
    shared.stats.batch_txns.record(batch.work.len() as u64, 1);
    if took_ms > shared.config.log.fsync_warning_ms {
        tracing::warn!(
            took_ms,
            txns = batch.work.len(),
            log_file_bytes = log.written_bytes(),
            "fsync of the transaction log was slow, which delays every write; give dataLogDir a disk of its own"
        );
    }
    Ok(())
}

/// Tells the peer that a batch is durable and sends the replies.
fn acknowledge(shared: &Shared, batch: &Queue, work: &mut Work) {
    let mut core = shared.write();
    let now = shared.clock.now();
    for waiting in &batch.waiting {
        let latency_ms = now.mono_ms.saturating_sub(waiting.received_ms);
        shared.stats.update_latency(latency_ms, u64::from(waiting.requests));
        if let Some(conn) = core.conns.get(waiting.conn) {
            conn.stats.latency(latency_ms, u64::from(waiting.requests));
        }
    }
    core.peer.step(now, Input::LogDone { upto: batch.upto }, &mut work.effects);
    shared.carry_out(&mut core, now, work);
    drop(core);
    shared.finish(work);
    if !shared.is_overloaded() {
        shared.io.resume();
    }
}

/// Starts the lane's thread.
pub(crate) fn spawn(shared: Arc<Shared>, log: LogWriter) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("zkrs-log".to_owned()).spawn(move || {
        let _guard = shared.exit.guard();
        run(&shared, log);
    })
}
