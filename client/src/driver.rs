//! The task that moves a session's bytes.
//!
//! It decides nothing: inputs go to the state machine, effects come back and are carried out in order. It is
//! the only one who does so, which is what keeps events and results in the server's order.

use crate::shared::{Answer, Shared, Token};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use zkrs_core::client::{Effect, Input};

/// Runs until the session has ended and everybody was told.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut driver = Driver {
        shared: &shared,
        link: Link::None,
        probe: None,
        effects: Vec::new(),
        out: Vec::with_capacity(WRITE_BYTES),
        written: 0,
    };
    let mut read = vec![0; READ_BYTES];
    let mut timer = std::pin::pin!(tokio::time::sleep_until(Instant::now()));
    driver.input(Input::Wake);
    while driver.settle(timer.as_mut()) {
        let happened = driver.wait(&mut read, timer.as_mut()).await;
        driver.react(happened, &read);
    }
}

struct Driver<'a> {
    shared: &'a Shared,
    link: Link,
    probe: Option<Task<(usize, bool)>>,
    /// Being carried out; the memory is kept.
    effects: Vec<Effect<Token>>,
    /// Bytes taken from the state machine, of which the first `written` are written.
    out: Vec<u8>,
    written: usize,
}

enum Link {
    None,
    Opening(Task<io::Result<TcpStream>>),
    Open(TcpStream),
}

type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What [`Driver::wait`] waited for.
enum Happened {
    Opened(io::Result<TcpStream>),
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Probed(usize, bool),
    Woken,
    Deadline,
}

impl Driver<'_> {
    fn input(&mut self, input: Input<'_>) {
        let core = &mut *self.shared.core();
        core.session.step(self.shared.now_ms(), input, &mut core.effects);
    }

    /// Carries out effects until there are none, takes what is to be written and sets the timer. `false` when
    /// the session is over.
    fn settle(&mut self, timer: Pin<&mut Sleep>) -> bool {
        loop {
            let now_ms = self.shared.now_ms();
            let mut guard = self.shared.core();
            let core = &mut *guard;
            if core.effects.is_empty() {
                if core.session.state().is_final() {
                    return false;
                }
                let transmits = self.out.is_empty() && core.session.wants_transmit();
                if transmits && matches!(self.link, Link::Open(_)) {
                    core.session.transmit(now_ms, &mut self.out, WRITE_BYTES);
                }
                let deadline = core.session.next_deadline();
                drop(guard);
                if transmits {
                    self.shared.transmitted();
                }
                self.set_timer(timer, deadline);
                return true;
            }
            std::mem::swap(&mut core.effects, &mut self.effects);
            drop(guard);
            self.carry_out();
        }
    }

    /// Most deadlines only move away: the timer is left to fire early rather than set anew for each request.
    fn set_timer(&self, timer: Pin<&mut Sleep>, deadline_ms: Option<u64>) {
        let deadline = self.shared.instant(deadline_ms.unwrap_or(u64::MAX));
        if timer.is_elapsed() || deadline < timer.deadline() {
            timer.reset(deadline);
        }
    }

    async fn wait(&mut self, read: &mut [u8], timer: Pin<&mut Sleep>) -> Happened {
        let probe = &mut self.probe;
        let probing = probe.is_some();
        let probed = async { probe.as_mut().expect("checked by the branch's condition").await };
        let woken = self.shared.wake_driver.notified();
        match &mut self.link {
            Link::None => tokio::select! {
                () = woken => Happened::Woken,
                () = timer => Happened::Deadline,
            },
            Link::Opening(opening) => tokio::select! {
                opened = opening => Happened::Opened(opened),
                () = woken => Happened::Woken,
                () = timer => Happened::Deadline,
            },
            Link::Open(stream) => {
                let (mut reader, mut writer) = stream.split();
                let rest = &self.out[self.written..];
                tokio::select! {
                    count = reader.read(read) => Happened::Read(count),
                    count = writer.write(rest), if !rest.is_empty() => Happened::Written(count),
                    () = woken => Happened::Woken,
                    // A process that was stopped for a while has answers waiting: they count before the clock.
                    () = timer => match reader.try_read(read) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Happened::Deadline,
                        count => Happened::Read(count),
                    },
                    (host, read_write) = probed, if probing => Happened::Probed(host, read_write),
                }
            }
        }
    }

    fn react(&mut self, happened: Happened, read: &[u8]) {
        match happened {
            Happened::Opened(Ok(stream)) => {
                // Requests are batched here already.
                let _ = stream.set_nodelay(true);
                self.link = Link::Open(stream);
                self.input(Input::Connected);
            }
            Happened::Opened(Err(error)) => self.lost(&error),
            Happened::Read(Ok(0)) => self.lost(&io::ErrorKind::UnexpectedEof.into()),
            Happened::Read(Ok(count)) => self.input(Input::Received(&read[..count])),
            Happened::Written(Ok(count)) => {
                self.written += count;
                if self.written == self.out.len() {
                    self.reset_out();
                }
            }
            Happened::Read(Err(error)) | Happened::Written(Err(error)) => self.lost(&error),
            Happened::Probed(host, read_write) => {
                self.probe = None;
                self.input(Input::Probed { host, read_write });
            }
            Happened::Woken => {}
            Happened::Deadline => self.input(Input::Wake),
        }
    }

    fn lost(&mut self, error: &io::Error) {
        tracing::debug!(%error, "connection lost");
        self.drop_connection();
        self.input(Input::Disconnected);
    }

    fn drop_connection(&mut self) {
        self.link = Link::None;
        self.probe = None;
        self.reset_out();
    }

    fn reset_out(&mut self) {
        self.out.clear();
        self.out.shrink_to(2 * WRITE_BYTES);
        self.written = 0;
    }

    fn carry_out(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        let mut answered = 0;
        for effect in effects.drain(..) {
            match effect {
                Effect::Connect { host } => {
                    let address = self.shared.hosts[host].clone();
                    tracing::debug!(%address, "connecting");
                    self.link = Link::Opening(Box::pin(TcpStream::connect(address)));
                }
                Effect::Disconnect { reason } => {
                    tracing::debug!(%reason, "connection given up");
                    self.drop_connection();
                }
                Effect::ProbeReadWrite { host } => {
                    let address = self.shared.hosts[host].clone();
                    self.probe = Some(Box::pin(async move { (host, is_read_write(&address).await) }));
                }
                effect => answered += deliver(self.shared, effect),
            }
        }
        self.shared.answered(answered);
        self.effects = effects;
    }
}

