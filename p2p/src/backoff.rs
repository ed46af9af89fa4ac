//! Growing, jittered waiting times, without a clock or a random source of its own.

use std::time::Duration;

/// Doubles from `base` to `max` with every failure in a row.
///
/// Jitter takes up to half of the wait away, so that peers that failed together do not come
/// back together. The caller's seed decides it, which keeps every run repeatable.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    base: Duration,
    max: Duration,
    failures: u32,
    seed: u64,
}

impl Backoff {
    pub(crate) const fn new(base: Duration, max: Duration, seed: u64) -> Self {
        Self { base, max, failures: 0, seed }
    }

    /// Counts a failure and says how long to wait.
    pub(crate) fn fail(&mut self) -> Duration {
        self.fail_within(self.max)
    }

    /// The same with another bound for this wait.
    pub(crate) fn fail_within(&mut self, max: Duration) -> Duration {
        let doubled = self.base.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let full = doubled.min(max);
        full - full.mul_f64(0.5 * self.fraction())
    }

    /// Failures in a row.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next number of a splitmix64 sequence as a fraction of one.
    fn fraction(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(((z ^ (z >> 31)) >> 32) as u32) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_starts_over_after_a_success() {
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(10));
        let mut backoff = Backoff::new(base, max, 7);
        let waits: Vec<_> = (0..200).map(|_| backoff.fail()).collect();
        assert!(waits[0] >= base / 2 && waits[0] <= base);
        assert!(waits.iter().all(|wait| *wait <= max));
        assert!(waits[100..].iter().all(|wait| *wait >= max / 2));
        backoff.reset();
        assert!(backoff.fail() <= base);
    }

    #[test]
    fn same_seed_gives_the_same_waits_and_another_seed_others() {
        let waits = |seed| {
            let mut backoff =
                Backoff::new(Duration::from_millis(100), Duration::from_secs(60), seed);
            (0..8).map(|_| backoff.fail()).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
