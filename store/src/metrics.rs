//! What a store counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the store was opened.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Batches made durable, those of the transaction table included.
    pub commits: AtomicU64,
    /// Rows set or removed.
    pub rows: AtomicU64,
    /// Bytes of keys and values in those rows.
    pub bytes: AtomicU64,
    /// Time spent in commits, in nanoseconds: encoding, writing and syncing.
    pub commit_nanos: AtomicU64,
    /// Longest commit, in nanoseconds.
    pub commit_nanos_max: AtomicU64,
    /// Times the witness file was synced.
    pub witness_syncs: AtomicU64,
}

impl Metrics {
    pub(crate) fn committed(&self, rows: u64, bytes: u64, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.commit_nanos.fetch_add(nanos, Ordering::Relaxed);
        self.commit_nanos_max.fetch_max(nanos, Ordering::Relaxed);
    }

    pub(crate) fn witness_synced(&self) {
        self.witness_syncs.fetch_add(1, Ordering::Relaxed);
    }
}
