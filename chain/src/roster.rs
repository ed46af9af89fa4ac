//! Which endpoint is asked first (sans-IO).
//!
//! The first one of the settings that is in order. One that errs is left alone for a while that
//! doubles; one that stays behind the others is passed over. Since the choice is made anew each
//! time, the preferred endpoint has its place back as soon as it is in order.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::quorum;

/// Failures in a row after which an endpoint is left alone for a while. By then its requests have
/// been made several times each.
const FAILURES: u32 = 3;

/// How an endpoint is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    /// Height of its newest block; `None` when it does not answer.
    pub(crate) head: Option<u64>,
    /// When that changed last, the loss of the connection included.
    pub(crate) since: Instant,
    /// False while a look at it waits longer than [`SILENCE`](crate::scout::SILENCE) for an answer.
    pub(crate) answers: bool,
}

/// What is expected of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Blocks that the leader may be behind the others.
    pub(crate) lag: u64,
    /// How long an endpoint may stay behind without moving and still count as one that could say
    /// otherwise.
    pub(crate) stall: Duration,
    /// The same for one that is gone. Otherwise a liar only had to wait for a hiccup of the others.
    pub(crate) absence: Duration,
    /// Endpoints that must agree.
    pub(crate) least: usize,
}

/// The choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    /// Position of the endpoint to ask.
    pub(crate) seat: usize,
    /// Height up to which enough endpoints have blocks, if enough answer.
    pub(crate) height: Option<u64>,
    /// Every endpoint that counts, that one and those that are gone for a moment included.
    pub(crate) answering: Vec<usize>,
    /// Whether to read from it now; where all have erred, transactions still go to the first.
    pub(crate) pace: Pace,
}

/// Whether an endpoint is to be asked for blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It is in order.
    Go,
    /// It has erred a moment ago.
    Wait,
}

/// Remembers which endpoints have failed.
#[derive(Debug)]
pub(crate) struct Roster {
    patience: Patience,
    troubles: Vec<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    backoff: Backoff,
    /// Failures in a row.
    failures: u32,
    until: Option<Instant>,
}

impl Roster {
    /// No endpoint has failed yet.
    pub(crate) fn new(seats: usize, patience: Patience, backoff: &Backoff) -> Self {
        let trouble = || Trouble { backoff: backoff.clone(), failures: 0, until: None };
        Self { patience, troubles: (0..seats).map(|_| trouble()).collect() }
    }

    /// The endpoint to ask now.
    pub(crate) fn choose(&self, seats: &[Seat], now: Instant) -> Option<Lead> {
        let best = seats.iter().filter_map(|seat| seat.head).max()?;
        // Whoever is heard goes on without those who are not; where nobody is, all are waited for.
        let is_heard = |seat: &Seat| seat.answers && seat.head.is_some();
        let somebody_is_heard = seats.iter().any(is_heard);
        // What is gone for a short while counts as having nothing.
        let counts = |seat: &Seat| {
            let height = seat.head.unwrap_or_default();
            let patience =
                if seat.head.is_some() { self.patience.stall } else { self.patience.absence };
            let is_silent = somebody_is_heard && !seat.answers;
            let is_over = height < best && now.duration_since(seat.since) >= patience;
            (!is_silent && !is_over).then_some(height)
        };
        let heights: Vec<u64> = seats.iter().filter_map(counts).collect();
        let height = quorum::height(heights, self.patience.least);
        let enough = height.unwrap_or_default().saturating_sub(self.patience.lag);
        let fit = || {
            let all = seats.iter().enumerate();
            all.filter(|(_, seat)| counts(seat).and(seat.head).is_some_and(|head| head >= enough))
                .map(|(index, _)| index)
        };
        let (seat, pace) = match fit().find(|index| !self.is_suspended(*index, now)) {
            Some(index) => (index, Pace::Go),
            None => (fit().next()?, Pace::Wait),
        };
        let answering = seats.iter().enumerate().filter(|(_, seat)| counts(seat).is_some());
        let answering = answering.map(|(index, _)| index).collect();
        Some(Lead { seat, height, answering, pace })
    }

    /// The endpoint has failed: false for as long as that may pass by itself.
    pub(crate) fn has_failed(&mut self, seat: usize) -> bool {
        let Some(trouble) = self.troubles.get_mut(seat) else { return true };
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.failures >= FAILURES
    }

    /// The endpoint has erred: others go first for a while, of which the length is returned.
    pub(crate) fn suspend(&mut self, seat: usize, now: Instant) -> Duration {
        let Some(trouble) = self.troubles.get_mut(seat) else { return Duration::ZERO };
        let wait = trouble.backoff.next();
        trouble.until = Some(now + wait);
        wait
    }

    /// The endpoint has served well.
    pub(crate) fn clear(&mut self, seat: usize) {
        if let Some(trouble) = self.troubles.get_mut(seat) {
            trouble.backoff.reset();
            trouble.failures = 0;
            trouble.until = None;
        }
    }

