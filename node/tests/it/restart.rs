//! Every party may stop and come back at every stage; the end is the same.

use engine::types::{Amount, Asset};

use crate::support::route::{CAPACITY, DEPOSIT, check_balances, check_ledgers, settled};
use crate::support::{Network, TestNode, amount};

/// What has just happened when somebody stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    LedgersBegin,
    LedgersOpen,
    ChannelBegins,
    Paying,
    ChannelCloses,
    LedgersClose,
}

/// Who stops: payer, relay, payee, and all of them.
const STOPPED: [&[usize]; 4] = [&[0], &[1], &[2], &[0, 1, 2]];

const ALICE: usize = 0;
const IRENE: usize = 1;
const BOB: usize = 2;

/// Runs a payment from the deposits to the payouts once for each of [`STOPPED`].
async fn restart_after(stage: Stage) {
    let network = Network::start().await;
    let mut nodes = network.nodes::<3>().await;
    for (round, stopped) in (1..).zip(STOPPED) {
        let run = Run { network: &network, stage, stopped };
        run.pay(&mut nodes).await;
        let expected = [DEPOSIT - 100, 2 * DEPOSIT, DEPOSIT + 100].map(|value| value * round);
        check_balances(&network, &nodes, Asset::NATIVE, &expected).await;
    }
}

struct Run<'a> {
    network: &'a Network,
    stage: Stage,
    stopped: &'a [usize],
}

impl Run<'_> {
    async fn at(&self, stage: Stage, nodes: &mut [TestNode]) {
        if stage != self.stage {
            return;
        }
        for index in self.stopped {
            nodes[*index].stop().await;
        }
        for index in self.stopped {
            nodes[*index].resume().await;
        }
    }

    async fn pay(&self, nodes: &mut [TestNode; 3]) {
        let asset = Asset::NATIVE;
        let left = nodes[ALICE].begin_ledger(&nodes[IRENE], asset, DEPOSIT, DEPOSIT).await;
        let right = nodes[IRENE].begin_ledger(&nodes[BOB], asset, DEPOSIT, DEPOSIT).await;
        self.at(Stage::LedgersBegin, nodes).await;
        settled(&nodes[..=IRENE], left).await;
        settled(&nodes[IRENE..], right).await;
        self.at(Stage::LedgersOpen, nodes).await;

        let path = [&nodes[IRENE], &nodes[BOB]];
        let opening = nodes[ALICE].begin_payment(&path, asset, CAPACITY).await;
        self.at(Stage::ChannelBegins, nodes).await;
        settled(nodes, opening).await;
        let channel = opening.channel();
        for _ in 0..5 {
            nodes[ALICE].pay(channel, 10).await;
        }
        self.at(Stage::Paying, nodes).await;
        for _ in 0..5 {
            nodes[ALICE].pay(channel, 10).await;
        }
        assert_eq!(nodes[ALICE].payment(channel).await.paid, amount(100));
        assert_eq!(nodes[BOB].payment(channel).await.paid, amount(100));

        let closing = nodes[ALICE].begin_close_payment(channel).await;
        self.at(Stage::ChannelCloses, nodes).await;
        settled(nodes, closing).await;
        let ledgers = [left.channel(), right.channel()];
        check_ledgers(nodes, &ledgers, 100).await;

        let left = nodes[ALICE].begin_close_ledger(ledgers[0]).await;
        let right = nodes[BOB].begin_close_ledger(ledgers[1]).await;
        self.at(Stage::LedgersClose, nodes).await;
        settled(&nodes[..=IRENE], left).await;
        settled(&nodes[IRENE..], right).await;
        for ledger in ledgers {
            assert_eq!(self.network.holdings(asset, ledger, &nodes[ALICE]).await, Amount::ZERO);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_the_ledgers_began_to_open_changes_nothing() {
    restart_after(Stage::LedgersBegin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_the_ledgers_opened_changes_nothing() {
    restart_after(Stage::LedgersOpen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_the_payment_channel_began_to_open_changes_nothing() {
    restart_after(Stage::ChannelBegins).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_before_and_after_a_restart_count() {
    restart_after(Stage::Paying).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_the_payment_channel_began_to_close_changes_nothing() {
    restart_after(Stage::ChannelCloses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_after_the_ledgers_began_to_close_changes_nothing() {
    restart_after(Stage::LedgersClose).await;
}
