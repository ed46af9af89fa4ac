//! When to look at the head again (sans-IO).
//!
//! Looking in the rhythm of the chain finds each block with about one request; what the rhythm is
//! shows by itself.

use std::time::{Duration, Instant};

/// Blocks that come in longer distances are looked for as if they came in these: no chain we settle
/// on is slower, and a chain that mines on demand may mine any moment.
const LONGEST_BLOCK: Duration = Duration::from_secs(12);

/// The longest wait, in shortest ones.
const STRETCH: u32 = 8;

/// The rhythm of one endpoint.
#[derive(Debug)]
pub(crate) struct Cadence {
    /// Shortest time between two looks.
    shortest: Duration,
    /// Time between two blocks, as far as it is known.
    block: Duration,
    /// When a new block was seen last, and its timestamp in seconds.
    seen: Option<(Instant, u64)>,
}

impl Cadence {
    pub(crate) const fn new(shortest: Duration) -> Self {
        Self { shortest, block: shortest, seen: None }
    }

    /// How long to wait after a look that has found that many new blocks, the newest of that time.
    pub(crate) fn wait(&mut self, now: Instant, blocks: u64, timestamp: u64) -> Duration {
        if blocks == 0 {
            return self.shortest;
        }
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        if let Some((seen, before)) = self.seen.replace((now, timestamp)) {
            let observed = now.duration_since(seen) / blocks;
            // Blocks that are mined on demand are stamped as if they were rare.
            let stamped = Duration::from_secs(timestamp.saturating_sub(before)) / blocks;
            let rhythm = if observed < stamped / 2 { observed } else { stamped };
            // One late block must not make those after it late.
            self.block = rhythm.min(self.block * 3 / 2).min(LONGEST_BLOCK);
        }
        // A little early, so that looks do not fall behind for good.
        let due = self.block - self.block / 64;
        due.clamp(self.shortest, self.shortest.saturating_mul(STRETCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a chain with a block every `block` milliseconds. Answers the looks per block in the
    /// last half of the time, and the longest time in which a block was not seen.
    fn follow(shortest: Duration, block: u64) -> (f64, Duration) {
        let start = Instant::now();
        let mut cadence = Cadence::new(shortest);
        let (mut at, mut height, mut looks, mut latest) = (0_u64, 0, 0_u32, 0);
        let (half, end) = (block * 200, block * 400);
        while at < end {
            let head = at / block;
            if at >= half {
                looks += 1;
                latest = latest.max(if head > height { at - (height + 1) * block } else { 0 });
            }
            let wait = cadence.wait(
                start + Duration::from_millis(at),
                head - height,
                head * block / 1_000,
            );
            height = head;
            at += u64::try_from(wait.as_millis()).unwrap();
        }
        (f64::from(looks) / 200.0, Duration::from_millis(latest))
    }

    #[test]
    fn a_regular_chain_takes_little_more_than_a_look_per_block() {
        let poll = Duration::from_secs(4);
        let (looks, latest) = follow(poll, 12_000);
        assert!(looks <= 1.15, "{looks}");
        assert!(latest <= poll, "{latest:?}");
    }

    #[test]
    fn a_fast_chain_is_looked_at_no_more_often_than_allowed() {
        let poll = Duration::from_secs(4);
        let (looks, latest) = follow(poll, 250);
        assert!(looks <= 0.07, "{looks}");
        assert!(latest <= poll, "{latest:?}");
    }

    #[test]
    fn a_quiet_chain_that_wakes_is_seen_soon() {
        let mut cadence = Cadence::new(Duration::from_millis(20));
        let mut now = Instant::now();
        for minute in 0..100 {
            now += Duration::from_secs(60);
            assert!(cadence.wait(now, 1, 60 * minute) <= Duration::from_millis(160));
        }
    }
}