    fn is_suspended(&self, seat: usize, now: Instant) -> bool {
        let until = self.troubles.get(seat).and_then(|trouble| trouble.until);
        until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        lag: 5,
        stall: Duration::from_secs(100),
        absence: Duration::from_secs(10),
        least: 1,
    };

    fn roster(seats: usize) -> Roster {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
        Roster::new(seats, PATIENCE, &backoff)
    }

    fn seats(now: Instant, heads: &[Option<u64>]) -> Vec<Seat> {
        heads.iter().map(|head| Seat { head: *head, since: now, answers: true }).collect()
    }

    fn choice(heads: &[Option<u64>]) -> Option<(usize, Option<u64>)> {
        let now = Instant::now();
        let lead = roster(heads.len()).choose(&seats(now, heads), now);
        lead.map(|lead| (lead.seat, lead.height))
    }

    #[test]
    fn preferred_endpoint_leads_while_it_answers() {
        assert_eq!(choice(&[Some(9), Some(10)]), Some((0, Some(9))));
        assert_eq!(choice(&[None, None]), None);
    }

    #[test]
    fn what_is_gone_for_a_moment_still_counts() {
        assert_eq!(choice(&[None, Some(10)]), Some((1, Some(0))));
        assert_eq!(choice(&[None, Some(10), Some(10)]), Some((1, Some(10))));
        let start = Instant::now();
        let now = start + PATIENCE.absence;
        let gone = Seat { head: None, since: start, answers: true };
        let up = Seat { head: Some(10), since: now, answers: true };
        let lead = roster(2).choose(&[gone, up], now).unwrap();
        assert_eq!((lead.seat, lead.height, lead.answering), (1, Some(10), vec![1]));
    }

    #[test]
    fn endpoint_far_behind_the_majority_does_not_lead() {
        assert_eq!(choice(&[Some(94), Some(100), Some(100)]), Some((1, Some(100))));
        assert_eq!(choice(&[Some(95), Some(100), Some(100)]), Some((0, Some(100))));
    }

    #[test]
    fn lone_claim_of_a_high_head_moves_nothing() {
        assert_eq!(choice(&[Some(100), Some(1_000_000), Some(100)]), Some((0, Some(100))));
        assert_eq!(choice(&[Some(100), Some(1_000_000)]), Some((0, Some(100))));
    }

    #[test]
    fn stalled_endpoint_counts_as_none() {
        let start = Instant::now();
        let now = start + PATIENCE.stall;
        let stalled = Seat { head: Some(90), since: start, answers: true };
        let moving = Seat { head: Some(100), since: now, answers: true };
        let lead = roster(2).choose(&[stalled, moving], now).unwrap();
        assert_eq!(lead, Lead { seat: 1, height: Some(100), answering: vec![1], pace: Pace::Go });
        // Where the whole chain stands still, nobody is to blame.
        let lead = roster(2).choose(&[stalled, stalled], now).unwrap();
        assert_eq!(lead, Lead { seat: 0, height: Some(90), answering: vec![0, 1], pace: Pace::Go });
    }

    /// Once a second endpoint that accepted connections and never answered stopped the first one.
    #[test]
    fn endpoint_that_is_not_heard_stops_nobody() {
        let now = Instant::now();
        let silent = Seat { head: Some(90), since: now, answers: false };
        let heard = Seat { head: Some(100), since: now, answers: true };
        for (seats, leader) in [([heard, silent], 0), ([silent, heard], 1)] {
            let lead = roster(2).choose(&seats, now).unwrap();
            let answering = vec![leader];
            let expected = Lead { seat: leader, height: Some(100), answering, pace: Pace::Go };
            assert_eq!(lead, expected);
        }
        // Where nobody is heard, everybody is waited for.
        let lead = roster(2).choose(&[silent, silent], now).unwrap();
        assert_eq!((lead.seat, lead.height, lead.answering), (0, Some(90), vec![0, 1]));
        // Whoever demands two is not content with one.
        let patience = Patience { least: 2, ..PATIENCE };
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
        let lead = Roster::new(2, patience, &backoff).choose(&[heard, silent], now).unwrap();
        assert_eq!((lead.seat, lead.height), (0, None));
    }

    #[test]
    fn endpoint_that_errs_makes_way_and_comes_back() {
        let now = Instant::now();
        let seats = seats(now, &[Some(9), Some(9)]);
        let mut roster = roster(2);
        let leads = |roster: &Roster, at| {
            let lead = roster.choose(&seats, at)?;
            (lead.pace == Pace::Go).then_some(lead.seat)
        };
        let wait = roster.suspend(0, now);
        assert_eq!(leads(&roster, now), Some(1));
        assert_eq!(leads(&roster, now + wait), Some(0));
        let longer = roster.suspend(0, now);
        assert!(longer > wait);
        roster.suspend(1, now);
        assert_eq!(leads(&roster, now), None);
        // Somebody must take the transactions even then.
        assert_eq!(roster.choose(&seats, now).map(|lead| lead.seat), Some(0));
        roster.clear(0);
        assert_eq!(leads(&roster, now), Some(0));
    }
}
