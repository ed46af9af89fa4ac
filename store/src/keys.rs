//! Keyspaces and their keys. Numbers are big-endian, so that the order of keys is that of ids.

use engine::step::Row;
use engine::types::{Address, Asset, B256, CallId, ChannelId, MessageId, ObjectiveId};

/// A keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    Ledgers,
    Payments,
    Paid,
    Objectives,
    Messages,
    Calls,
    Meta,
    Transactions,
    ArchivedChannels,
    ArchivedObjectives,
    Towers,
    Guards,
    Buried,
    Answers,
    Waiting,
    Partners,
    Debts,
    Sendings,
}

impl Table {
    /// All of them, each at the position of its number.
    pub(crate) const ALL: [Self; 18] = [
        Self::Ledgers,
        Self::Payments,
        Self::Paid,
        Self::Objectives,
        Self::Messages,
        Self::Calls,
        Self::Meta,
        Self::Transactions,
        Self::ArchivedChannels,
        Self::ArchivedObjectives,
        Self::Towers,
        Self::Guards,
        Self::Buried,
        Self::Answers,
        Self::Waiting,
        Self::Partners,
        Self::Debts,
        Self::Sendings,
    ];

    /// Name on disk.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ledgers => "ledgers",
            Self::Payments => "payments",
            Self::Paid => "paid",
            Self::Objectives => "objectives",
            Self::Messages => "messages",
            Self::Calls => "calls",
            Self::Meta => "meta",
            Self::Transactions => "transactions",
            Self::ArchivedChannels => "archived_channels",
            Self::ArchivedObjectives => "archived_objectives",
            Self::Towers => "towers",
            Self::Guards => "guards",
            Self::Buried => "buried",
            Self::Answers => "answers",
            Self::Waiting => "waiting",
            Self::Partners => "partners",
            Self::Debts => "debts",
            Self::Sendings => "sendings",
        }
    }

    /// True for history: rows that nobody removes.
    pub(crate) const fn is_archive(self) -> bool {
        matches!(self, Self::ArchivedChannels | Self::ArchivedObjectives)
    }
}

/// Meta row: number of the format of all rows.
pub(crate) const FORMAT: &[u8] = b"format";
/// Meta row: the newest commit and the sums over all rows.
pub(crate) const TALLY: &[u8] = b"tally";
/// Meta row: whose records these are.
pub(crate) const IDENTITY: &[u8] = b"identity";
const NEXT_CALL: &[u8] = b"next_call";
const CURSOR: &[u8] = b"cursor";

/// Longest key.
const CAPACITY: usize = 52;

/// A key of any table, without an allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Key {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn of<const N: usize>(parts: [&[u8]; N]) -> Self {
        let mut key = Self { bytes: [0; CAPACITY], length: 0 };
        for part in parts {
            let end = key.length + part.len();
            key.bytes[key.length..end].copy_from_slice(part);
            key.length = end;
        }
        key
    }

    pub(crate) fn channel(id: ChannelId) -> Self {
        Self::of([id.0.as_slice()])
    }

    pub(crate) fn objective(id: ObjectiveId) -> Self {
        let kind = match id {
            ObjectiveId::DirectFund(_) => 0,
            ObjectiveId::DirectDefund(_) => 1,
            ObjectiveId::VirtualFund(_) => 2,
            ObjectiveId::VirtualDefund(_) => 3,
            ObjectiveId::Exit(_) => 4,
        };
        Self::of([&[kind], id.channel().0.as_slice()])
    }

    pub(crate) fn message(to: Address, id: MessageId) -> Self {
        Self::of([to.as_slice(), &id.0.to_be_bytes()])
    }

    pub(crate) fn address(address: Address) -> Self {
        Self::of([address.as_slice()])
    }

    pub(crate) fn guard(tower: Address, channel: ChannelId) -> Self {
        Self::of([tower.as_slice(), channel.0.as_slice()])
    }

    pub(crate) fn number(number: u64) -> Self {
        Self::of([&number.to_be_bytes()])
    }
}

/// Where a row of the engine is kept.
pub(crate) fn locate(row: &Row) -> (Table, Key) {
    match row {
        Row::Ledger(id) => (Table::Ledgers, Key::channel(*id)),
        Row::Payment(id) => (Table::Payments, Key::channel(*id)),
        Row::Paid(id) => (Table::Paid, Key::channel(*id)),
        Row::Objective(id) => (Table::Objectives, Key::objective(*id)),
        Row::Message(to, id) => (Table::Messages, Key::message(*to, *id)),
        Row::Call(id) => (Table::Calls, Key::number(id.0)),
        Row::NextCall => (Table::Meta, Key::of([NEXT_CALL])),
        Row::Cursor => (Table::Meta, Key::of([CURSOR])),
        Row::ArchivedChannel(id) => (Table::ArchivedChannels, Key::channel(*id)),
        Row::ArchivedObjective(id) => (Table::ArchivedObjectives, Key::objective(*id)),
        Row::Buried(id) => (Table::Buried, Key::channel(*id)),
        Row::Answer(id) => (Table::Answers, Key::channel(*id)),
        Row::Waiting(peer) => (Table::Waiting, Key::address(*peer)),
        Row::Tower(tower) => (Table::Towers, Key::address(*tower)),
        Row::Guard(tower, channel) => (Table::Guards, Key::guard(*tower, *channel)),
        Row::Debt(asset) => (Table::Debts, Key::address(asset.0)),
        Row::Sending(key) => (Table::Sendings, Key::channel(ChannelId(*key))),
    }
}

