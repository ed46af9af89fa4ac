//! The engine's port: load all live rows, commit a turn.

use std::path::Path;
use std::sync::Arc;

use engine::ports::{Store, StoreError as PortError};
use engine::step::{Batch, Row, Write};
use engine::types::ChannelId;
use serde::Serialize;

use crate::archive::ArchiveReader;
use crate::codec;
use crate::config::Config;
use crate::error::StoreError;
use crate::identity::Identity;
use crate::keys::{self, Key, Table};
use crate::metrics::Metrics;
use crate::partners::PartnerTable;
use crate::shared::Shared;
use crate::transactions::TransactionTable;
use crate::turn::Turn;

/// Records of a node on disk. Open while this value, a reader or a transaction table lives.
pub struct FjallStore(Arc<Shared>);

impl FjallStore {
    /// Opens the folder, or makes a new one there. Reads every row once to make sure that none
    /// is missing.
    ///
    /// # Errors
    /// When the folder is in use, damaged, rolled back, or of a newer format: see [`StoreError`].
    pub fn open(path: impl AsRef<Path>, config: &Config) -> Result<Self, StoreError> {
        Shared::open(path.as_ref(), config).map(Arc::new).map(Self)
    }

    /// Makes sure that the records are nobody else's. To be called before anything else is done with
    /// the store; what is returned notes the owner of a store that has none.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when they belong to another node or to other contracts; when the store
    /// fails.
    pub fn claim(&self, identity: Identity) -> Result<Claim, StoreError> {
        self.0.check_identity(&identity)?;
        Ok(Claim { store: Arc::clone(&self.0), identity })
    }

    /// Reads of closed channels and ended objectives, from any thread.
    #[must_use]
    pub fn archive(&self) -> ArchiveReader {
        ArchiveReader::new(Arc::clone(&self.0))
    }

    /// The chain submitter's records, from any thread.
    #[must_use]
    pub fn transactions(&self) -> TransactionTable {
        TransactionTable::new(Arc::clone(&self.0))
    }

    /// Where partners are, from any thread.
    #[must_use]
    pub fn partners(&self) -> PartnerTable {
        PartnerTable::new(Arc::clone(&self.0))
    }

    /// Counters.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.0.metrics)
    }

    fn load_rows(&self) -> Result<Vec<Write>, StoreError> {
        let live = Table::ALL.into_iter().filter(|table| !table.is_archive());
        let mut rows = Vec::new();
        for table in live {
            for guard in self.0.tables.of(table).iter() {
                let (key, value) = self.0.row(table, guard)?;
                if is_own(table, &key) {
                    continue;
                }
                let row = keys::row(table, &key).ok_or_else(|| self.0.misplaced(table))?;
                rows.push(self.decode(table, row, &value)?);
            }
        }
        Ok(rows)
    }

    fn decode(&self, table: Table, row: Row, value: &[u8]) -> Result<Write, StoreError> {
        decode(row, value).map_err(|error| self.0.unreadable(table, error))
    }

    fn commit_rows(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut turn = Turn::begin(&self.0, batch.writes().count())?;
        for write in batch.writes() {
            let (table, key) = keys::locate(&write.row());
            put(&mut turn, table, &key, write)?;
        }
        turn.commit()
    }
}

/// The right to a store, to be noted once it is known that the identity makes sense: contracts that
/// were mistyped must not have the store.
#[must_use = "nothing is noted yet"]
pub struct Claim {
    store: Arc<Shared>,
    identity: Identity,
}

impl Claim {
    /// Notes whose records these are, unless that stands there already.
    ///
    /// # Errors
    /// When the store fails.
    pub fn note(self) -> Result<(), StoreError> {
        self.store.note_identity(&self.identity)
    }
}

impl Store for FjallStore {
    fn load(&mut self) -> Result<Vec<Write>, PortError> {
        Ok(self.load_rows()?)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), PortError> {
        Ok(self.commit_rows(batch)?)
    }

    fn is_archived(&self, channel: ChannelId) -> Result<bool, PortError> {
        Ok(self.0.contains(Table::ArchivedChannels, Key::channel(channel).as_slice())?)
    }
}

