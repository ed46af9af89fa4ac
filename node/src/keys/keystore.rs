//! One secret key, encrypted in the web3 secret storage format, version 3.
//!
//! Other Ethereum tools read these files, and this reads theirs where they use scrypt. They are
//! written here and not by a library: see the workspace manifest for why.

use std::path::Path;

use aes::Aes128;
use alloy::primitives::keccak256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use engine::crypto::{LocalSigner, Signer};
use engine::types::Address;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Passphrase;
use crate::address::parse_address;
use crate::data_dir::{self, FileError};

/// Most memory that the key derivation of a foreign file may take: 128 * n * r bytes.
const MAX_SCRYPT_MEMORY: u64 = 1 << 30;

/// How much work a guess at the passphrase costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strength {
    /// 2^17 rounds: 128 MiB and about half a second.
    #[default]
    Standard,
    /// 2^12 rounds. For tests and development keys only.
    Light,
}

impl Strength {
    const fn log_n(self) -> u8 {
        match self {
            Self::Standard => 17,
            Self::Light => 12,
        }
    }
}

/// A secp256k1 secret key in memory. Never printed, and wiped when it is dropped.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// Takes the bytes of a key.
    ///
    /// # Errors
    /// When they are no secp256k1 key.
    pub fn new(bytes: [u8; 32]) -> Result<Self, KeyError> {
        LocalSigner::new(bytes).map_err(|_| KeyError::Curve)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// A new key from the system's random source.
    ///
    /// # Errors
    /// When that source is out of order.
    pub fn generate() -> Result<Self, KeyError> {
        loop {
            // One in 2^128 draws is no key.
            if let Ok(key) = Self::new(random()?) {
                return Ok(key);
            }
        }
    }

    /// Reads 64 hex digits, with or without `0x`.
    ///
    /// # Errors
    /// When the text is something else.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), bytes.as_mut())
            .map_err(|_| KeyError::Hex)?;
        Self::new(*bytes)
    }

    /// The bytes, to hand over to who signs.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        *self.0
    }

    /// The address of the key.
    ///
    /// # Panics
    /// Never: the bytes were checked when they came in.
    #[must_use]
    pub fn address(&self) -> Address {
        LocalSigner::new(*self.0).expect("the key was checked when it came in").address()
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.address())
    }
}

/// What is wrong with a key or its file.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Zero, or not below the curve order.
    #[error("the key is not a secp256k1 secret key")]
    Curve,
    /// Not 64 hex digits.
    #[error("a secret key is 64 hex digits, with or without 0x")]
    Hex,
    /// The system's random source is out of order.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a keystore.
    #[error("{path} is not a keystore: {reason}")]
    Format {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The passphrase does not fit.
    #[error("wrong passphrase for {0}")]
    Passphrase(String),
}

#[derive(Serialize, Deserialize)]
struct Document {
    /// Not part of the format's core, but every tool writes it: the address can be shown without
    /// the passphrase.
    #[serde(default)]
    address: Option<String>,
    crypto: Crypto,
    id: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: serde_json::Value,
    mac: String,
}

#[derive(Serialize, Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Serialize, Deserialize)]
struct ScryptParams {
    dklen: u32,
    n: u64,
    p: u32,
    r: u32,
    salt: String,
}

/// Encrypts a key into a new file.
///
/// # Errors
/// When the file exists or cannot be written.
pub(super) fn write(
    path: &Path,
    key: &SecretKey,
    passphrase: &Passphrase,
    strength: Strength,
) -> Result<(), KeyError> {
    let salt: [u8; 32] = random()?;
    let iv: [u8; 16] = random()?;
    let params =
        ScryptParams { dklen: 32, n: 1 << strength.log_n(), p: 1, r: 8, salt: hex::encode(salt) };
    let derived =
        derive(&params, &salt, passphrase).map_err(|reason| format_error(path, reason))?;
    let mut ciphertext = key.bytes();
    apply_cipher(&derived, &iv, &mut ciphertext);
    let document = Document {
        address: Some(hex::encode(key.address())),
        crypto: Crypto {
            cipher: "aes-128-ctr".to_owned(),
            cipherparams: CipherParams { iv: hex::encode(iv) },
            ciphertext: hex::encode(ciphertext),
            kdf: "scrypt".to_owned(),
            kdfparams: serde_json::to_value(params).map_err(|error| format_error(path, error))?,
            mac: hex::encode(mac(&derived, &ciphertext)),
        },
        id: uuid()?,
        version: 3,
    };
    let text = serde_json::to_vec_pretty(&document).map_err(|error| format_error(path, error))?;
    Ok(data_dir::write_new(path, &text)?)
}