/// The row that is kept under a key; none for the store's own rows and for what is no key.
pub(crate) fn row(table: Table, key: &[u8]) -> Option<Row> {
    Some(match table {
        Table::Ledgers => Row::Ledger(channel(key)?),
        Table::Payments => Row::Payment(channel(key)?),
        Table::Paid => Row::Paid(channel(key)?),
        Table::Objectives => Row::Objective(objective(key)?),
        Table::Messages => {
            let (to, id) = key.split_at_checked(20)?;
            Row::Message(address(to)?, MessageId(number(id)?))
        }
        Table::Calls => Row::Call(CallId(number(key)?)),
        Table::Meta if key == NEXT_CALL => Row::NextCall,
        Table::Meta if key == CURSOR => Row::Cursor,
        Table::ArchivedChannels => Row::ArchivedChannel(channel(key)?),
        Table::ArchivedObjectives => Row::ArchivedObjective(objective(key)?),
        Table::Buried => Row::Buried(channel(key)?),
        Table::Answers => Row::Answer(channel(key)?),
        Table::Waiting => Row::Waiting(address(key)?),
        Table::Towers => Row::Tower(address(key)?),
        Table::Guards => {
            let (tower, id) = key.split_at_checked(20)?;
            Row::Guard(address(tower)?, channel(id)?)
        }
        Table::Debts => Row::Debt(Asset(address(key)?)),
        Table::Sendings => Row::Sending(channel(key)?.0),
        Table::Meta | Table::Transactions | Table::Partners => return None,
    })
}

pub(crate) fn address(key: &[u8]) -> Option<Address> {
    <[u8; 20]>::try_from(key).ok().map(Address::from)
}

pub(crate) fn channel(key: &[u8]) -> Option<ChannelId> {
    <[u8; 32]>::try_from(key).ok().map(|bytes| ChannelId(B256::from(bytes)))
}

pub(crate) fn objective(key: &[u8]) -> Option<ObjectiveId> {
    let (kind, id) = key.split_first()?;
    let id = channel(id)?;
    match kind {
        0 => Some(ObjectiveId::DirectFund(id)),
        1 => Some(ObjectiveId::DirectDefund(id)),
        2 => Some(ObjectiveId::VirtualFund(id)),
        3 => Some(ObjectiveId::VirtualDefund(id)),
        4 => Some(ObjectiveId::Exit(id)),
        _ => None,
    }
}

pub(crate) fn number(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_under_its_own_key() {
        let id = ChannelId(B256::repeat_byte(0xab));
        let rows = [
            Row::Ledger(id),
            Row::Payment(id),
            Row::Paid(id),
            Row::Objective(ObjectiveId::DirectFund(id)),
            Row::Objective(ObjectiveId::DirectDefund(id)),
            Row::Objective(ObjectiveId::VirtualFund(id)),
            Row::Objective(ObjectiveId::VirtualDefund(id)),
            Row::Objective(ObjectiveId::Exit(id)),
            Row::Message(Address::repeat_byte(7), MessageId(0x0102_0304_0506_0708)),
            Row::Call(CallId(u64::MAX)),
            Row::NextCall,
            Row::Cursor,
            Row::ArchivedChannel(id),
            Row::Buried(id),
            Row::Answer(id),
            Row::Waiting(Address::repeat_byte(7)),
            Row::ArchivedObjective(ObjectiveId::VirtualFund(id)),
            Row::Tower(Address::repeat_byte(7)),
            Row::Guard(Address::repeat_byte(7), id),
            Row::Debt(Asset(Address::repeat_byte(7))),
            Row::Sending(B256::repeat_byte(7)),
        ];
        for expected in rows {
            let (table, key) = locate(&expected);
            assert_eq!(row(table, key.as_slice()), Some(expected));
        }
    }

    #[test]
    fn messages_of_a_peer_are_in_the_order_of_their_ids() {
        let to = Address::repeat_byte(7);
        let ids = [0, 1, 255, 256, 65_536, u64::MAX];
        let keys = ids.map(|id| Key::message(to, MessageId(id)));
        assert!(keys.is_sorted_by(|a, b| a.as_slice() < b.as_slice()));
    }

    #[test]
    fn tables_stand_at_the_position_of_their_number() {
        for (position, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table as usize, position);
        }
    }

    #[test]
    fn refuses_keys_of_another_length_or_kind() {
        for length in [0, 7, 9, 19, 21, 27, 29, 31, 34, 51, 53] {
            let key = vec![0; length];
            for table in Table::ALL {
                assert_eq!(row(table, &key), None, "{table:?} {length}");
            }
        }
        let mut key = [0; 33];
        key[0] = 5;
        assert_eq!(row(Table::Objectives, &key), None);
    }
}
