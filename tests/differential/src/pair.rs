//! Two servers in lockstep: every step goes to both, and what they say is compared at once.

use crate::explained::{Explained, explain, parts_ways};
use crate::server::{Kind, ScratchDir, Server};
use crate::side::{Answer, Side};
use crate::step::{Step, World};
use std::path::Path;

/// A way to configure both servers.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Its name on the command line.
    pub name: &'static str,
    /// The `zoo.cfg` keys.
    pub config: &'static [(&'static str, &'static str)],
    /// How many of every hundred sequences run under it.
    pub percent: u64,
}

/// All profiles.
pub const PROFILES: [Profile; 4] = [
    Profile { name: "soft", config: &[("extendedTypesEnabled", "true")], percent: 55 },
    Profile {
        name: "quota",
        config: &[("extendedTypesEnabled", "true"), ("enforceQuota", "true")],
        percent: 25,
    },
    Profile { name: "plain", config: &[("reconfigEnabled", "true")], percent: 12 },
    Profile { name: "skipacl", config: &[("skipACL", "yes"), ("extendedTypesEnabled", "true")], percent: 8 },
];

/// What both servers said to one step.
#[derive(Debug)]
pub struct Record {
    /// The step, for people.
    pub step: String,
    /// The lines of the first server.
    pub a: Vec<String>,
    /// The lines of the second.
    pub b: Vec<String>,
    /// Why they may differ, if they do.
    pub explained: Option<&'static Explained>,
}

impl Record {
    /// Whether the servers agree, or may disagree.
    pub fn is_fine(&self) -> bool {
        self.a == self.b || self.explained.is_some()
    }
}

/// What a sequence brought.
#[derive(Debug, Default)]
pub struct Outcome {
    /// All steps up to the first divergence, or all.
    pub records: Vec<Record>,
    /// Opcode and error code of each reply of the first server.
    pub results: Vec<(i32, i32)>,
    /// Set when an explained difference ended the sequence early; the servers need to recover.
    pub parted: bool,
    /// Set when a server stopped answering the controlling session.
    pub failure: Option<String>,
}

impl Outcome {
    /// Whether the servers differ without an explanation.
    pub fn diverged(&self) -> bool {
        self.failure.is_some() || self.records.last().is_some_and(|record| !record.is_fine())
    }

    /// A short text that the same kind of divergence has in common.
    pub fn signature(&self) -> String {
        let strip = |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_digit()).collect() };
        let Some(record) = self.records.last() else { return String::new() };
        let different = record.a.iter().zip(&record.b).find(|(a, b)| a != b);
        let (a, b) = match different {
            Some((a, b)) => (a.as_str(), b.as_str()),
            None => {
                let common = record.a.len().min(record.b.len());
                let at = |lines: &[String]| lines.get(common).cloned().unwrap_or_default();
                return strip(&format!("{} | {}", at(&record.a), at(&record.b)));
            }
        };
        let words = |text: &str| -> String { text.split(' ').take(2).collect::<Vec<_>>().join(" ") };
        let kind: String = record.step.split(' ').skip(2).take(1).collect();
        strip(&format!("{kind}: {} | {}", words(a), words(b)))
    }
}

/// Two running servers.
#[derive(Debug)]
pub struct Pair {
    kinds: [Kind; 2],
    profile: Profile,
    sides: Option<[Side; 2]>,
    scratch: ScratchDir,
    sequences: u64,
    starts: u64,
}

impl Pair {
    /// Starts both servers.
    ///
    /// # Errors
    /// A message when one does not start.
    pub fn start(kinds: [Kind; 2], profile: Profile) -> Result<Self, String> {
        let scratch = ScratchDir::new("differential").map_err(|error| error.to_string())?;
        let mut pair = Self { kinds, profile, sides: None, scratch, sequences: 0, starts: 0 };
        pair.restart()?;
        Ok(pair)
    }

    /// Replaces both servers by fresh ones, after a divergence has left them in different states.
    ///
    /// # Errors
    /// As [`Pair::start`].
    pub fn restart(&mut self) -> Result<(), String> {
        self.sides = None;
        self.sequences = 0;
        self.starts += 1;
        let dir = self.scratch.path.join(self.starts.to_string());
        let start = |kind: Kind, dir: &Path| Side::new(Server::start(kind, dir, self.profile.config)?);
        let (a_dir, b_dir) = (dir.join("a"), dir.join("b"));
        let [a_kind, b_kind] = self.kinds;
        let (a, b) = std::thread::scope(|scope| {
            let a = scope.spawn(|| start(a_kind, &a_dir));
            let b = start(b_kind, &b_dir);
            (a.join().unwrap_or_else(|_| Err("starting panicked".to_string())), b)
        });
        self.sides = Some([a?, b?]);
        Ok(())
    }

