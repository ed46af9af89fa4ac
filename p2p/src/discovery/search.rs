//! Who to dial or look up next.
//!
//! No IO and no clock: outcomes and `now` come in, actions come out.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use alloy_primitives::Address;

use crate::backoff::Backoff;

/// A connection that lasted less than this counts as a failure, so that a peer which accepts
/// and closes at once is not dialled in a tight loop.
const STABLE: Duration = Duration::from_secs(5);
/// Outlasts the handshake and the query; an answer that never comes is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// An absent partner for whom nothing waits is asked for four times an hour: it will ask for us as
/// soon as it is back, unless neither knows where the other is.
const LEISURE: Duration = Duration::from_secs(15 * 60);

/// Rounds in vain after which somebody who is no partner counts as gone: with the usual rests of up
/// to a minute an hour or more, the time that an opening waits for its peer.
const ROUNDS: u32 = 128;

/// Dials and lookups under way at a time. A node that starts with a full outbox works through
/// it instead of asking the whole network at once.
const MAX_ACTIVE: usize = 32;

/// What the event loop is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Dial the peer at its known locations.
    Dial(Address),
    /// Ask the address table for the peer's record.
    LookUp(Address),
    /// Nothing helped; the search goes on later unless it is forgotten.
    Unreachable(Address),
}

/// The peers that somebody wants to be connected with.
#[derive(Debug)]
pub(crate) struct Searches {
    wanted: HashMap<Address, Search>,
    actions: Vec<Action>,
    backoff: Backoff,
}

#[derive(Debug)]
struct Search {
    state: State,
    backoff: Backoff,
    need: Need,
}

/// Why a peer is searched for, by growing importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// A partner for whom nothing waits: looked after at leisure.
    Watched,
    /// Somebody waits.
    Wanted,
    /// A first contact: searched for as long as the node runs.
    Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready {
        looked_up: bool,
    },
    Dialing {
        looked_up: bool,
        until: Instant,
    },
    LookUp,
    LookingUp {
        until: Instant,
    },
    /// This round has tried everything.
    Exhausted,
    Resting {
        until: Instant,
    },
    /// Not looked for any more, until there is something new to say.
    GivenUp,
    Connected,
}

