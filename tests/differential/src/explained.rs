//! The differences from Apache that are meant: each with its reason and its place in `docs/differences.md`.

use crate::op;
use crate::request::Request;
use crate::step::Step;

/// A difference that does not count.
#[derive(Debug)]
pub struct Explained {
    /// The entry in `docs/differences.md`.
    pub entry: &'static str,
    /// Why zkrs differs.
    pub reason: &'static str,
    /// The request that it is about.
    pub concerns: fn(&Request) -> bool,
    /// Whether the lines of such a request (Apache's, then ours) differ in exactly this way.
    pub matches: fn(&[String], &[String]) -> bool,
}

/// All of them. Keep each as narrow as it can be: a pattern that fits too much hides real faults.
pub static EXPLAINED: [Explained; 2] = [
    Explained {
        entry: "multiRead with an element that does not decode",
        reason: "no client reads a body behind an error",
        concerns: |request| request.op() == op::MULTI_READ,
        matches: |apache, ours| {
            apache.len() == ours.len()
                && apache.iter().zip(ours).all(|(apache, ours)| {
                    apache == ours
                        || apache.starts_with("err=-5 @") && apache.split(" with body ").next() == Some(ours)
                })
        },
    },
    Explained {
        entry: "setWatches with a null in a list",
        reason: "a request is decoded completely before it has any effect",
        concerns: is_set_watches,
        matches: |apache, ours| {
            let is_found = |line: &&String| line.starts_with("event ") && line.ends_with(" @-1");
            apache.iter().any(|line| line.starts_with("err=-5 @"))
                && apache.iter().filter(|line| !is_found(line)).eq(ours.iter().filter(|line| !is_found(line)))
        },
    },
];

/// The explanation of a difference, if there is one.
pub fn explain(step: &Step, apache: &[String], ours: &[String]) -> Option<&'static Explained> {
    let concerned =
        |explained: &&Explained| requests(step).iter().any(|request| (explained.concerns)(request));
    EXPLAINED.iter().filter(concerned).find(|explained| (explained.matches)(apache, ours))
}

/// Whether the step may have left the servers in different states, as an explained difference has it: what
/// follows in the sequence then says nothing.
pub fn parts_ways(step: &Step, apache: &[String]) -> bool {
    requests(step).iter().any(is_set_watches) && apache.iter().any(|line| line.starts_with("err=-5 @"))
}

fn is_set_watches(request: &Request) -> bool {
    matches!(request.op(), op::SET_WATCHES | op::SET_WATCHES2)
}

fn requests(step: &Step) -> &[Request] {
    match step {
        Step::Send { request, .. } => std::slice::from_ref(request),
        Step::Burst { requests, .. } => requests,
        _ => &[],
    }
}
