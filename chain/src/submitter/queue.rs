//! Which call goes next when many compete for one account (sans-IO, threat C5).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use engine::chain::Urgency;
use engine::types::CallId;

use super::fees::Run;

/// Transactions that wait to be mined at once. Nodes guarantee an account sixteen in their pools;
/// what is beyond may be dropped when the chain is full, which is when it matters.
const SLOTS: usize = 16;

/// Of these, the ones that only calls with a deadline may take: a hundred deposits must not
/// stand between a challenge and its answer.
const RESERVED: usize = 4;

/// Seconds in which all places are mined once: two blocks of Ethereum, since the first may be
/// missed.
const PACE: u64 = 24;

/// The order at chain time `now` of calls that are not sent yet: what runs out first, of the calls
/// that can be in time. Where not all can, those with less at risk make room, and come after; then
/// what nothing presses. Of equals, what more is lost with goes first, then as the engine asked.
pub(crate) fn order(now: u64, waiting: Vec<(CallId, Urgency)>) -> Vec<(CallId, Urgency)> {
    let plan = plan(now, &waiting);
    let mut waiting = waiting;
    waiting.sort_by_key(|(id, urgency)| {
        let at_risk = Reverse(urgency.at_risk);
        match urgency.deadline {
            Some(deadline) if plan.contains(id) => (0, deadline, at_risk, *id),
            // Too late by the plan, which may be wrong: the chain may be faster.
            Some(_) => (1, 0, at_risk, *id),
            None => (2, 0, at_risk, *id),
        }
    });
    waiting
}

/// The calls that can be in time together. Places are given away from the greatest loss down, each
/// as late as it may be: no other choice saves more.
fn plan(now: u64, waiting: &[(CallId, Urgency)]) -> BTreeSet<CallId> {
    let mut pressing: Vec<(Reverse<_>, u64, CallId)> = waiting
        .iter()
        .filter_map(|(id, urgency)| Some((Reverse(urgency.at_risk), urgency.deadline?, *id)))
        .filter(|(_, deadline, _)| *deadline > now)
        .collect();
    pressing.sort_unstable();
    let turns = pressing.len().div_ceil(SLOTS);
    let mut taken = vec![0_usize; turns];
    let mut plan = BTreeSet::new();
    for (_, deadline, id) in pressing {
        // The first turn starts now, and a turn must be over in time; little time is still some.
        let whole = (deadline.saturating_sub(now) / PACE).max(1);
        let within = usize::try_from(whole).unwrap_or(usize::MAX).min(turns);
        if let Some(taken) = taken.iter_mut().take(within).rfind(|taken| **taken < SLOTS) {
            *taken = taken.saturating_add(1);
            plan.insert(id);
        }
    }
    plan
}

/// True when one more call may be sent beside what waits to be mined. What is mined, though not
/// confirmed, is in no pool and takes no place: a crowd goes on with each block.
pub(crate) const fn has_room(unmined: usize, urgency: Urgency) -> bool {
    let reserved = if urgency.deadline.is_some() { 0 } else { RESERVED };
    unmined.saturating_add(reserved) < SLOTS
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
        order(0, waiting).into_iter().map(|(id, _)| id.0).collect()
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
    fn cheap_calls_make_room_where_not_all_can_be_in_time() {
        // Twice as many as there are places in the time of all, and one of them matters.
        let last = 2 * SLOTS as u64;
        let mut waiting: Vec<_> = (0..last).map(|id| (id, urgency(Some(20), 1))).collect();
        waiting.push((last, urgency(Some(24), 1_000)));
        let ordered = ordered(&waiting);
        let place = ordered.iter().position(|id| *id == last).unwrap();
        assert!(place < SLOTS, "goes with the first, not after all that run out sooner: {place}");
        assert_eq!(ordered.len(), waiting.len(), "nothing is given up");
    }

    #[test]
    fn no_call_that_matters_more_is_late_for_one_that_matters_less() {
        // A thousand within the time for less than half of them; deadlines against the losses.
        let waiting: Vec<_> = (0..1_000)
            .map(|id| (id, urgency(Some(24 * (1 + id % 30)), 1 + id * 7 % 501)))
            .collect();
        let ordered = ordered(&waiting);
        let mut saved = 0;
        for (place, id) in ordered.iter().enumerate() {
            let turn_ends = PACE * (1 + (place / SLOTS) as u64);
            let (_, urgency) = &waiting[usize::try_from(*id).unwrap()];
            saved += usize::from(turn_ends <= urgency.deadline.unwrap());
        }
        // Every turn is full of what is in time.
        assert_eq!(saved, 30 * SLOTS);
        let lost = &ordered[saved..];
        let risk = |id: &u64| waiting[usize::try_from(*id).unwrap()].1.at_risk;
        assert!(lost.iter().map(risk).max() <= ordered[..saved].iter().map(risk).max());
        assert!(lost.windows(2).all(|pair| risk(&pair[0]) >= risk(&pair[1])));
        let total = |ids: &[u64]| ids.iter().map(|id| 1 + id * 7 % 501).sum::<u64>();
        let mut by_deadline: Vec<u64> = (0..1_000).collect();
        by_deadline.sort_by_key(|id| (id % 30, *id));
        let mut in_time = Vec::new();
        for (place, id) in by_deadline.iter().enumerate() {
            if (place / SLOTS) as u64 <= id % 30 {
                in_time.push(*id);
            }
        }
        assert!(
            total(&ordered[..saved]) > total(&in_time),
            "more is saved than by deadlines alone"
        );
    }

    #[test]
    fn what_is_too_late_goes_before_what_nothing_presses() {
        let waiting = [(1, urgency(None, 900)), (2, urgency(Some(0), 1)), (3, urgency(Some(9), 1))];
        assert_eq!(ordered(&waiting), [3, 2, 1]);
    }

    #[test]
    fn crowd_of_cheap_calls_leaves_room_for_an_urgent_one() {
        let cheap = urgency(None, 1);
        let sent = (0..100).take_while(|unmined| has_room(*unmined, cheap)).count();
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
