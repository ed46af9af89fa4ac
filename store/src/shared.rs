//! The opened database, shared by the engine's store, the transaction table and the readers.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use fjall::{Database, Guard};

use crate::codec::{self, CodecError};
use crate::config::{Config, Rollback};
use crate::db::{Folder, Tables, describe};
use crate::error::StoreError;
use crate::identity::Identity;
use crate::keys::{FORMAT, IDENTITY, TALLY, Table};
use crate::metrics::Metrics;
use crate::migrate;
use crate::tally::{Sums, Tally};
use crate::trial::{self, Trial};
use crate::turn::Turn;
use crate::witness::Witness;

/// Handles are freed in this order: the folder's lock is the last.
pub(crate) struct Shared {
    pub(crate) db: Database,
    pub(crate) tables: Tables,
    pub(crate) metrics: Arc<Metrics>,
    writer: Mutex<Writer>,
    pub(crate) folder: Folder,
}

/// What a commit needs to have for itself. The engine's thread commits, and so do the chain
/// submitter and the network; each commit has its own number; the database would let them in one by one
/// anyhow.
pub(crate) struct Writer {
    pub(crate) sums: Sums,
    pub(crate) witness: Witness,
    pub(crate) buffer: Vec<u8>,
    /// True from the beginning of a turn to its good end: a turn that was given up half-way has
    /// left sums that fit no batch.
    pub(crate) in_turn: bool,
}

impl Shared {
    pub(crate) fn open(path: &Path, config: &Config) -> Result<Self, StoreError> {
        let folder = Folder::open(path)?;
        let witness_path = Witness::path(path, config);
        let witness = Witness::open(&witness_path, config)?;
        let witnessed = witness.as_ref().map_or(0, |witness| witness.commit);
        let known = Witnessed { path: &witness_path, commit: witnessed, there: witness.is_some() };
        if folder.holds_database()? {
            let trial = Trial::make(path)?;
            let db = folder.open_database(&trial.database(), config)?;
            let tables = Tables::open(&folder, &db, config)?;
            let loses = Checked::of(&folder, &tables, &known, config)?.loses;
            drop((tables, db, trial));
            if loses {
                let aside = trial::put_aside(path, &witness_path)?;
                tracing::warn!(
                    kept = %aside.display(),
                    "going on from a store that has lost something, as store.rollback allows; what \
                     it was before is kept"
                );
            }
        }
        let db = folder.database(config, witnessed == 0)?;
        let tables = Tables::open(&folder, &db, config)?;
        let Checked { mut sums, newest, loses: _, is_new } =
            Checked::of(&folder, &tables, &known, config)?;
        // Commit numbers go on above all that were ever given.
        sums.tally.commit = newest.max(witnessed);
        let witness = match witness {
            Some(witness) => witness,
            None => Witness::create(&witness_path, newest, config)?,
        };
        let writer = Mutex::new(Writer { sums, witness, buffer: Vec::new(), in_turn: false });
        let shared = Self { db, tables, metrics: Arc::default(), writer, folder };
        if is_new || newest < witnessed {
            shared.mark_format()?;
        }
        Ok(shared)
    }

    /// Makes sure that the records are nobody else's.
    pub(crate) fn check_identity(&self, identity: &Identity) -> Result<(), StoreError> {
        let Some(row) = self.get(Table::Meta, IDENTITY)? else { return Ok(()) };
        let found: Identity =
            codec::decode(&row).map_err(|error| self.unreadable(Table::Meta, error))?;
        if found == *identity {
            return Ok(());
        }
        let path = self.folder.path.clone();
        Err(StoreError::Foreign { path, differences: found.differences(identity) })
    }

    /// Notes whose records these are, unless that stands there already.
    pub(crate) fn note_identity(&self, identity: &Identity) -> Result<(), StoreError> {
        if self.contains(Table::Meta, IDENTITY)? {
            return Ok(());
        }
        let mut record = Vec::new();
        codec::encode(identity, &mut record).map_err(|error| StoreError::Encode {
            table: Table::Meta.name(),
            reason: error.to_string(),
        })?;
        let mut turn = Turn::begin(self, 1)?;
        turn.set_raw(Table::Meta, IDENTITY, &record);
        turn.commit()
    }

    /// The first batch of a folder, and of one that goes on after a rollback.
    fn mark_format(&self) -> Result<(), StoreError> {
        let mut turn = Turn::begin(self, 1)?;
        turn.set_raw(Table::Meta, FORMAT, &migrate::FORMAT.to_be_bytes());
        turn.commit()
    }

    /// The right to write.
    pub(crate) fn writer(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let writer = self.writer.lock().map_err(|_| StoreError::Failed)?;
        if writer.in_turn { Err(StoreError::Failed) } else { Ok(writer) }
    }

