//! A payment channel that payer, relay or payee leaves while the neighbours are silent.

use engine::testing::Party;

use super::scene::{ASSETS, Scene};

const NAMES: [&str; 3] = ["alice", "irene", "bob"];
const PATH: [Party; 3] = [Party(0), Party(1), Party(2)];
const SEEDS: u64 = 5;

/// Two ledgers and a payment channel over both, of which 12 of 30 are paid.
fn scene(seed: u64, asset: engine::types::Asset) -> (Scene, [engine::types::ChannelId; 3]) {
    let mut scene = Scene::rough(seed, &NAMES, asset);
    let left = scene.ledger(PATH[0], PATH[1], [60, 40]);
    let right = scene.ledger(PATH[1], PATH[2], [60, 40]);
    let channel = scene.payment(&PATH, 30);
    scene.pay(&PATH, channel, 12);
    (scene, [left, right, channel])
}

#[test]
fn a_payer_leaves_alone() {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            let (mut scene, [left, _, channel]) = scene(seed, asset);
            scene.world.crash(PATH[1]);
            scene.world.crash(PATH[2]);
            scene.exit_payment(PATH[0], channel);
            scene.end();
            scene.exit_ledger(PATH[0], left);
            scene.end();
            // Nobody shows the voucher: the payer never has less than it is owed.
            assert_eq!(scene.gain(PATH[0]), 0, "{}", scene.world.describe());
            scene.assert_done(left, &PATH[..1]);
            scene.assert_done(channel, &PATH[..1]);
        }
    }
}

#[test]
fn a_payee_leaves_alone_with_its_voucher() {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            let (mut scene, [_, right, channel]) = scene(seed, asset);
            scene.world.crash(PATH[0]);
            scene.world.crash(PATH[1]);
            scene.exit_payment(PATH[2], channel);
            scene.end();
            scene.exit_ledger(PATH[2], right);
            scene.end();
            assert_eq!(scene.gain(PATH[2]), 12, "{}", scene.world.describe());
            scene.assert_done(right, &PATH[2..]);
            scene.assert_done(channel, &PATH[2..]);
        }
    }
}

#[test]
fn a_relay_leaves_between_two_silent_neighbours_and_breaks_even() {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            let (mut scene, [left, right, channel]) = scene(seed, asset);
            scene.world.crash(PATH[0]);
            scene.world.crash(PATH[2]);
            scene.exit_ledger(PATH[1], left);
            scene.exit_ledger(PATH[1], right);
            scene.end();
            scene.assert_gains(&[0, 0, 0]);
            for id in [left, right, channel] {
                scene.assert_done(id, &PATH[1..2]);
            }
        }
    }
}

/// The relay forgets nothing: what the payee takes on the right, it gets on the left.
#[test]
fn a_relay_passes_a_redemption_on_to_a_silent_payer() {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            let (mut scene, [left, right, channel]) = scene(seed, asset);
            scene.world.crash(PATH[0]);
            scene.exit_ledger(PATH[2], right);
            scene.end();
            scene.exit_ledger(PATH[1], left);
            scene.end();
            scene.assert_gains(&[-12, 0, 12]);
            for id in [left, right] {
                scene.assert_done(id, &PATH[1..2]);
            }
            scene.assert_done(channel, &PATH[1..]);
        }
    }
}

/// Nobody is silent, and still one of them wants everything on chain.
#[test]
fn any_of_three_leaves_while_all_answer() {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            for by in PATH {
                let (mut scene, [_, _, channel]) = scene(seed, asset);
                scene.exit_payment(by, channel);
                scene.end();
                let worth: Vec<i64> = PATH.iter().map(|party| scene.worth(*party)).collect();
                assert_eq!(worth, [-12, 0, 12], "{by:?} {}", scene.world.describe());
                scene.assert_done(channel, &PATH);
            }
        }
    }
}
