//! Bytes per payment: as a message, and as seen by the network.

use std::time::Duration;

use engine::crypto::LocalSigner;
use engine::types::{Asset, B256, ChannelId};
use engine::vouchers::Voucher;
use engine::wire::{Message, encode};

use crate::payments;
use crate::proxy;
use crate::report::Report;
use crate::support::{ETHER, Network, amount};

/// What the project wants, everything above TCP included.
const AIM: f64 = 24.0;

const LEVELS: [usize; 3] = [1, 64, 512];

pub(crate) async fn run(report: &mut Report) {
    report.section("bytes per payment");
    for (name, total) in [("of 1 wei", 1), ("of 1 ether", ETHER)] {
        let signer = LocalSigner::new([7; 32]).expect("a key");
        let voucher = Voucher::sign(ChannelId(B256::repeat_byte(1)), amount(total), &signer);
        let message =
            Message::Voucher { voucher, payments: vec![voucher.total], signer: Default::default() };
        report.row(&format!("message, {name}"), &format!("{} B", encode(&message).len()));
    }
    let network = Network::start().await;
    let (alice, bob) = (network.node(1, &[]).await, network.node(2, &[]).await);
    let meter = proxy::connect(&alice, &bob, Duration::ZERO).await;
    alice.open_ledger(&bob, Asset::NATIVE, 50 * ETHER, 50 * ETHER).await;
    let channel = alice.open_payment(&[&bob], Asset::NATIVE, 40 * ETHER).await;
    let mut least = f64::MAX;
    for level in LEVELS {
        let alice = alice.handle();
        let frames = || alice.p2p().metrics().frames_sent.get();
        let (bytes, sent) = (meter.bytes(), frames());
        let outcome = payments::in_process(alice.clone(), channel, level, report.window()).await;
        let payments = outcome.latencies.len() as f64;
        let each = (meter.bytes() - bytes) as f64 / payments;
        let batch = payments / (frames() - sent).max(1) as f64;
        report.row(
            &format!("both directions, acks and encryption, {level} in flight"),
            &format!("{each:.0} B ({batch:.0} payments per frame)"),
        );
        least = least.min(each);
    }
    report.aim(least <= AIM, &format!("{AIM} B per payment in a batch, got {least:.0} B"));
}
