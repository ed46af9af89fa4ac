//! The chain submitter's durable records, kept in the node's store.

use chain::{Journal, JournalError};
use engine::types::CallId;
use store::TransactionTable;

/// Adapts the store's side table.
pub(crate) struct StoreJournal(pub(crate) TransactionTable);

impl Journal for StoreJournal {
    fn load(&self) -> Result<Vec<(CallId, Vec<u8>)>, JournalError> {
        let rows = self.0.load().map_err(refuse)?;
        Ok(rows.into_iter().map(|(id, record)| (CallId(id), record)).collect())
    }

    fn put(&self, call: CallId, record: &[u8]) -> Result<(), JournalError> {
        self.0.put(call.0, record).map_err(refuse)
    }

    fn remove(&self, call: CallId) -> Result<(), JournalError> {
        self.0.remove(call.0).map_err(refuse)
    }
}

fn refuse(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> JournalError {
    JournalError::Store(error.into())
}
