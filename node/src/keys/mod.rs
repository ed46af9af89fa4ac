//! The node's two keys on disk.
//!
//! The **channel key** is the node's name: it signs channel states and is the network identity.
//! The **chain key** is an ordinary account that pays deposits and fees. They are apart so that
//! the account can be refilled and replaced without a new name.

mod keystore;
mod passphrase;

use std::path::{Path, PathBuf};

use engine::types::Address;
use zeroize::Zeroizing;

pub use keystore::{KeyError, SecretKey, Strength};
pub use passphrase::{PASSPHRASE_VARIABLE, Passphrase, PassphraseError, Purpose, find};

use crate::data_dir::{DataDir, FileError};

/// Both keys, decrypted.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Signs channel states; its address is the node's name.
    pub channel: SecretKey,
    /// Signs transactions.
    pub chain: SecretKey,
}

/// Which of the two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyName {
    /// The channel key.
    Channel,
    /// The chain key.
    Chain,
}

impl KeyName {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Channel, Self::Chain];

    /// The keystore of this key.
    #[must_use]
    pub fn file(self, dir: &DataDir) -> PathBuf {
        dir.keys_dir().join(match self {
            Self::Channel => "channel.json",
            Self::Chain => "chain.json",
        })
    }
}

impl Keys {
    /// Encrypts both keys into new files.
    ///
    /// # Errors
    /// When one of the files exists or cannot be written.
    pub fn store(
        &self,
        dir: &DataDir,
        passphrase: &Passphrase,
        strength: Strength,
    ) -> Result<(), KeyError> {
        for name in KeyName::ALL {
            let path = name.file(dir);
            if path.exists() {
                return Err(FileError::Exists(path).into());
            }
        }
        keystore::write(&KeyName::Channel.file(dir), &self.channel, passphrase, strength)?;
        keystore::write(&KeyName::Chain.file(dir), &self.chain, passphrase, strength)
    }

    /// Decrypts both keys.
    ///
    /// # Errors
    /// When a file is missing or no keystore, or the passphrase is wrong.
    pub fn load(dir: &DataDir, passphrase: &Passphrase) -> Result<Self, KeyError> {
        Ok(Self {
            channel: load(dir, KeyName::Channel, passphrase)?,
            chain: load(dir, KeyName::Chain, passphrase)?,
        })
    }
}

/// Decrypts one key.
///
/// # Errors
/// When the file is missing or no keystore, or the passphrase is wrong.
pub fn load(dir: &DataDir, name: KeyName, passphrase: &Passphrase) -> Result<SecretKey, KeyError> {
    keystore::read(&name.file(dir), passphrase)
}

/// The address of a key, for which no passphrase is needed.
///
/// # Errors
/// When the file is missing or no keystore.
pub fn address(dir: &DataDir, name: KeyName) -> Result<Address, KeyError> {
    keystore::address(&name.file(dir))
}

/// Reads a secret key in hex from a file.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn read_hex_file(path: &Path) -> Result<SecretKey, KeyError> {
    let text = std::fs::read_to_string(path).map_err(|error| FileError::new(path, error))?;
    SecretKey::from_hex(&Zeroizing::new(text))
}
