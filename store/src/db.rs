//! The folder: its lock, the database in it, its keyspaces.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use crate::config::Config;
use crate::error::StoreError;
use crate::keys::Table;

pub(crate) const DATABASE: &str = "database";
const LOCK: &str = "lock";
/// The database's own mark that it was created whole.
const VERSION_MARKER: &str = "version";
const TABLE_FILES: &str = "keyspaces";
/// One flushes, one compacts.
const WORKERS: usize = 2;
/// Less is refused by the database.
const MIN_JOURNAL_BYTES: u64 = 64 << 20;

/// Errors of the operating system as ours.
pub(crate) fn within(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { doing, path: path.to_owned(), source }
}

/// Makes new names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|folder| folder.sync_all()).map_err(within("syncing", path))
}

/// A folder that this process alone uses while the value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Creates the folder where it is missing and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.try_exists().map_err(within("looking for", path))? {
            // Records tell with whom its owner deals.
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(within("creating", path))?;
            if let Some(parent) = path.parent() {
                sync_folder(parent)?;
            }
        }
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(within("opening", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(within("locking", &lock_path)(error)),
        }
    }

    /// Opens the database, or makes one. `is_new` says that no commit was ever made here.
    pub(crate) fn database(&self, config: &Config, is_new: bool) -> Result<Database, StoreError> {
        let path = self.path.join(DATABASE);
        let is_whole = exists(&path.join(VERSION_MARKER))?;
        if is_new && !is_whole {
            self.remove_unfinished(&path)?;
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(within("creating", &path))?;
            sync_folder(&self.path)?;
        } else if !is_whole {
            return Err(self.damaged("the database", "its version file is missing"));
        }
        self.open_database(&path, config)
    }

    /// True when there is a database that was created whole.
    pub(crate) fn holds_database(&self) -> Result<bool, StoreError> {
        exists(&self.path.join(DATABASE).join(VERSION_MARKER))
    }

    /// Opens a database, this folder's own or a copy of it.
    pub(crate) fn open_database(
        &self,
        path: &Path,
        config: &Config,
    ) -> Result<Database, StoreError> {
        let open = || {
            Database::builder(path)
                .cache_size(config.cache_bytes)
                .max_journaling_size(config.journal_bytes.max(MIN_JOURNAL_BYTES))
                .worker_threads(WORKERS)
                .open()
        };
        // The database trusts the names of its files and some of their content.
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(opened) => opened.map_err(|error| self.failed("opening", DATABASE, error)),
            Err(_) => Err(self.damaged("the database", "its recovery panicked")),
        }
    }

    /// Takes away what a creation left that did not come to its end: it has no rows.
    fn remove_unfinished(&self, path: &Path) -> Result<(), StoreError> {
        if !exists(path)? {
            return Ok(());
        }
        let files = path.join(TABLE_FILES);
        let has_files = exists(&files)?
            && fs::read_dir(&files).map_err(within("reading", &files))?.next().is_some();
        if has_files {
            return Err(self.damaged("the database", "its version file is missing"));
        }
        fs::remove_dir_all(path).map_err(within("removing", path))
    }

    /// A failure of the database while `doing` something with `what`.
    pub(crate) fn failed(
        &self,
        doing: &'static str,
        what: &str,
        error: fjall::Error,
    ) -> StoreError {
        let path = self.path.clone();
        match error {
            fjall::Error::Locked => StoreError::Locked { path },
            fjall::Error::JournalRecovery(_)
            | fjall::Error::InvalidTrailer
            | fjall::Error::InvalidTag(_) => {
                self.damaged("a journal (database/*.jnl)", error.to_string())
            }
            fjall::Error::Storage(_)
            | fjall::Error::Decompress(_)
            | fjall::Error::InvalidVersion(_)
            | fjall::Error::Unrecoverable => self.damaged(what, error.to_string()),
            fjall::Error::Poisoned => StoreError::Failed,
            fjall::Error::Io(source) => StoreError::Io { doing, path, source },
            other => StoreError::Database { doing, path, source: Box::new(other) },
        }
    }

    pub(crate) fn damaged(&self, what: impl Into<String>, reason: impl Into<String>) -> StoreError {
        StoreError::Damaged { what: what.into(), path: self.path.clone(), reason: reason.into() }
    }
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(within("looking for", path))
}

/// All keyspaces.
#[derive(Clone)]
pub(crate) struct Tables(Vec<Keyspace>);

impl Tables {
    pub(crate) fn open(
        folder: &Folder,
        db: &Database,
        config: &Config,
    ) -> Result<Self, StoreError> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(config.memtable_bytes);
        let open = |table: Table| {
            let opened = db.keyspace(table.name(), options);
            opened.map_err(|error| folder.failed("opening", &describe(table), error))
        };
        Table::ALL.into_iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn of(&self, table: Table) -> &Keyspace {
        // One per number, see `Table::ALL`.
        &self.0[table as usize]
    }
}

pub(crate) fn describe(table: Table) -> String {
    format!("keyspace {}", table.name())
}