/// True for rows that the engine does not know of.
fn is_own(table: Table, key: &[u8]) -> bool {
    matches!(table, Table::Transactions | Table::Partners)
        || (table == Table::Meta && [keys::FORMAT, keys::TALLY, keys::IDENTITY].contains(&key))
}

fn put(turn: &mut Turn<'_>, table: Table, key: &Key, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::Ledger(_, record) => put_or_remove(turn, table, key, record.as_deref()),
        Write::Payment(_, record) => put_or_remove(turn, table, key, record.as_deref()),
        Write::Paid(_, record) => put_or_remove(turn, table, key, record.as_ref()),
        Write::Objective(_, record) => put_or_remove(turn, table, key, record.as_ref()),
        Write::Call(_, record) => put_or_remove(turn, table, key, record.as_ref()),
        Write::Buried(_, record) => put_or_remove(turn, table, key, record.as_deref()),
        Write::Answer(_, record) => put_or_remove(turn, table, key, record.as_ref()),
        Write::Waiting(_, record) => put_or_remove(turn, table, key, record.as_ref()),
        Write::Tower(_, record) => put_or_remove(turn, table, key, record.as_ref()),
        Write::Guard(_, _, record) => put_or_remove(turn, table, key, record.as_deref()),
        Write::Debt(_, record) => put_or_remove(turn, table, key, record.as_deref()),
        Write::Sending(_, record) => put_or_remove(turn, table, key, record.as_ref()),
        Write::NextCall(record) => put_or_remove(turn, table, key, Some(record)),
        Write::Cursor(record) => put_or_remove(turn, table, key, Some(record)),
        Write::ArchivedChannel(_, record) => put_or_remove(turn, table, key, Some(record.as_ref())),
        Write::ArchivedObjective(_, record) => put_or_remove(turn, table, key, Some(record)),
        // Messages are encoded already.
        Write::Message(_, _, Some(message)) => {
            turn.set(table, key, |buffer| codec::encode_bytes(message, buffer))
        }
        Write::Message(_, _, None) => {
            turn.remove(table, key);
            Ok(())
        }
    }
}

fn put_or_remove<T: Serialize>(
    turn: &mut Turn<'_>,
    table: Table,
    key: &Key,
    record: Option<&T>,
) -> Result<(), StoreError> {
    match record {
        Some(record) => turn.set(table, key, |buffer| codec::encode(record, buffer)),
        None => {
            turn.remove(table, key);
            Ok(())
        }
    }
}

fn decode(row: Row, value: &[u8]) -> Result<Write, codec::CodecError> {
    Ok(match row {
        Row::Ledger(id) => Write::Ledger(id, Some(codec::decode(value)?)),
        Row::Payment(id) => Write::Payment(id, Some(codec::decode(value)?)),
        Row::Paid(id) => Write::Paid(id, Some(codec::decode(value)?)),
        Row::Objective(id) => Write::Objective(id, Some(codec::decode(value)?)),
        Row::Message(to, id) => Write::Message(to, id, Some(codec::decode_bytes(value)?.to_vec())),
        Row::Call(id) => Write::Call(id, Some(codec::decode(value)?)),
        Row::NextCall => Write::NextCall(codec::decode(value)?),
        Row::Cursor => Write::Cursor(codec::decode(value)?),
        Row::ArchivedChannel(id) => Write::ArchivedChannel(id, codec::decode(value)?),
        Row::ArchivedObjective(id) => Write::ArchivedObjective(id, codec::decode(value)?),
        Row::Buried(id) => Write::Buried(id, Some(codec::decode(value)?)),
        Row::Answer(id) => Write::Answer(id, Some(codec::decode(value)?)),
        Row::Waiting(peer) => Write::Waiting(peer, Some(codec::decode(value)?)),
        Row::Tower(tower) => Write::Tower(tower, Some(codec::decode(value)?)),
        Row::Guard(tower, id) => Write::Guard(tower, id, Some(codec::decode(value)?)),
        Row::Debt(asset) => Write::Debt(asset, Some(codec::decode(value)?)),
        Row::Sending(key) => Write::Sending(key, Some(codec::decode(value)?)),
    })
}
