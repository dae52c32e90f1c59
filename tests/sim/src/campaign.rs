//! Lives of a server with the power cut at every kind of moment.
//!
//! One seed is one chain of lives on one disk. During a life, after many of its disk operations, images are made of
//! what the disk would hold if the power failed there: nothing, everything, or a random torn subset of what was not
//! synced. Every image must recover, must have every acknowledged transaction, and must be the tree and the sessions
//! that the history has for its last transaction. The last image of a life becomes the disk of the next.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use zkrs_core::Now;

use crate::disk::{Crash, Disk};
use crate::history::History;
use crate::host::{Host, reborn};
use crate::prng::Prng;
use crate::workload::Workload;

/// How long a chain of lives is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Lives per seed.
    pub lives: u32,
    /// Things that happen in a life.
    pub acts_per_life: u32,
    /// One disk operation in so many is looked at.
    pub ops_per_image: u64,
    /// Off: the server acknowledges what it has not synced, and the campaign must notice.
    pub force_sync: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { lives: 4, acts_per_life: 250, ops_per_image: 3, force_sync: true }
    }
}

/// What a seed has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Images that were recovered and compared.
    pub images: u64,
    /// Those that had lost transactions nobody was told of.
    pub images_shortened: u64,
    /// Those made while a snapshot was being written.
    pub images_in_snapshot: u64,
    /// Transactions proposed.
    pub txns: u64,
    /// Over all that happened: the same seed gives the same sum.
    pub trace: u64,
}

impl Tally {
    /// Adds another seed's.
    pub fn add(&mut self, other: &Tally) {
        self.images += other.images;
        self.images_shortened += other.images_shortened;
        self.images_in_snapshot += other.images_in_snapshot;
        self.txns += other.txns;
        self.trace = self.trace.rotate_left(7) ^ other.trace;
    }
}

/// A promise that was broken.
#[derive(Debug)]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

/// A disk as a power cut left it.
struct Image {
    disk: Disk,
    acknowledged: i64,
    proposed: i64,
    how: Crash,
    op: u64,
}

/// Runs one seed.
///
/// # Errors
/// The first [`Violation`].
pub fn run(seed: u64, plan: &Plan) -> Result<Tally, Violation> {
    let violation = |what: String| Violation { seed, what };
    let mut prng = Prng::new(seed);
    let mut tally = Tally::default();
    let now = Now { mono_ms: 1_000, wall_ms: 1_700_000_000_000 };
    let mut host = Host::start(Disk::new(), now, plan.force_sync)
        .map_err(|e| violation(format!("a first start: {e}")))?;
    for life in 0..plan.lives {
        let images =
            live(&mut host, &mut prng, plan).map_err(|what| violation(format!("life {life}: {what}")))?;
        let mut last = None;
        for image in images {
            last = Some(check(image, &host.history, host.now, &mut tally).map_err(&violation)?);
        }
        tally.txns = host.history.last_zxid() as u64;
        let Some((disk, peer)) = last else { continue };
        tally.trace = tally.trace.wrapping_mul(31).wrapping_add(peer.point.digest as u64);
        host = Host::resume(disk, host.now, peer, host.history, plan.force_sync)
            .map_err(|e| violation(format!("a restart after life {life}: {e}")))?;
    }
    Ok(tally)
}

fn live(host: &mut Host, prng: &mut Prng, plan: &Plan) -> Result<Vec<Image>, String> {
    let images = Arc::new(Mutex::new(Vec::new()));
    watch_disk(host, prng, plan, Arc::clone(&images));
    let mut workload = Workload::default();
    for _ in 0..plan.acts_per_life {
        act(host, &mut workload, prng).map_err(|e| e.to_string())?;
        if prng.chance(1, 60) {
            host.peer.check_invariants();
        }
    }
    host.disk.clear_tap();
    let mut images = std::mem::take(&mut *images.lock().unwrap_or_else(PoisonError::into_inner));
    // The end of this life, whatever the disk was doing.
    images.push(Image {
        disk: host.disk.crash(prng, Crash::Random),
        acknowledged: host.acknowledged.load(Ordering::SeqCst),
        proposed: host.proposed.load(Ordering::SeqCst),
        how: Crash::Random,
        op: host.disk.ops(),
    });
    Ok(images)
}