    /// Makes both servers fit for the next sequence after a divergence: cleans up at each, or starts fresh
    /// ones where that does not bring them to the same state.
    ///
    /// # Errors
    /// As [`Pair::start`].
    pub fn recover(&mut self) -> Result<(), String> {
        let sides = self.sides.as_mut().expect("both run between calls");
        let [a, b] = sides.each_mut().map(Side::remains);
        match (a, b) {
            (Ok(a), Ok(b)) if a == b => Ok(()),
            _ => self.restart(),
        }
    }

    /// The zxids that both servers' `srvr` shows; they must be equal after equal histories.
    pub fn last_zxids(&self) -> [String; 2] {
        let zxid = |side: &Side| {
            let text = side.server.four_letters("srvr").unwrap_or_else(|error| error.to_string());
            text.lines().find(|line| line.starts_with("Zxid:")).unwrap_or("no Zxid line").to_string()
        };
        let sides = self.sides.as_ref().expect("both run between calls");
        [zxid(&sides[0]), zxid(&sides[1])]
    }

    /// Runs a sequence at both servers up to the first divergence.
    pub fn run(&mut self, steps: &[Step]) -> Outcome {
        self.sequences += 1;
        let mut world = World { root: format!("/d{:08x}", self.sequences), ..World::default() };
        let mut outcome = Outcome::default();
        let enforces_quota = self.profile.config.contains(&("enforceQuota", "true"));
        let sides = self.sides.as_mut().expect("both run between calls");
        if let Err(why) = Self::run_steps(sides, &mut world, steps, &mut outcome, enforces_quota) {
            outcome.failure = Some(why);
        }
        for record in &mut outcome.records {
            for line in record.a.iter_mut().chain(&mut record.b) {
                *line = line.replace(&world.root, "~");
            }
        }
        outcome
    }

    fn run_steps(
        sides: &mut [Side; 2],
        world: &mut World,
        steps: &[Step],
        outcome: &mut Outcome,
        enforces_quota: bool,
    ) -> Result<(), String> {
        for (name, side) in ["first", "second"].iter().zip(sides.iter_mut()) {
            side.start_sequence(&world.root).map_err(|why| blame(name, side, &why))?;
        }
        let [a, b] = sides;
        let in_turn: Vec<Step> = steps.iter().flat_map(|step| split(step, enforces_quota)).collect();
        for step in &in_turn {
            let (mut a_answer, mut b_answer) = (Answer::default(), Answer::default());
            let a_sent = a.begin(step, world, &mut a_answer);
            let b_sent = b.begin(step, world, &mut b_answer);
            a.finish(step, a_sent, &mut a_answer);
            b.finish(step, b_sent, &mut b_answer);
            let mut record =
                Record { step: step.describe(world), a: a_answer.lines, b: b_answer.lines, explained: None };
            world.learn(a_answer.facts);
            outcome.results.append(&mut a_answer.results);
            if record.a != record.b {
                record.explained = explain(step, &record.a, &record.b);
            }
            let fine = record.is_fine();
            let parted = parts_ways(step, &record.a, &record.b);
            outcome.parted |= parted;
            outcome.records.push(record);
            if !fine {
                return Ok(());
            }
            if parted {
                return Ok(());
            }
        }
        let (a_tree, b_tree) = (a.dump(), b.dump());
        let a_lines = a_tree.map_err(|why| blame("first", a, &why))?.lines;
        let b_lines = b_tree.map_err(|why| blame("second", b, &why))?.lines;
        let record = Record { step: "all: tree".to_string(), a: a_lines, b: b_lines, explained: None };
        let fine = record.is_fine();
        outcome.records.push(record);
        if !fine {
            return Ok(());
        }
        let a_lines = a.end_sequence().map_err(|why| blame("first", a, &why))?.lines;
        let b_lines = b.end_sequence().map_err(|why| blame("second", b, &why))?.lines;
        outcome.records.push(Record {
            step: "all: end".to_string(),
            a: a_lines,
            b: b_lines,
            explained: None,
        });
        Ok(())
    }
}

fn blame(name: &str, side: &mut Side, why: &str) -> String {
    let alive = if side.server.is_alive() { "it runs" } else { "it has ended" };
    format!("the {name} server: {why} ({alive})\n{}", side.server.log_tail())
}

/// A burst as single requests where quotas are enforced: Apache checks them against what is applied by then,
/// which in a burst is a matter of luck.
fn split(step: &Step, enforces_quota: bool) -> Vec<Step> {
    match step {
        Step::Burst { slot, requests } if enforces_quota => requests
            .iter()
            .map(|request| Step::Send { slot: *slot, xid: None, request: request.clone() })
            .collect(),
        step => vec![step.clone()],
    }
}
