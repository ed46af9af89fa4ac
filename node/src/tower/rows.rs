//! A tower's rows on disk: its own small database, apart from the node's store.
//!
//! | keyspace | key | row |
//! | --- | --- | --- |
//! | `index` | channel id (32) | sealed: how new, state hash, size, clients |
//! | `guards` | channel id (32) | sealed: the guard as a message |
//! | `calls` | call id (8) | channel id (32), when the challenge becomes final (8) |
//! | `meta` | `check` | sealed: a constant, to tell a wrong key from damage |
//! | `meta` | `identity` | address (20), chain id (8), adjudicator and both apps (20 each) |
//! | `meta` | `next_call` | 8 bytes |
//! | `meta` | `cursor` | blocks: number (8), hash (32), timestamp (8) |
//!
//! One record per channel: a newer one takes the place of the older one, in one synced batch with
//! its index row. Index rows are opened at start; a guard only when a challenge calls for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engine::chain::BlockRef;
use engine::guard::{Guard, Rank};
use engine::types::{Address, Amount, B256, BlockNumber, CallId, ChannelId, TurnNumber, U256};
use engine::wire::{self, Message};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use engine::state::Deployment;
use store::Identity;

use super::seal::{SealError, Sealer};

/// Index rows are read at start, guards hardly ever.
const CACHE_BYTES: u64 = 4 << 20;
/// Rows that are gathered in memory before they are sorted into a file.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// The least that the database takes; what start-up replays.
const JOURNAL_BYTES: u64 = 64 << 20;

const CHECK: &[u8] = b"check";
const CHECK_TEXT: &[u8] = b"nitro tower";
const NEXT_CALL: &[u8] = b"next_call";
const CURSOR: &[u8] = b"cursor";
const IDENTITY: &[u8] = b"identity";

/// Why a tower cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TowerError {
    /// The file system or the database refuses.
    #[error("watchtower: {doing} {}: {reason}", path.display())]
    Database {
        /// What was tried.
        doing: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
    /// The keystore is not the one that the records were sealed with.
    #[error(
        "watchtower: the records in {} were sealed with another channel key; restore the keystore \
         that belongs to them, or move the folder away to begin anew", .0.display()
    )]
    OtherKey(PathBuf),
    /// The records are about other contracts.
    #[error(
        "watchtower: the records in {} are about other contracts: {differences}. Nothing was changed. \
         Use the configuration that belongs to them, or give the tower a folder of its own \
         (--data-dir)", path.display()
    )]
    OtherContracts {
        /// The folder.
        path: PathBuf,
        /// What is different: as recorded, and as configured.
        differences: String,
    },
    /// A row cannot be sealed.
    #[error("watchtower: a record cannot be sealed")]
    Seal(#[from] SealError),
}

/// Why a guard cannot be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The row does not open.
    #[error("the record {0}")]
    Seal(#[from] SealError),
    /// There is an index row and no guard.
    #[error("the record is missing")]
    Missing,
    /// It is not the state that was stored last.
    #[error("the record is another one than was stored last")]
    Other,
}

/// What a tower knows of a channel without opening its guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexRow {
    pub(super) rank: Rank,
    pub(super) state: B256,
    pub(super) bytes: u32,
    pub(super) clients: BTreeSet<Address>,
}

/// A change of one row.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A newer guard.
    Guard(ChannelId, Box<Guard>, IndexRow),
    /// The same guard for other clients.
    Index(ChannelId, IndexRow),
    /// Nobody needs it any more.
    Forget(ChannelId),
    /// A call on its way, or its end.
    Call(CallId, Option<(ChannelId, u64)>),
    /// The id of the next call.
    NextCall(CallId),
    /// How far the chain was read.
    Cursor(Vec<BlockRef>),
}

impl Change {
    /// Nobody relies on the cursor: what it misses is asked at start.
    const fn must_last(&self) -> bool {
        !matches!(self, Self::Cursor(_))
    }
}

