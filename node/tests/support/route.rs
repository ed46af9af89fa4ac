//! A payment along a line of nodes, from the deposits to the last payout.

use engine::types::{Amount, Asset, ChannelId, ObjectiveId};

use super::{Network, TestNode, amount};

/// What each side puts into each ledger.
pub const DEPOSIT: u128 = 10_000;
/// What the payment channel can carry.
pub const CAPACITY: u128 = 5_000;

/// A neighbour in a line: nearer to the payer, or nearer to the payee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Left,
    Right,
}

impl End {
    /// The neighbour at this end of ledger number `ledger`, then the other one.
    pub fn of(self, nodes: &[TestNode], ledger: usize) -> [&TestNode; 2] {
        let (left, right) = (&nodes[ledger], &nodes[ledger + 1]);
        match self {
            Self::Left => [left, right],
            Self::Right => [right, left],
        }
    }
}

/// Who does what.
pub struct Route<'a> {
    pub asset: Asset,
    /// Who opens each ledger, the payer's ledger first.
    pub opened_by: &'a [End],
    /// Which node asks to close the payment channel.
    pub closed_by: usize,
    /// Which ledgers are closed, one after another, and by whom.
    pub ledgers_closed_by: &'a [(usize, End)],
}

impl Route<'_> {
    /// Pays 140 in 20 parts from the first node to the last and closes everything.
    pub async fn run(&self, network: &Network, nodes: &[TestNode]) {
        let ledgers = open_ledgers(nodes, self.asset, self.opened_by).await;
        let path: Vec<&TestNode> = nodes[1..].iter().collect();
        let channel = nodes[0].open_payment(&path, self.asset, CAPACITY).await;
        for _ in 0..20 {
            nodes[0].pay(channel, 7).await;
        }
        assert_eq!(nodes[0].payment(channel).await.paid, amount(140));
        assert_eq!(nodes[nodes.len() - 1].payment(channel).await.paid, amount(140));
        let locked = nodes[0].ledger(ledgers[0]).await.locked;
        assert_eq!(locked, amount(CAPACITY));

        let closing = nodes[self.closed_by].begin_close_payment(channel).await;
        settled(nodes, closing).await;
        check_ledgers(nodes, &ledgers, 140).await;
        for (ledger, end) in self.ledgers_closed_by {
            let [closer, other] = end.of(nodes, *ledger);
            let closing = closer.begin_close_ledger(ledgers[*ledger]).await;
            closer.completed(closing).await;
            other.completed(closing).await;
        }
        check_payouts(network, nodes, self.asset, &ledgers, 140).await;
    }
}

/// Opens a ledger between neighbours, all at the same time.
pub async fn open_ledgers(nodes: &[TestNode], asset: Asset, opened_by: &[End]) -> Vec<ChannelId> {
    let mut opening = Vec::new();
    for (ledger, end) in opened_by.iter().enumerate() {
        let [opener, other] = end.of(nodes, ledger);
        let id = opener.begin_ledger(other, asset, DEPOSIT, DEPOSIT).await;
        opening.push((id, opener, other));
    }
    let mut ledgers = Vec::new();
    for (id, opener, other) in opening {
        opener.completed(id).await;
        other.completed(id).await;
        ledgers.push(id.channel());
    }
    ledgers
}

/// Every node is through with the objective.
pub async fn settled(nodes: &[TestNode], id: ObjectiveId) {
    for node in nodes {
        node.completed(id).await;
    }
}

/// Both sides of every ledger agree that `paid` went from the left to the right.
pub async fn check_ledgers(nodes: &[TestNode], ledgers: &[ChannelId], paid: u128) {
    for (index, ledger) in ledgers.iter().enumerate() {
        let (left, right) =
            (nodes[index].ledger(*ledger).await, nodes[index + 1].ledger(*ledger).await);
        let expected = (amount(DEPOSIT - paid), amount(DEPOSIT + paid), Amount::ZERO);
        assert_eq!((left.mine, left.theirs, left.locked), expected, "ledger {index}, left side");
        assert_eq!(
            (right.theirs, right.mine, right.locked),
            expected,
            "ledger {index}, right side"
        );
        assert_eq!(left.turn, right.turn, "ledger {index}");
    }
}

/// Everyone has got on chain what is theirs, and nothing is left behind.
pub async fn check_payouts(
    network: &Network,
    nodes: &[TestNode],
    asset: Asset,
    ledgers: &[ChannelId],
    paid: u128,
) {
    let mut expected = vec![2 * DEPOSIT; nodes.len()];
    expected[0] = DEPOSIT - paid;
    expected[nodes.len() - 1] = DEPOSIT + paid;
    check_balances(network, nodes, asset, &expected).await;
    for ledger in ledgers {
        assert_eq!(network.holdings(asset, *ledger, &nodes[0]).await, Amount::ZERO);
    }
    let adjudicator = network.deployed.deployment.adjudicator;
    assert_eq!(network.balance(asset, adjudicator, &nodes[0]).await, Amount::ZERO);
}

/// What each node has got on chain.
pub async fn check_balances(
    network: &Network,
    nodes: &[TestNode],
    asset: Asset,
    expected: &[u128],
) {
    assert_eq!(nodes.len(), expected.len());
    for (index, (node, expected)) in nodes.iter().zip(expected).enumerate() {
        let balance = network.balance(asset, node.address, node).await;
        assert_eq!(balance, amount(*expected), "payout of node {index}");
    }
}
