//! A side table for the network: where partners in channels are.

use std::sync::Arc;

use engine::types::Address;

use crate::codec;
use crate::error::StoreError;
use crate::keys::{self, Key, Table};
use crate::shared::Shared;
use crate::turn::Turn;

/// The newest signed address record of each partner; what is in it is the network's. Cheap to clone,
/// and usable beside commits of the engine.
#[derive(Clone)]
pub struct PartnerTable(Arc<Shared>);

impl PartnerTable {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// All records by partner.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn load(&self) -> Result<Vec<(Address, Vec<u8>)>, StoreError> {
        const TABLE: Table = Table::Partners;
        let read = |guard| {
            let (key, value) = self.0.row(TABLE, guard)?;
            let partner = keys::address(&key).ok_or_else(|| self.0.misplaced(TABLE))?;
            let record =
                codec::decode_bytes(&value).map_err(|error| self.0.unreadable(TABLE, error))?;
            Ok((partner, record.to_vec()))
        };
        self.0.tables.of(TABLE).iter().map(read).collect()
    }

    /// Sets records, and removes those of partners that are none any more, in one commit; durable
    /// when this returns.
    ///
    /// # Errors
    /// When durability is not certain.
    pub fn put(&self, records: &[(Address, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        let mut turn = Turn::begin(&self.0, records.len())?;
        for (partner, record) in records {
            let key = Key::address(*partner);
            match record {
                Some(record) => {
                    turn.set(Table::Partners, &key, |buffer| codec::encode_bytes(record, buffer))?
                }
                None => turn.remove(Table::Partners, &key),
            }
        }
        turn.commit()
    }
}
