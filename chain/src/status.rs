//! What an operator wants to know about the chain at a glance.

use std::time::SystemTime;

use engine::chain::BlockRef;

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
}

impl Default for ChainStatus {
    fn default() -> Self {
        Self {
            link: Link::Down { since: SystemTime::now() },
            head: None,
            delivered: None,
            reorgs: 0,
            last_error: None,
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
}
