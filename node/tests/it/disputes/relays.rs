//! Payment channels over a relay, when somebody on the path turns silent or cheats.

use engine::ledger::ChannelMode;
use engine::objectives::WaitingFor;
use engine::types::Amount;

use super::scene::{ALICE, BOB, Coin, IRENE, PATIENCE, Scene, in_both};

/// Alice and Bob have paid each other over several channels through Irene.
#[tokio::test(flavor = "multi_thread")]
async fn several_payment_channels_of_a_silent_relay_end_with_their_vouchers() {
    in_both(async |coin| {
        let mut scene = Scene::eager(coin, 3).await;
        let ledgers = scene.open_line().await;
        let (there, back) = ([ALICE, IRENE, BOB], [BOB, IRENE, ALICE]);
        let mut channels = Vec::new();
        for (path, units) in [(there, 12), (back, 7), (there, 5)] {
            let channel = scene.open_payment(&path).await;
            scene.pay(path[0], channel, units).await;
            channels.push(channel);
        }
        scene.stop(IRENE).await;
        scene.exit(BOB, ledgers[1]).await;
        scene.exit(ALICE, ledgers[0]).await;
        for channel in &channels {
            scene.until_turn(*channel, 2).await;
        }
        scene.until_challenged(ALICE, ledgers[0]).await;
        scene.until_challenged(BOB, ledgers[1]).await;
        scene.expire().await;
        scene.out(ALICE, ledgers[0]).await;
        scene.out(BOB, ledgers[1]).await;
        scene.assert_gains(&ledgers, &[-10, 0, 10]).await;
    })
    .await;
}

/// The payer shows the opening of a channel, of which everybody has signed the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_between_a_payer_that_cheats_and_a_payee_that_was_paid_loses_nothing() {
    in_both(async |coin| {
        let mut scene =
            Scene::start_with(coin, 3, |_, settings| settings.policy.withdrawal_delay = PATIENCE)
                .await;
        let ledgers = scene.open_line().await;
        let channel = scene.open_payment(&[ALICE, IRENE, BOB]).await;
        scene.pay(ALICE, channel, 12).await;
        // Bob's signature, the last one, comes when Alice has gone.
        scene.stop(BOB).await;
        let closing = scene.nodes[ALICE].begin_close_payment(channel).await;
        scene.nodes[IRENE]
            .until("the final state", async || {
                scene.nodes[IRENE].handle().look_up(closing).await.ok()
            })
            .await;
        scene.nodes[IRENE].waits_for(closing, WaitingFor::SupportedFinalState).await;
        scene.stop(ALICE).await;
        scene.nodes[BOB].resume().await;
        for node in [IRENE, BOB] {
            scene
                .until_ledger(node, ledgers[1], "the guarantee is given back", |view| {
                    view.locked == Amount::ZERO
                })
                .await;
        }
        scene.register(ALICE, &scene.unpaid(ALICE, ledgers[0], channel)).await;
        let concluded = async || {
            let mode = scene.nodes[IRENE].payment(channel).await.mode;
            (mode == ChannelMode::Concluded).then_some(())
        };
        scene.nodes[IRENE].until("the conclusion", concluded).await;
        scene.expire().await;
        scene.out(IRENE, ledgers[0]).await;
        assert_eq!(scene.calls(IRENE).await, ["conclude", "settle"]);

        let closing = scene.nodes[BOB].begin_close_ledger(ledgers[1]).await;
        scene.nodes[BOB].completed(closing).await;
        scene.nodes[IRENE].completed(closing).await;
        scene.assert_gains(&ledgers, &[-12, 0, 12]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_that_is_away_while_a_channel_closes_comes_back_in_time() {
    in_both(async |coin| away_payee(coin).await).await;
}

async fn away_payee(coin: Coin) {
    let mut scene = Scene::eager(coin, 3).await;
    let ledgers = scene.open_line().await;
    let channel = scene.open_payment(&[ALICE, IRENE, BOB]).await;
    scene.pay(ALICE, channel, 12).await;
    scene.stop(BOB).await;
    scene.lose_patience(IRENE).await;
    let _ = scene.nodes[ALICE].begin_close_payment(channel).await;
    // Irene has waited for Bob, and leaves their ledger. Alice may take her time.
    scene.until_challenged(IRENE, ledgers[1]).await;
    scene.regain_patience(IRENE).await;
    let challenged = scene.status(channel).await;
    scene.nodes[BOB].resume().await;
    // Bob shows his voucher, or signs the final state that waited for him.
    scene.until_chain("Bob's answer", async || scene.status(channel).await != challenged).await;
    scene.expire().await;
    let out = async {
        scene.out(BOB, ledgers[1]).await;
        scene.out(IRENE, ledgers[1]).await;
    };
    scene.while_mining(out).await;
    // Alice and Irene both answer: their ledger lives on, with what was paid.
    for node in [ALICE, IRENE] {
        scene
            .until_ledger(node, ledgers[0], "the guarantee is given back", |view| {
                view.locked == Amount::ZERO
            })
            .await;
    }
    let closing = scene.nodes[ALICE].begin_close_ledger(ledgers[0]).await;
    scene.nodes[ALICE].completed(closing).await;
    scene.nodes[IRENE].completed(closing).await;
    scene.assert_gains(&ledgers, &[-12, 0, 12]).await;
}
