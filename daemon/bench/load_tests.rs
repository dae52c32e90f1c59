//! The load loop against servers that answer well, badly or late, or hang up.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::fake_server::{self, Answer, header};
use super::load::{Driver, Run, Stop};
use super::tally::Outcome;
use super::wire::{Action, PathShape, STAT_BYTES};
use super::workload::{Pick, Step, Workload};

fn run(count: u64) -> Run {
    Run {
        depth: 4,
        warmup: Duration::ZERO,
        stop: Stop::Requests(count),
        rate: None,
        start: Instant::now(),
        keep_samples: true,
    }
}

fn exists(run: Run, connections: usize, answer: fn(usize, &[u8]) -> Answer) -> Outcome {
    let server = fake_server::start(answer);
    let mut driver =
        Driver::open(server, connections, Duration::from_secs(30)).expect("the fake opens sessions");
    let step = Step::single(&Action::Exists, &PathShape::flat("/k"), Pick::Any(9), 0);
    let outcome = driver
        .drive(Run { start: Instant::now(), ..run }, &mut Workload::uniform(step, 1), &AtomicU64::new(0))
        .expect("a poll that works");
    driver.close();
    outcome
}

fn good(request: &[u8]) -> Answer {
    Answer::Reply(header(request).0, 0, vec![0; STAT_BYTES])
}

#[test]
fn every_request_of_a_run_by_count_is_answered_and_counted_once() {
    let outcome = exists(run(1001), 3, |_, request| good(request));
    assert_eq!(outcome.troubles.lines(), [""; 0]);
    assert_eq!((outcome.finished, outcome.issued), (1001, 1001));
    assert_eq!(outcome.latencies.count(), 1001);
    assert_eq!(outcome.samples.len(), 1001);
    assert!(outcome.per_second() > 0.0);
}

#[test]
fn error_replies_are_troubles_and_not_results() {
    let outcome = exists(run(10), 1, |index, request| match index {
        3 | 7 => Answer::Reply(header(request).0, -101, Vec::new()),
        _ => good(request),
    });
    assert_eq!(outcome.finished, 8);
    assert_eq!(outcome.troubles.lines(), ["2 x error -101 in a reply"]);
}

#[test]
fn a_short_reply_is_a_trouble() {
    let outcome = exists(run(5), 1, |index, request| match index {
        2 => Answer::Reply(header(request).0, 0, vec![0; STAT_BYTES - 1]),
        _ => good(request),
    });
    assert_eq!(outcome.finished, 4);
    assert_eq!(outcome.troubles.lines(), ["1 x reply of 83 bytes where 84 were due"]);
}

#[test]
fn a_reply_out_of_order_ends_its_connection() {
    let outcome = exists(run(100), 1, |index, request| match index {
        5 => Answer::Reply(header(request).0 + 1, 0, vec![0; STAT_BYTES]),
        _ => good(request),
    });
    assert_eq!(outcome.finished, 5);
    assert!(outcome.troubles.lines().contains(&"1 x reply xid 7 where 6 was next".to_owned()));
}

#[test]
fn a_lost_connection_ends_the_run_when_it_was_the_last() {
    let outcome =
        exists(run(100), 1, |index, request| if index == 20 { Answer::HangUp } else { good(request) });
    assert_eq!(outcome.finished, 20);
    assert!(outcome.troubles.total() > 0);
}

/// The reply to the first request is held back; every request that fell due meanwhile has waited since its own
/// due time, although it was sent only afterwards.
#[test]
fn an_open_loop_charges_a_stall_to_all_that_it_delayed() {
    let stall = Duration::from_millis(300);
    let open = Run { depth: 1, rate: Some(1000.0), ..run(50) };
    let outcome = exists(open, 1, |index, request| {
        if index == 0 {
            std::thread::sleep(Duration::from_millis(300));
        }
        good(request)
    });
    assert_eq!(outcome.troubles.lines(), [""; 0]);
    for (index, sample) in outcome.samples.iter().enumerate() {
        assert_eq!(sample.due_nanos, index as u64 * 1_000_000);
        let end = sample.due_nanos + sample.latency_nanos;
        assert!(end >= stall.as_nanos() as u64, "request {index} ended at {end} ns, before the stall did");
    }
}