fn act(host: &mut Host, workload: &mut Workload, prng: &mut Prng) -> zkrs_storage::Result<()> {
    match prng.below(20) {
        0..=10 => workload.act(host, prng),
        11..=14 => host.sync_some(prng),
        15..=18 => host.snapshot_some(prng),
        _ => {
            let ms = prng.below(400);
            host.now.mono_ms += ms;
            host.now.wall_ms += ms as i64;
            host.step(zkrs_core::peer::Input::Wake)
        }
    }
}

fn watch_disk(host: &Host, prng: &mut Prng, plan: &Plan, images: Arc<Mutex<Vec<Image>>>) {
    let acknowledged: Arc<AtomicI64> = Arc::clone(&host.acknowledged);
    let proposed: Arc<AtomicI64> = Arc::clone(&host.proposed);
    let mut prng = prng.fork();
    let ops_per_image = plan.ops_per_image;
    host.disk.on_op(move |view| {
        if !prng.chance(1, ops_per_image) {
            return;
        }
        let how = match prng.below(6) {
            0 => Crash::DropAll,
            1 => Crash::KeepAll,
            _ => Crash::Random,
        };
        let image = Image {
            disk: view.crash(&mut prng, how),
            acknowledged: acknowledged.load(Ordering::SeqCst),
            proposed: proposed.load(Ordering::SeqCst),
            how,
            op: view.op,
        };
        images.lock().unwrap_or_else(PoisonError::into_inner).push(image);
    });
}

fn check(
    image: Image,
    history: &History,
    now: Now,
    tally: &mut Tally,
) -> Result<(Disk, crate::host::Reborn), String> {
    let Image { disk, acknowledged, proposed, how, op } = image;
    let context = |what: String| format!("power cut ({how:?}) after disk operation {op}: {what}");
    let in_snapshot = disk.paths().iter().any(|path| path.to_string_lossy().contains("tmp"));
    let peer = reborn(&disk, now).map_err(|e| context(format!("recovery refuses: {e}")))?;
    if peer.last_zxid < acknowledged {
        let lost = acknowledged - peer.last_zxid;
        return Err(context(format!(
            "{lost} acknowledged transactions are lost: 0x{:x} is the last, 0x{acknowledged:x} was acknowledged",
            peer.last_zxid
        )));
    }
    let Some(wanted) = history.at(peer.last_zxid) else {
        return Err(context(format!("transaction 0x{:x} never was", peer.last_zxid)));
    };
    if peer.point != wanted {
        return Err(context(format!(
            "at 0x{:x} it is another tree: {:?}, not {wanted:?}",
            peer.last_zxid, peer.point
        )));
    }
    if op % 16 == 0 {
        peer.peer.check_invariants();
    }
    tally.images += 1;
    tally.images_shortened += u64::from(peer.last_zxid < proposed);
    tally.images_in_snapshot += u64::from(in_snapshot);
    Ok((disk, peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_and_crashes() {
        let mut total = Tally::default();
        for seed in 0..40 {
            match run(seed, &Plan::default()) {
                Ok(tally) => total.add(&tally),
                Err(violation) => panic!("{violation}"),
            }
        }
        assert!(total.images > 2000, "{total:?}");
        assert!(total.images_shortened > 100 && total.images_in_snapshot > 100, "{total:?}");
    }

    /// A checker is trusted once it has caught somebody.
    #[test]
    fn a_server_that_does_not_sync_is_caught() {
        let plan = Plan { force_sync: false, ..Plan::default() };
        let caught = (0..20).filter_map(|seed| run(seed, &plan).err()).find(|v| v.what.contains("are lost"));
        assert!(caught.is_some());
    }

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let plan = Plan { lives: 2, ..Plan::default() };
        let once = run(77, &plan).map_err(|v| v.to_string());
        assert_eq!(once, run(77, &plan).map_err(|v| v.to_string()));
    }
}
