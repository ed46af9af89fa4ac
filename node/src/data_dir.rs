//! The folder that holds everything of one node.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::rpc::Token;

/// Only the owner may read keys, the RPC token and the store.
const DIR_MODE: u32 = 0o700;
/// Only the owner may read or write.
const FILE_MODE: u32 = 0o600;

/// A node's folder, and where things are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// Names the folder; nothing is read or made yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// The folder of the keystores.
    #[must_use]
    pub fn keys_dir(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// What a program must show to use the RPC server of the running node.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.path.join("rpc.token")
    }

    /// Where the running node serves RPC; absent while no node runs.
    #[must_use]
    pub fn rpc_address_file(&self) -> PathBuf {
        self.path.join("rpc.address")
    }

    /// Makes the folder and the folder of the keystores.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(&self) -> Result<(), FileError> {
        create_dir(&self.path)?;
        create_dir(&self.keys_dir())
    }

    /// The socket by which the owner's commands reach the running node.
    #[must_use]
    pub fn rpc_socket(&self) -> PathBuf {
        self.path.join("rpc.sock")
    }

    /// Draws the RPC token of this run, and writes it where programs look for it. One that was given
    /// to whoever has taken the port of a node that was killed is worth nothing afterwards.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new_rpc_token(&self) -> Result<Token, FileError> {
        let path = self.token_file();
        let token = Token::draw().map_err(|error| FileError::new(&path, error))?;
        replace(&path, token.reveal().as_bytes())?;
        Ok(token)
    }
}

/// Makes a folder that only its owner can enter. An existing one is left as it is.
fn create_dir(path: &Path) -> Result<(), FileError> {
    let made = fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(path);
    made.map_err(|error| FileError::new(path, error))
}

/// Writes a file that only its owner can read: whole or not at all, and never over another one.
///
/// # Errors
/// When the file exists or the file system refuses.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let temporary = write_temporary(path, content)?;
    // A hard link, unlike a rename, fails when the name is taken, also by somebody else just now.
    let linked = fs::hard_link(&temporary, path);
    let removed = fs::remove_file(&temporary);
    linked
        .and(removed)
        .and_then(|()| sync_parent(path))
        .map_err(|error| FileError::new(path, error))
}

/// Writes a file that only its owner can read: whole or not at all, in place of an older one.
///
/// # Errors
/// When the file system refuses.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let temporary = write_temporary(path, content)?;
    fs::rename(&temporary, path)
        .and_then(|()| sync_parent(path))
        .map_err(|error| FileError::new(path, error))
}

fn write_temporary(path: &Path, content: &[u8]) -> Result<PathBuf, FileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = (|| {
        // The mode is set before the content lands, so that nobody can read it in between.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&temporary)?;
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        file.write_all(content)?;
        file.sync_all()
    })();
    written.map_err(|error| FileError::new(path, error))?;
    Ok(temporary)
}

/// Makes the new name itself survive a power cut.
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// What is wrong with a file of the data folder.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is one already, and it is never overwritten.
    #[error("{} exists already and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// There is none.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The file system refuses.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Something else is in it.
    #[error("{} does not hold {expected}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
    },
}

impl FileError {
    pub(crate) fn new(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists(path.to_owned()),
            io::ErrorKind::NotFound => Self::Missing(path.to_owned()),
            _ => Self::Io { path: path.to_owned(), error },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_and_folders_are_for_the_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::new(parent.path().join("node"));
        dir.create().unwrap();
        assert_eq!(mode(dir.path()), 0o700);
        assert_eq!(mode(&dir.keys_dir()), 0o700);
        dir.new_rpc_token().unwrap();
        assert_eq!(mode(&dir.token_file()), 0o600);
    }

    #[test]
    fn every_run_has_a_token_of_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::new(parent.path());
        let first = dir.new_rpc_token().unwrap();
        let second = dir.new_rpc_token().unwrap();
        assert_ne!(first.reveal(), second.reveal());
        assert_eq!(fs::read_to_string(dir.token_file()).unwrap(), second.reveal());
    }

    #[test]
    fn a_file_is_never_overwritten_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_new(&path, b"first").unwrap();
        assert!(matches!(write_new(&path, b"second"), Err(FileError::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        replace(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
