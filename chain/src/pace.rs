//! How fast an endpoint may be asked (sans-IO).
//!
//! Endpoints limit requests, each in its own way, and few say how many they take. Where more than
//! half of the latest requests were refused because of their number, requests leave about as fast
//! as the endpoint has answered; what is refused for other reasons, or by chance, slows nothing
//! down. The pace grows again while it is kept.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Outcomes older than this say nothing about what the endpoint takes now.
const WINDOW: Duration = Duration::from_secs(5);

/// Refusals before a limit is supposed: a few at once are a hiccup.
const LEAST_REFUSALS: usize = 3;

/// Longest time between two requests: with a request a second the chain can still be followed.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// Below this a gap is no limit any more.
const SHORTEST_GAP: Duration = Duration::from_millis(10);

/// The pace of one endpoint.
#[derive(Debug)]
pub(crate) struct Pace {
    /// What became of the requests of the last [`WINDOW`], oldest first.
    outcomes: VecDeque<(Instant, Outcome)>,
    /// Time between two requests; none while the endpoint sets no limit.
    gap: Option<Duration>,
    /// When the next request may leave.
    next: Option<Instant>,
    /// When the gap was changed last.
    changed: Option<Instant>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered, whatever the answer.
    Answered,
    /// There were too many.
    TooMany,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { outcomes: VecDeque::new(), gap: None, next: None, changed: None }
    }

    /// How long a request has to wait for its turn, which it takes.
    pub(crate) fn turn(&mut self, now: Instant) -> Duration {
        let Some(gap) = self.gap else { return Duration::ZERO };
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + gap);
        at.duration_since(now)
    }

    /// Time between two requests, where there is a limit.
    pub(crate) fn gap(&self) -> Duration {
        self.gap.unwrap_or_default()
    }

    /// Learns from what became of a request.
    pub(crate) fn learn(&mut self, now: Instant, outcome: Outcome) {
        while self.outcomes.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, outcome));
        let settled = self.changed.is_none_or(|at| now.duration_since(at) >= LONGEST_GAP);
        if !settled {
            return;
        }
        let refused = self.count(Outcome::TooMany);
        if refused >= LEAST_REFUSALS && 2 * refused > self.outcomes.len() {
            let answered = u32::try_from(self.count(Outcome::Answered)).unwrap_or(u32::MAX);
            let observed = self.outcomes.front().map(|(at, _)| now.duration_since(*at));
            let gap = observed.unwrap_or(WINDOW) / answered.max(1);
            self.change(now, Some(gap.clamp(SHORTEST_GAP, LONGEST_GAP)));
            // What was refused before the pace was set says nothing about the pace.
            self.outcomes.clear();
        } else if let Some(gap) = self.gap.filter(|_| 3 * refused < self.outcomes.len()) {
            let faster = gap * 4 / 5;
            self.change(now, Some(faster).filter(|gap| *gap >= SHORTEST_GAP));
        }
    }

    fn change(&mut self, now: Instant, gap: Option<Duration>) {
        self.gap = gap;
        self.changed = Some(now);
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.iter().filter(|(_, other)| *other == outcome).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for `seconds` as fast as the pace allows, at most 50 times a second; `serve` says which
    /// requests are refused. Answers how many were asked and answered per second in the last half.
    fn play(seconds: u64, mut serve: impl FnMut(Duration) -> Outcome) -> (u64, u64) {
        let start = Instant::now();
        let mut pace = Pace::new();
        let mut now = start;
        let (mut asked, mut answered) = (0, 0);
        while now < start + Duration::from_secs(seconds) {
            now += pace.turn(now) + Duration::from_millis(20);
            let outcome = serve(now.duration_since(start));
            if now > start + Duration::from_secs(seconds / 2) {
                asked += 1;
                answered += u64::from(outcome == Outcome::Answered);
            }
            pace.learn(now, outcome);
        }
        (asked * 2 / seconds, answered * 2 / seconds)
    }

    #[test]
    fn an_endpoint_without_a_limit_is_asked_at_once() {
        let (asked, answered) = play(20, |_| Outcome::Answered);
        assert!(asked >= 49 && asked == answered, "{asked} {answered}");
    }

    #[test]
    fn keeps_to_a_limit_and_uses_it() {
        for limit in [2, 5, 10] {
            let mut second = (0, 0);
            let (asked, answered) = play(120, |at| {
                if second.0 != at.as_secs() {
                    second = (at.as_secs(), 0);
                }
                second.1 += 1;
                if second.1 <= limit { Outcome::Answered } else { Outcome::TooMany }
            });
            assert!(asked <= 2 * limit + 1, "limit {limit}: {asked} asked");
            assert!(10 * answered >= 6 * limit, "limit {limit}: {answered} answered");
        }
    }

    #[test]
    fn refusals_by_chance_slow_nothing_down() {
        let mut count = 0_u64;
        let (asked, _) = play(20, |_| {
            count += 1;
            // Three in ten, never more than two in a row.
            if matches!(count % 10, 1 | 2 | 6) { Outcome::TooMany } else { Outcome::Answered }
        });
        assert!(asked >= 49, "{asked}");
    }

    #[test]
    fn a_limit_that_is_lifted_is_forgotten() {
        let (asked, _) = play(120, |at| {
            if at < Duration::from_secs(20) { Outcome::TooMany } else { Outcome::Answered }
        });
        assert!(asked >= 49, "{asked}");
    }
}
