//! When to publish the own address record.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;

/// Listen addresses come in bursts at start; one publication serves them all.
const SETTLE: Duration = Duration::from_millis(200);

/// Decides when the own record goes out: soon after something changed, again and again after
/// that, and after a wait when no other node took it.
#[derive(Debug)]
pub(crate) struct Publisher {
    due: Option<Instant>,
    backoff: Backoff,
    republish: Duration,
}

impl Publisher {
    pub(crate) const fn new(backoff: Backoff, republish: Duration) -> Self {
        Self { due: None, backoff, republish }
    }

    /// The record would say something new, or there is somebody new to hear it.
    pub(crate) fn handle_change(&mut self, now: Instant) {
        let soon = now + SETTLE;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// True once when it is time.
    pub(crate) fn handle_tick(&mut self, now: Instant) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            self.due = None;
        }
        due
    }

    pub(crate) fn handle_success(&mut self, now: Instant) {
        self.backoff.reset();
        self.due.get_or_insert(now + self.republish);
    }

    pub(crate) fn handle_failure(&mut self, now: Instant) {
        let retry = now + self.backoff.fail();
        self.due.get_or_insert(retry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishes_once_after_a_burst_of_changes_and_then_periodically() {
        let hour = Duration::from_secs(3600);
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 1);
        let (mut publisher, now) = (Publisher::new(backoff, hour), Instant::now());
        assert!(!publisher.handle_tick(now + hour));
        publisher.handle_change(now);
        publisher.handle_change(now + SETTLE / 2);
        assert!(!publisher.handle_tick(now));
        assert!(publisher.handle_tick(now + SETTLE));
        assert!(!publisher.handle_tick(now + SETTLE));
        publisher.handle_failure(now);
        assert!(publisher.handle_tick(now + Duration::from_secs(1)));
        publisher.handle_success(now);
        assert!(!publisher.handle_tick(now + hour / 2));
        assert!(publisher.handle_tick(now + hour));
    }
}
