//! A side table for the chain submitter, whose records the engine does not know.

use std::sync::Arc;

use crate::codec;
use crate::error::StoreError;
use crate::keys::{self, Key, Table};
use crate::shared::Shared;
use crate::turn::Turn;

/// Records of sent transactions under the ids of their calls; what is in them is the submitter's.
/// Cheap to clone, and usable beside commits of the engine.
#[derive(Clone)]
pub struct TransactionTable(Arc<Shared>);

impl TransactionTable {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// All records by ascending id.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn load(&self) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        const TABLE: Table = Table::Transactions;
        let read = |guard| {
            let (key, value) = self.0.row(TABLE, guard)?;
            let id = keys::number(&key).ok_or_else(|| self.0.misplaced(TABLE))?;
            let record =
                codec::decode_bytes(&value).map_err(|error| self.0.unreadable(TABLE, error))?;
            Ok((id, record.to_vec()))
        };
        self.0.tables.of(TABLE).iter().map(read).collect()
    }

    /// Sets a record; durable when this returns.
    ///
    /// # Errors
    /// When durability is not certain.
    pub fn put(&self, id: u64, record: &[u8]) -> Result<(), StoreError> {
        let mut turn = Turn::begin(&self.0, 1)?;
        turn.set(Table::Transactions, &Key::number(id), |buffer| {
            codec::encode_bytes(record, buffer)
        })?;
        turn.commit()
    }

    /// Removes a record, if it is there; durable when this returns.
    ///
    /// # Errors
    /// When durability is not certain.
    pub fn remove(&self, id: u64) -> Result<(), StoreError> {
        let mut turn = Turn::begin(&self.0, 1)?;
        turn.remove(Table::Transactions, &Key::number(id));
        turn.commit()
    }
}