impl Searches {
    /// Every search starts from a copy of `backoff`, which bounds its rests while somebody waits.
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self { wanted: HashMap::new(), actions: Vec::new(), backoff }
    }

    /// Starts a search; one that is under way goes on as it is.
    pub(crate) fn want(&mut self, peer: Address) {
        let search = self.search(peer);
        if search.need == Need::Watched {
            search.need = Need::Wanted;
            search.hurry();
        }
    }

    /// Looks once more for a peer that was given up.
    pub(crate) fn revive(&mut self, peer: &Address) {
        if let Some(search) = self.wanted.get_mut(peer)
            && search.state == State::GivenUp
        {
            search.backoff.reset();
            search.state = State::Ready { looked_up: false };
        }
    }

    /// Ends a search that has been in vain for long; true if it did. The peer may still come by
    /// itself.
    pub(crate) fn give_up(&mut self, peer: &Address) -> bool {
        let search = self.wanted.get_mut(peer);
        let Some(search) = search.filter(|search| search.backoff.failures() >= ROUNDS) else {
            return false;
        };
        search.state = State::GivenUp;
        true
    }

    /// Starts a search without haste, or takes the haste out of one that is under way.
    pub(crate) fn watch(&mut self, peer: Address) {
        let search = self.search(peer);
        if search.need == Need::Wanted {
            search.need = Need::Watched;
        }
        self.revive(&peer);
    }

    /// Starts a search that never ends.
    pub(crate) fn keep(&mut self, peer: Address) {
        self.search(peer).need = Need::Kept;
    }

    /// Ends a pause at once: somebody has news, or asks explicitly.
    pub(crate) fn hurry(&mut self, peer: Address) {
        self.want(peer);
        self.revive(&peer);
        self.search(peer).hurry();
    }

    /// Ends every pause: there is somebody new to ask.
    pub(crate) fn hurry_all(&mut self) {
        self.wanted.values_mut().for_each(Search::hurry);
    }

    /// Gives a search up, unless it is one that never ends.
    pub(crate) fn forget(&mut self, peer: &Address) {
        if self.wanted.get(peer).is_some_and(|search| search.need != Need::Kept) {
            self.wanted.remove(peer);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.wanted.len()
    }

    pub(crate) fn is_kept(&self, peer: &Address) -> bool {
        self.wanted.get(peer).is_some_and(|search| search.need == Need::Kept)
    }

    pub(crate) fn handle_connected(&mut self, peer: &Address) {
        if let Some(search) = self.wanted.get_mut(peer) {
            search.state = State::Connected;
        }
    }

    /// The last connection is gone after `lasted`.
    pub(crate) fn handle_disconnected(&mut self, peer: &Address, lasted: Duration, now: Instant) {
        let Some(search) = self.wanted.get_mut(peer) else { return };
        search.state = if lasted < STABLE {
            State::Resting { until: now + search.pause() }
        } else {
            search.backoff.reset();
            State::Ready { looked_up: false }
        };
    }

    pub(crate) fn handle_dial_failed(&mut self, peer: &Address, now: Instant) {
        let Some(search) = self.wanted.get_mut(peer) else { return };
        match search.state {
            State::Dialing { looked_up: false, .. } => search.state = State::LookUp,
            State::Dialing { looked_up: true, .. } => self.rest(*peer, now),
            State::Ready { .. }
            | State::LookUp
            | State::LookingUp { .. }
            | State::Exhausted
            | State::Resting { .. }
            | State::GivenUp
            | State::Connected => {}
        }
    }

    /// A record came to light that says something new.
    pub(crate) fn handle_found(&mut self, peer: &Address) {
        if let Some(search) = self.wanted.get_mut(peer)
            && matches!(search.state, State::LookingUp { .. } | State::Resting { .. })
        {
            search.state = State::Ready { looked_up: true };
        }
    }

    /// A lookup has ended; if it found something, the search has moved on already.
    pub(crate) fn handle_looked_up(&mut self, peer: &Address, now: Instant) {
        if let Some(search) = self.wanted.get(peer)
            && matches!(search.state, State::LookingUp { .. })
        {
            self.rest(*peer, now);
        }
    }

    /// What to do now; `is_known` says whether there is a location to dial.
    pub(crate) fn handle_tick(
        &mut self,
        now: Instant,
        is_known: impl Fn(&Address) -> bool,
    ) -> Vec<Action> {
        let mut exhausted = Vec::new();
        let mut active = 0;
        for search in self.wanted.values_mut() {
            search.expire(now);
            active += usize::from(search.is_active());
        }
        for (peer, search) in &mut self.wanted {
            let has_room = active < MAX_ACTIVE;
            match search.state {
                State::Ready { looked_up } if has_room && is_known(peer) => {
                    search.state = State::Dialing { looked_up, until: now + PATIENCE };
                    self.actions.push(Action::Dial(*peer));
                    active += 1;
                }
                State::Ready { looked_up: false } | State::LookUp if has_room => {
                    search.state = State::LookingUp { until: now + PATIENCE };
                    self.actions.push(Action::LookUp(*peer));
                    active += 1;
                }
                State::Ready { looked_up: true } if has_room => exhausted.push(*peer),
                State::Exhausted => exhausted.push(*peer),
                State::Ready { .. }
                | State::LookUp
                | State::Dialing { .. }
                | State::LookingUp { .. }
                | State::Resting { .. }
                | State::GivenUp
                | State::Connected => {}
            }
        }
        for peer in exhausted {
            self.rest(peer, now);
        }
        std::mem::take(&mut self.actions)
    }

    fn search(&mut self, peer: Address) -> &mut Search {
        let backoff = &mut self.backoff;
        self.wanted.entry(peer).or_insert_with(|| {
            // Moves the seed on, so that searches do not rest in step.
            backoff.fail();
            let mut own = backoff.clone();
            own.reset();
            Search { state: State::Ready { looked_up: false }, backoff: own, need: Need::Watched }
        })
    }

    fn rest(&mut self, peer: Address, now: Instant) {
        if let Some(search) = self.wanted.get_mut(&peer) {
            search.state = State::Resting { until: now + search.pause() };
            self.actions.push(Action::Unreachable(peer));
        }
    }
}

