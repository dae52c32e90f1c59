//! The peer behind its lock, and how its effects are carried out.
//!
//! Every thread that has something for the peer takes the lock, steps, carries out what is to be done in memory
//! (append to connections' buffers, append to the lane's queue) while it still holds the lock, so that all orders
//! are the order of steps, and lets go. What makes system calls (sending, waking other threads) comes after, in
//! [`Shared::finish`]. The lock is never held across input or output.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::Thread;

use zkrs_core::Now;
use zkrs_core::peer::{ConnId, Effect, Effects, Input, Peer};
use zkrs_storage::{Dirs, Fs};

use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::conn::{Conn, Conns};
use crate::fatal::Exit;
use crate::frames::Replies;
use crate::io::IoWakers;
use crate::lane::{Lane, LaneWork, Waiting};
use crate::snapshots::SnapshotRequests;
use crate::stats::ServerStats;
use crate::throttle::ConnectThrottle;
use crate::timers::Deadlines;

/// Memory that effects keep between steps, at most.
const EFFECTS_BYTES_KEPT_MAX: usize = 1 << 20;
/// Transactions waiting for the disk, at most so many bytes before clients are no longer read.
const LANE_BYTES_MAX: usize = 64 << 20;

/// The peer and the connections it speaks to.
pub(crate) struct Core {
    pub peer: Peer,
    pub conns: Conns,
}

/// What all threads of one server share.
pub(crate) struct Shared {
    core: RwLock<Core>,
    pub config: ServerConfig,
    pub clock: Clock,
    pub fs: Arc<dyn Fs>,
    pub dirs: Dirs,
    pub lane: Lane,
    pub snapshots: SnapshotRequests,
    pub stats: ServerStats,
    pub throttle: ConnectThrottle,
    pub io: IoWakers,
    pub deadlines: Deadlines,
    pub exit: Exit,
    /// False from the moment a shutdown begins.
    pub serving: AtomicBool,
    /// True once the helper threads are to end.
    pub stopping: AtomicBool,
    /// The port clients are served on.
    pub client_port: u16,
    /// Requests between arrival and reply, as the peer counts them.
    outstanding: AtomicU64,
    /// Bytes of large requests being received or handled.
    pub large_request_bytes: AtomicUsize,
    /// When the timer thread wakes, on the monotonic clock.
    pub timer_wakes_ms: AtomicU64,
    timer: OnceLock<Thread>,
}

