//! Keystores: readable by other tools, by their owner only, and never overwritten.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use alloy::signers::local::PrivateKeySigner;
use node::data_dir::DataDir;
use node::keys::{KeyError, KeyName, Keys, Passphrase, SecretKey, Strength, address, load};
use tempfile::TempDir;

const SECRET: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/// A key file as geth writes it, from its own tests.
const FOREIGN: &str = r#"{"address":"7ef5a6135f1fd6a02593eedc869c6d41d934aef8","crypto":{"cipher":
"aes-128-ctr","ciphertext":"1d0839166e7a15b9c1333fc865d69858b22df26815ccf601b28219b6192974e1",
"cipherparams":{"iv":"8df6caa7ff1b00c4e871f002cb7921ed"},"kdf":"scrypt","kdfparams":{"dklen":32,
"n":8,"p":16,"r":8,"salt":"e5e6ef3f4ea695f496b643ebd3f75c0aa58ef4070e90c80c5d3fb0241bf1595c"},
"mac":"6d16dfde774845e4585357f24bce530528bc69f4f84e1e22880d34fa45c273e5"},
"id":"950077c7-71e3-4c44-a4a1-143919141ed4","version":3}"#;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text).unwrap()
}

fn stored() -> (TempDir, DataDir, Keys) {
    let parent = tempfile::tempdir().unwrap();
    let dir = DataDir::new(parent.path().join("node"));
    dir.create().unwrap();
    let keys = Keys {
        channel: SecretKey::from_hex(SECRET).unwrap(),
        chain: SecretKey::generate().unwrap(),
    };
    keys.store(&dir, &passphrase("correct horse"), Strength::Light).unwrap();
    (parent, dir, keys)
}

#[test]
fn keys_are_read_back() {
    let (_parent, dir, keys) = stored();
    let read = Keys::load(&dir, &passphrase("correct horse")).unwrap();
    assert_eq!(read.channel.bytes(), keys.channel.bytes());
    assert_eq!(read.chain.bytes(), keys.chain.bytes());
    assert_eq!(address(&dir, KeyName::Channel).unwrap().to_string(), ADDRESS);
}

#[test]
fn other_tools_read_them() {
    let (_parent, dir, keys) = stored();
    let file = KeyName::Chain.file(&dir);
    let signer = PrivateKeySigner::decrypt_keystore(file, "correct horse").unwrap();
    assert_eq!(signer.to_bytes().0, keys.chain.bytes());
}

#[test]
fn files_of_other_tools_are_read() {
    let (_parent, dir, _) = stored();
    let file = KeyName::Chain.file(&dir);
    fs::write(&file, FOREIGN).unwrap();
    let key = load(&dir, KeyName::Chain, &passphrase("foobar")).unwrap();
    assert_eq!(key.address(), address(&dir, KeyName::Chain).unwrap());
}

#[test]
fn a_wrong_passphrase_is_called_that() {
    let (_parent, dir, _) = stored();
    let error = Keys::load(&dir, &passphrase("wrong horse")).unwrap_err();
    assert!(matches!(error, KeyError::Passphrase(_)), "{error}");
    assert!(error.to_string().contains("wrong passphrase for"), "{error}");
    assert!(error.to_string().contains("channel.json"), "{error}");
}

#[test]
fn only_the_owner_reads_them() {
    let (_parent, dir, _) = stored();
    for name in KeyName::ALL {
        let mode = fs::metadata(name.file(&dir)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name:?}");
    }
    let mode = fs::metadata(dir.keys_dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn they_are_never_overwritten() {
    let (_parent, dir, _) = stored();
    let before = fs::read(KeyName::Channel.file(&dir)).unwrap();
    let others =
        Keys { channel: SecretKey::generate().unwrap(), chain: SecretKey::generate().unwrap() };
    // One that exists is enough to refuse both.
    fs::remove_file(KeyName::Chain.file(&dir)).unwrap();
    let error = others.store(&dir, &passphrase("x"), Strength::Light).unwrap_err();
    assert!(error.to_string().contains("not overwritten"), "{error}");
    assert_eq!(fs::read(KeyName::Channel.file(&dir)).unwrap(), before);
    assert!(!KeyName::Chain.file(&dir).exists());
}

#[test]
fn damaged_files_are_refused_without_a_panic() {
    let (_parent, dir, _) = stored();
    let file = KeyName::Channel.file(&dir);
    let good = fs::read_to_string(&file).unwrap();
    let damaged = [
        (String::new(), "not a keystore"),
        ("{}".to_owned(), "not a keystore"),
        (good.replace("aes-128-ctr", "rot13"), "rot13"),
        (good.replace("\"scrypt\"", "\"pbkdf2\""), "pbkdf2"),
        (good.replace("\"n\": 4096", "\"n\": 4095"), "out of bounds"),
        (good.replace("\"n\": 4096", "\"n\": 1099511627776"), "out of bounds"),
        (good.replace("\"dklen\": 32", "\"dklen\": 8"), "dklen"),
        (good.replace("\"iv\": \"", "\"iv\": \"00"), "iv"),
        (good.replace("\"version\": 3", "\"version\": 1"), "version 1"),
        (good.replace("\"mac\": \"", "\"mac\": \"zz"), "mac"),
    ];
    for (text, words) in damaged {
        assert_ne!(text, good, "{words}: nothing was damaged");
        fs::write(&file, &text).unwrap();
        let error = load(&dir, KeyName::Channel, &passphrase("correct horse")).unwrap_err();
        assert!(error.to_string().contains(words), "{words:?} is missing in {error}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let (_parent, dir, keys) = stored();
    for shown in [format!("{keys:?}"), format!("{:?}", keys.channel)] {
        assert!(!shown.contains(&SECRET[2..10]), "{shown}");
    }
    for name in KeyName::ALL {
        let text = fs::read_to_string(name.file(&dir)).unwrap();
        assert!(!text.contains(&SECRET[2..]), "{text}");
    }
}

#[test]
fn hex_is_read_strictly() {
    assert_eq!(SecretKey::from_hex(SECRET).unwrap().address().to_string(), ADDRESS);
    assert_eq!(
        SecretKey::from_hex(&format!("{}\n", &SECRET[2..])).unwrap().address().to_string(),
        ADDRESS
    );
    let (short, long) = (&SECRET[..64], format!("{SECRET}00"));
    for text in ["", "0x", short, &long, "not a key"] {
        assert!(matches!(SecretKey::from_hex(text), Err(KeyError::Hex)), "{text:?}");
    }
    for text in ["0".repeat(64), "f".repeat(64)] {
        assert!(matches!(SecretKey::from_hex(&text), Err(KeyError::Curve)), "{text:?}");
    }
}
