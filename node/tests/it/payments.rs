//! The main job on real parts: ledgers, payment channels, payments, payouts.

use std::fs;
use std::path::Path;
use std::process::Command;

use engine::crypto::Signature;
use engine::effect::Response;
use engine::error::RequestError;
use engine::input::Request;
use engine::types::{Amount, Asset};
use engine::vouchers::{Voucher, VoucherError};
use node::CallError;

use crate::support::route::{CAPACITY, DEPOSIT, End, Route, open_ledgers, settled};
use crate::support::{ETHER, Network, TestNode, amount};

#[tokio::test(flavor = "multi_thread")]
async fn alice_pays_bob_through_irene_and_everyone_is_paid_out() {
    let network = Network::start().await;
    let irene = network.node(2, &[]).await;
    let alice = network.node(1, &[&irene]).await;
    let bob = network.node(3, &[&irene]).await;
    let left = alice.open_ledger(&irene, Asset::NATIVE, 10 * ETHER, 10 * ETHER).await;
    let right = irene.open_ledger(&bob, Asset::NATIVE, 10 * ETHER, 10 * ETHER).await;

    let channel = alice.open_payment(&[&irene, &bob], Asset::NATIVE, 5 * ETHER).await;
    for _ in 0..20 {
        alice.pay(channel, 7).await;
    }
    assert_eq!(bob.payment(channel).await.paid, amount(140));

    let closing = alice.begin_close_payment(channel).await;
    for node in [&alice, &irene, &bob] {
        node.completed(closing).await;
    }
    for (node, ledger) in [(&alice, left), (&bob, right)] {
        let closing = node.begin_close_ledger(ledger).await;
        node.completed(closing).await;
        irene.completed(closing).await;
    }
    for (node, expected) in
        [(&alice, 10 * ETHER - 140), (&irene, 20 * ETHER), (&bob, 10 * ETHER + 140)]
    {
        let balance = network.balance(Asset::NATIVE, node.address, node).await;
        assert_eq!(balance, amount(expected), "payout of {}", node.address);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payer_pays_over_a_ledger_that_it_opened_and_the_payee_closes() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    let route = Route {
        asset: Asset::NATIVE,
        opened_by: &[End::Left],
        closed_by: 1,
        ledgers_closed_by: &[(0, End::Right)],
    };
    route.run(&network, &nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payer_pays_over_a_ledger_that_the_payee_opened() {
    let network = Network::start().await;
    let nodes = network.nodes::<2>().await;
    let route = Route {
        asset: Asset::NATIVE,
        opened_by: &[End::Right],
        closed_by: 0,
        ledgers_closed_by: &[(0, End::Right)],
    };
    route.run(&network, &nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_follows_left_and_right_starts_the_close() {
    let network = Network::start().await;
    let nodes = network.nodes::<3>().await;
    let route = Route {
        asset: Asset::NATIVE,
        opened_by: &[End::Left, End::Right],
        closed_by: 1,
        ledgers_closed_by: &[(1, End::Left), (0, End::Right)],
    };
    route.run(&network, &nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payee_behind_a_relay_that_opened_the_payers_ledger_starts_the_close() {
    let network = Network::start().await;
    let nodes = network.nodes::<3>().await;
    let route = Route {
        asset: Asset::NATIVE,
        opened_by: &[End::Right, End::Right],
        closed_by: 2,
        ledgers_closed_by: &[(0, End::Left), (1, End::Left)],
    };
    route.run(&network, &nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_carry_a_payment_and_the_second_one_starts_the_close() {
    let network = Network::start().await;
    let nodes = network.nodes::<4>().await;
    let route = Route {
        asset: Asset::NATIVE,
        opened_by: &[End::Right, End::Left, End::Right],
        closed_by: 2,
        ledgers_closed_by: &[(2, End::Right), (0, End::Left), (1, End::Right)],
    };
    route.run(&network, &nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_side_pays_everything_that_it_has() {
    let network = Network::start().await;
    let [alice, bob] = network.nodes().await;
    let ledger = bob.open_ledger(&alice, Asset::NATIVE, 0, ETHER).await;
    let channel = alice.open_payment(&[&bob], Asset::NATIVE, ETHER).await;
    assert_eq!(alice.ledger(ledger).await.mine, Amount::ZERO);
    alice.pay(channel, ETHER - 1).await;
    let over = alice.handle().pay(channel, amount(2), true).await;
    let Err(CallError::Refused(RequestError::Voucher(VoucherError::InsufficientFunds {
        left,
        capacity,
    }))) = over
    else {
        panic!("more than the capacity was paid: {over:?}");
    };
    assert_eq!((left, capacity), (amount(1), amount(ETHER)));
    alice.pay(channel, 1).await;

    let closing = alice.begin_close_payment(channel).await;
    bob.completed(closing).await;
    alice.completed(closing).await;
    let closing = alice.begin_close_ledger(ledger).await;
    alice.completed(closing).await;
    bob.completed(closing).await;
    assert_eq!(network.balance(Asset::NATIVE, alice.address, &alice).await, Amount::ZERO);
    assert_eq!(network.balance(Asset::NATIVE, bob.address, &bob).await, amount(ETHER));
}

#[tokio::test(flavor = "multi_thread")]
async fn vouchers_that_the_applications_carry_count_like_sent_ones() {
    let network = Network::start().await;
    let nodes = network.nodes::<3>().await;
    let [alice, irene, bob] = &nodes;
    open_ledgers(&nodes, Asset::NATIVE, &[End::Left, End::Left]).await;
    let channel = alice.open_payment(&[irene, bob], Asset::NATIVE, CAPACITY).await;

    let first = create_voucher(alice, channel, 10).await;
    let second = create_voucher(alice, channel, 5).await;
    assert_eq!((first.total, second.total), (amount(10), amount(15)));
    assert_eq!(bob.payment(channel).await.paid, Amount::ZERO, "nothing was sent");
    // The newer one covers the older one, which then adds nothing; nor does a repetition.
    assert_eq!(receive(bob, second).await, Ok((amount(15), amount(15))));
    assert_eq!(receive(bob, first).await, Ok((amount(15), Amount::ZERO)));
    assert_eq!(receive(bob, second).await, Ok((amount(15), Amount::ZERO)));
    // A voucher that was sent goes on from there.
    alice.pay(channel, 7).await;
    assert_eq!(bob.payment(channel).await.paid, amount(22));

    let raised = Voucher { total: amount(4_000), ..second };
    assert!(matches!(receive(bob, raised).await, Err(RequestError::Voucher(_))));
    let forged = Voucher { signature: Signature([0; 65]), ..second };
    assert!(matches!(receive(bob, forged).await, Err(RequestError::Voucher(_))));
    assert_eq!(receive(irene, second).await, Err(RequestError::NotPayee(channel)));
    let theirs = Request::CreateVoucher { channel, amount: amount(1) };
    let refused = bob.handle().request(theirs).await;
    assert!(
        matches!(refused, Err(CallError::Refused(RequestError::NotPayer(id))) if id == channel),
        "{refused:?}"
    );

    // One that was never handed over counts when the payer closes: it has been given away.
    create_voucher(alice, channel, 100).await;
    let closing = bob.begin_close_payment(channel).await;
    settled(&nodes, closing).await;
    for (node, other, expected) in [(alice, irene, DEPOSIT - 122), (bob, irene, DEPOSIT + 122)] {
        let Response::Ledgers(ledgers) = node.ask(Request::ListLedgers).await else {
            panic!("ledgers are listed");
        };
        assert_eq!(ledgers.len(), 1);
        assert_eq!((ledgers[0].peer, ledgers[0].mine), (other.address, amount(expected)));
    }
}

/// "Delivered" was said of payments of which the payee credited nothing, because the payer had signed
/// their totals before.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_of_the_payer_learns_what_it_has_paid() {
    let network = Network::start().await;
    let [mut alice, bob] = network.nodes::<2>().await;
    alice.open_ledger(&bob, Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    let channel = alice.open_payment(&[&bob], Asset::NATIVE, CAPACITY).await;
    alice.pay(channel, 10).await;
    let (folder, backup) = (alice.settings.data_dir.clone(), tempfile::tempdir().unwrap());
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
        assert!(copied.expect("cp runs").success());
    };
    alice.stop().await;
    copy(&folder, backup.path());
    alice.resume().await;
    alice.pay(channel, 30).await;
    alice.stop().await;
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    copy(backup.path(), &folder);
    alice.resume().await;

    // The payee is asked at the start, and shows what it has.
    alice.has_paid(channel, 40).await;
    assert_eq!(bob.payment(channel).await.paid, amount(40));
    // What was signed before is known again: the next one counts, and the channel lives on.
    alice.pay(channel, 5).await;
    assert_eq!(bob.payment(channel).await.paid, amount(45));
    let closing = alice.begin_close_payment(channel).await;
    settled(&[alice, bob], closing).await;
}

async fn create_voucher(
    payer: &TestNode,
    channel: engine::types::ChannelId,
    value: u128,
) -> Voucher {
    let request = Request::CreateVoucher { channel, amount: amount(value) };
    match payer.ask(request).await {
        Response::Voucher { voucher, delta, .. } => {
            assert_eq!(delta, amount(value));
            voucher
        }
        other => panic!("expected a voucher, got {other:?}"),
    }
}

/// The payee's total and what the voucher added.
async fn receive(payee: &TestNode, voucher: Voucher) -> Result<(Amount, Amount), RequestError> {
    let signer = voucher.signature.recover(voucher.hash()).unwrap_or_default();
    match payee.handle().request(Request::ReceiveVoucher { voucher, signer }).await {
        Ok(Response::Voucher { total, delta, .. }) => Ok((total, delta)),
        Ok(other) => panic!("expected a voucher, got {other:?}"),
        Err(CallError::Refused(reason)) => Err(reason),
        Err(stopped) => panic!("{stopped}"),
    }
}
