//! What the load asks for: one or two templated requests, and which znodes they name.

use super::connection::reply_bytes;
use super::wire::{Action, MULTI_HEADER_BYTES, PathShape, Template};

/// Which numbers a request's paths take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// Any of this many znodes, uniformly.
    Any(u64),
    /// One after another, never twice.
    Next,
}

/// One kind of request and the size of its good reply.
#[derive(Debug, Clone)]
pub struct Step {
    template: Template,
    pick: Pick,
    reply_bytes: u32,
    ping: bool,
}

impl Step {
    /// One action; `stored_bytes` is the data size of the znodes it names.
    pub fn single(action: &Action, path: &PathShape, pick: Pick, stored_bytes: usize) -> Self {
        Self {
            template: Template::single(action, path),
            pick,
            reply_bytes: reply_bytes(action.reply_body_bytes(path, stored_bytes)),
            ping: false,
        }
    }

    /// A multi of `elements` writes. A multi that failed has error code 0 in its header, but smaller results:
    /// the size tells.
    pub fn multi(action: &Action, path: &PathShape, pick: Pick, elements: usize) -> Self {
        let element = MULTI_HEADER_BYTES + action.reply_body_bytes(path, 0);
        Self {
            template: Template::multi(action, path, elements),
            pick,
            reply_bytes: reply_bytes(elements * element + MULTI_HEADER_BYTES),
            ping: false,
        }
    }

    /// A ping.
    pub fn ping() -> Self {
        Self { template: Template::ping(), pick: Pick::Next, reply_bytes: reply_bytes(0), ping: true }
    }
}

/// The request that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub reply_bytes: u32,
    pub is_ping: bool,
}

/// A stream of requests.
#[derive(Debug, Clone)]
pub struct Workload {
    main: Step,
    /// A second kind, and the share of all requests that are of the main kind, of 2^32.
    other: Option<(Step, u64)>,
    random: Random,
    counter: u64,
}

impl Workload {
    /// All requests of one kind. `seed` decides the picks.
    pub fn uniform(main: Step, seed: u64) -> Self {
        Self { main, other: None, random: Random::new(seed), counter: 0 }
    }

    /// `main_share` (0 to 1) of `main`, the rest of `other`.
    pub fn mixed(main: Step, other: Step, main_share: f64, seed: u64) -> Self {
        let share = (main_share.clamp(0.0, 1.0) * (1u64 << 32) as f64) as u64;
        Self { main, other: Some((other, share)), random: Random::new(seed), counter: 0 }
    }

    /// Appends the next request's frame to `out`.
    pub fn append(&mut self, out: &mut Vec<u8>, xid: i32) -> Asked {
        let Self { main, other, random, counter } = self;
        let step = match other {
            Some((other, share)) if random.next() >> 32 >= *share => other,
            _ => main,
        };
        if step.ping {
            step.template.append(out, super::wire::XID_PING, || 0);
        } else {
            step.template.append(out, xid, || match step.pick {
                Pick::Any(keys) => random.below(keys),
                Pick::Next => {
                    *counter += 1;
                    *counter - 1
                }
            });
        }
        Asked { reply_bytes: step.reply_bytes, is_ping: step.ping }
    }
}

/// SplitMix64: small, fast, and the same picks for the same seed.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in `0..limit` (0 for a limit of 0).
    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::wire;

    #[test]
    fn next_names_every_znode_once_and_in_order() {
        let step = Step::single(&Action::Delete, &PathShape::flat("/d"), Pick::Next, 0);
        let mut workload = Workload::uniform(step, 1);
        let mut out = Vec::new();
        for xid in 1..4 {
            let asked = workload.append(&mut out, xid);
            assert_eq!(asked, Asked { reply_bytes: 16, is_ping: false });
        }
        let expected: Vec<u8> =
            (1..4).flat_map(|xid| wire::delete_request(xid, &format!("/d{:010}", xid - 1))).collect();
        assert_eq!(out, expected);
    }

    #[test]
    fn a_mix_keeps_its_share() {
        let get = Step::single(&Action::Get, &PathShape::flat("/k"), Pick::Any(10), 100);
        let set = Step::single(&Action::Set(vec![0; 100]), &PathShape::flat("/k"), Pick::Any(10), 100);
        let mut workload = Workload::mixed(get, set, 0.9, 7);
        let mut out = Vec::new();
        let reads = (0..10_000)
            .filter(|&xid| {
                out.clear();
                workload.append(&mut out, xid).reply_bytes == 16 + 4 + 100 + 68
            })
            .count();
        assert!((8_800..9_200).contains(&reads), "{reads} reads of 10000 at a share of 0.9");
    }

    #[test]
    fn any_stays_in_range_and_reaches_all() {
        let mut random = Random::new(3);
        let mut seen = [false; 16];
        for _ in 0..1000 {
            seen[random.below(16) as usize] = true;
        }
        assert_eq!(seen, [true; 16]);
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn a_multis_reply_size_tells_success_from_failure() {
        let path = PathShape::flat("/k");
        let sets = Step::multi(&Action::Set(vec![1]), &path, Pick::Any(5), 10);
        assert_eq!(sets.reply_bytes, 16 + 10 * (9 + 68) + 9);
        let creates = Step::multi(&Action::Create(vec![1]), &path, Pick::Next, 3);
        assert_eq!(creates.reply_bytes, 16 + 3 * (9 + 4 + 12) + 9);
    }

    #[test]
    fn a_ping_keeps_its_own_xid() {
        let mut workload = Workload::uniform(Step::ping(), 1);
        let mut out = Vec::new();
        assert!(workload.append(&mut out, 77).is_ping);
        assert_eq!(out, wire::ping());
    }
}
