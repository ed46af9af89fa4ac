//! Counters of the chain service.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The count since start.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }
}

/// What the chain service has done since start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Blocks delivered to the engine, those of reorganisations included.
    pub blocks_delivered: Counter,
    /// Logs of the adjudicator that were delivered.
    pub logs_delivered: Counter,
    /// Logs of the adjudicator that do not decode and were skipped (gaps C11, C12).
    pub logs_skipped: Counter,
    /// Reorganisations that reached below the last delivered block.
    pub reorgs: Counter,
    /// Ranges that were read again because the chain changed meanwhile.
    pub ranges_repeated: Counter,
    /// Requests for logs that the endpoint refused until their range was halved.
    pub ranges_halved: Counter,
    /// Connections that were lost or could not be made.
    pub endpoint_failures: Counter,
    /// Times that an endpoint contradicted another one.
    pub contradictions: Counter,
    /// Transactions handed to the endpoint, replacements included.
    pub transactions_sent: Counter,
    /// Transactions replaced by one with a higher fee.
    pub transactions_bumped: Counter,
    /// Transactions handed to the endpoint again because it had lost them.
    pub transactions_resent: Counter,
    /// Calls that ended well.
    pub calls_succeeded: Counter,
    /// Calls that a contract refused.
    pub calls_reverted: Counter,
    /// Calls that no transaction could hold.
    pub calls_too_large: Counter,
    /// Settled calls whose transaction a reorganisation took back.
    pub calls_reopened: Counter,
}
