//! A small file beside the database that tells the number of the newest commit.
//!
//! Two slots are written in turn, so that a torn write leaves the other one. A slot is written
//! after its commit is durable and never before: the witness ahead of the database always means
//! that the database has lost something. It is synced every so many commits or milliseconds only,
//! because a sync per commit would double the cost of a commit.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use crate::config::Config;
use crate::db::{sync_folder, within};
use crate::error::StoreError;

const MAGIC: [u8; 8] = *b"nitro\0w1";
/// Magic, commit, checksum.
const SLOT_BYTES: usize = 24;
/// Slots are in different sectors and pages: a torn write hits one of them.
const SLOT_DISTANCE: u64 = 4_096;

/// Name of the file in the store's folder.
const FILE: &str = "commits";

#[derive(Debug)]
pub(crate) struct Witness {
    path: PathBuf,
    file: File,
    /// Newest commit that the file tells of.
    pub(crate) commit: u64,
    unsynced: u32,
    synced_at: Instant,
    max_unsynced: u32,
    max_age: Duration,
}

impl Witness {
    /// Where the file is.
    pub(crate) fn path(folder: &Path, config: &Config) -> PathBuf {
        config.witness.clone().unwrap_or_else(|| folder.join(FILE))
    }

    /// Opens the file; none when it is not there.
    pub(crate) fn open(path: &Path, config: &Config) -> Result<Option<Self>, StoreError> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(within("opening", path)(error)),
        };
        let mut newest = None;
        for slot in [0, 1] {
            newest = newest.max(read_slot(&file, slot).map_err(within("reading", path))?);
        }
        let commit = newest.ok_or_else(|| StoreError::Damaged {
            what: "the witness of the newest commit".into(),
            path: path.to_owned(),
            reason: "neither of its two slots is whole".into(),
        })?;
        Ok(Some(Self::new(path, file, commit, config)))
    }

    /// Makes a file that tells of `commit`, durable when this returns.
    pub(crate) fn create(path: &Path, commit: u64, config: &Config) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(within("creating", path))?;
        let mut witness = Self::new(path, file, commit, config);
        witness.write(commit)?;
        witness.sync()?;
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        Ok(witness)
    }

    fn new(path: &Path, file: File, commit: u64, config: &Config) -> Self {
        Self {
            path: path.to_owned(),
            file,
            commit,
            unsynced: 0,
            synced_at: Instant::now(),
            max_unsynced: config.witness_commits,
            max_age: Duration::from_millis(config.witness_millis),
        }
    }

    /// Tells of a commit that is durable. True when the file was synced.
    pub(crate) fn record(&mut self, commit: u64) -> Result<bool, StoreError> {
        self.write(commit)?;
        self.unsynced = self.unsynced.saturating_add(1);
        let due = self.unsynced >= self.max_unsynced || self.synced_at.elapsed() >= self.max_age;
        if due {
            self.sync()?;
        }
        Ok(due)
    }

    fn write(&mut self, commit: u64) -> Result<(), StoreError> {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&MAGIC);
        slot[8..16].copy_from_slice(&commit.to_be_bytes());
        let checksum = xxh3_64(&slot[..16]);
        slot[16..].copy_from_slice(&checksum.to_be_bytes());
        self.file.write_all_at(&slot, offset(commit % 2)).map_err(within("writing", &self.path))?;
        self.commit = commit;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(within("syncing", &self.path))?;
        self.unsynced = 0;
        self.synced_at = Instant::now();
        Ok(())
    }
}

/// A clean end leaves nothing to chance. What fails here was not promised to anybody.
impl Drop for Witness {
    fn drop(&mut self) {
        if self.unsynced > 0
            && let Err(error) = self.sync()
        {
            tracing::warn!(%error, "witness of the newest commit not synced");
        }
    }
}

const fn offset(slot: u64) -> u64 {
    slot * SLOT_DISTANCE
}

/// The commit in a slot; none when the slot is not whole.
fn read_slot(file: &File, slot: u64) -> io::Result<Option<u64>> {
    let mut bytes = [0; SLOT_BYTES];
    match file.read_exact_at(&mut bytes, offset(slot)) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (content, checksum) = bytes.split_at(16);
    let whole = content.starts_with(&MAGIC) && xxh3_64(content).to_be_bytes() == checksum;
    Ok(whole.then(|| content[8..].iter().fold(0, |commit, byte| commit << 8 | u64::from(*byte))))
}
