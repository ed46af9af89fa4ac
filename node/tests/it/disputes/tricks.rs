//! What somebody may try who wants more than its due: the same thing again, less than there is, and
//! what was never signed.

use engine::chain::Challenge;
use engine::crypto::Signer;
use engine::state::challenge_hash;
use engine::types::{Amount, TurnNumber};

use super::cheater::{Records, opening};
use super::scene::{Scene, in_both};

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_challenge_is_passed_over() {
    in_both(async |coin| {
        let mut scene = Scene::start(coin, 2).await;
        let ledger = scene.paid_ledger(25).await;
        let newest = scene.nodes[1].ledger(ledger).await.turn.0;
        scene.stop(0).await;
        let records = Records::of(&scene.nodes[0]);
        let record = records.ledger(ledger);
        let old = [TurnNumber::POSTFUND, TurnNumber::PREFUND]
            .map(|turn| scene.challenge(0, &record.fixed, opening(record, turn)));
        scene.register(0, &old).await;
        scene.until_challenged(1, ledger).await;
        let answered = scene.status(ledger).await;
        assert_eq!(answered.0, newest);
        scene.register(0, &old).await;
        assert_eq!(scene.status(ledger).await, answered, "the answer stands");
        scene.expire().await;
        scene.out(1, ledger).await;
        scene.assert_gains(&[ledger], &[-25, 25]).await;
        assert_eq!(scene.calls(1).await, ["challengeAll", "settle"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_voucher_costs_nobody_but_its_payee() {
    in_both(async |coin| {
        let mut scene = Scene::eager(coin, 2).await;
        let ledger = scene.open_ledger(0, 1).await;
        let channel = scene.open_payment(&[0, 1]).await;
        scene.pay(0, channel, 5).await;
        let voucher = scene.nodes[1].payment(channel).await.voucher.expect("it was paid");
        scene.pay(0, channel, 7).await;
        scene.stop(1).await;
        let records = Records::of(&scene.nodes[1]);
        let (record, signer) = (records.payment(channel), scene.signer(scene.nodes[1].address));
        let (proof, candidate) = record.redemption(&voucher, &signer).expect("it is open");
        let challenger = signer.sign(challenge_hash(candidate.state.hash(channel)));
        let old = Challenge { fixed: record.fixed.clone(), proof, candidate, challenger };
        let newest = records.ledger(ledger).challenge(&signer).expect("both have signed it");
        scene.register(1, &[newest, old]).await;
        scene.until_challenged(0, ledger).await;
        scene.expire().await;
        scene.out(0, ledger).await;
        scene.assert_gains(&[ledger], &[-5, 5]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_state_that_not_everyone_signed_as_final_concludes_nothing() {
    in_both(async |coin| {
        let mut scene = Scene::start(coin, 2).await;
        let ledger = scene.paid_ledger(25).await;
        scene.stop(0).await;
        let records = Records::of(&scene.nodes[0]);
        let record = records.ledger(ledger);
        // An old state that both have signed, which is not final.
        let old = opening(record, TurnNumber::POSTFUND);
        let mut forged = scene.signed(&record.fixed, old);
        let refusal = scene.refused_conclusion(&record.fixed, &forged).await;
        assert!(refusal.contains("State must be final"), "{refusal}");
        // The same as final, which only one has signed, twice.
        forged.state.is_final = true;
        let mine = scene.signer(scene.nodes[0].address).sign(forged.state.hash(ledger));
        forged.signatures = vec![mine, mine];
        let refusal = scene.refused_conclusion(&record.fixed, &forged).await;
        assert!(refusal.contains("!unanimous"), "{refusal}");
        assert_eq!(scene.status(ledger).await, (0, 0));

        scene.exit(1, ledger).await;
        scene.until_challenged(1, ledger).await;
        scene.expire().await;
        scene.out(1, ledger).await;
        scene.assert_gains(&[ledger], &[-25, 25]).await;
    })
    .await;
}

/// Alice pays Bob through two relays, of which the second one falls silent.
#[tokio::test(flavor = "multi_thread")]
async fn over_two_relays_everyone_gets_out_and_ledgers_that_answer_live_on() {
    in_both(async |coin| {
        let mut scene = Scene::eager(coin, 4).await;
        let ledgers = scene.open_line().await;
        let channel = scene.open_payment(&[0, 1, 2, 3]).await;
        scene.pay(0, channel, 12).await;
        scene.stop(2).await;
        for (node, ledger) in [(3, ledgers[2]), (1, ledgers[1])] {
            scene.exit(node, ledger).await;
            scene.until_challenged(node, ledger).await;
        }
        scene.until_turn(channel, TurnNumber::PAYMENT_FINAL.0).await;
        scene.expire().await;
        let out = async {
            scene.out(3, ledgers[2]).await;
            scene.out(1, ledgers[1]).await;
            for node in [0, 1] {
                let unlocked = |view: &engine::query::LedgerView| view.locked == Amount::ZERO;
                scene.until_ledger(node, ledgers[0], "nothing is locked", unlocked).await;
            }
        };
        scene.while_mining(out).await;
        let closing = scene.nodes[0].begin_close_ledger(ledgers[0]).await;
        scene.nodes[0].completed(closing).await;
        scene.nodes[1].completed(closing).await;
        scene.assert_gains(&ledgers, &[-12, 0, 0, 12]).await;
    })
    .await;
}
