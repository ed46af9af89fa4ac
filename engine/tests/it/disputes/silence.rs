//! The counterparty falls silent for good, after every number of steps of everything that two
//! nodes do together.

use engine::input::Request;
use engine::testing::Party;
use engine::types::{Asset, ChannelId, ObjectiveId};

use super::scene::{ASSETS, END, SOON, Scene};

const NAMES: [&str; 2] = ["alice", "bob"];
const PATH: [Party; 2] = [Party(0), Party(1)];

/// Steps of the world after which nothing of an operation is left in a calm one.
const STEPS: usize = 30;

/// Every moment with coin, some with tokens, which differ in the contract's payments only.
fn moments(asset: Asset, steps: usize) -> impl Iterator<Item = usize> {
    (0..steps).step_by(if asset.is_native() { 1 } else { 4 })
}

/// What the two were about, once it is interrupted: the honest node leaves and has its money.
fn leave(scene: &mut Scene, honest: Party, paid: i64, steps: usize) {
    scene.world.run_for(END);
    for id in scene.world.ledger_ids(honest) {
        scene.exit_ledger(honest, id);
    }
    scene.end();
    let least = if honest == PATH[0] { -paid } else { paid };
    let text = format!("{honest:?}, {steps} steps\n{}", scene.world.describe());
    assert!(scene.gain(honest) >= least, "{} of {least}: {text}", scene.gain(honest));
    assert!(scene.world.ledger_ids(honest).is_empty(), "{text}");
    assert!(scene.world.payment_ids(honest).is_empty(), "{text}");
}

fn interrupt(
    asset: Asset,
    mut begin: impl FnMut(&mut Scene) -> i64,
    after: impl IntoIterator<Item = usize>,
) {
    for steps in after {
        for honest in PATH {
            let mut scene = Scene::calm(&NAMES, asset);
            let paid = begin(&mut scene);
            for _ in 0..steps {
                scene.world.step();
            }
            let silent = Party(1 - honest.0);
            scene.world.crash(silent);
            leave(&mut scene, honest, paid, steps);
            // It takes two to move money: what one has more, the other has less.
            if scene.world.chain().waiting() == 0 {
                let gains = scene.gain(PATH[0]) + scene.gain(PATH[1]);
                assert!(gains <= 0, "{}", scene.world.describe());
            }
        }
    }
}

#[test]
fn while_a_ledger_is_funded_deposits_come_back() {
    for asset in ASSETS {
        let begin = |scene: &mut Scene| {
            scene.begin_ledger(PATH[0], PATH[1], [60, 40]);
            0
        };
        interrupt(asset, begin, moments(asset, STEPS));
    }
}

#[test]
fn while_a_payment_channel_is_funded() {
    for asset in ASSETS {
        for path in [[Party(0), Party(1)], [Party(1), Party(0)]] {
            let begin = |scene: &mut Scene| {
                scene.ledger(PATH[0], PATH[1], [60, 40]);
                scene.begin_payment(&path, 30);
                0
            };
            interrupt(asset, begin, moments(asset, STEPS / 2));
        }
    }
}

fn used(scene: &mut Scene) -> (ChannelId, ChannelId) {
    let ledger = scene.ledger(PATH[0], PATH[1], [60, 40]);
    let channel = scene.payment(&PATH, 30);
    scene.pay(&PATH, channel, 12);
    (ledger, channel)
}

#[test]
fn while_a_payment_channel_is_closed() {
    for asset in ASSETS {
        for by in PATH {
            let begin = |scene: &mut Scene| {
                let (_, channel) = used(scene);
                scene.world.start(by, Request::ClosePayment { channel });
                12
            };
            interrupt(asset, begin, moments(asset, STEPS / 2));
        }
    }
}

#[test]
fn while_a_ledger_is_closed() {
    for asset in ASSETS {
        for by in PATH {
            let begin = |scene: &mut Scene| {
                let (ledger, channel) = used(scene);
                scene.world.close_payment(PATH[0], channel);
                scene.world.start(by, Request::CloseLedger { ledger });
                12
            };
            interrupt(asset, begin, moments(asset, STEPS));
        }
    }
}

/// The peer ends after its withdrawal left and before its signature did: what the chain says is
/// enough to know that the ledger is closed.
#[test]
fn between_the_withdrawal_and_the_message_about_it() {
    for asset in ASSETS {
        let mut scene = Scene::calm(&NAMES, asset);
        let ledger = scene.ledger(PATH[0], PATH[1], [60, 40]);
        scene.settle_down();
        scene.world.start(PATH[1], Request::CloseLedger { ledger });
        while scene.world.chain().waiting() == 0 {
            scene.world.step();
        }
        scene.world.crash(PATH[0]);
        scene.world.run_for(SOON);
        scene.assert_gains(&[0, 0]);
        scene.assert_done(ledger, &PATH[1..]);
        let closed = ObjectiveId::DirectDefund(ledger);
        assert!(scene.world.has_completed(PATH[1], closed), "{}", scene.world.describe());
    }
}
