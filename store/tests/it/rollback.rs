//! A database behind its witness, and rows that do not add up.

use std::fs;
use std::path::Path;

use engine::step::{ArchivedChannel, Write};
use engine::types::{Address, CallId};
use fjall::KeyspaceCreateOptions;
use store::{Config, FjallStore, Identity, Rollback, StoreError};

use crate::fixtures::{channel, commit, identity, ledger, load, open, paid, with_database};

fn next_call(store: &mut FjallStore) -> u64 {
    let rows = load(store);
    match rows.values().next() {
        Some(Write::NextCall(CallId(call))) if rows.len() == 1 => *call,
        other => panic!("not the one row: {other:?}"),
    }
}

fn error(folder: &Path, config: &Config) -> StoreError {
    FjallStore::open(folder, config).err().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// A store whose database was replaced by a copy that is two commits older.
fn rolled_back(folder: &Path, config: &Config) {
    let write = |calls: std::ops::RangeInclusive<u64>| {
        let mut store = FjallStore::open(folder, config).unwrap();
        calls.for_each(|call| commit(&mut store, [Write::NextCall(CallId(call))]));
    };
    let older = folder.with_extension("older");
    write(1..=3);
    copy(folder, &older);
    write(4..=5);
    fs::remove_dir_all(folder.join("database")).unwrap();
    copy(&older.join("database"), &folder.join("database"));
}

#[test]
fn an_older_database_is_refused_and_the_text_tells_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("store");
    let config = Config::default();
    rolled_back(&folder, &config);
    for _ in 0..2 {
        let error = error(&folder, &config);
        // The first commit is the store's own.
        assert!(matches!(error, StoreError::RolledBack { found: 4, witnessed: 6, .. }), "{error}");
        let text = error.to_string();
        for part in [folder.to_str().unwrap(), "commit 4", "commit 6", "Restore a newer copy"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[test]
fn a_rollback_that_is_accepted_is_forgotten() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("store");
    let refusing = Config::default();
    let accepting = Config { rollback: Rollback::Accept, ..Config::default() };
    rolled_back(&folder, &refusing);
    let mut store = FjallStore::open(&folder, &accepting).unwrap();
    assert_eq!(next_call(&mut store), 3);
    drop(store);
    let mut store = FjallStore::open(&folder, &refusing).unwrap();
    assert_eq!(next_call(&mut store), 3);
    commit(&mut store, [Write::NextCall(CallId(9))]);
    drop(store);
    assert_eq!(next_call(&mut open(&folder)), 9);
}

#[test]
fn a_witness_elsewhere_tells_of_an_exchanged_folder() {
    let place = tempfile::tempdir().unwrap();
    let (folder, older) = (place.path().join("store"), place.path().join("older"));
    let config = Config { witness: Some(place.path().join("elsewhere")), ..Config::default() };
    let mut store = FjallStore::open(&folder, &config).unwrap();
    commit(&mut store, [Write::NextCall(CallId(1))]);
    drop(store);
    copy(&folder, &older);
    let mut store = FjallStore::open(&folder, &config).unwrap();
    commit(&mut store, [Write::NextCall(CallId(2))]);
    drop(store);
    fs::remove_dir_all(&folder).unwrap();
    copy(&older, &folder);
    let error = error(&folder, &config);
    assert!(matches!(error, StoreError::RolledBack { found: 2, witnessed: 3, .. }), "{error}");
}

#[test]
fn a_missing_witness_is_not_made_up() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    commit(&mut store, [Write::NextCall(CallId(1))]);
    drop(store);
    fs::remove_file(place.path().join("commits")).unwrap();
    let missing = error(place.path(), &Config::default());
    assert!(matches!(missing, StoreError::WitnessMissing { .. }), "{missing}");
    assert!(missing.to_string().contains("commits is missing"), "{missing}");
    let accepting = Config { rollback: Rollback::Accept, ..Config::default() };
    drop(FjallStore::open(place.path(), &accepting).unwrap());
    assert_eq!(next_call(&mut open(place.path())), 1);
}

#[test]
fn one_torn_slot_of_the_witness_is_no_loss_and_two_are() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    commit(&mut store, [Write::NextCall(CallId(1))]);
    commit(&mut store, [Write::NextCall(CallId(2))]);
    drop(store);
    let witness = place.path().join("commits");
    let whole = fs::read(&witness).unwrap();
    for slot in [0, 4_096] {
        let mut torn = whole.clone();
        torn[slot + 12] ^= 1;
        fs::write(&witness, torn).unwrap();
        assert_eq!(next_call(&mut open(place.path())), 2);
    }
    fs::write(&witness, vec![0; whole.len()]).unwrap();
    let error = error(place.path(), &Config::default());
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("witness"), "{error}");
}

