//! The token bucket for connect requests, with BLUE's drop probability on top (`connection_throttle_*`).
//!
//! A connect request that gets no tokens has its connection closed without a reply, as in Apache ZooKeeper.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::config::ConnectionThrottleConfig;

/// What a connect request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionKind {
    /// A new session.
    New,
    /// An existing one.
    Renewed,
}

/// Decides which connect requests are taken.
#[derive(Debug)]
pub(crate) struct ConnectThrottle {
    config: ConnectionThrottleConfig,
    /// Bucket size and tokens per fill: both in weighted tokens.
    tokens_max: u64,
    fill_tokens: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: u64,
    filled_ms: u64,
    drop_probability: f64,
    changed_ms: u64,
    /// SplitMix64: good enough to choose whom to drop.
    random: u64,
}

impl ConnectThrottle {
    pub(crate) fn new(config: ConnectionThrottleConfig, now_ms: u64) -> Self {
        let weight = config.weights.map_or(1, |weights| u64::from(weights.global.max(1)));
        let tokens_max = u64::from(config.tokens_max) * weight;
        let fill_tokens = u64::from(config.fill_tokens) * weight;
        let random = RandomState::new().hash_one(now_ms);
        let state = State {
            tokens: tokens_max,
            filled_ms: now_ms,
            drop_probability: 0.0,
            changed_ms: now_ms,
            random,
        };
        Self { config, tokens_max, fill_tokens, state: Mutex::new(state) }
    }

    /// Takes the tokens of one connect request. False: drop it.
    pub(crate) fn admit(&self, kind: SessionKind, now_ms: u64) -> bool {
        if self.tokens_max == 0 {
            return true;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.fill(&mut state, now_ms);
        if let Some(freeze_ms) = self.config.freeze_time_ms
            && self.drops(&mut state, now_ms, freeze_ms)
        {
            return false;
        }
        let need = match (self.config.weights, kind) {
            (None, _) => 1,
            (Some(weights), SessionKind::New) => u64::from(weights.global),
            (Some(weights), SessionKind::Renewed) => u64::from(weights.renew),
        };
        let enough = state.tokens >= need;
        if enough {
            state.tokens -= need;
        }
        enough
    }

    /// The chance, 0 to 1, that a connect request is dropped although there are tokens.
    pub(crate) fn drop_probability(&self) -> f64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).drop_probability
    }

    fn fill(&self, state: &mut State, now_ms: u64) {
        let (passed_ms, interval_ms) =
            (now_ms.saturating_sub(state.filled_ms), u64::from(self.config.fill_time_ms));
        if passed_ms > interval_ms {
            let added = passed_ms.saturating_mul(self.fill_tokens) / interval_ms.max(1);
            state.tokens = state.tokens.saturating_add(added).min(self.tokens_max);
            state.filled_ms = now_ms;
        }
    }

    /// Steps the probability up when the bucket is empty and down when it is full enough, at most once per
    /// `freeze_ms`, and throws the dice.
    fn drops(&self, state: &mut State, now_ms: u64, freeze_ms: u32) -> bool {
        if now_ms.saturating_sub(state.changed_ms) > u64::from(freeze_ms) {
            let missing = self.tokens_max - state.tokens;
            if state.tokens == 0 {
                state.drop_probability = (state.drop_probability + self.config.drop_increase).min(1.0);
            } else if missing as f64 <= (self.tokens_max as f64 * self.config.decrease_ratio).round() {
                state.drop_probability = (state.drop_probability - self.config.drop_decrease).max(0.0);
            }
            state.changed_ms = now_ms;
        }
        state.next_fraction() < state.drop_probability
    }
}

impl State {
    /// A number from 0 to just below 1.
    fn next_fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SessionWeights;

    fn config(tokens_max: u32) -> ConnectionThrottleConfig {
        ConnectionThrottleConfig {
            tokens_max,
            fill_time_ms: 10,
            fill_tokens: 1,
            freeze_time_ms: None,
            drop_increase: 0.5,
            drop_decrease: 0.5,
            decrease_ratio: 0.0,
            weights: None,
        }
    }

    #[test]
    fn zero_tokens_mean_no_limit() {
        let throttle = ConnectThrottle::new(config(0), 0);
        assert!((0..1000).all(|_| throttle.admit(SessionKind::New, 0)));
    }

    #[test]
    fn the_bucket_empties_and_fills() {
        let throttle = ConnectThrottle::new(config(2), 0);
        let admitted = |now_ms| throttle.admit(SessionKind::New, now_ms);
        assert_eq!([admitted(0), admitted(0), admitted(0)], [true, true, false]);
        assert_eq!([admitted(10), admitted(11), admitted(11)], [false, true, false]);
        assert_eq!([admitted(1000), admitted(1000), admitted(1000)], [true, true, false]);
    }

    #[test]
    fn weights_count_per_kind_of_session() {
        let weights = Some(SessionWeights { global: 3, renew: 2, local: 1 });
        let throttle = ConnectThrottle::new(ConnectionThrottleConfig { weights, ..config(2) }, 0);
        assert!(throttle.admit(SessionKind::New, 0), "6 tokens");
        assert!(throttle.admit(SessionKind::Renewed, 0), "3 tokens");
        assert!(!throttle.admit(SessionKind::Renewed, 0), "1 token");
    }

    #[test]
    fn the_drop_probability_rises_on_an_empty_bucket_and_falls_on_a_full_one() {
        let freeze = ConnectionThrottleConfig { freeze_time_ms: Some(5), fill_time_ms: 100_000, ..config(1) };
        let throttle = ConnectThrottle::new(freeze, 0);
        assert!(throttle.admit(SessionKind::New, 0));
        throttle.admit(SessionKind::New, 6);
        assert_eq!(throttle.drop_probability(), 0.5);
        throttle.admit(SessionKind::New, 8);
        assert_eq!(throttle.drop_probability(), 0.5, "frozen");
        throttle.admit(SessionKind::New, 14);
        assert_eq!(throttle.drop_probability(), 1.0);
        assert!(!throttle.admit(SessionKind::New, 15));
        throttle.admit(SessionKind::New, 1_000_000);
        assert_eq!(throttle.drop_probability(), 0.5, "the bucket is full again");
    }
}
