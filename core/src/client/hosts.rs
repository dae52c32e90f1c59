//! Which server to try next, and when.

use alloc::vec::Vec;

/// The servers in a random order, walked in circles; a pause follows each full round without success.
#[derive(Debug)]
pub(super) struct Hosts {
    order: Vec<usize>,
    next: usize,
    failed_in_a_row: usize,
    backoff_ms: u64,
    backoff_min_ms: u64,
    backoff_max_ms: u64,
    random: Random,
}

impl Hosts {
    pub fn new(count: usize, backoff_min_ms: u64, backoff_max_ms: u64, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut order: Vec<usize> = (0..count.max(1)).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.below(last as u64 + 1) as usize);
        }
        let backoff_min_ms = backoff_min_ms.max(1);
        let backoff_max_ms = backoff_max_ms.max(backoff_min_ms);
        Self {
            order,
            next: 0,
            failed_in_a_row: 0,
            backoff_ms: backoff_min_ms,
            backoff_min_ms,
            backoff_max_ms,
            random,
        }
    }

    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// The next server in the circle.
    pub fn next(&mut self) -> usize {
        let host = self.order[self.next];
        self.next = (self.next + 1) % self.order.len();
        host
    }

    /// Makes `host` the one that [`Hosts::next`] yields.
    pub fn prefer(&mut self, host: usize) {
        if let Some(place) = self.order.iter().position(|other| *other == host) {
            self.next = place;
        }
    }

    /// A server served the session: the next trouble starts without a pause.
    pub fn succeeded(&mut self) {
        self.failed_in_a_row = 0;
        self.backoff_ms = self.backoff_min_ms;
    }

    /// The pause before trying again after a server could not be reached, milliseconds.
    pub fn pause_after_failure(&mut self) -> u64 {
        self.failed_in_a_row += 1;
        if !self.failed_in_a_row.is_multiple_of(self.order.len()) {
            return 0;
        }
        let pause = self.backoff_ms / 2 + self.random.below(self.backoff_ms / 2 + 1);
        self.backoff_ms = (self.backoff_ms * 2).min(self.backoff_max_ms);
        pause
    }

    /// The pause after an established connection broke: short and random, so that the clients of a dead
    /// server do not all arrive at the next one in the same instant.
    pub fn pause_after_loss(&mut self) -> u64 {
        self.random.below(self.backoff_min_ms + 1)
    }
}

/// SplitMix64: all the randomness a client needs, from one seed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..limit`; the bias of the remainder does not matter here.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_once_per_round_in_an_order_of_the_seed() {
        let mut hosts = Hosts::new(5, 100, 400, 7);
        let first: Vec<usize> = (0..5).map(|_| hosts.next()).collect();
        let second: Vec<usize> = (0..5).map(|_| hosts.next()).collect();
        assert_eq!(first, second);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
        assert!((0..20).any(|seed| {
            let mut other = Hosts::new(5, 100, 400, seed);
            (0..5).map(|_| other.next()).collect::<Vec<_>>() != first
        }));
    }

    #[test]
    fn pauses_follow_full_rounds_and_grow_to_a_limit() {
        let mut hosts = Hosts::new(2, 100, 400, 1);
        let pauses: Vec<u64> = (0..10).map(|_| hosts.pause_after_failure()).collect();
        assert!(pauses.iter().step_by(2).all(|pause| *pause == 0));
        for (round, pause) in pauses.iter().skip(1).step_by(2).enumerate() {
            let full = (100 << round).min(400);
            assert!((full / 2..=full).contains(pause), "round {round}: {pause}");
        }
        hosts.succeeded();
        assert_eq!(hosts.pause_after_failure(), 0);
        assert!(hosts.pause_after_failure() <= 100);
    }
}