    /// A value of a table.
    pub(crate) fn get(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<fjall::UserValue>, StoreError> {
        let found = self.tables.of(table).get(key);
        found.map_err(|error| self.folder.failed("reading", &describe(table), error))
    }

    /// True when a table has a row.
    pub(crate) fn contains(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        let found = self.tables.of(table).contains_key(key);
        found.map_err(|error| self.folder.failed("reading", &describe(table), error))
    }

    /// A row of an iteration over a table.
    pub(crate) fn row(&self, table: Table, guard: Guard) -> Result<fjall::KvPair, StoreError> {
        read(&self.folder, table, guard)
    }

    /// A row that does not decode.
    pub(crate) fn unreadable(&self, table: Table, reason: CodecError) -> StoreError {
        self.folder.damaged(format!("a row of {}", describe(table)), reason.to_string())
    }

    /// A row under a key that is none.
    pub(crate) fn misplaced(&self, table: Table) -> StoreError {
        self.folder.damaged(format!("a key of {}", describe(table)), "it names no row")
    }
}

/// What the witness tells.
struct Witnessed<'a> {
    path: &'a Path,
    commit: u64,
    there: bool,
}

/// A database that is whole, or whose loss is accepted.
struct Checked {
    sums: Sums,
    newest: u64,
    /// Something is lost, and that is accepted.
    loses: bool,
    is_new: bool,
}

impl Checked {
    fn of(
        folder: &Folder,
        tables: &Tables,
        witnessed: &Witnessed<'_>,
        config: &Config,
    ) -> Result<Self, StoreError> {
        let found = read_tally(folder, tables)?;
        let newest = found.map_or(0, |tally| tally.commit);
        let accepts = config.rollback == Rollback::Accept;
        let (behind, blind) = (newest < witnessed.commit, !witnessed.there && newest > 0);
        if behind && !accepts {
            let (path, witnessed) = (folder.path.clone(), witnessed.commit);
            return Err(StoreError::RolledBack { path, found: newest, witnessed });
        }
        if blind && !accepts {
            return Err(StoreError::WitnessMissing { path: witnessed.path.to_owned() });
        }
        check_format(folder, tables, found.is_some())?;
        let sums = add_up(folder, tables)?;
        check_sums(folder, &sums.tally, &found.unwrap_or_default())?;
        Ok(Self { sums, newest, loses: behind || blind, is_new: found.is_none() })
    }
}

fn read(folder: &Folder, table: Table, guard: Guard) -> Result<fjall::KvPair, StoreError> {
    guard.into_inner().map_err(|error| folder.failed("reading", &describe(table), error))
}

fn read_meta(
    folder: &Folder,
    tables: &Tables,
    key: &[u8],
) -> Result<Option<fjall::UserValue>, StoreError> {
    let found = tables.of(Table::Meta).get(key);
    found.map_err(|error| folder.failed("reading", &describe(Table::Meta), error))
}

fn read_tally(folder: &Folder, tables: &Tables) -> Result<Option<Tally>, StoreError> {
    let Some(record) = read_meta(folder, tables, TALLY)? else { return Ok(None) };
    codec::decode(&record)
        .map(Some)
        .map_err(|error| folder.damaged("the tally in keyspace meta", error.to_string()))
}

fn check_format(folder: &Folder, tables: &Tables, committed: bool) -> Result<(), StoreError> {
    match read_meta(folder, tables, FORMAT)? {
        Some(row) => migrate::check(&folder.path, &row),
        None if committed => Err(folder.damaged("keyspace meta", "the format number is missing")),
        None => Ok(()),
    }
}

/// Reads every row once. The engine does so anyway at start; archives cost a third of a second
/// per million rows.
fn add_up(folder: &Folder, tables: &Tables) -> Result<Sums, StoreError> {
    let mut sums = Sums::default();
    for table in Table::ALL {
        for guard in tables.of(table).iter() {
            if table.is_archive() {
                let key = guard
                    .key()
                    .map_err(|error| folder.failed("reading", &describe(table), error))?;
                sums.archive(table, &key);
                continue;
            }
            let (key, value) = read(folder, table, guard)?;
            if table != Table::Meta || *key != *TALLY {
                sums.set(table, &key, &value);
            }
        }
    }
    Ok(sums)
}

fn check_sums(folder: &Folder, found: &Tally, expected: &Tally) -> Result<(), StoreError> {
    if found.live == expected.live && found.archived == expected.archived {
        return Ok(());
    }
    Err(StoreError::Incomplete {
        path: folder.path.clone(),
        found: found.live.rows.saturating_add(found.archived.rows),
        expected: expected.live.rows.saturating_add(expected.archived.rows),
    })
}
