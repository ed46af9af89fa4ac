//! How ordinary endpoints fail.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Meddling;

/// Chance that is the same in every run.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// One sequence for each seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// True in `percent` of a hundred cases.
    pub fn strikes(&mut self, percent: u64) -> bool {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 100 < percent
    }
}

/// Requests in a second that an endpoint answers.
#[derive(Clone, Copy, Debug)]
pub struct Limit(pub u32);

/// Answers `percent` of a hundred requests with what `fail` says.
pub fn refusing(
    percent: u64,
    fail: impl Fn() -> Meddling + Send,
) -> impl FnMut(&str, &Value) -> Meddling + Send {
    let mut chance = Chance::new(percent);
    move |_, _| if chance.strikes(percent) { fail() } else { Meddling::Pass }
}

/// Answers with status 429 what is more than the limit.
pub fn limited(limit: Limit) -> impl FnMut(&str, &Value) -> Meddling + Send {
    let (mut since, mut count) = (Instant::now(), 0);
    move |_, _| {
        if since.elapsed() >= Duration::from_secs(1) {
            (since, count) = (Instant::now(), 0);
        }
        count += 1;
        if count <= limit.0 {
            return Meddling::Pass;
        }
        Meddling::Fail { status: 429, retry_after: None, body: "Too Many Requests" }
    }
}

/// `percent` of a hundred answers come from a node that is up to `blocks` blocks behind.
pub fn lagging(percent: u64, blocks: u64) -> impl FnMut(&str, &Value) -> Meddling + Send {
    let mut chance = Chance::new(blocks);
    move |_, _| {
        if !chance.strikes(percent) {
            return Meddling::Pass;
        }
        Meddling::Lag((1..blocks).take_while(|_| chance.strikes(50)).count() as u64 + 1)
    }
}
