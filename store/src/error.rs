//! Why a store does not open, or may not be used any longer.

use std::error::Error;
use std::io;
use std::path::PathBuf;

/// A store failed. Every variant is fatal: the texts are for the operator who must act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the folder open.
    #[error("{} is in use: another node runs on it; stop that one, or give this one a folder of its own", path.display())]
    Locked {
        /// The store's folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// The database is behind what it had committed. Nothing may be signed on top of it: a newer
    /// state with the same turn number may be in a peer's hands.
    #[error(
        "{} is rolled back: it ends at commit {found}, but commit {witnessed} was witnessed. \
         Restore a newer copy of the folder. If there is none, have every peer send or enforce \
         its newest states first, and then accept the loss by starting once with --set \
         store.rollback=accept. Nothing was changed; what is there is kept then, too",
        path.display()
    )]
    RolledBack {
        /// The database's folder.
        path: PathBuf,
        /// Newest commit in the database.
        found: u64,
        /// Newest commit that the witness file tells of.
        witnessed: u64,
    },
    /// The witness file is gone, so that nobody can say whether the database is the newest.
    #[error(
        "{} is missing, so a rollback of the store cannot be ruled out: put it back, or start once \
         with --set store.rollback=accept",
        path.display()
    )]
    WitnessMissing {
        /// Where the file should be.
        path: PathBuf,
    },
    /// Rows are lost or came back, although the newest commit is there.
    #[error(
        "{} has lost part of its rows: {found} rows are there, {expected} were committed, and \
         their sums differ. Restore a copy of the folder; nothing was changed in this one",
        path.display()
    )]
    Incomplete {
        /// The database's folder.
        path: PathBuf,
        /// Rows that are there.
        found: u64,
        /// Rows that were committed.
        expected: u64,
    },
    /// Bytes on disk are not what was written.
    #[error("{what} of {} is damaged: {reason}. Restore a copy of the folder; nothing was changed in this one", path.display())]
    Damaged {
        /// Which part: a file, a keyspace or a row.
        what: String,
        /// The store's folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version of the node wrote the folder.
    #[error(
        "{} has format {found}, this version knows formats up to {known}: run the version that \
         wrote it, or a newer one",
        path.display()
    )]
    NewerFormat {
        /// The store's folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Newest format known here.
        known: u32,
    },
    /// A version from before the first release wrote the folder.
    #[error(
        "{} was written by a version from before the first release: close its channels with that \
         version, then begin with a new folder",
        path.display()
    )]
    UnreleasedFormat {
        /// The store's folder.
        path: PathBuf,
    },
    /// The records are of another node, or about other contracts.
    #[error(
        "{} holds the records of another node or of other contracts: {differences}. Nothing was \
         changed. Use the keys and the configuration that belong to it, or give this node a folder \
         of its own (--data-dir)",
        path.display()
    )]
    Foreign {
        /// The store's folder.
        path: PathBuf,
        /// What is different: as recorded, and as configured.
        differences: String,
    },
    /// A row that cannot be encoded, or would be refused when it is read.
    #[error("row of {table} does not encode: {reason}")]
    Encode {
        /// The keyspace.
        table: &'static str,
        /// Why.
        reason: String,
    },
    /// The database failed underneath.
    #[error("{doing} {}", path.display())]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The database's folder.
        path: PathBuf,
        /// Its answer.
        source: Box<fjall::Error>,
    },
    /// An earlier commit failed, so that memory and disk may differ.
    #[error("an earlier commit failed: restart the node")]
    Failed,
}

impl StoreError {
    /// The error with what led to it.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(reason) = cause {
            text = format!("{text}: {reason}");
            cause = reason.source();
        }
        text
    }
}

impl From<StoreError> for engine::ports::StoreError {
    fn from(error: StoreError) -> Self {
        // The port's error prints one text.
        Self::new(error.report())
    }
}
