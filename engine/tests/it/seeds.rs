//! Many seeds of a world in which everything goes wrong that time heals.

use engine::testing::{Climate, Crash, Party, Setup, World};

use crate::support::whole_life;

const NAMES: [&str; 3] = ["alice", "irene", "bob"];

fn run(seed: u64) -> (u64, u64) {
    let mut world = World::rough(seed, &NAMES);
    whole_life(&mut world);
    (world.digest(), world.steps())
}

fn run_all(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        // The seed to replay is the last one printed.
        eprintln!("seed {seed}");
        run(seed);
    }
}

#[test]
fn the_first_seeds_end_well() {
    run_all(0..75);
}

#[test]
fn the_next_seeds_end_well() {
    run_all(75..150);
}

#[test]
fn seeds_with_crashes_end_well() {
    for seed in 1_000..1_075 {
        eprintln!("seed {seed}");
        let mut world = Setup::new(seed).climate(Climate::ROUGH).nodes(&NAMES).build();
        for party in world.parties() {
            let crashes = [Crash::BeforeCommit, Crash::AfterCommit, Crash::Dispatching(1)];
            let crash = *world.random().pick(&crashes);
            let turn = world.random().below(40);
            world.crash_at(party, turn, crash);
        }
        whole_life(&mut world);
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in [7, 8] {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(7).0, run(8).0);
}

/// Both ends pay each other over channels in both directions while everything goes wrong.
#[test]
fn crossing_channels_end_well() {
    for seed in 0..30 {
        eprintln!("seed {seed}");
        let mut world = World::rough(seed, &NAMES);
        let path = [Party(0), Party(1), Party(2)];
        let back = [Party(2), Party(1), Party(0)];
        let left = world.open_ledger(path[0], path[1], 100, 100);
        let right = world.open_ledger(path[2], path[1], 100, 100);
        world.run_until_quiet();
        let mut channels = Vec::new();
        for index in 0..6_u64 {
            let path = if index % 2 == 0 { path } else { back };
            channels.push((path, world.begin_payment(&path, 20 + index), 3 * index));
        }
        world.run_until_quiet();
        for (path, id, paid) in channels.clone() {
            if world.has_open_payment(path[0], id) && paid > 0 {
                world.pay(path[0], id, paid);
            }
        }
        for (path, id, _) in channels {
            if world.has_open_payment(path[0], id) {
                world.start(path[0], engine::input::Request::ClosePayment { channel: id });
            }
        }
        world.run_until_quiet();
        for party in path {
            assert_eq!(world.counters(party).payments, 0, "{}", world.describe());
        }
        world.close_ledger(path[0], left);
        world.close_ledger(path[1], right);
    }
}
