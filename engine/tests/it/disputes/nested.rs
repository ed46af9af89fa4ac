//! Many guarantees in one ledger, and payment channels over two relays.

use engine::testing::Party;

use super::scene::{ASSETS, Scene};

const SEEDS: u64 = 2;

#[test]
fn a_relay_with_many_guarantees_on_both_sides_breaks_even() {
    const PATH: [Party; 3] = [Party(0), Party(1), Party(2)];
    const BACK: [Party; 3] = [Party(2), Party(1), Party(0)];
    for asset in ASSETS {
        for seed in 0..SEEDS {
            let mut scene = Scene::rough(seed, &["alice", "irene", "bob"], asset);
            let left = scene.ledger(PATH[0], PATH[1], [400, 400]);
            let right = scene.ledger(PATH[1], PATH[2], [400, 400]);
            let mut channels = Vec::new();
            // More than one challenge transaction takes.
            for number in 0..20 {
                let path = if number % 3 == 0 { BACK } else { PATH };
                let channel = scene.payment(&path, 10);
                if number % 4 != 0 {
                    scene.pay(&path, channel, 1 + number % 10);
                }
                channels.push(channel);
            }
            let paid = |back: bool| -> i64 {
                let all = (0..20_i64).filter(|number| (number % 3 == 0) == back);
                all.filter(|number| number % 4 != 0).map(|number| 1 + number % 10).sum()
            };
            scene.world.crash(PATH[0]);
            scene.exit_ledger(PATH[2], right);
            scene.end();
            scene.exit_ledger(PATH[1], left);
            scene.end();
            // Bob redeems what he was paid; Alice, who is off, redeems nothing.
            scene.assert_gains(&[-paid(false), 0, paid(false)]);
            assert!(paid(true) > 0);
            for id in channels.into_iter().chain([left, right]) {
                scene.assert_done(id, &PATH[1..]);
            }
        }
    }
}

#[test]
fn every_position_over_two_relays_gets_out() {
    const PATH: [Party; 4] = [Party(0), Party(1), Party(2), Party(3)];
    for asset in ASSETS {
        for seed in 0..SEEDS {
            for silent in PATH {
                let mut scene = Scene::rough(seed, &["alice", "irene", "ivan", "bob"], asset);
                let ledgers: Vec<_> =
                    PATH.windows(2).map(|hop| scene.ledger(hop[0], hop[1], [60, 40])).collect();
                let channel = scene.payment(&PATH, 30);
                scene.pay(&PATH, channel, 12);
                scene.world.crash(silent);
                // The payee wants its money, or the payer its rest when there is no payee.
                let by = if silent == PATH[3] { PATH[0] } else { PATH[3] };
                scene.exit_payment(by, channel);
                scene.end();
                let expected: [i64; 4] = if by == PATH[3] { [-12, 0, 0, 12] } else { [0; 4] };
                for (index, party) in PATH.iter().enumerate() {
                    if *party == silent {
                        continue;
                    }
                    // Money that a silent neighbour owes is in a ledger that can be left.
                    for ledger in &ledgers {
                        if scene.world.ledger(*party, *ledger).is_some() {
                            scene.exit_ledger(*party, *ledger);
                        }
                    }
                    scene.end();
                    let text = format!("{silent:?} is silent\n{}", scene.world.describe());
                    assert_eq!(scene.gain(*party), expected[index], "{party:?} {text}");
                    scene.assert_done(channel, &[*party]);
                }
            }
        }
    }
}