/// Every file below a folder but the lock, with its bytes.
fn content(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(content(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// A store with a journal that is damaged in its middle: the database would cut it there.
fn damaged(folder: &Path) {
    let mut store = open(folder);
    (1..=20).for_each(|call| commit(&mut store, [Write::NextCall(CallId(call))]));
    drop(store);
    let files = content(&folder.join("database"));
    let is_journal = |path: &Path| path.extension().is_some_and(|extension| extension == "jnl");
    let (path, mut bytes) = files.into_iter().find(|(path, _)| is_journal(path)).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[written / 2..written / 2 + 64].fill(0);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_refused_start_changes_no_byte_and_an_accepted_loss_keeps_what_was_there() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("store");
    damaged(&folder);
    let before = content(&folder);
    for _ in 0..2 {
        let error = error(&folder, &Config::default());
        let text = error.to_string();
        assert!(text.contains("was changed"), "{text}");
        assert!(content(&folder) == before, "the folder is as it was");
    }
    let older = place.path().join("older");
    rolled_back(&older, &Config::default());
    let before = content(&older.join("database"));
    let accepting = Config { rollback: Rollback::Accept, ..Config::default() };
    drop(FjallStore::open(&older, &accepting).unwrap());
    let kept = older.join("before-rollback-1");
    let kept_files = content(&kept.join("database"));
    let bytes = |files: Vec<(_, Vec<u8>)>| files.into_iter().map(|(_, bytes)| bytes);
    assert!(bytes(kept_files).eq(bytes(before)), "what was there is kept");
    assert!(kept.join("commits").exists());
    // It is kept once: the next start has nothing to accept.
    drop(FjallStore::open(&older, &accepting).unwrap());
    assert!(!older.join("before-rollback-2").exists());
}

#[test]
fn records_of_another_node_or_about_other_contracts_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let ours = identity();
    // What was mistyped at the first start has no lasting effect.
    let mistyped = Identity { address: Address::ZERO, ..ours };
    drop(store.claim(mistyped).unwrap());
    for _ in 0..2 {
        store.claim(ours).unwrap().note().unwrap();
    }
    drop(store);
    let change = |change: fn(&mut Identity)| {
        let mut other = ours;
        change(&mut other);
        other
    };
    let others = [
        (change(|other| other.address = Address::repeat_byte(9)), "channel address"),
        (change(|other| other.deployment.chain_id = 2), "chain.chain_id 1, not 2"),
        (change(|other| other.deployment.adjudicator = Address::ZERO), "chain.adjudicator"),
        (change(|other| other.deployment.consensus_app = Address::ZERO), "chain.consensus_app"),
        (change(|other| other.deployment.payment_app = Address::ZERO), "chain.payment_app"),
    ];
    for (other, words) in others {
        let store = open(place.path());
        let error = store.claim(other).err().unwrap();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        for word in [words, "Nothing was changed", "--data-dir"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
    drop(open(place.path()).claim(ours).unwrap());
}

type Change = fn(&fjall::Keyspace);

#[test]
fn rows_that_are_lost_changed_or_added_do_not_add_up() {
    let changes: [(&str, Change); 4] = [
        ("paid", |rows| rows.remove([1; 32]).unwrap()),
        ("paid", |rows| rows.insert([2; 32], [1, 0, 0]).unwrap()),
        ("paid", |rows| rows.insert([1; 32], [1, 0, 0]).unwrap()),
        ("archived_channels", |rows| rows.remove([3; 32]).unwrap()),
    ];
    for (name, change) in changes {
        let place = tempfile::tempdir().unwrap();
        let mut store = open(place.path());
        let closed = Box::new(ArchivedChannel::Ledger(ledger()));
        commit(
            &mut store,
            [
                Write::Paid(channel(1), Some(paid(1))),
                Write::ArchivedChannel(channel(3), closed.clone()),
            ],
        );
        // Archived once more, as a repeated turn does: it counts once.
        commit(&mut store, [Write::ArchivedChannel(channel(3), closed)]);
        drop(store);
        drop(open(place.path()));
        with_database(place.path(), |database| {
            change(&database.keyspace(name, KeyspaceCreateOptions::default).unwrap());
        });
        let error = error(place.path(), &Config::default());
        assert!(matches!(error, StoreError::Incomplete { .. }), "{name}: {error}");
    }
}
