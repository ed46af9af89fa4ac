//! What an operator wants to know about the chain at a glance.

use std::time::SystemTime;

use engine::chain::BlockRef;
use engine::types::Amount;

/// State of the connection to the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It answers and serves the configured contracts.
    Up {
        /// Since when.
        since: SystemTime,
    },
    /// It does not; connecting is tried again and again.
    Down {
        /// Since when.
        since: SystemTime,
    },
}

impl Link {
    /// True while the endpoint answers.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

/// What the watcher sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainStatus {
    /// Connection to the endpoint.
    pub link: Link,
    /// Newest block of the endpoint, not yet confirmed.
    pub head: Option<BlockRef>,
    /// Last block that was delivered to the engine.
    pub delivered: Option<BlockRef>,
    /// Reorganisations below the last delivered block since start.
    pub reorgs: u64,
    /// The last thing that went wrong with the endpoint.
    pub last_error: Option<String>,
    /// Endpoints that contradict each other or the chain that was told, in words for the
    /// operator; none while they agree.
    pub alarm: Option<String>,
    /// Every endpoint, in the order of the settings.
    pub endpoints: Vec<EndpointStatus>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Scheme, host and port; the rest may be an access key.
    pub endpoint: String,
    /// True for the one that is asked first.
    pub leads: bool,
    /// Newest block; none while it does not answer.
    pub head: Option<BlockRef>,
    /// Why it does not answer.
    pub error: Option<String>,
}

/// What the account has for gas, and what gas costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasReport {
    /// Newest block, of which this is.
    pub block: BlockRef,
    /// Coins of the account, in wei.
    pub balance: Amount,
    /// Base fee of the block, in wei per gas.
    pub base_fee: Amount,
    /// What gas costs when nothing presses, in wei per gas: what is offered at first, and what a
    /// rollup charges for the data of a typical call, spread over its gas. More is paid only where a
    /// transaction waits or runs out.
    pub price_per_gas: Amount,
}

impl From<GasReport> for engine::chain::GasReport {
    fn from(report: GasReport) -> Self {
        Self { balance: Some(report.balance), price: report.price_per_gas }
    }
}

impl Default for ChainStatus {
    fn default() -> Self {
        Self {
            link: Link::Down { since: SystemTime::now() },
            head: None,
            delivered: None,
            reorgs: 0,
            last_error: None,
            alarm: None,
            endpoints: Vec::new(),
        }
    }
}

impl ChainStatus {
    pub(crate) fn set_up(&mut self) {
        if !self.link.is_up() {
            self.link = Link::Up { since: SystemTime::now() };
        }
    }

    pub(crate) fn set_down(&mut self, error: String) {
        if self.link.is_up() {
            self.link = Link::Down { since: SystemTime::now() };
        }
        self.last_error = Some(error);
    }
}

/// What the submitter does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallStatus {
    /// Calls without a transaction of their own yet.
    pub waiting: usize,
    /// Calls whose transaction was sent and is not confirmed yet.
    pub in_flight: usize,
    /// Why the first waiting call waits, in words for the operator.
    pub problem: Option<String>,
}

/// Everything at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What the watcher sees.
    pub chain: ChainStatus,
    /// What the submitter does.
    pub calls: CallStatus,
    /// What the account has for gas; none before the first block is seen.
    pub gas: Option<GasReport>,
}
