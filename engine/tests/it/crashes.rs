//! The power fails at every point of every turn, and the end is the same.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use engine::testing::{Crash, Party, Setup, Weather, World};

use crate::support::whole_life;

const NAMES: [&str; 3] = ["alice", "irene", "bob"];

/// Runs the whole life with one crash; says which one if it does not end well.
fn survive(party: Party, turn: u64, crash: Crash) {
    let run = || {
        let mut world = World::calm(&NAMES);
        world.crash_at(party, turn, crash);
        whole_life(&mut world);
    };
    if let Err(cause) = catch_unwind(AssertUnwindSafe(run)) {
        eprintln!("{party:?} crashed in turn {turn}: {crash:?}");
        std::panic::resume_unwind(cause);
    }
}

/// Turns of each node in a life without crashes.
fn turns() -> [u64; 3] {
    let mut world = World::calm(&NAMES);
    whole_life(&mut world);
    [0, 1, 2].map(|index| world.turns(Party(index)))
}

fn survive_everywhere(crash: Crash) {
    for (index, turns) in turns().into_iter().enumerate() {
        for turn in 0..turns {
            survive(Party(index), turn, crash);
        }
    }
}

#[test]
fn a_crash_before_the_commit_of_any_turn_changes_nothing() {
    survive_everywhere(Crash::BeforeCommit);
}

#[test]
fn a_crash_after_the_commit_of_any_turn_changes_nothing() {
    survive_everywhere(Crash::AfterCommit);
}

#[test]
fn a_crash_amid_the_effects_of_any_turn_changes_nothing() {
    survive_everywhere(Crash::Dispatching(1));
}

#[test]
fn nodes_that_crash_one_after_the_other_get_there() {
    for seed in 0..12 {
        let mut world = Setup::new(seed).nodes(&NAMES).build();
        let crashes = [Crash::BeforeCommit, Crash::AfterCommit, Crash::Dispatching(2)];
        for party in world.parties() {
            let crash = *world.random().pick(&crashes);
            let turn = world.random().below(12);
            world.crash_at(party, turn, crash);
        }
        whole_life(&mut world);
    }
}

#[test]
fn everyone_may_crash_at_once() {
    for turn in 0..30 {
        let mut world = World::calm(&NAMES);
        for party in world.parties() {
            world.crash_at(party, turn, Crash::AfterCommit);
        }
        whole_life(&mut world);
    }
}

#[test]
fn a_node_may_be_away_for_a_while_at_any_moment() {
    for party in 0..3 {
        for after in 0..40 {
            let mut world = World::calm(&NAMES);
            let script = |world: &mut World| {
                for _ in 0..after {
                    world.step();
                }
                world.crash(Party(party));
                world.run_for(Duration::from_secs(20));
                world.restart(Party(party));
            };
            let path = [Party(0), Party(1), Party(2)];
            let left = crate::support::insist_on_ledger(&mut world, path[0], path[1], [100, 0]);
            let right = crate::support::insist_on_ledger(&mut world, path[1], path[2], [100, 0]);
            let id = world.begin_payment(&path, 70);
            script(&mut world);
            world.run_until_quiet();
            assert!(path.iter().all(|party| world.has_open_payment(*party, id)));
            world.pay(path[0], id, 20);
            world.close_payment(path[0], id);
            world.close_ledger(path[0], left);
            world.close_ledger(path[1], right);
        }
    }
}

#[test]
fn a_partition_delays_and_changes_nothing() {
    for (island, steps) in [(0, 3), (0, 40), (1, 10), (1, 60), (2, 25), (2, 90)] {
        let mut world = World::calm(&NAMES);
        world.partition(&[Party(island)]);
        for _ in 0..steps {
            world.step();
        }
        world.heal();
        world.set_weather(Weather::ROUGH);
        whole_life(&mut world);
    }
}
