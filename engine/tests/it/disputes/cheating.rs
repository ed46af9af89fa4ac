//! The counterparty shows on chain what is no longer true.

use engine::chain::{ChainCall, Urgency};
use engine::input::Request;
use engine::testing::{ContractCall, Party, fixtures};
use engine::types::{Asset, ChannelId};
use engine::vouchers::Voucher;

use super::scene::{ASSETS, SOON, Scene};

const NAMES: [&str; 2] = ["alice", "bob"];
const PATH: [Party; 2] = [Party(0), Party(1)];
const SEEDS: u64 = 4;

/// Everything with coin and with tokens, over some seeds.
fn each(mut story: impl FnMut(u64, Asset)) {
    for asset in ASSETS {
        for seed in 0..SEEDS {
            eprintln!("seed {seed} of {asset}");
            story(seed, asset);
        }
    }
}

fn begin(seed: u64, asset: Asset) -> (Scene, ChannelId) {
    let mut scene = Scene::rough(seed, &NAMES, asset);
    let ledger = scene.ledger(PATH[0], PATH[1], [60, 40]);
    (scene, ledger)
}

#[test]
fn an_old_ledger_state_pays_nobody_more() {
    each(|seed, asset| {
        for cheat in PATH {
            let (mut scene, ledger) = begin(seed, asset);
            let mut old = vec![scene.ledger_record(cheat, ledger)];
            for amount in [5, 7] {
                let channel = scene.payment(&PATH, 30);
                old.push(scene.ledger_record(cheat, ledger));
                scene.pay(&PATH, channel, amount);
                scene.world.close_payment(PATH[1], channel);
                old.push(scene.ledger_record(cheat, ledger));
            }
            let stale = usize::try_from(scene.world.random().below(4)).unwrap();
            scene.challenge_ledger(cheat, &old[stale]);
            scene.end();
            scene.assert_gains(&[-12, 12]);
            scene.assert_done(ledger, &[Party(1 - cheat.0)]);
        }
    });
}

/// What was answered once is shown again, and again.
#[test]
fn a_replayed_challenge_is_passed_over() {
    each(|seed, asset| {
        for cheat in PATH {
            let (mut scene, ledger) = begin(seed, asset);
            let old = scene.ledger_record(cheat, ledger);
            let channel = scene.payment(&PATH, 30);
            scene.pay(&PATH, channel, 12);
            scene.world.close_payment(PATH[0], channel);
            for _ in 0..3 {
                scene.challenge_ledger(cheat, &old);
                scene.world.run_for(SOON);
            }
            scene.end();
            scene.challenge_ledger(cheat, &old);
            scene.end();
            scene.assert_gains(&[-12, 12]);
            scene.assert_done(ledger, &[Party(1 - cheat.0)]);
        }
    });
}

/// The payer shows the opening of the channel, as if nothing had been paid.
#[test]
fn the_opening_after_vouchers_is_answered_by_the_payee() {
    each(|seed, asset| {
        let (mut scene, ledger) = begin(seed, asset);
        let channel = scene.payment(&PATH, 30);
        let opened = scene.payment_record(PATH[0], channel);
        for amount in [3, 4, 5] {
            scene.pay(&PATH, channel, amount);
        }
        scene.challenge_payment(PATH[0], &opened);
        scene.end();
        scene.exit_ledger(PATH[1], ledger);
        scene.end();
        scene.assert_gains(&[-12, 12]);
        scene.assert_done(ledger, &PATH[1..]);
    });
}

/// The prefund state of a ledger, which everyone has signed as well.
#[test]
fn the_prefund_state_after_the_postfund_state_is_answered() {
    each(|seed, asset| {
        for cheat in PATH {
            let (mut scene, ledger) = begin(seed, asset);
            let mut old = scene.ledger_record(cheat, ledger);
            old.signatures = [None; 2];
            let channel = scene.payment(&PATH, 30);
            scene.pay(&PATH, channel, 12);
            scene.world.close_payment(PATH[0], channel);
            scene.challenge_ledger(cheat, &old);
            scene.end();
            scene.assert_gains(&[-12, 12]);
            scene.assert_done(ledger, &[Party(1 - cheat.0)]);
        }
    });
}

