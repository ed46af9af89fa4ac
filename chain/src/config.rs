//! What the chain service needs to know, with defaults and their reasons.

use std::fmt;
use std::time::Duration;

use engine::state::Deployment;

/// Deeper than any reorganisation of Ethereum since proof of stake. Zero is for development
/// chains only: every block counts at once.
pub const DEFAULT_CONFIRMATIONS: u64 = 6;

/// Most public providers serve two thousand blocks per `eth_getLogs`; the watcher halves the
/// range by itself where one serves less (gap C16).
pub const DEFAULT_MAX_RANGE: u64 = 2_000;

/// A third of a block time on Ethereum.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(4);

/// 200 gwei. Above it a transaction waits, and the operator reads why in the status.
pub const DEFAULT_MAX_FEE_PER_GAS: u128 = 200_000_000_000;

/// Nodes refuse a replacement that pays less than 10 % more; the rest is margin for rounding.
pub const DEFAULT_BUMP_PERCENT: u32 = 15;

/// Five blocks of Ethereum. A transaction that pays enough is mined sooner.
pub const DEFAULT_BUMP_AFTER: Duration = Duration::from_secs(60);

/// 1000 gwei, five times the ordinary bound: a challenge that is answered too late costs what the
/// channel holds.
pub const DEFAULT_DEADLINE_MAX_FEE_PER_GAS: u128 = 1_000_000_000_000;

/// Fifty blocks of Ethereum: time for a transaction that offers everything to outlast a crowd.
pub const DEFAULT_DEADLINE_MARGIN: Duration = Duration::from_secs(600);

/// A minute of Ethereum: further behind the others an endpoint is of no use.
pub const DEFAULT_MAX_LAG: u64 = 5;

/// Ten blocks of Ethereum. An endpoint that shows the same head for so long while others move on has
/// lost the chain, and must not stop the node. Before that it counts as one that could contradict.
pub const DEFAULT_STALL_AFTER: Duration = Duration::from_secs(120);

/// A majority of the endpoints that answer, and the only one that does goes on alone.
pub const DEFAULT_QUORUM: usize = 1;

/// Everything the chain service is told at start.
#[derive(Clone)]
pub struct ChainConfig {
    /// RPC endpoint: `http(s)://` is polled, `ws(s)://` is subscribed to new heads and polled.
    pub endpoint: String,
    /// Endpoints that take over in this order, and that must confirm what is told to the engine.
    pub more_endpoints: Vec<String>,
    /// Endpoints that must agree on a block, even where fewer answer. Always a majority of those
    /// that answer; 2 or more stops the node rather than trust a single endpoint.
    pub quorum: usize,
    /// Blocks that the endpoint in use may be behind the others.
    pub max_lag: u64,
    /// How long an endpoint that answers may show the same head while others move on, before the
    /// others go on without it. One that does not answer is waited for for some seconds only, unless
    /// `quorum` demands it.
    pub stall_after: Duration,
    /// Chain id and contract addresses; start-up refuses an endpoint that disagrees.
    pub deployment: Deployment,
    /// Blocks on top of a block before it is delivered, and before a call counts as settled.
    pub confirmations: u64,
    /// First block to read when there is no cursor: the block of the adjudicator's deployment.
    pub start_block: u64,
    /// Most blocks in one request for logs.
    pub max_range: u64,
    /// Time between two looks at the head.
    pub poll_interval: Duration,
    /// What a transaction may cost, and when it is replaced.
    pub fees: FeeBounds,
    /// What a call that runs out may cost, and by when it offers that.
    pub deadlines: DeadlineBounds,
    /// Key of the account that pays and sends.
    pub key: AccountKey,
    /// Key of the channel account, which sends on what it is paid and pays for that; none where it is
    /// the same.
    pub channel_key: Option<AccountKey>,
}

impl ChainConfig {
    /// A configuration with defaults for everything that has one.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, deployment: Deployment, key: AccountKey) -> Self {
        Self {
            endpoint: endpoint.into(),
            more_endpoints: Vec::new(),
            quorum: DEFAULT_QUORUM,
            max_lag: DEFAULT_MAX_LAG,
            stall_after: DEFAULT_STALL_AFTER,
            deployment,
            confirmations: DEFAULT_CONFIRMATIONS,
            start_block: 0,
            max_range: DEFAULT_MAX_RANGE,
            poll_interval: DEFAULT_POLL_INTERVAL,
            fees: FeeBounds::default(),
            deadlines: DeadlineBounds::default(),
            key,
            channel_key: None,
        }
    }

    /// Adds endpoints that take over in this order, and that are asked whether the one in use
    /// tells the truth.
    #[must_use]
    pub fn with_endpoints<E: Into<String>>(mut self, more: impl IntoIterator<Item = E>) -> Self {
        self.more_endpoints.extend(more.into_iter().map(Into::into));
        self
    }

    /// All endpoints, the preferred one first.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.endpoint).chain(&self.more_endpoints).map(String::as_str)
    }
}

/// Without the endpoints, which may hold access keys.
impl fmt::Debug for ChainConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainConfig")
            .field("deployment", &self.deployment)
            .field("confirmations", &self.confirmations)
            .field("start_block", &self.start_block)
            .finish_non_exhaustive()
    }
}

/// Bounds of the fees that the submitter offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeBounds {
    /// Most wei per gas that is ever offered.
    pub max_fee_per_gas: u128,
    /// How much more a replacement pays, in per cent; below 10 nodes refuse it.
    pub bump_percent: u32,
    /// How long a transaction may wait before it is replaced.
    pub bump_after: Duration,
}

impl Default for FeeBounds {
    fn default() -> Self {
        Self {
            max_fee_per_gas: DEFAULT_MAX_FEE_PER_GAS,
            bump_percent: DEFAULT_BUMP_PERCENT,
            bump_after: DEFAULT_BUMP_AFTER,
        }
    }
}

/// Bounds of the fees of a call with a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadlineBounds {
    /// Most wei per gas that is ever offered; below the ordinary bound that one counts.
    pub max_fee_per_gas: u128,
    /// How long before the deadline everything is offered, where there is so much time: sooner
    /// when half of what was left is gone sooner, and not before a quarter of it is.
    pub margin: Duration,
}

impl Default for DeadlineBounds {
    fn default() -> Self {
        Self { max_fee_per_gas: DEFAULT_DEADLINE_MAX_FEE_PER_GAS, margin: DEFAULT_DEADLINE_MARGIN }
    }
}

/// Secret key of the chain account. Never printed.
#[derive(Clone)]
pub struct AccountKey([u8; 32]);

impl AccountKey {
    /// Takes the 32 bytes of a secp256k1 key; they are checked when they are first used.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(secret)")
    }
}
