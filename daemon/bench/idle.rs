//! Sessions that do nothing but stay: what each costs the server in memory.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connection::{Connection, Received};
use super::measure::Stats;
use super::procstat::ProcStat;
use super::progress::Progress;
use super::tally::{Outcome, Trouble};

/// How often sessions are looked at for a ping that is due.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// Handshakes and pongs: a few bytes each.
const BUFFER_BYTES: usize = 64 << 10;

/// Opens `count` sessions, holds them for `hold` with pings, and closes them. The server's memory is taken before
/// the first and at the end of the hold.
///
/// # Errors
/// If a session cannot be opened, or `/proc` does not know the server.
pub fn run(
    server: SocketAddr,
    count: usize,
    timeout: Duration,
    hold: Duration,
    server_pid: Option<u32>,
) -> io::Result<(Outcome, Stats)> {
    let before = server_pid.map(ProcStat::of).transpose()?;
    let mut outcome = Outcome::new();
    let start = Instant::now();
    let progress = Progress::new("sessions", count as u64);
    let mut opened = 0;
    let mut connections = Connection::open_many(server, count, timeout, || {
        opened += 1;
        progress.set(opened);
    })?;
    drop(progress);
    let mut poll = Poll::new()?;
    for (index, connection) in connections.iter_mut().enumerate() {
        poll.registry().register(&mut connection.stream, Token(index), Interest::READABLE)?;
    }
    hold_all(&mut poll, &mut connections, start, hold, &mut outcome)?;
    let after = server_pid.map(ProcStat::of).transpose()?;
    Connection::close_many(connections);
    outcome.issued = count as u64;
    outcome.window_seconds = hold.as_secs_f64();
    Ok((outcome, before.zip(after)))
}

fn hold_all(
    poll: &mut Poll,
    connections: &mut [Connection],
    start: Instant,
    hold: Duration,
    outcome: &mut Outcome,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut events = Events::with_capacity(1024);
    let until = Instant::now() + hold;
    let mut housekeeping = Instant::now();
    while Instant::now() < until {
        let wake = housekeeping.min(until).saturating_duration_since(Instant::now());
        match poll.poll(&mut events, Some(wake)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let connection = &mut connections[event.token().0];
            if connection.is_closed() {
                continue;
            }
            let result = connection.receive(&mut buffer, |pending, frame| match pending.settle(frame) {
                Received::Pong | Received::Notification => true,
                Received::Reply(_) => true,
                Received::Faulty(_, trouble) | Received::Broken(trouble) => {
                    outcome.troubles.add(trouble);
                    false
                }
            });
            if result.is_err() {
                outcome.troubles.add(Trouble::ConnectionLost(connection.close()));
            }
        }
        if Instant::now() >= housekeeping {
            housekeeping = Instant::now() + HOUSEKEEPING;
            let now = start.elapsed().as_nanos() as u64;
            for connection in connections.iter_mut().filter(|connection| !connection.is_closed()) {
                connection.keep_alive(now);
                if connection.flush(now).is_err() {
                    outcome.troubles.add(Trouble::ConnectionLost(connection.close()));
                }
            }
        }
    }
    Ok(())
}