/// The payee shows an older voucher, of which it alone has the disadvantage.
#[test]
fn an_older_voucher_costs_nobody_but_its_owner() {
    each(|seed, asset| {
        let (mut scene, ledger) = begin(seed, asset);
        let channel = scene.payment(&PATH, 30);
        scene.pay(&PATH, channel, 5);
        let opened = scene.payment_record(PATH[1], channel);
        let old = Voucher::sign(channel, 5_u64.into(), &fixtures::key(NAMES[0]));
        scene.pay(&PATH, channel, 7);
        let challenge = opened.challenge(Some(&old), &fixtures::key(NAMES[1])).unwrap();
        scene.cheat(PATH[1], ContractCall::Challenge(challenge));
        scene.end();
        scene.exit_ledger(PATH[0], ledger);
        scene.end();
        scene.assert_gains(&[-5, 5]);
        scene.assert_done(ledger, &PATH[..1]);
    });
}

/// A challenge in the middle of closing together ends like the closing.
#[test]
fn a_challenge_during_a_cooperative_close() {
    each(|seed, asset| {
        for cheat in PATH {
            let (mut scene, ledger) = begin(seed, asset);
            let old = scene.ledger_record(cheat, ledger);
            let channel = scene.payment(&PATH, 30);
            scene.pay(&PATH, channel, 12);
            scene.world.close_payment(PATH[0], channel);
            scene.world.start(PATH[0], Request::CloseLedger { ledger });
            for _ in 0..scene.world.random().below(12) {
                scene.world.step();
            }
            scene.challenge_ledger(cheat, &old);
            scene.end();
            scene.assert_gains(&[-12, 12]);
            scene.assert_done(ledger, &[Party(1 - cheat.0)]);
        }
    });
}

/// Nobody signs two final states, so there is no older one; one that is not signed by all is none.
#[test]
fn a_final_state_of_ones_own_making_is_refused() {
    each(|seed, asset| {
        for cheat in PATH {
            let (mut scene, ledger) = begin(seed, asset);
            let record = scene.ledger_record(cheat, ledger);
            let state = record.state(&record.agreed, true);
            // The signatures are those on the state that is not final.
            let signatures = record.signatures.iter().copied().flatten().collect();
            let (fixed, urgency) = (record.fixed, Urgency::default());
            let conclude = ChainCall::Conclude { fixed, state, signatures, urgency };
            scene.cheat(cheat, conclude);
            scene.world.run_for(SOON);
            let refusals = scene.world.chain().refusals(scene.world.address(cheat));
            assert!(refusals.contains(&"!unanimous".to_owned()), "{refusals:?}");
            scene.exit_ledger(Party(1 - cheat.0), ledger);
            scene.end();
            scene.assert_gains(&[0, 0]);
        }
    });
}

/// The final state of a payment channel with less than the payee was paid since.
#[test]
fn a_voucher_after_the_final_state_was_offered_is_not_lost() {
    each(|seed, asset| {
        let (mut scene, ledger) = begin(seed, asset);
        let channel = scene.payment(&PATH, 30);
        let opened = scene.payment_record(PATH[0], channel);
        scene.pay(&PATH, channel, 12);
        scene.world.start(PATH[1], Request::ClosePayment { channel });
        for _ in 0..scene.world.random().below(8) {
            scene.world.step();
        }
        scene.challenge_payment(PATH[0], &opened);
        scene.end();
        scene.exit_ledger(PATH[1], ledger);
        scene.end();
        scene.assert_gains(&[-12, 12]);
        scene.assert_done(ledger, &PATH[1..]);
    });
}