/// What was found at start.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) index: Vec<(ChannelId, IndexRow)>,
    pub(super) calls: Vec<(CallId, ChannelId, u64)>,
    pub(super) next_call: Option<CallId>,
    pub(super) cursor: Vec<BlockRef>,
    /// Channels whose index rows do not open.
    pub(super) damaged: Vec<ChannelId>,
}

/// The rows.
pub(super) struct Rows {
    path: PathBuf,
    sealer: Sealer,
    db: Database,
    index: Keyspace,
    guards: Keyspace,
    calls: Keyspace,
    meta: Keyspace,
}

impl Rows {
    /// Opens the folder, or makes one.
    pub(super) fn open(
        path: &Path,
        sealer: Sealer,
        identity: &Identity,
    ) -> Result<Self, TowerError> {
        let failed = |error: fjall::Error| TowerError::Database {
            doing: "opening",
            path: path.to_owned(),
            reason: match error {
                fjall::Error::Locked => "it is in use by another process".to_owned(),
                other => other.to_string(),
            },
        };
        let open = || {
            Database::builder(path)
                .cache_size(CACHE_BYTES)
                .max_journaling_size(JOURNAL_BYTES)
                .worker_threads(1)
                .open()
        };
        // The database trusts the names of its files and some of their content.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(open));
        let db = opened.unwrap_or(Err(fjall::Error::Unrecoverable)).map_err(failed)?;
        let table = |name: &str| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            db.keyspace(name, options).map_err(failed)
        };
        let (index, guards) = (table("index")?, table("guards")?);
        let (calls, meta) = (table("calls")?, table("meta")?);
        let rows = Self { path: path.to_owned(), sealer, db, index, guards, calls, meta };
        rows.check_key()?;
        rows.check_identity(identity)?;
        Ok(rows)
    }

    /// Tells a wrong key from damage: with it, every row would look damaged.
    fn check_key(&self) -> Result<(), TowerError> {
        if let Some(row) = self.read(&self.meta, CHECK)? {
            let opened = self.sealer.open(CHECK, &row);
            let ours = opened.is_ok_and(|text| text.as_slice() == CHECK_TEXT);
            return if ours { Ok(()) } else { Err(TowerError::OtherKey(self.path.clone())) };
        }
        let row = self.sealer.seal(CHECK, CHECK_TEXT)?;
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.meta, CHECK, row);
        batch.commit().map_err(self.failed("writing to"))
    }

    /// A guard for one adjudicator is worth nothing before another one.
    fn check_identity(&self, identity: &Identity) -> Result<(), TowerError> {
        let Some(row) = self.read(&self.meta, IDENTITY)? else { return Ok(()) };
        if *row == *encode_identity(identity) {
            return Ok(());
        }
        let differences = decode_identity(&row)
            .map_or_else(|| "they are unreadable".to_owned(), |ours| ours.differences(identity));
        Err(TowerError::OtherContracts { path: self.path.clone(), differences })
    }

    /// Notes about which contracts the records are, unless that stands there already.
    pub(super) fn note_identity(&self, identity: &Identity) -> Result<(), TowerError> {
        if self.read(&self.meta, IDENTITY)?.is_some() {
            return Ok(());
        }
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.meta, IDENTITY, encode_identity(identity));
        batch.commit().map_err(self.failed("writing to"))
    }

    /// Everything but the guards.
    pub(super) fn load(&self) -> Result<Found, TowerError> {
        let mut found = Found::default();
        for guard in self.index.iter() {
            let (key, row) = guard.into_inner().map_err(self.failed("reading"))?;
            let Some(channel) = channel(&key) else { continue };
            match self.sealer.open(&place(b"index", channel), &row).map(|row| decode_index(&row)) {
                Ok(Some(row)) => found.index.push((channel, row)),
                Ok(None) | Err(_) => found.damaged.push(channel),
            }
        }
        for guard in self.calls.iter() {
            let (key, row) = guard.into_inner().map_err(self.failed("reading"))?;
            let parts = number(&key).zip(row.split_at_checked(32));
            if let Some((id, (id_of, at))) = parts
                && let Some((channel, at)) = channel(id_of).zip(number(at))
            {
                found.calls.push((CallId(id), channel, at));
            }
        }
        let next = self.read(&self.meta, NEXT_CALL)?;
        found.next_call = next.and_then(|row| number(&row)).map(CallId);
        found.cursor = self.read(&self.meta, CURSOR)?.map(|row| blocks(&row)).unwrap_or_default();
        Ok(found)
    }

    /// Makes changes durable, all of them or none. When it returns, a power loss changes nothing.
    pub(super) fn commit(&self, changes: &[Change]) -> Result<(), TowerError> {
        if changes.is_empty() {
            return Ok(());
        }
        let sync = changes.iter().any(Change::must_last);
        let mode = if sync { PersistMode::SyncAll } else { PersistMode::Buffer };
        let mut batch = self.db.batch().durability(Some(mode));
        for change in changes {
            match change {
                Change::Guard(channel, guard, row) => {
                    let message = wire::encode(&Message::Guard { guard: guard.clone() });
                    let sealed = self.sealer.seal(&place(b"guard", *channel), &message)?;
                    batch.insert(&self.guards, channel.0.as_slice(), sealed);
                    batch.insert(&self.index, channel.0.as_slice(), self.index_row(*channel, row)?);
                }
                Change::Index(channel, row) => {
                    batch.insert(&self.index, channel.0.as_slice(), self.index_row(*channel, row)?);
                }
                Change::Forget(channel) => {
                    batch.remove(&self.guards, channel.0.as_slice());
                    batch.remove(&self.index, channel.0.as_slice());
                }
                Change::Call(id, Some((channel, at))) => {
                    let row = [channel.0.as_slice(), &at.to_be_bytes()].concat();
                    batch.insert(&self.calls, id.0.to_be_bytes(), row);
                }
                Change::Call(id, None) => batch.remove(&self.calls, id.0.to_be_bytes()),
                Change::NextCall(id) => batch.insert(&self.meta, NEXT_CALL, id.0.to_be_bytes()),
                Change::Cursor(blocks) => batch.insert(&self.meta, CURSOR, encode_blocks(blocks)),
            }
        }
        batch.commit().map_err(self.failed("writing to"))
    }

    fn index_row(&self, channel: ChannelId, row: &IndexRow) -> Result<Vec<u8>, SealError> {
        self.sealer.seal(&place(b"index", channel), &encode_index(row))
    }

    /// Opens the guard of a channel, which must be the one that its index row tells of.
    pub(super) fn guard(&self, channel: ChannelId, row: &IndexRow) -> Result<Guard, RecordError> {
        let stored = self.guards.get(channel.0.as_slice()).ok().flatten();
        let sealed = stored.ok_or(RecordError::Missing)?;
        let message = self.sealer.open(&place(b"guard", channel), &sealed)?;
        // Who hands it over plays no part here.
        match wire::open(Address::ZERO, &message).map(|envelope| envelope.message) {
            Ok(Message::Guard { guard })
                if guard.channel() == channel && guard.state_hash() == row.state =>
            {
                Ok(*guard)
            }
            _ => Err(RecordError::Other),
        }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> Vec<usize> {
        let rows = self.guards.iter().chain(self.index.iter());
        rows.map(|row| row.into_inner().map_or(0, |(_, row)| row.len())).collect()
    }

    #[cfg(test)]
    pub(super) fn tamper(&self, channel: ChannelId, change: &dyn Fn(&mut Vec<u8>)) {
        tamper(&self.guards, channel, change);
    }

    #[cfg(test)]
    pub(super) fn tamper_index(&self, channel: ChannelId, change: &dyn Fn(&mut Vec<u8>)) {
        tamper(&self.index, channel, change);
    }

    fn read(&self, table: &Keyspace, key: &[u8]) -> Result<Option<fjall::UserValue>, TowerError> {
        table.get(key).map_err(self.failed("reading"))
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(fjall::Error) -> TowerError + use<> {
        let path = self.path.clone();
        move |error| TowerError::Database { doing, path, reason: error.to_string() }
    }
}

#[cfg(test)]
fn tamper(table: &Keyspace, channel: ChannelId, change: &dyn Fn(&mut Vec<u8>)) {
    let found = table.get(channel.0.as_slice()).ok().flatten();
    let mut row = found.map(|row| row.to_vec()).unwrap_or_default();
    change(&mut row);
    table.insert(channel.0.as_slice(), row).expect("the database takes it");
}

/// Names a row when it is sealed, so that no row opens in the place of another.
fn place(kind: &[u8; 5], channel: ChannelId) -> [u8; 37] {
    let mut place = [0; 37];
    place[..5].copy_from_slice(kind);
    place[5..].copy_from_slice(channel.0.as_slice());
    place
}

fn channel(key: &[u8]) -> Option<ChannelId> {
    <[u8; 32]>::try_from(key).ok().map(|bytes| ChannelId(B256::from(bytes)))
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// Turn (8), paid (32), state hash (32), size (4), clients (20 each).
fn encode_index(row: &IndexRow) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(76 + 20 * row.clients.len());
    bytes.extend_from_slice(&row.rank.turn.0.to_be_bytes());
    bytes.extend_from_slice(&row.rank.paid.to_u256().to_be_bytes::<32>());
    bytes.extend_from_slice(row.state.as_slice());
    bytes.extend_from_slice(&row.bytes.to_be_bytes());
    row.clients.iter().for_each(|client| bytes.extend_from_slice(client.as_slice()));
    bytes
}

fn decode_index(bytes: &[u8]) -> Option<IndexRow> {
    let (turn, rest) = bytes.split_first_chunk::<8>()?;
    let (paid, rest) = rest.split_first_chunk::<32>()?;
    let (state, rest) = rest.split_first_chunk::<32>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let (clients, []) = rest.as_chunks::<20>() else { return None };
    Some(IndexRow {
        rank: Rank {
            turn: TurnNumber::try_from(u64::from_be_bytes(*turn)).ok()?,
            paid: Amount::from(U256::from_be_bytes(*paid)),
        },
        state: B256::from(*state),
        bytes: u32::from_be_bytes(*size),
        clients: clients.iter().map(|client| Address::from(*client)).collect(),
    })
}

fn encode_blocks(blocks: &[BlockRef]) -> Vec<u8> {
    let parts = blocks.iter().flat_map(|block| {
        let (number, time) = (block.number.0.to_be_bytes(), block.timestamp.to_be_bytes());
        [number.as_slice(), block.hash.as_slice(), time.as_slice()].concat()
    });
    parts.collect()
}

fn blocks(bytes: &[u8]) -> Vec<BlockRef> {
    let (blocks, _) = bytes.as_chunks::<48>();
    let block = |bytes: &[u8; 48]| {
        let (number_part, rest) = bytes.split_first_chunk::<8>()?;
        let (hash, time) = rest.split_first_chunk::<32>()?;
        Some(BlockRef {
            number: BlockNumber(u64::from_be_bytes(*number_part)),
            hash: B256::from(*hash),
            timestamp: number(time)?,
        })
    };
    blocks.iter().filter_map(block).collect()
}

fn encode_identity(identity: &Identity) -> Vec<u8> {
    let Deployment { chain_id, adjudicator, consensus_app, payment_app } = identity.deployment;
    let parts: [&[u8]; 5] = [
        identity.address.as_slice(),
        &chain_id.to_be_bytes(),
        adjudicator.as_slice(),
        consensus_app.as_slice(),
        payment_app.as_slice(),
    ];
    parts.concat()
}

fn decode_identity(row: &[u8]) -> Option<Identity> {
    let (own, rest) = row.split_at_checked(20)?;
    let (chain_id, contracts) = rest.split_at_checked(8)?;
    let mut contracts = contracts.chunks_exact(20).map(Address::from_slice);
    let deployment = Deployment {
        chain_id: number(chain_id)?,
        adjudicator: contracts.next()?,
        consensus_app: contracts.next()?,
        payment_app: contracts.next()?,
    };
    Some(Identity { address: Address::from_slice(own), deployment })
}