/// Decrypts the key in a file.
///
/// # Errors
/// When the file is no keystore, or the passphrase is wrong.
pub(super) fn read(path: &Path, passphrase: &Passphrase) -> Result<SecretKey, KeyError> {
    let document = load(path)?;
    let crypto = &document.crypto;
    if crypto.cipher != "aes-128-ctr" {
        return Err(format_error(path, format!("cipher {:?} is not aes-128-ctr", crypto.cipher)));
    }
    if crypto.kdf != "scrypt" {
        return Err(format_error(path, format!("kdf {:?} is not scrypt", crypto.kdf)));
    }
    let params: ScryptParams = serde_json::from_value(crypto.kdfparams.clone())
        .map_err(|error| format_error(path, error))?;
    let salt = hex::decode(&params.salt).map_err(|_| format_error(path, "salt is not hex"))?;
    let iv: [u8; 16] = bytes(path, "iv", &crypto.cipherparams.iv)?;
    let mut key = Zeroizing::new(bytes::<32>(path, "ciphertext", &crypto.ciphertext)?);
    let expected: [u8; 32] = bytes(path, "mac", &crypto.mac)?;
    let derived =
        derive(&params, &salt, passphrase).map_err(|reason| format_error(path, reason))?;
    if mac(&derived, &key) != expected {
        return Err(KeyError::Passphrase(path.display().to_string()));
    }
    apply_cipher(&derived, &iv, &mut key);
    SecretKey::new(*key)
}

/// The address of the key in a file, for which no passphrase is needed.
///
/// # Errors
/// When the file is no keystore, or names no address.
pub(super) fn address(path: &Path) -> Result<Address, KeyError> {
    let text = load(path)?.address.ok_or_else(|| format_error(path, "it names no address"))?;
    let text = if text.starts_with("0x") { text } else { format!("0x{text}") };
    parse_address(&text).map_err(|error| format_error(path, error))
}

fn load(path: &Path) -> Result<Document, KeyError> {
    let text = std::fs::read(path).map_err(|error| FileError::new(path, error))?;
    let document: Document =
        serde_json::from_slice(&text).map_err(|error| format_error(path, error))?;
    if document.version != 3 {
        return Err(format_error(path, format!("version {} is not 3", document.version)));
    }
    Ok(document)
}

fn derive(
    params: &ScryptParams,
    salt: &[u8],
    passphrase: &Passphrase,
) -> Result<Zeroizing<[u8; 32]>, String> {
    let memory = params.n.checked_mul(u64::from(params.r)).and_then(|size| size.checked_mul(128));
    if !params.n.is_power_of_two() || params.n < 2 || memory.is_none_or(|m| m > MAX_SCRYPT_MEMORY) {
        return Err(format!("scrypt with n {} and r {} is out of bounds", params.n, params.r));
    }
    if params.p > 16 || params.dklen != 32 {
        return Err(format!("scrypt with p {} and dklen {}", params.p, params.dklen));
    }
    let log_n = u8::try_from(params.n.ilog2()).map_err(|error| error.to_string())?;
    let params =
        scrypt::Params::new(log_n, params.r, params.p).map_err(|error| error.to_string())?;
    let mut derived = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase.bytes(), salt, &params, derived.as_mut())
        .map_err(|error| error.to_string())?;
    Ok(derived)
}

fn apply_cipher(derived: &[u8; 32], iv: &[u8; 16], data: &mut [u8; 32]) {
    let mut key = Zeroizing::new([0; 16]);
    key.copy_from_slice(&derived[..16]);
    Ctr128BE::<Aes128>::new((&*key).into(), iv.into()).apply_keystream(data);
}

fn mac(derived: &[u8; 32], ciphertext: &[u8; 32]) -> [u8; 32] {
    let mut text = Zeroizing::new([0; 48]);
    text[..16].copy_from_slice(&derived[16..]);
    text[16..].copy_from_slice(ciphertext);
    keccak256(text.as_ref()).0
}

/// A random UUID, which the format wants.
fn uuid() -> Result<String, KeyError> {
    let mut id: [u8; 16] = random()?;
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    let id = hex::encode(id);
    Ok([&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-"))
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
    Ok(bytes)
}

fn bytes<const N: usize>(path: &Path, name: &str, text: &str) -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|error| format_error(path, format!("{name}: {error}")))?;
    Ok(bytes)
}

fn format_error(path: &Path, reason: impl ToString) -> KeyError {
    KeyError::Format { path: path.display().to_string(), reason: reason.to_string() }
}
