//! Blocks of a dispute are replaced: challenge, answer and payout happen again, or another way.

use engine::chain::ChainCall;
use engine::testing::{Orphans, Party};
use engine::types::Asset;

use super::scene::{ASSETS, SOON, Scene};

const NAMES: [&str; 2] = ["alice", "bob"];
const PATH: [Party; 2] = [Party(0), Party(1)];

const ORPHANS: [Orphans; 3] = [Orphans::MinedAgain, Orphans::HeldBack(2), Orphans::Dropped];

/// Depths below and above what nodes take for confirmed.
const DEPTHS: [usize; 4] = [1, 2, 3, 5];

fn each(mut story: impl FnMut(Asset, usize, Orphans)) {
    for asset in ASSETS {
        for depth in DEPTHS {
            for orphans in ORPHANS {
                eprintln!("{depth} blocks of {asset}, {orphans:?}");
                story(asset, depth, orphans);
            }
        }
    }
}

fn mined(scene: &Scene, is_it: fn(&ChainCall) -> bool) -> usize {
    scene.world.chain().successes().iter().filter(|(_, call)| is_it(call)).count()
}

fn exit_with(reorganised: fn(&ChainCall) -> bool, blocks_later: usize) {
    each(|asset, depth, orphans| {
        for honest in PATH {
            let mut scene = Scene::calm(&NAMES, asset);
            let ledger = scene.ledger(PATH[0], PATH[1], [60, 40]);
            let channel = scene.payment(&PATH, 30);
            scene.pay(&PATH, channel, 12);
            scene.settle_down();
            scene.world.crash(Party(1 - honest.0));
            scene.exit_ledger(honest, ledger);
            while mined(&scene, reorganised) == 0 {
                scene.world.step();
            }
            for _ in 0..blocks_later {
                scene.world.mine();
            }
            scene.world.reorg(depth, orphans);
            scene.end();
            let paid = if honest == PATH[1] { 12 } else { 0 };
            scene.assert_gains(&[-paid, paid]);
            scene.assert_done(ledger, &[honest]);
            scene.assert_done(channel, &[honest]);
        }
    });
}

#[test]
fn of_a_challenge() {
    exit_with(|call| matches!(call, ChainCall::Challenge { .. }), 0);
}

#[test]
fn of_a_challenge_that_was_confirmed() {
    exit_with(|call| matches!(call, ChainCall::Challenge { .. }), 3);
}

#[test]
fn of_a_payout() {
    exit_with(|call| matches!(call, ChainCall::Settle { .. }), 0);
}

#[test]
fn of_an_answer() {
    each(|asset, depth, orphans| {
        for cheat in PATH {
            for later in [0, 3] {
                let mut scene = Scene::calm(&NAMES, asset);
                let ledger = scene.ledger(PATH[0], PATH[1], [60, 40]);
                let old = scene.ledger_record(cheat, ledger);
                let channel = scene.payment(&PATH, 30);
                scene.pay(&PATH, channel, 12);
                scene.world.close_payment(PATH[0], channel);
                scene.settle_down();
                scene.challenge_ledger(cheat, &old);
                while mined(&scene, |call| matches!(call, ChainCall::Challenge { .. })) == 0 {
                    scene.world.step();
                }
                for _ in 0..later {
                    scene.world.mine();
                }
                scene.world.reorg(depth, orphans);
                scene.end();
                // Where the cheat's own challenge is gone for good, the ledger may live on.
                scene.exit_ledger(Party(1 - cheat.0), ledger);
                scene.end();
                scene.assert_gains(&[-12, 12]);
                scene.assert_done(ledger, &[Party(1 - cheat.0)]);
            }
        }
    });
}

/// The stale challenge itself disappears after it was answered by entering the exit.
#[test]
fn of_everything_since_the_cheat() {
    for asset in ASSETS {
        let mut scene = Scene::calm(&NAMES, asset);
        let ledger = scene.ledger(PATH[0], PATH[1], [60, 40]);
        let old = scene.ledger_record(PATH[0], ledger);
        let channel = scene.payment(&PATH, 30);
        scene.pay(&PATH, channel, 12);
        scene.world.close_payment(PATH[0], channel);
        scene.settle_down();
        let before = scene.world.chain().head().number.0;
        scene.challenge_ledger(PATH[0], &old);
        scene.world.run_for(SOON);
        let since = scene.world.chain().head().number.0 - before;
        scene.world.reorg(usize::try_from(since).unwrap(), Orphans::Dropped);
        scene.end();
        scene.exit_ledger(PATH[1], ledger);
        scene.end();
        scene.assert_gains(&[-12, 12]);
        scene.assert_done(ledger, &PATH[1..]);
    }
}
