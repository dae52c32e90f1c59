//! The differences from Apache that are meant: each with its reason and its place in `docs/differences.md`.

use crate::step::Step;

/// A difference that does not count.
#[derive(Debug)]
pub struct Explained {
    /// The entry's heading in `docs/differences.md`.
    pub entry: &'static str,
    /// Why zkrs differs.
    pub reason: &'static str,
    /// Whether a step's lines (Apache's, then ours) differ in exactly this way.
    pub matches: fn(&Step, &[String], &[String]) -> bool,
}

/// All of them. Keep each as narrow as it can be: a pattern that fits too much hides real faults.
pub static EXPLAINED: [Explained; 0] = [];

/// The explanation of a difference, if there is one.
pub fn explain(step: &Step, apache: &[String], ours: &[String]) -> Option<&'static Explained> {
    EXPLAINED.iter().find(|explained| (explained.matches)(step, apache, ours))
}
