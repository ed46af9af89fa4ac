//! One atomic, synced batch over all keyspaces.

use std::sync::MutexGuard;
use std::time::Instant;

use fjall::{OwnedWriteBatch, PersistMode};

use crate::codec::{self, CodecError};
use crate::db::describe;
use crate::error::StoreError;
use crate::keys::{Key, TALLY, Table};
use crate::shared::{Shared, Writer};

/// A batch in the making. Dropped before [`Turn::commit`], it leaves a store that refuses all
/// further writes.
pub(crate) struct Turn<'a> {
    shared: &'a Shared,
    writer: MutexGuard<'a, Writer>,
    batch: OwnedWriteBatch,
    rows: u64,
    bytes: usize,
    began: Instant,
}

impl<'a> Turn<'a> {
    pub(crate) fn begin(shared: &'a Shared, rows: usize) -> Result<Self, StoreError> {
        let began = Instant::now();
        let mut writer = shared.writer()?;
        writer.in_turn = true;
        let capacity = rows.saturating_add(1);
        let batch = OwnedWriteBatch::with_capacity(shared.db.clone(), capacity)
            .durability(Some(PersistMode::SyncAll));
        Ok(Self { shared, writer, batch, rows: 0, bytes: 0, began })
    }

    /// Sets a row to what `encode` writes into the buffer that it is given.
    pub(crate) fn set(
        &mut self,
        table: Table,
        key: &Key,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<(), StoreError> {
        let mut buffer = std::mem::take(&mut self.writer.buffer);
        encode(&mut buffer).map_err(|error| StoreError::Encode {
            table: table.name(),
            reason: error.to_string(),
        })?;
        if table.is_archive() {
            self.archive(table, key.as_slice(), &buffer)?;
        } else {
            self.set_raw(table, key.as_slice(), &buffer);
        }
        self.writer.buffer = buffer;
        Ok(())
    }

    /// Sets a live row to bytes.
    pub(crate) fn set_raw(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.writer.sums.set(table, key, value);
        self.insert(table, key, value);
    }

    fn archive(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        // The same row can come once more: a run that was declined may be repeated.
        if !self.shared.contains(table, key)? {
            self.writer.sums.archive(table, key);
        }
        self.insert(table, key, value);
        Ok(())
    }

    /// Removes a live row, if it is there.
    pub(crate) fn remove(&mut self, table: Table, key: &Key) {
        let key = key.as_slice();
        self.writer.sums.remove(table, key);
        self.batch.remove(self.shared.tables.of(table), key);
        self.count(key.len());
    }

    /// Makes the batch durable, with the tally that it leads to, and tells the witness.
    pub(crate) fn commit(mut self) -> Result<(), StoreError> {
        let writer = &mut *self.writer;
        writer.sums.tally.commit = writer.sums.tally.commit.saturating_add(1);
        let tally = writer.sums.tally;
        codec::encode(&tally, &mut writer.buffer).map_err(|error| StoreError::Encode {
            table: Table::Meta.name(),
            reason: error.to_string(),
        })?;
        self.batch.insert(self.shared.tables.of(Table::Meta), TALLY, self.writer.buffer.as_slice());
        self.batch.commit().map_err(|error| {
            self.shared.folder.failed("committing to", &describe(Table::Meta), error)
        })?;
        if self.writer.witness.record(tally.commit)? {
            self.shared.metrics.witness_synced();
        }
        self.writer.in_turn = false;
        let bytes = u64::try_from(self.bytes).unwrap_or(u64::MAX);
        self.shared.metrics.committed(self.rows, bytes, self.began.elapsed());
        Ok(())
    }

    fn insert(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.batch.insert(self.shared.tables.of(table), key, value);
        self.count(key.len().saturating_add(value.len()));
    }

    const fn count(&mut self, bytes: usize) {
        self.rows = self.rows.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}
