//! A whole load run: the znodes it needs, the threads that load, the report, and the clean-up.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::args::{Args, MultiOp, Op};
use super::control::Control;
use super::load::{Driver, Run, Stop};
use super::measure::{self, Window};
use super::report::Report;
use super::samples;
use super::tally::Outcome;
use super::wire::{Action, PathShape};
use super::workload::{Pick, Step, Workload};

/// Sessions and depth of what comes before and after the measurement.
const HELPER_SESSIONS: usize = 4;
const HELPER_DEPTH: usize = 128;
/// Requests of `--op delete` unless --count says otherwise.
const DELETE_COUNT: u64 = 100_000;

/// Runs one of the plain request loads.
///
/// # Errors
/// If a session cannot be opened, or the znodes cannot be made. What goes wrong under load is in the report.
pub fn run(args: &Args, server: SocketAddr) -> io::Result<Report> {
    let scene = Scene::set(args, server)?;
    let threads = args.threads.min(args.connections) as usize;
    let stop = match (args.count, args.op) {
        (Some(count), _) => Stop::Requests(count),
        (None, Op::Delete) => Stop::Requests(DELETE_COUNT),
        (None, _) => Stop::After(Duration::from_secs_f64(args.seconds)),
    };
    // Deletions have nothing to warm up on without using up what they are to delete.
    let warmup = if args.op == Op::Delete { 0.0 } else { args.warmup };
    let warmup = Duration::from_secs_f64(warmup);

    let part_of = |index| match stop {
        Stop::Requests(count) => Stop::Requests(part(count, threads, index)),
        by_time => by_time,
    };
    // All znodes first: sessions that wait for others' preparations would time out.
    for index in 0..threads {
        if let (Op::Delete, Stop::Requests(count)) = (args.op, part_of(index)) {
            let create = Action::Create(vec![b'x'; args.size as usize]);
            scene.run_to_end("creating", Step::single(&create, &scene.own(index), Pick::Next, 0), count)?;
        }
    }
    let mut workers = Vec::with_capacity(threads);
    for index in 0..threads {
        let share = part(u64::from(args.connections), threads, index) as usize;
        let driver = Driver::open(server, share, args.session_timeout())?;
        workers.push(Worker { driver, stop: part_of(index), workload: scene.workload(args, index), index });
    }

    let finished = AtomicU64::new(0);
    let start = Instant::now();
    let started_unix = SystemTime::now();
    let to_the_end = args.rate.is_some();
    let window = Window { start, warmup, stop, to_the_end, server_pid: args.server_pid };
    let watched = measure::watch(window, args.op.name(), &finished, || {
        thread::scope(|scope| {
            let handles: Vec<_> = workers
                .into_iter()
                .map(|mut worker| {
                    let run = Run {
                        depth: args.depth as usize,
                        warmup,
                        stop: worker.stop,
                        rate: args.rate.map(|rate| rate / threads as f64),
                        start,
                        keep_samples: args.samples.is_some(),
                    };
                    let finished = &finished;
                    scope.spawn(move || {
                        let outcome = worker.driver.drive(run, &mut worker.workload, finished)?;
                        Ok::<_, io::Error>((worker, outcome))
                    })
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<io::Result<Vec<_>>>()
        })
    })?;

    let mut outcome = Outcome::new();
    let mut issued = Vec::with_capacity(threads);
    for (worker, part) in watched.result? {
        worker.driver.close();
        issued.push((worker.index, part.issued));
        outcome.merge(&part);
    }
    if let Some(path) = &args.samples {
        samples::write(path, started_unix.duration_since(UNIX_EPOCH).unwrap_or_default(), &outcome.samples)?;
    }
    if !args.keep && outcome.troubles.total() == 0 {
        for (index, issued) in issued {
            scene.clear_worker(args, index, issued)?;
        }
        scene.clear(args)?;
    }
    Ok(Report {
        op: args.op.name(),
        server: args.server.clone(),
        connections: args.connections,
        depth: args.depth,
        size: args.size,
        rate: args.rate,
        outcome,
        server_stat: watched.server,
        own_stat: watched.own,
        sessions_held: None,
    })
}

/// Creates `count` znodes that stay, below `<root>/preload`, and says how it went.
///
/// # Errors
/// If a session cannot be opened or a znode cannot be created (one that exists is an error too).
pub fn preload(args: &Args, server: SocketAddr, count: u64) -> io::Result<Outcome> {
    let mut control = Control::open(server, args.session_timeout())?;
    let parent = format!("{}/preload", args.root);
    control.create(&args.root, b"")?;
    control.create(&parent, b"")?;
    control.close()?;
    let create = Action::Create(vec![b'x'; args.size as usize]);
    let path = if args.fanout == 0 {
        PathShape::flat(&format!("{parent}/"))
    } else {
        let directory =
            Step::single(&Action::Create(Vec::new()), &PathShape::directories(&parent), Pick::Next, 0);
        run_to_end(server, args.session_timeout(), "directories", directory, count.div_ceil(args.fanout))?;
        PathShape::spread(&parent, args.fanout)
    };
    let step = Step::single(&create, &path, Pick::Next, 0);
    run_to_end(server, args.session_timeout(), "preload", step, count)
}

struct Worker {
    driver: Driver,
    stop: Stop,
    workload: Workload,
    index: usize,
}

/// Where a run keeps its znodes: `<root>/run-<time>`, so that nothing of an earlier run is in the way.
struct Scene {
    server: SocketAddr,
    timeout: Duration,
    root: String,
    home: String,
}

impl Scene {
    /// Makes the parents, and the znodes that reads and sets choose from.
    fn set(args: &Args, server: SocketAddr) -> io::Result<Self> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let home = format!("{}/run-{}", args.root, unix.as_millis());
        let scene = Self { server, timeout: args.session_timeout(), root: args.root.clone(), home };
        if args.op == Op::Ping {
            return Ok(scene);
        }
        let mut control = Control::open(server, scene.timeout)?;
        control.create(&scene.root, b"")?;
        control.create(&scene.home, b"")?;
        control.close()?;
        if needs_keys(args) {
            let create = Action::Create(vec![b'x'; args.size as usize]);
            scene.run_to_end("keys", Step::single(&create, &scene.keys(), Pick::Next, 0), args.keys)?;
        }
        Ok(scene)
    }

    /// The znodes shared by all threads.
    fn keys(&self) -> PathShape {
        PathShape::flat(&format!("{}/k", self.home))
    }

    /// The znodes that one thread creates or deletes.
    fn own(&self, index: usize) -> PathShape {
        PathShape::flat(&format!("{}/t{index}-", self.home))
    }

    fn workload(&self, args: &Args, index: usize) -> Workload {
        let (keys, own) = (self.keys(), self.own(index));
        let size = args.size as usize;
        let data = vec![b'y'; size];
        let any = Pick::Any(args.keys);
        let elements = args.multi as usize;
        let seed = 1 + index as u64;
        let step = match args.op {
            Op::Set => Step::single(&Action::Set(data), &keys, any, size),
            Op::Create => Step::single(&Action::Create(data), &own, Pick::Next, size),
            Op::Delete => Step::single(&Action::Delete, &own, Pick::Next, size),
            Op::Exists => Step::single(&Action::Exists, &keys, any, size),
            Op::Multi if args.multi_op == MultiOp::Create => {
                Step::multi(&Action::Create(data), &own, Pick::Next, elements)
            }
            Op::Multi => Step::multi(&Action::Set(data), &keys, any, elements),
            Op::Ping => Step::ping(),
            Op::Mixed => {
                let read = Step::single(&Action::Get, &keys, any, size);
                let write = Step::single(&Action::Set(data), &keys, any, size);
                return Workload::mixed(read, write, args.mix, seed);
            }
            // The other operations have loops of their own.
            Op::Get | Op::Sessions | Op::Watch | Op::Idle | Op::None => {
                Step::single(&Action::Get, &keys, any, size)
            }
        };
        Workload::uniform(step, seed)
    }

    /// Deletes what a thread created with `issued` requests.
    fn clear_worker(&self, args: &Args, index: usize, issued: u64) -> io::Result<()> {
        let created = match (args.op, args.multi_op) {
            (Op::Create, _) => issued,
            (Op::Multi, MultiOp::Create) => issued * u64::from(args.multi),
            _ => return Ok(()),
        };
        let step = Step::single(&Action::Delete, &self.own(index), Pick::Next, 0);
        self.run_to_end("clean-up", step, created).map(drop)
    }

    /// Deletes the rest of the run's znodes.
    fn clear(&self, args: &Args) -> io::Result<()> {
        if args.op == Op::Ping {
            return Ok(());
        }
        if needs_keys(args) {
            let step = Step::single(&Action::Delete, &self.keys(), Pick::Next, 0);
            self.run_to_end("clean-up", step, args.keys)?;
        }
        let mut control = Control::open(self.server, self.timeout)?;
        control.delete(&self.home)?;
        control.delete(&self.root)?;
        control.close()
    }

    fn run_to_end(&self, what: &str, step: Step, count: u64) -> io::Result<Outcome> {
        run_to_end(self.server, self.timeout, what, step, count)
    }
}

fn needs_keys(args: &Args) -> bool {
    match args.op {
        Op::Get | Op::Set | Op::Exists | Op::Mixed => true,
        Op::Multi => args.multi_op == MultiOp::Set,
        _ => false,
    }
}

/// Sends `count` requests on a few sessions of its own; any trouble is an error.
fn run_to_end(
    server: SocketAddr,
    timeout: Duration,
    what: &str,
    step: Step,
    count: u64,
) -> io::Result<Outcome> {
    let mut driver = Driver::open(server, HELPER_SESSIONS.min(count.max(1) as usize), timeout)?;
    let run = Run {
        depth: HELPER_DEPTH,
        warmup: Duration::ZERO,
        stop: Stop::Requests(count),
        rate: None,
        start: Instant::now(),
        keep_samples: false,
    };
    let finished = AtomicU64::new(0);
    let window =
        Window { start: run.start, warmup: run.warmup, stop: run.stop, to_the_end: true, server_pid: None };
    let mut workload = Workload::uniform(step, 0);
    let watched = measure::watch(window, what, &finished, || {
        let outcome = driver.drive(run, &mut workload, &finished)?;
        driver.close();
        Ok::<_, io::Error>(outcome)
    })?;
    let outcome = watched.result?;
    if outcome.troubles.total() > 0 {
        let lines = outcome.troubles.lines().join(", ");
        return Err(io::Error::other(format!("{what}: {lines}")));
    }
    Ok(outcome)
}

/// The share of part `index` when `whole` is split into `parts` as evenly as it goes.
fn part(whole: u64, parts: usize, index: usize) -> u64 {
    let (parts, index) = (parts as u64, index as u64);
    whole / parts + u64::from(index < whole % parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        for (whole, parts) in [(50, 3), (7, 7), (1, 4), (0, 2), (1_000_001, 2)] {
            let shares: Vec<u64> = (0..parts).map(|index| part(whole, parts, index)).collect();
            assert_eq!(shares.iter().sum::<u64>(), whole);
            assert!(shares.iter().max().unwrap_or(&0) - shares.iter().min().unwrap_or(&0) <= 1);
        }
    }
}
