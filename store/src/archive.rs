//! Closed channels and ended objectives, for queries.

use std::ops::Bound;
use std::sync::Arc;

use engine::objectives::Objective;
use engine::step::ArchivedChannel;
use engine::types::{ChannelId, ObjectiveId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::StoreError;
use crate::keys::{self, Key, Table};
use crate::shared::Shared;

/// Reads of history. Cheap to clone; reads wait for no commit and no commit waits for them.
#[derive(Clone)]
pub struct ArchiveReader(Arc<Shared>);

impl ArchiveReader {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// A closed channel.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn archived_channel(&self, id: ChannelId) -> Result<Option<ArchivedChannel>, StoreError> {
        self.get(Table::ArchivedChannels, &Key::channel(id))
    }

    /// An ended objective.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn archived_objective(&self, id: ObjectiveId) -> Result<Option<Objective>, StoreError> {
        self.get(Table::ArchivedObjectives, &Key::objective(id))
    }

    /// At most `limit` closed channels in the order of their ids, from the first after `after`.
    /// The last id of a page is `after` of the next; a page that is not full is the last.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn archived_channels(
        &self,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Result<Vec<(ChannelId, ArchivedChannel)>, StoreError> {
        self.page(Table::ArchivedChannels, after.map(Key::channel), limit, keys::channel)
    }

    /// At most `limit` ended objectives, by kind and then channel id; see
    /// [`ArchiveReader::archived_channels`].
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn archived_objectives(
        &self,
        after: Option<ObjectiveId>,
        limit: usize,
    ) -> Result<Vec<(ObjectiveId, Objective)>, StoreError> {
        self.page(Table::ArchivedObjectives, after.map(Key::objective), limit, keys::objective)
    }

    fn get<T: Serialize + DeserializeOwned>(
        &self,
        table: Table,
        key: &Key,
    ) -> Result<Option<T>, StoreError> {
        let value = self.0.get(table, key.as_slice())?;
        value.map(|value| self.decode(table, &value)).transpose()
    }

    fn page<I, T: Serialize + DeserializeOwned>(
        &self,
        table: Table,
        after: Option<Key>,
        limit: usize,
        id: impl Fn(&[u8]) -> Option<I>,
    ) -> Result<Vec<(I, T)>, StoreError> {
        let start = match &after {
            Some(key) => Bound::Excluded(key.as_slice()),
            None => Bound::Unbounded,
        };
        let rows = self.0.tables.of(table).range::<&[u8], _>((start, Bound::Unbounded));
        let read = |guard| {
            let (key, value) = self.0.row(table, guard)?;
            let id = id(&key).ok_or_else(|| self.0.misplaced(table))?;
            Ok((id, self.decode(table, &value)?))
        };
        rows.take(limit).map(read).collect()
    }

    fn decode<T: Serialize + DeserializeOwned>(
        &self,
        table: Table,
        value: &[u8],
    ) -> Result<T, StoreError> {
        codec::decode(value).map_err(|error| self.0.unreadable(table, error))
    }
}