/// What [`Shared::new`] is made of.
pub(crate) struct Parts {
    pub peer: Peer,
    pub config: ServerConfig,
    pub clock: Clock,
    pub fs: Arc<dyn Fs>,
    pub dirs: Dirs,
    pub io: IoWakers,
    pub exit: Exit,
    pub client_port: u16,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { peer, config, clock, fs, dirs, io, exit, client_port } = parts;
        let throttle = ConnectThrottle::new(config.connection_throttle.clone(), clock.mono_ms());
        Self {
            core: RwLock::new(Core { peer, conns: Conns::default() }),
            lane: Lane::new(),
            snapshots: SnapshotRequests::default(),
            stats: ServerStats::default(),
            throttle,
            deadlines: Deadlines::new(u64::from(config.clients.sessionless_timeout_ms)),
            io,
            exit,
            serving: AtomicBool::new(true),
            stopping: AtomicBool::new(false),
            client_port,
            outstanding: AtomicU64::new(0),
            large_request_bytes: AtomicUsize::new(0),
            timer_wakes_ms: AtomicU64::new(0),
            timer: OnceLock::new(),
            config,
            clock,
            fs,
            dirs,
        }
    }

    /// The peer for reading; other readers may be in it at the same time.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Core> {
        self.core.read().expect("the peer is consistent: a panic under its lock ends the server")
    }

    /// The peer for stepping.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Core> {
        self.core.write().expect("the peer is consistent: a panic under its lock ends the server")
    }

    /// Whether so much is in work that clients should not be read for now.
    pub(crate) fn is_overloaded(&self) -> bool {
        let requests = &self.config.requests;
        let outstanding = self.outstanding.load(Ordering::Relaxed);
        let limit = match requests.throttle_requests_max {
            0 => requests.outstanding_max,
            throttle => throttle.min(requests.outstanding_max),
        };
        outstanding > u64::from(limit) || self.lane.queued_bytes() > LANE_BYTES_MAX
    }

    /// Gives the peer one input from a thread that has no more to say at the moment.
    pub(crate) fn step(&self, now: Now, input: Input<'_>, work: &mut Work) {
        let mut core = self.write();
        core.peer.step(now, input, &mut work.effects);
        self.carry_out(&mut core, now, work);
        drop(core);
        self.finish(work);
    }

    /// Carries out what the steps asked for, as far as it is memory only. `core` is the lock that they were made
    /// under. Returns how many transactions were queued for the disk.
    pub(crate) fn carry_out(&self, core: &mut Core, now: Now, work: &mut Work) -> u32 {
        let Effects { list, bytes } = &work.effects;
        let mut queue = None;
        let mut appended = 0;
        for effect in list {
            match effect {
                Effect::Send { conn, range } => {
                    let Some(conn) = core.conns.get(*conn) else { continue };
                    let frames = &bytes[range.clone()];
                    self.count_replies(conn, frames, now);
                    if conn.out.append(
                        frames,
                        &conn.stream,
                        self.config.clients.out_buffer_bytes_max as usize,
                    ) {
                        work.touched.push(Arc::clone(conn));
                    }
                }
                Effect::Append { ticket, range, .. } => {
                    queue.get_or_insert_with(|| self.lane.lock()).append(*ticket, &bytes[range.clone()]);
                    appended += 1;
                }
                Effect::RollLog => queue.get_or_insert_with(|| self.lane.lock()).push(LaneWork::Roll),
                Effect::StartSnapshot { zxid } => {
                    self.snapshots.request(*zxid);
                    work.wake_snapshots = true;
                }
                Effect::Close { conn } => {
                    let Some(conn) = core.conns.get(*conn) else { continue };
                    if conn.out.drain() {
                        work.touched.push(Arc::clone(conn));
                    }
                    self.deadlines.ending(conn.id, now.mono_ms);
                }
                Effect::Established { conn, session, timeout_ms } => {
                    let Some(conn) = core.conns.get(*conn) else { continue };
                    conn.stats.session.store(*session, Ordering::Relaxed);
                    conn.stats.timeout_ms.store(*timeout_ms, Ordering::Relaxed);
                }
            }
        }
        if let Some(mut queue) = queue {
            work.wake_lane = true;
            if let Some(Requester { conn, received_ms }) = work.requester
                && appended > 0
            {
                queue.waiting(Waiting { conn, received_ms, requests: appended });
            }
        }
        work.requester = None;
        self.outstanding.store(core.peer.outstanding_requests(), Ordering::Relaxed);
        if core
            .peer
            .next_deadline()
            .is_some_and(|due_ms| due_ms < self.timer_wakes_ms.load(Ordering::Relaxed))
        {
            work.wake_timer = true;
        }
        work.effects.clear();
        appended
    }

    /// Does what must wait until the lock is free: wakes the threads that got work, sends.
    pub(crate) fn finish(&self, work: &mut Work) {
        if std::mem::take(&mut work.wake_lane) {
            self.lane.wake();
        }
        for conn in work.touched.drain(..) {
            conn.flush();
        }
        if std::mem::take(&mut work.wake_snapshots) {
            self.snapshots.wake();
        }
        if std::mem::take(&mut work.wake_timer)
            && let Some(timer) = self.timer.get()
        {
            timer.unpark();
        }
        if work.effects.bytes.capacity() > EFFECTS_BYTES_KEPT_MAX {
            work.effects = Effects::default();
        }
    }

    /// Names the thread that steps the peer's deadlines.
    pub(crate) fn set_timer(&self, thread: Thread) {
        let _ = self.timer.set(thread);
    }

    /// Wakes the thread that steps the peer's deadlines.
    pub(crate) fn wake_timer(&self) {
        if let Some(timer) = self.timer.get() {
            timer.unpark();
        }
    }

    /// Counts frames that go to a connection; returns what was seen in them.
    pub(crate) fn count_replies(&self, conn: &Conn, frames: &[u8], now: Now) -> Replies {
        let replies = Replies::scan(frames);
        conn.stats.replies(&replies, now.mono_ms);
        self.stats.replies(&replies, frames.len());
        replies
    }
}

/// Whose requests are stepped, and since when they are here (monotonic clock).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Requester {
    pub conn: ConnId,
    pub received_ms: u64,
}

/// What one thread needs to step the peer, reused from step to step.
#[derive(Default)]
pub(crate) struct Work {
    pub effects: Effects,
    /// Connections to flush.
    pub touched: Vec<Arc<Conn>>,
    /// Whose requests the steps were for: the latency of their transactions is counted for it.
    pub requester: Option<Requester>,
    wake_lane: bool,
    wake_snapshots: bool,
    wake_timer: bool,
}