/// However the task ends, nobody is left waiting.
impl Drop for Driver<'_> {
    fn drop(&mut self) {
        let effects = {
            let core = &mut *self.shared.core();
            core.session.abandon(&mut core.effects);
            std::mem::take(&mut core.effects)
        };
        let answered = effects.into_iter().map(|effect| deliver(self.shared, effect)).sum();
        self.shared.answered(answered);
    }
}

/// Hands a result, an event or a state to whom it concerns; how many permits that frees.
fn deliver(shared: &Shared, effect: Effect<Token>) -> usize {
    match effect {
        Effect::Complete { token, zxid, result } => {
            // Whoever asked may have stopped waiting.
            let _ = token.sender.send(Answer { zxid, result });
            return usize::from(token.has_permit);
        }
        Effect::Event { watcher, event, last } => {
            let mut sinks = shared.sinks();
            if !last {
                if let Some(sink) = sinks.get(&watcher) {
                    sink.send_more(event);
                }
            } else if let Some(sink) = sinks.remove(&watcher) {
                drop(sinks);
                sink.send(event);
            }
        }
        Effect::State(state) => {
            tracing::debug!(?state, "session state");
            shared.states.send_replace(state);
            let _ = shared.state_events.send(state);
        }
        Effect::Connect { .. } | Effect::Disconnect { .. } | Effect::ProbeReadWrite { .. } => {}
    }
    0
}

/// Asks a server by the word `isro` whether it writes; any failure counts as no.
async fn is_read_write(address: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"isro").await?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await?;
        io::Result::Ok(&answer == b"rw")
    };
    tokio::time::timeout(PROBE_TIMEOUT, ask).await.is_ok_and(|answer| answer.unwrap_or(false))
}

const PROBE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);
/// How much one read takes.
const READ_BYTES: usize = 64 << 10;
/// How much is encoded for one write.
const WRITE_BYTES: usize = 64 << 10;
