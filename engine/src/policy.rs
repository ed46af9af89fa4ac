//! What this node agrees to when a peer asks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::types::{Amount, Asset, U256};

/// What enforcing takes, in gas, with little room: a test of `chain` measures it with the compiled
/// contracts, by the rules of Ethereum since Prague. Payees that are contracts may take more.
pub mod gas {
    /// Challenge of a ledger, or an answer to one.
    pub const LEDGER: u64 = 100_000;
    /// Challenge of a payment channel with a voucher, and the reclaim of its guarantee; with what
    /// the guarantee adds to the calls for its ledger.
    pub const PAYMENT: u64 = 210_000;
    /// Payout of a ledger.
    pub const SETTLE: u64 = 120_000;
    /// Claim of what the adjudicator could not pay out.
    pub const CLAIM: u64 = 100_000;
    /// What a claim that nobody asked for may take at most: a token that takes more to pay may be made
    /// to burn gas.
    pub const MOST_CLAIM: u64 = 400_000;
    /// More for each guarantee in a ledger that is challenged.
    const LISTED: u64 = 5_200;
    /// More for each guarantee in a ledger that is settled.
    const CARRIED: u64 = 3_500;
    /// More for each guarantee that a settlement reclaims.
    const RECLAIM: u64 = 19_500;
    /// Least that a settlement is charged for its calldata, which is more than what it executes
    /// when it reclaims few of many guarantees: for itself, each guarantee and each reclaim.
    const CALLDATA: [u64; 3] = [40_000, 5_300, 12_500];
    /// What one transaction may use: Ethereum allows 16,777,216 since EIP-7825.
    const AT_ONCE: u64 = 12_000_000;
    /// Calldata of a settlement: for itself, each guarantee and each reclaim.
    const BYTES: [usize; 3] = [900, 260, 900];
    /// What one transaction may carry: nodes of Ethereum pass on 128 KiB, signature included.
    const BYTES_AT_ONCE: usize = 120_000;

    /// Challenge of a ledger with so many guarantees.
    #[must_use]
    pub fn challenge(guarantees: usize) -> u64 {
        LEDGER.saturating_add(times(guarantees, LISTED))
    }

    /// One settlement of a ledger with so many guarantees that reclaims some of them.
    #[must_use]
    pub fn settle(guarantees: usize, reclaims: usize) -> u64 {
        let sum = |[base, carried, reclaim]: [u64; 3]| {
            base.saturating_add(times(guarantees, carried)).saturating_add(times(reclaims, reclaim))
        };
        sum([SETTLE, CARRIED, RECLAIM]).max(sum(CALLDATA))
    }

    /// Calldata of one settlement of a ledger with so many guarantees that reclaims some of them.
    #[must_use]
    pub fn settle_bytes(guarantees: usize, reclaims: usize) -> usize {
        let [base, listed, reclaim] = BYTES;
        base.saturating_add(guarantees.saturating_mul(listed))
            .saturating_add(reclaims.saturating_mul(reclaim))
    }

    /// Guarantees that fit into one settlement.
    #[must_use]
    pub fn reclaims_at_once(guarantees: usize) -> usize {
        let gas = AT_ONCE.saturating_sub(settle(guarantees, 0)).checked_div(RECLAIM);
        let gas = usize::try_from(gas.unwrap_or_default()).unwrap_or(usize::MAX);
        let [.., reclaim] = BYTES;
        let bytes = BYTES_AT_ONCE.saturating_sub(settle_bytes(guarantees, 0)).checked_div(reclaim);
        gas.min(bytes.unwrap_or_default()).max(1)
    }

    /// All settlements that it takes to reclaim so many, some at once.
    #[must_use]
    pub fn settle_all(guarantees: usize, reclaims: usize, at_once: usize) -> u64 {
        let calls = reclaims.div_ceil(at_once.max(1)).max(1);
        times(calls, settle(guarantees, 0)).saturating_add(times(reclaims, RECLAIM))
    }

    fn times(count: usize, gas: u64) -> u64 {
        u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(gas)
    }
}