impl Search {
    fn pause(&mut self) -> Duration {
        match self.need {
            Need::Watched => self.backoff.fail_within(LEISURE),
            Need::Wanted | Need::Kept => self.backoff.fail(),
        }
    }

    const fn is_active(&self) -> bool {
        matches!(self.state, State::Dialing { .. } | State::LookingUp { .. })
    }

    fn hurry(&mut self) {
        if matches!(self.state, State::Resting { .. }) {
            self.state = State::Ready { looked_up: false };
        }
    }

    fn expire(&mut self, now: Instant) {
        self.state = match self.state {
            State::Resting { until } if until <= now => State::Ready { looked_up: false },
            State::Dialing { looked_up: false, until } if until <= now => State::LookUp,
            State::Dialing { looked_up: true, until } | State::LookingUp { until }
                if until <= now =>
            {
                State::Exhausted
            }
            state => state,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Address = Address::repeat_byte(1);
    const MAX: Duration = Duration::from_secs(60);

    fn searches() -> Searches {
        Searches::new(Backoff::new(Duration::from_secs(1), MAX, 1))
    }

    #[test]
    fn known_locations_are_dialled_before_the_table_is_asked() {
        let (mut searches, now) = (searches(), Instant::now());
        searches.want(PEER);
        assert_eq!(searches.handle_tick(now, |_| true), [Action::Dial(PEER)]);
        assert_eq!(searches.handle_tick(now, |_| true), []);
        searches.handle_dial_failed(&PEER, now);
        assert_eq!(searches.handle_tick(now, |_| true), [Action::LookUp(PEER)]);
        searches.handle_found(&PEER);
        assert_eq!(searches.handle_tick(now, |_| true), [Action::Dial(PEER)]);
        searches.handle_looked_up(&PEER, now);
        searches.handle_connected(&PEER);
        assert_eq!(searches.handle_tick(now + MAX, |_| true), []);
    }

    #[test]
    fn a_search_without_success_rests_longer_and_longer_up_to_a_bound() {
        let (mut searches, mut now) = (searches(), Instant::now());
        searches.want(PEER);
        let mut lookups = Vec::new();
        for _ in 0..5_000 {
            for action in searches.handle_tick(now, |_| false) {
                if action == Action::LookUp(PEER) {
                    lookups.push(now);
                    searches.handle_looked_up(&PEER, now);
                }
            }
            now += Duration::from_millis(100);
        }
        let pauses: Vec<_> = lookups.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses[0] < Duration::from_secs(2));
        assert!(pauses.last().unwrap() > &(MAX / 3));
        assert!(pauses.iter().all(|pause| *pause <= MAX + Duration::from_secs(1)));
    }

    #[test]
    fn a_partner_is_looked_after_at_leisure_until_something_waits_for_it() {
        let (mut searches, mut now) = (searches(), Instant::now());
        searches.watch(PEER);
        let mut lookups = 0;
        for _ in 0..24 * 3600 {
            for action in searches.handle_tick(now, |_| false) {
                if action == Action::LookUp(PEER) {
                    lookups += 1;
                    searches.handle_looked_up(&PEER, now);
                }
            }
            now += Duration::from_secs(1);
        }
        assert!((96..=220).contains(&lookups), "{lookups}");
        searches.want(PEER);
        assert_eq!(searches.handle_tick(now, |_| true), [Action::Dial(PEER)]);
        searches.handle_dial_failed(&PEER, now);
        searches.handle_tick(now, |_| true);
        searches.handle_looked_up(&PEER, now);
        searches.handle_tick(now, |_| true);
        assert_eq!(searches.handle_tick(now + MAX, |_| true), [Action::Dial(PEER)]);
    }

    #[test]
    fn a_search_can_be_given_up_after_many_rounds_and_begins_anew_with_news() {
        let (mut searches, mut now) = (searches(), Instant::now());
        searches.want(PEER);
        let mut rounds = 0;
        let began = now;
        let mut gone = false;
        while !gone {
            for action in searches.handle_tick(now, |_| false) {
                match action {
                    Action::LookUp(PEER) => searches.handle_looked_up(&PEER, now),
                    Action::Unreachable(PEER) => {
                        rounds += 1;
                        gone = searches.give_up(&PEER);
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
            now += Duration::from_secs(1);
        }
        assert_eq!(rounds, ROUNDS);
        assert!(now - began > Duration::from_secs(3_600));
        searches.want(PEER);
        searches.hurry_all();
        assert_eq!(searches.handle_tick(now + LEISURE, |_| true), []);
        searches.revive(&PEER);
        assert_eq!(searches.handle_tick(now + LEISURE, |_| true), [Action::Dial(PEER)]);
        assert!(!searches.give_up(&PEER));
    }

    #[test]
    fn a_peer_that_accepts_and_closes_is_not_dialled_in_a_tight_loop() {
        let (mut searches, mut now) = (searches(), Instant::now());
        searches.want(PEER);
        let mut dials = 0;
        for _ in 0..600 {
            for action in searches.handle_tick(now, |_| true) {
                assert_eq!(action, Action::Dial(PEER));
                dials += 1;
                searches.handle_connected(&PEER);
                searches.handle_disconnected(&PEER, Duration::ZERO, now);
            }
            now += Duration::from_millis(100);
        }
        assert!((3..10).contains(&dials), "{dials}");
    }

    #[test]
    fn answers_that_never_come_do_not_end_a_search() {
        let (mut searches, now) = (searches(), Instant::now());
        searches.want(PEER);
        searches.handle_tick(now, |_| true);
        let later = now + PATIENCE;
        assert_eq!(searches.handle_tick(later, |_| true), [Action::LookUp(PEER)]);
        assert_eq!(searches.handle_tick(later + PATIENCE, |_| true), [Action::Unreachable(PEER)]);
        let again = later + PATIENCE + MAX;
        assert_eq!(searches.handle_tick(again, |_| true), [Action::Dial(PEER)]);
    }

    #[test]
    fn a_long_list_is_worked_through_a_few_at_a_time() {
        let (mut searches, now) = (searches(), Instant::now());
        let peers: Vec<_> = (1..=100).map(Address::repeat_byte).collect();
        peers.iter().for_each(|peer| searches.want(*peer));
        let mut found = 0;
        while found < peers.len() {
            let actions = searches.handle_tick(now, |_| true);
            assert!(!actions.is_empty() && actions.len() <= MAX_ACTIVE);
            assert_eq!(searches.handle_tick(now, |_| true), []);
            for action in actions {
                let Action::Dial(peer) = action else { panic!("unexpected {action:?}") };
                searches.handle_connected(&peer);
                found += 1;
            }
        }
    }

    #[test]
    fn first_contacts_are_never_forgotten() {
        let (mut searches, now) = (searches(), Instant::now());
        searches.keep(PEER);
        searches.want(Address::ZERO);
        searches.forget(&PEER);
        searches.forget(&Address::ZERO);
        assert_eq!(searches.handle_tick(now, |_| true), [Action::Dial(PEER)]);
    }
}
