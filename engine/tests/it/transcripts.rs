//! The reference's two recorded conversations, had again by our nodes.
//!
//! Nonces, the app of payment channels, the type of guarantees and the bytes of messages differ on
//! purpose. The rest is compared: every turn of every ledger, and how many messages each phase takes.

use std::collections::{BTreeMap, BTreeSet};

use engine::input::Request;
use engine::testing::{Party, World};
use engine::types::{Address, Amount, Asset, ChannelId};

use crate::vectors::loader::{family, list, number, state, text, vector};

/// What a ledger holds at a turn: leader, follower, and what is locked, smallest first.
type Content = (Amount, Amount, Vec<Amount>);

/// Contents by participants and turn.
type Ledgers = BTreeMap<(Vec<Address>, u64), Content>;

fn recorded(prefix: &str) -> Ledgers {
    let mut ledgers = Ledgers::new();
    for vector in family(prefix) {
        let (fixed, variable) = state(vector.input("resultingState"));
        let turn = number(vector.input("turnNum"));
        let [leader, follower, locked @ ..] = &variable.outcome.0[0].allocations[..] else {
            panic!("{}: two balances", vector.name);
        };
        let mut locked: Vec<Amount> = locked.iter().map(|guarantee| guarantee.amount).collect();
        locked.sort();
        ledgers.insert((fixed.participants, turn), (leader.amount, follower.amount, locked));
    }
    ledgers
}

/// Messages of each phase of a transcript, in the order of phases.
fn recorded_messages(name: &str) -> Vec<(String, u64)> {
    let mut phases: Vec<(String, u64)> = Vec::new();
    for step in list(vector(name).expected("steps")) {
        let phase = text(&step["phase"]);
        if phases.last().is_none_or(|(last, _)| last != phase) {
            phases.push((phase.to_owned(), 0));
        }
        if step["event"] == "message" {
            phases.last_mut().unwrap().1 += 1;
        }
    }
    phases.retain(|(phase, _)| phase != "rejection notice (shape only)");
    phases
}

/// A world that writes down every turn of every ledger.
struct Observed {
    world: World,
    ledgers: Ledgers,
    messages: Vec<u64>,
}

impl Observed {
    fn new(names: &[&str]) -> Self {
        Self { world: World::calm(names), ledgers: Ledgers::new(), messages: Vec::new() }
    }

    /// One phase: something is asked for, and everything that follows from it.
    fn phase<T>(&mut self, ask: impl FnOnce(&mut World) -> T) -> T {
        let before = self.world.sent();
        let answer = ask(&mut self.world);
        self.look();
        while !self.world.is_quiet() {
            self.world.step();
            self.look();
        }
        self.messages.push(self.world.sent() - before);
        answer
    }

    fn look(&mut self) {
        for party in self.world.parties() {
            for id in self.world.ledger_ids(party) {
                let ledger = self.world.ledger(party, id).unwrap();
                let agreed = &ledger.agreed;
                // The recorded turns begin with the first change.
                if agreed.turn.0 < 2 {
                    continue;
                }
                let mut locked: Vec<Amount> =
                    agreed.guarantees.values().map(|guarantee| guarantee.amount).collect();
                locked.sort();
                let key = (ledger.fixed.participants.clone(), agreed.turn.0);
                self.ledgers.insert(key, (agreed.leader, agreed.follower, locked));
            }
        }
    }
}

fn close(channel: ChannelId) -> Request {
    Request::ClosePayment { channel }
}

#[test]
fn the_first_transcript_has_the_same_turns_and_messages() {
    let mut seen = Observed::new(&["alice", "irene", "bob"]);
    let path = [0, 1, 2].map(Party);
    let [alice, irene, bob] = path;
    let left = seen.phase(|world| world.begin_ledger(alice, irene, 100, 100));
    let right = seen.phase(|world| world.begin_ledger(irene, bob, 100, 100));
    let channel = seen.phase(|world| world.begin_payment(&path, 10));
    seen.phase(|world| {
        world.pay(alice, channel, 2);
        world.pay(alice, channel, 1);
    });
    seen.phase(|world| world.start(bob, close(channel)));
    seen.phase(|world| world.start(alice, Request::CloseLedger { ledger: left }));
    seen.phase(|world| world.start(bob, Request::CloseLedger { ledger: right }));

    assert_eq!(seen.ledgers, recorded("scenario1.ledger."));
    let recorded = recorded_messages("scenario1.transcript");
    let expected: Vec<u64> = recorded.iter().map(|(_, count)| *count).collect();
    assert_eq!(seen.messages, expected, "{recorded:?}");
    // The last states of the ledgers, as the chain has paid them out.
    for (party, paid) in [(alice, 999_997), (irene, 1_000_000), (bob, 1_000_003_u64)] {
        assert_eq!(seen.world.purse(party, Asset::NATIVE), paid.into());
    }
}

#[test]
fn the_second_transcript_has_the_same_turns_and_messages() {
    let mut seen = Observed::new(&["alice", "irene", "ivan", "bob"]);
    let path = [0, 1, 2, 3].map(Party);
    let [alice, irene, ivan, bob] = path;
    seen.phase(|world| {
        world.begin_ledger(alice, irene, 100, 100);
        world.begin_ledger(irene, ivan, 100, 100);
        world.begin_ledger(bob, ivan, 100, 100)
    });
    seen.messages.clear();
    let channels =
        seen.phase(|world| [world.begin_payment(&path, 10), world.begin_payment(&path, 10)]);
    seen.phase(|world| world.pay(alice, channels[0], 4));
    seen.phase(|world| world.start(alice, close(channels[0])));
    seen.phase(|world| world.start(alice, close(channels[1])));

    // Both additions of a hop may be agreed between two looks; their sum is what counts.
    let recorded_ledgers = recorded("scenario2.ledger.");
    let turns = |ledgers: &Ledgers| -> BTreeSet<(Vec<Address>, u64)> {
        ledgers.keys().filter(|(_, turn)| *turn != 2).cloned().collect()
    };
    assert_eq!(turns(&seen.ledgers), turns(&recorded_ledgers));
    for (key, content) in &seen.ledgers {
        assert_eq!(recorded_ledgers.get(key), Some(content), "{key:?}");
    }
    let recorded = recorded_messages("scenario2.transcript");
    let count = |part: &str| -> u64 {
        recorded.iter().filter(|(phase, _)| phase.contains(part)).map(|(_, count)| count).sum()
    };
    // The voucher is recorded in the phase before.
    assert_eq!(seen.messages[0] + seen.messages[1], count("virtualfund"), "{recorded:?}");
    assert_eq!(seen.messages[1], 1);
    assert_eq!(seen.messages[2] + seen.messages[3], count("virtualdefund"), "{recorded:?}");
}
