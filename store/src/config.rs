//! What an operator can set.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of disk blocks kept in memory. The working set is in the engine's memory, so only
    /// history queries read blocks.
    pub cache_bytes: u64,
    /// Bytes of new rows per keyspace that are gathered before they are sorted into a file. Larger
    /// ones make long stalls when they are written out.
    pub memtable_bytes: u64,
    /// Bytes of journal that are kept at most; what start-up has to replay. At least 64 MiB.
    pub journal_bytes: u64,
    /// Where the witness of the newest commit is kept; `commits` inside the store's folder by
    /// default. On another disk, or outside of what is backed up, it also notices that the whole
    /// folder was replaced by an older copy.
    pub witness: Option<PathBuf>,
    /// The witness is synced at least every so many commits.
    pub witness_commits: u32,
    /// The witness is synced by the first commit after so many milliseconds.
    pub witness_millis: u64,
    /// What to do when the database is behind its witness.
    pub rollback: Rollback,
}

/// What to do when the database is behind its witness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rollback {
    /// Do not open.
    #[default]
    Refuse,
    /// Go on from the older state. Whoever sets this has made sure that no peer holds newer ones.
    Accept,
}

impl Config {
    /// Enough for the index blocks of a large archive.
    const CACHE_BYTES: u64 = 32 << 20;
    /// Between 8 and 16 MiB stalls stay short and files few.
    const MEMTABLE_BYTES: u64 = 8 << 20;
    /// Replayed in well under a second.
    const JOURNAL_BYTES: u64 = 128 << 20;
    /// One more sync per 256 is lost in the noise of the commits' own.
    const WITNESS_COMMITS: u32 = 256;
    /// A slow disk makes less than 256 commits in a second.
    const WITNESS_MILLIS: u64 = 1_000;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_bytes: Self::CACHE_BYTES,
            memtable_bytes: Self::MEMTABLE_BYTES,
            journal_bytes: Self::JOURNAL_BYTES,
            witness: None,
            witness_commits: Self::WITNESS_COMMITS,
            witness_millis: Self::WITNESS_MILLIS,
            rollback: Rollback::Refuse,
        }
    }
}
