//! The honest node ends in every turn of its dispute, in every way, and goes on.

use engine::testing::{Crash, Party};
use engine::types::Asset;

use super::scene::{ASSETS, Scene};

const NAMES: [&str; 3] = ["alice", "irene", "bob"];
const PATH: [Party; 3] = [Party(0), Party(1), Party(2)];

const CRASHES: [Crash; 4] =
    [Crash::BeforeCommit, Crash::AfterCommit, Crash::Dispatching(0), Crash::Dispatching(1)];

/// Turns that commit something between the request and the end of an exit, at most.
const TURNS: u64 = 14;

fn each(mut story: impl FnMut(Asset, u64, Crash)) {
    for asset in ASSETS {
        // The node does the same with tokens, which only the contract pays in another way.
        for turn in (0..TURNS).step_by(if asset.is_native() { 1 } else { 5 }) {
            for crash in CRASHES {
                eprintln!("{crash:?} in turn {turn} with {asset}");
                story(asset, turn, crash);
            }
        }
    }
}

#[test]
fn of_a_payee() {
    each(|asset, turn, crash| {
        let mut scene = Scene::calm(&NAMES, asset);
        scene.ledger(PATH[0], PATH[1], [60, 40]);
        let right = scene.ledger(PATH[1], PATH[2], [60, 40]);
        let channel = scene.payment(&PATH, 30);
        scene.pay(&PATH, channel, 12);
        scene.world.run_until_quiet();
        scene.world.crash(PATH[1]);
        let turns = scene.world.turns(PATH[2]);
        scene.world.crash_at(PATH[2], turns + turn, crash);
        for _ in 0..3 {
            scene.exit_ledger(PATH[2], right);
            scene.world.run_for(super::scene::SOON);
        }
        scene.end();
        assert_eq!(scene.gain(PATH[2]), 12, "{}", scene.world.describe());
        scene.assert_done(right, &PATH[2..]);
        scene.assert_done(channel, &PATH[2..]);
    });
}

#[test]
fn of_a_relay_whose_payee_leaves() {
    each(|asset, turn, crash| {
        let mut scene = Scene::calm(&NAMES, asset);
        let left = scene.ledger(PATH[0], PATH[1], [60, 40]);
        let right = scene.ledger(PATH[1], PATH[2], [60, 40]);
        let channel = scene.payment(&PATH, 30);
        scene.pay(&PATH, channel, 12);
        scene.world.run_until_quiet();
        scene.world.crash(PATH[0]);
        let turns = scene.world.turns(PATH[1]);
        scene.world.crash_at(PATH[1], turns + turn, crash);
        scene.exit_ledger(PATH[2], right);
        scene.end();
        scene.exit_ledger(PATH[1], left);
        scene.end();
        scene.assert_gains(&[-12, 0, 12]);
        scene.assert_done(left, &PATH[1..2]);
        scene.assert_done(right, &PATH[1..]);
        scene.assert_done(channel, &PATH[1..]);
    });
}

#[test]
fn of_whom_is_cheated() {
    each(|asset, turn, crash| {
        for cheat in [Party(0), Party(1)] {
            let mut scene = Scene::calm(&NAMES[..2], asset);
            let path = [Party(0), Party(1)];
            let ledger = scene.ledger(path[0], path[1], [60, 40]);
            let old = scene.ledger_record(cheat, ledger);
            let channel = scene.payment(&path, 30);
            scene.pay(&path, channel, 12);
            scene.world.close_payment(path[0], channel);
            let honest = Party(1 - cheat.0);
            let turns = scene.world.turns(honest);
            scene.world.crash_at(honest, turns + turn, crash);
            scene.challenge_ledger(cheat, &old);
            scene.end();
            scene.assert_gains(&[-12, 12]);
            scene.assert_done(ledger, &[honest]);
        }
    });
}
