//! Rows in memory behind a plug that can be pulled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::objectives::Objective;
use crate::ports::{Store, StoreError};
use crate::step::{ArchivedChannel, Batch, Row, Write};
use crate::types::{ChannelId, ObjectiveId};

/// When the power goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// It stays.
    #[default]
    On,
    /// It goes before the next commit is durable: the batch is lost.
    FailsBeforeCommit,
    /// It goes once the next commit is durable: the batch is kept, and nobody hears of it.
    FailsAfterCommit,
}

/// A store in memory. Clones share one disk, so that what a crash leaves can be opened again.
#[derive(Clone, Debug, Default)]
pub struct MemStore(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    rows: BTreeMap<Row, Write>,
    archive: BTreeMap<Row, Write>,
    commits: u64,
    power: Power,
}

impl MemStore {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides the fate of the next commit.
    pub fn set_power(&self, power: Power) {
        self.disk().power = power;
    }

    /// Commits that became durable.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.disk().commits
    }

    /// The durable content of a live row.
    #[must_use]
    pub fn row(&self, row: Row) -> Option<Write> {
        self.disk().rows.get(&row).cloned()
    }

    /// All live rows.
    #[must_use]
    pub fn rows(&self) -> Vec<Write> {
        self.disk().rows.values().cloned().collect()
    }

    /// Closed channels.
    #[must_use]
    pub fn archived_channels(&self) -> Vec<ArchivedChannel> {
        let disk = self.disk();
        let channels = disk.archive.values().filter_map(|write| match write {
            Write::ArchivedChannel(_, channel) => Some(channel.as_ref().clone()),
            _ => None,
        });
        channels.collect()
    }

    /// An ended objective, as it ended last.
    #[must_use]
    pub fn archived_objective(&self, id: ObjectiveId) -> Option<Objective> {
        match self.disk().archive.get(&Row::ArchivedObjective(id)) {
            Some(Write::ArchivedObjective(_, objective)) => Some(*objective),
            _ => None,
        }
    }

    /// A copy of the disk as it is now, as a thief or a backup would have it.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let disk = self.disk();
        Self(Arc::new(Mutex::new(Disk {
            rows: disk.rows.clone(),
            archive: disk.archive.clone(),
            commits: disk.commits,
            power: Power::On,
        })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A test that panicked elsewhere has left whole rows: each change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemStore {
    fn load(&mut self) -> Result<Vec<Write>, StoreError> {
        Ok(self.rows())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut disk = self.disk();
        let power = std::mem::take(&mut disk.power);
        if power == Power::FailsBeforeCommit {
            return Err(StoreError::new("power failed before the commit"));
        }
        for write in batch.writes() {
            disk.apply(write);
        }
        disk.commits += 1;
        if power == Power::FailsAfterCommit {
            return Err(StoreError::new("power failed after the commit"));
        }
        Ok(())
    }

    fn is_archived(&self, channel: ChannelId) -> Result<bool, StoreError> {
        Ok(self.disk().archive.contains_key(&Row::ArchivedChannel(channel)))
    }
}

impl Disk {
    fn apply(&mut self, write: &Write) {
        let row = write.row();
        let removed = match write {
            Write::ArchivedChannel(..) | Write::ArchivedObjective(..) => {
                self.archive.insert(row, write.clone());
                return;
            }
            Write::Ledger(_, content) => content.is_none(),
            Write::Payment(_, content) => content.is_none(),
            Write::Paid(_, content) => content.is_none(),
            Write::Objective(_, content) => content.is_none(),
            Write::Message(_, _, content) => content.is_none(),
            Write::Call(_, content) => content.is_none(),
            Write::Buried(_, content) => content.is_none(),
            Write::Answer(_, content) => content.is_none(),
            Write::Waiting(_, content) => content.is_none(),
            Write::Tower(_, content) => content.is_none(),
            Write::Guard(_, _, content) => content.is_none(),
            Write::Debt(_, content) => content.is_none(),
            Write::Sending(_, content) => content.is_none(),
            Write::NextCall(_) | Write::Cursor(_) => false,
        };
        if removed {
            self.rows.remove(&row);
        } else {
            self.rows.insert(row, write.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::store_contract;
    use crate::types::CallId;

    #[test]
    fn keeps_the_contract_of_a_store() {
        store_contract(MemStore::new, MemStore::clone);
    }

    #[test]
    fn a_power_failure_keeps_the_whole_batch_or_nothing() {
        let mut store = MemStore::new();
        let mut batch = Batch::default();
        batch.push(Write::NextCall(CallId(1)));
        store.set_power(Power::FailsBeforeCommit);
        assert!(store.commit(&batch).is_err());
        assert_eq!(store.rows(), []);
        store.set_power(Power::FailsAfterCommit);
        assert!(store.commit(&batch).is_err());
        assert_eq!(store.rows(), [Write::NextCall(CallId(1))]);
        assert!(store.commit(&batch).is_ok(), "the power is back after each failure");
    }
}
