//! A ledger that one of two leaves alone, from either side.

use engine::testing::Party;

use super::scene::{ASSETS, Scene};

const SEEDS: u64 = 6;

#[test]
fn either_participant_leaves_a_ledger_without_guarantees() {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            for honest in [Party(0), Party(1)] {
                let mut scene = Scene::rough(seed, &["alice", "bob"], asset);
                let ledger = scene.ledger(Party(0), Party(1), [60, 40]);
                scene.world.crash(Party(1 - honest.0));
                scene.exit_ledger(honest, ledger);
                scene.end();
                scene.assert_gains(&[0, 0]);
                scene.assert_done(ledger, &[honest]);
                scene.assert_completed(honest, ledger);
            }
        }
    }
}

#[test]
fn either_participant_leaves_a_ledger_that_money_has_moved_in() {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            for honest in [Party(0), Party(1)] {
                let mut scene = Scene::rough(seed, &["alice", "bob"], asset);
                let path = [Party(1), Party(0)];
                let ledger = scene.ledger(Party(0), Party(1), [60, 40]);
                let channel = scene.payment(&path, 30);
                scene.pay(&path, channel, 11);
                scene.world.close_payment(path[0], channel);
                scene.world.crash(Party(1 - honest.0));
                scene.exit_ledger(honest, ledger);
                scene.end();
                scene.assert_gains(&[11, -11]);
                scene.assert_done(ledger, &[honest]);
            }
        }
    }
}

/// Payment channels in both directions, with a voucher, without, and with all of it paid.
#[test]
fn either_participant_leaves_a_ledger_with_guarantees() {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            for honest in [Party(0), Party(1)] {
                let mut scene = Scene::rough(seed, &["alice", "bob"], asset);
                let (there, back) = ([Party(0), Party(1)], [Party(1), Party(0)]);
                let ledger = scene.ledger(Party(1), Party(0), [60, 40]);
                let channels = [
                    (there, scene.payment(&there, 10), 4),
                    (there, scene.payment(&there, 10), 0),
                    (back, scene.payment(&back, 10), 10),
                    (back, scene.payment(&back, 10), 1),
                ];
                for (path, channel, amount) in channels {
                    if amount > 0 {
                        scene.pay(&path, channel, amount);
                    }
                }
                scene.world.crash(Party(1 - honest.0));
                scene.exit_ledger(honest, ledger);
                scene.end();
                // Only the payee can show its voucher; to the other it is a gift that never came.
                let (alice, bob) = (i64::from(honest == Party(0)), i64::from(honest == Party(1)));
                let paid = 11 * alice - 4 * bob;
                scene.assert_gains(&[paid, -paid]);
                scene.assert_done(ledger, &[honest]);
                for (_, channel, _) in channels {
                    scene.assert_done(channel, &[honest]);
                }
            }
        }
    }
}

#[test]
fn both_leave_at_once_and_neither_loses() {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            let mut scene = Scene::rough(seed, &["alice", "bob"], asset);
            let path = [Party(0), Party(1)];
            let ledger = scene.ledger(Party(0), Party(1), [60, 40]);
            let channel = scene.payment(&path, 30);
            scene.pay(&path, channel, 12);
            scene.exit_ledger(Party(0), ledger);
            scene.exit_ledger(Party(1), ledger);
            scene.end();
            scene.assert_gains(&[-12, 12]);
            scene.assert_done(ledger, &path);
            scene.assert_done(channel, &path);
        }
    }
}