/// How a stale challenge of an open ledger is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StaleAnswer {
    /// By a newer challenge: whoever shows an old state has lost its records or cheats, so the
    /// ledger ends, with its newest state, and no second answer is ever needed.
    #[default]
    Exit,
    /// By a checkpoint: the ledger and its payment channels live on. For owners who trust the peer
    /// and know that it lost its records.
    Checkpoint,
}

/// Bounds on everything that others may ask for, and on what the user may ask by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Shortest challenge duration in seconds. Too short, and nobody can answer in time: zero
    /// would make any stale state final at once (gap S9, threat A2).
    pub min_challenge_duration: u32,
    /// Longest challenge duration in seconds. Too long, and a silent peer locks funds for ever.
    pub max_challenge_duration: u32,
    /// Most that this node deposits, per asset, in a ledger that a peer opens. An asset that is
    /// not listed is deposited only by the user's own request.
    pub max_peer_deposit: BTreeMap<Asset, Amount>,
    /// Participants of a payment channel, payer and payee included. Signatures are checked and
    /// stored for each.
    pub max_participants: usize,
    /// Guarantees in one ledger. Each costs calldata in a challenge, so an unbounded ledger
    /// could not be enforced.
    pub max_guarantees: usize,
    /// Ledgers that peers may have half open at this node (threat D5).
    pub max_opening_ledgers: usize,
    /// Ledgers that one peer may have half open at this node.
    pub max_opening_ledgers_per_peer: usize,
    /// Payment channels that may be waiting for funds at this node (threat D6). A quarter of it is
    /// kept for the owner's own requests.
    pub max_funding_payments: usize,
    /// Payment channels that may be waiting for funds over one ledger because its peer asks.
    pub max_funding_payments_per_ledger: usize,
    /// Least capacity of a payment channel, per asset: what is smaller is dust that fills ledgers.
    /// For the chain's coin, see also [`Policy::min_capacity_percent`].
    pub min_capacity: BTreeMap<Asset, Amount>,
    /// Least capacity of a payment channel of the chain's coin, in percent of what enforcing it
    /// costs at the present price of gas. Counts when [`Policy::min_capacity`] names no amount, and
    /// only over a ledger with [`Policy::max_dust`] payment channels or more.
    pub min_capacity_percent: u32,
    /// Payment channels over one ledger among which there may be dust: so many cost little to carry
    /// along, and let people try things out.
    pub max_dust: usize,
    /// Refusals that are remembered, half of them at most for peers without a ledger.
    pub max_answers: usize,
    /// Refusals that are remembered for one peer with a ledger.
    pub max_answers_per_peer: usize,
    /// Refusals that are remembered for one peer without a ledger.
    pub max_answers_per_stranger: usize,
    /// Messages that may wait for one peer; more are refused at the request.
    pub max_backlog: u64,
    /// Peers without a ledger for whom messages may wait: the far participants of payment channels.
    pub max_strangers: usize,
    /// Messages that may wait for one of them when others ask for more.
    pub max_stranger_backlog: u64,
    /// From the request to open a ledger until it is declined.
    pub ledger_funding_timeout: Duration,
    /// From a peer's request to open a ledger until it is forgotten, if nobody deposits.
    pub ledger_deposit_timeout: Duration,
    /// From the request to open a payment channel until it is declined.
    pub payment_funding_timeout: Duration,
    /// From the request to close until it is reported as not answered.
    pub closing_timeout: Duration,
    /// How long participant 1 leaves the withdrawal to participant 0 (gap S17).
    pub withdrawal_delay: Duration,
    /// How long peers may leave a closing or an unwinding unfinished before the channel is
    /// enforced on chain.
    pub patience: Duration,
    /// How a stale challenge of an open ledger is answered.
    pub stale_answer: StaleAnswer,
    /// Amounts, per asset, that are not worth a transaction. The chain's coin is besides compared
    /// with what the gas costs.
    pub dust: BTreeMap<Asset, Amount>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            // An hour leaves room for a fee spike and a restart of the machine.
            min_challenge_duration: 3_600,
            // Thirty days.
            max_challenge_duration: 2_592_000,
            max_peer_deposit: BTreeMap::new(),
            max_participants: 10,
            max_guarantees: 200,
            max_opening_ledgers: 1_000,
            max_opening_ledgers_per_peer: 4,
            max_funding_payments: 10_000,
            max_funding_payments_per_ledger: 1_000,
            min_capacity: BTreeMap::new(),
            min_capacity_percent: 100,
            max_dust: 64,
            // 150 bytes each.
            max_answers: 20_000,
            max_answers_per_peer: 1_000,
            max_answers_per_stranger: 16,
            max_backlog: 100_000,
            max_strangers: 4_096,
            max_stranger_backlog: 64,
            // Deposits wait for blocks, confirmations and sometimes for a person.
            ledger_funding_timeout: Duration::from_secs(3_600),
            // A deposit that is sent at once is confirmed by then.
            ledger_deposit_timeout: Duration::from_secs(600),
            payment_funding_timeout: Duration::from_secs(60),
            closing_timeout: Duration::from_secs(600),
            withdrawal_delay: Duration::from_secs(60),
            // A machine that is off for a night is no reason to pay for two transactions.
            patience: Duration::from_secs(86_400),
            stale_answer: StaleAnswer::Exit,
            dust: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// True when a challenge of that many seconds is neither too short nor too long.
    #[must_use]
    pub fn allows_challenge_duration(&self, seconds: u32) -> bool {
        (self.min_challenge_duration..=self.max_challenge_duration).contains(&seconds)
    }

    /// True when enforcing `amount` saves more than `cost`, which is in the chain's coin.
    #[must_use]
    pub fn is_worth(&self, asset: Asset, amount: Amount, cost: Amount) -> bool {
        !self.is_dust(asset, amount) && (!asset.is_native() || amount > cost)
    }

    /// True when `amount` is never worth a transaction, whatever gas costs.
    #[must_use]
    pub fn is_dust(&self, asset: Asset, amount: Amount) -> bool {
        amount <= self.dust.get(&asset).copied().unwrap_or_default()
    }

    /// True for assets whose worth the owner has said anything about, and for the chain's coin. A
    /// token that nobody here knows may be a stranger's own, and worth no gas.
    #[must_use]
    pub fn knows(&self, asset: Asset) -> bool {
        asset.is_native()
            || self.max_peer_deposit.contains_key(&asset)
            || self.dust.contains_key(&asset)
            || self.min_capacity.contains_key(&asset)
    }

    /// The chain's coin and every token that the owner has said anything about.
    #[must_use]
    pub fn assets(&self) -> BTreeSet<Asset> {
        let named = self.max_peer_deposit.keys().chain(self.dust.keys());
        let named = named.chain(self.min_capacity.keys()).copied();
        named.chain([Asset::NATIVE]).collect()
    }

    /// Least capacity of a payment channel, where enforcing one costs `cost` of the chain's coin and
    /// a ledger under it carries `beside` others.
    #[must_use]
    pub fn least_capacity(&self, asset: Asset, cost: Amount, beside: usize) -> Amount {
        let derived = || {
            let percent = cost.saturating_mul(u64::from(self.min_capacity_percent));
            percent.to_u256().checked_div(U256::from(100)).map(Amount::from).unwrap_or_default()
        };
        let named = self.min_capacity.get(&asset).copied();
        let counts = asset.is_native() && beside >= self.max_dust;
        named.unwrap_or_else(|| if counts { derived() } else { Amount::ZERO })
    }

    /// How long a refusal is remembered: longer than an opening can last at anybody of this policy.
    #[must_use]
    pub fn answer_memory(&self) -> Duration {
        self.ledger_funding_timeout.max(self.payment_funding_timeout).saturating_mul(2)
    }

    /// How long messages wait for a peer with whom nothing is shared any more. Until their patience
    /// is over, others may go on where they are.
    #[must_use]
    pub const fn stranger_patience(&self) -> Duration {
        self.patience.saturating_mul(2)
    }

    pub(crate) const fn share_of_peers(all: usize) -> usize {
        all.saturating_sub(all / 4)
    }

    /// True when this node deposits `amount` because a peer asks.
    #[must_use]
    pub fn allows_peer_deposit(&self, asset: Asset, amount: Amount) -> bool {
        amount.is_zero() || self.max_peer_deposit.get(&asset).is_some_and(|max| amount <= *max)
    }
}
