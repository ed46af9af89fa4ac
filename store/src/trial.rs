//! Copies of a database: one to look at before the database itself is opened, and one that is put aside
//! before something is lost on purpose.
//!
//! The database cuts a damaged journal while it opens. Whoever is told that something is lost must
//! still have everything that was there, byte for byte: so a copy is opened first, and the folder is
//! not touched unless the copy is whole or the owner has accepted the loss.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::db::{DATABASE, within};
use crate::error::StoreError;

const TRIAL: &str = "trial";
const EVIDENCE: &str = "before-rollback";
/// Folders of files that nobody writes into once they are there: a second name is a copy.
const UNCHANGING: [&str; 2] = ["tables", "blobs"];

/// A copy of a database that is removed when the value is dropped.
pub(crate) struct Trial {
    folder: PathBuf,
}

impl Trial {
    /// Copies the database of a folder, in place of a copy that an interrupted start has left.
    pub(crate) fn make(store: &Path) -> Result<Self, StoreError> {
        let trial = Self { folder: store.join(TRIAL) };
        trial.remove()?;
        copy(&store.join(DATABASE), &trial.database())?;
        Ok(trial)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join(DATABASE)
    }

    fn remove(&self) -> Result<(), StoreError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(within("removing", &self.folder)(error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!(%error, "a copy of the database is left");
        }
    }
}

/// Keeps a copy of the database, and of the witness, for whoever searches for what is lost. Returns
/// where it is.
pub(crate) fn put_aside(store: &Path, witness: &Path) -> Result<PathBuf, StoreError> {
    let free = (1_u64..).map(|number| store.join(format!("{EVIDENCE}-{number}")));
    let folder = free.into_iter().find(|folder| !folder.exists()).unwrap_or_else(|| store.into());
    copy(&store.join(DATABASE), &folder.join(DATABASE))?;
    if witness.exists() {
        let to = folder.join(witness.file_name().unwrap_or_default());
        fs::copy(witness, &to).map_err(within("copying", witness))?;
    }
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(within("creating", to))?;
    let unchanging = from.file_name().is_some_and(|name| UNCHANGING.iter().any(|u| name == *u));
    for entry in fs::read_dir(from).map_err(within("reading", from))? {
        let entry = entry.map_err(within("reading", from))?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(within("reading", &from))?.is_dir() {
            copy(&from, &to)?;
            continue;
        }
        // Not every file system has second names.
        if !unchanging || fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).map_err(within("copying", &from))?;
        }
    }
    Ok(())
}
