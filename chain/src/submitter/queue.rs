//! Which call goes next when many compete for one account (sans-IO, threat C5).

use std::cmp::Reverse;

use engine::chain::Urgency;
use engine::types::CallId;

use super::fees::Run;

/// Calls in flight at once. Nodes guarantee an account sixteen transactions in their pools; what
/// is beyond may be dropped when the chain is full, which is when it matters.
const SLOTS: usize = 16;

/// Of these, the ones that only calls with a deadline may take: a hundred deposits must not
/// stand between a challenge and its answer.
const RESERVED: usize = 4;

/// The order of calls that are not sent yet: what runs out first, then what more is lost with,
/// then as the engine asked.
pub(crate) fn order(mut waiting: Vec<(CallId, Urgency)>) -> Vec<(CallId, Urgency)> {
    waiting.sort_by_key(|(id, urgency)| {
        (urgency.deadline.unwrap_or(u64::MAX), Reverse(urgency.at_risk), *id)
    });
    waiting
}

/// True when one more call may be sent beside those in flight.
pub(crate) const fn has_room(in_flight: usize, urgency: Urgency) -> bool {
    let reserved = if urgency.deadline.is_some() { 0 } else { RESERVED };
    in_flight.saturating_add(reserved) < SLOTS
}

/// What presses each nonce: its own call and all behind it, since a nonce is mined only after
/// those below it. Otherwise a deposit that pays too little would hold up the answer to a
/// challenge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pressure(Vec<(u64, Run)>);

impl Pressure {
    /// From the highest nonce of each call with a deadline; [`u64::MAX`] for one that waits for
    /// a nonce, and so for all the others.
    pub(crate) fn new(runs: impl IntoIterator<Item = (u64, Run)>) -> Self {
        Self(runs.into_iter().collect())
    }

    /// The run that is out of time first, of those that wait for this nonce.
    pub(crate) fn on(&self, nonce: u64) -> Option<Run> {
        let behind = self.0.iter().filter(|(last, _)| *last >= nonce).map(|(_, run)| *run);
        behind.min_by_key(|run| (run.deadline, run.seen))
    }
}

#[cfg(test)]
mod tests {
    use engine::types::Amount;

    use super::*;

    fn urgency(deadline: Option<u64>, at_risk: u64) -> Urgency {
        Urgency { deadline, at_risk: Amount::from(at_risk) }
    }

    fn ordered(waiting: &[(u64, Urgency)]) -> Vec<u64> {
        let waiting = waiting.iter().map(|(id, urgency)| (CallId(*id), *urgency)).collect();
        order(waiting).into_iter().map(|(id, _)| id.0).collect()
    }

    #[test]
    fn what_runs_out_first_goes_first() {
        let waiting =
            [(1, urgency(None, 900)), (2, urgency(Some(70), 1)), (3, urgency(Some(50), 0))];
        assert_eq!(ordered(&waiting), [3, 2, 1]);
    }

    #[test]
    fn of_one_deadline_the_greater_loss_goes_first() {
        let waiting = [
            (1, urgency(Some(50), 3)),
            (2, urgency(Some(50), 9)),
            (3, urgency(None, 1)),
            (4, urgency(None, 2)),
        ];
        assert_eq!(ordered(&waiting), [2, 1, 4, 3]);
    }

    #[test]
    fn equals_keep_the_order_of_the_engine() {
        let waiting = [(3, urgency(None, 0)), (1, urgency(None, 0)), (2, urgency(None, 0))];
        assert_eq!(ordered(&waiting), [1, 2, 3]);
    }

    #[test]
    fn crowd_of_cheap_calls_leaves_room_for_an_urgent_one() {
        let cheap = urgency(None, 1);
        let sent = (0..100).take_while(|in_flight| has_room(*in_flight, cheap)).count();
        assert_eq!(sent, SLOTS - RESERVED);
        assert!(has_room(sent, urgency(Some(1), 0)));
        assert!(!has_room(SLOTS, urgency(Some(1), 0)));
    }

    #[test]
    fn deadline_presses_everything_before_it() {
        let run = |deadline| Run { seen: 0, deadline };
        let pressure = Pressure::new([(5, run(90)), (8, run(70)), (2, run(10))]);
        assert_eq!(pressure.on(2), Some(run(10)));
        assert_eq!(pressure.on(4), Some(run(70)));
        assert_eq!(pressure.on(8), Some(run(70)));
        assert_eq!(pressure.on(9), None);
        let waiting = Pressure::new([(u64::MAX, run(30))]);
        assert_eq!(waiting.on(900), Some(run(30)));
    }
}
