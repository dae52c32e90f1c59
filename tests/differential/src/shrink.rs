//! Making a diverging sequence short: drop steps, then parts of steps, as long as the divergence stays.

use crate::pair::{Outcome, Pair};
use crate::request::Request;
use crate::step::Step;

/// Runs spent on one sequence; each diverging one costs a restart of both servers.
const RUNS_MAX: usize = 150;

/// The shortest diverging sequence found, and what it brought.
///
/// # Errors
/// A message when the servers do not start again.
pub fn shrink(pair: &mut Pair, steps: &[Step]) -> Result<(Vec<Step>, Outcome), String> {
    let mut best = steps.to_vec();
    let mut best_outcome = Outcome::default();
    let mut runs = 0;
    let mut try_candidate = |candidate: &[Step], runs: &mut usize| -> Result<Option<Outcome>, String> {
        *runs += 1;
        let outcome = pair.run(candidate);
        if !outcome.diverged() {
            if outcome.parted {
                pair.recover()?;
            }
            return Ok(None);
        }
        pair.recover()?;
        Ok(Some(outcome))
    };
    if let Some(outcome) = try_candidate(&best, &mut runs)? {
        best.truncate(outcome.records.len());
        best_outcome = outcome;
    } else {
        return Ok((best, best_outcome));
    }
    let mut chunk = best.len().div_ceil(2);
    while chunk > 0 && runs < RUNS_MAX {
        let mut at = 0;
        let mut shorter = false;
        while at < best.len() && runs < RUNS_MAX {
            let mut candidate = best.clone();
            candidate.drain(at..(at + chunk).min(best.len()));
            match try_candidate(&candidate, &mut runs)? {
                Some(outcome) => {
                    best = candidate;
                    best_outcome = outcome;
                    shorter = true;
                }
                None => at += chunk,
            }
        }
        chunk = match (chunk, shorter) {
            (1, true) => 1,
            (chunk, _) => chunk / 2,
        };
    }
    for at in 0..best.len() {
        while runs < RUNS_MAX {
            let Some((candidate, outcome)) = simpler(&best[at]).into_iter().find_map(|step| {
                let mut candidate = best.clone();
                candidate[at] = step;
                match try_candidate(&candidate, &mut runs) {
                    Ok(Some(outcome)) => Some((candidate, outcome)),
                    _ => None,
                }
            }) else {
                break;
            };
            best = candidate;
            best_outcome = outcome;
        }
    }
    Ok((best, best_outcome))
}

/// A step with one part less, in every way.
fn simpler(step: &Step) -> Vec<Step> {
    match step {
        Step::Burst { slot, requests } => (0..requests.len())
            .map(|at| {
                let mut requests = requests.clone();
                requests.remove(at);
                match <[Request; 1]>::try_from(requests) {
                    Ok([request]) => Step::Send { slot: *slot, xid: None, request },
                    Err(requests) => Step::Burst { slot: *slot, requests },
                }
            })
            .collect(),
        Step::Send { slot, xid, request: Request::Multi { op, elements } } if !elements.is_empty() => (0
            ..elements.len())
            .map(|at| {
                let mut elements = elements.clone();
                elements.remove(at);
                Step::Send { slot: *slot, xid: *xid, request: Request::Multi { op: *op, elements } }
            })
            .collect(),
        Step::Send { slot, xid, request: Request::SetWatches { op, zxid, lists } } => (0..lists.len())
            .filter(|at| !lists[*at].is_empty())
            .map(|at| {
                let mut lists = lists.clone();
                lists[at].pop();
                let request = Request::SetWatches { op: *op, zxid: *zxid, lists };
                Step::Send { slot: *slot, xid: *xid, request }
            })
            .collect(),
        _ => Vec::new(),
    }
}
