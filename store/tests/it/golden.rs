//! The bytes on disk, fixed: a row that is encoded otherwise would be lost on an upgrade.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use engine::step::Write;
use fjall::KeyspaceCreateOptions;
use store::{Config, FjallStore, StoreError};

use crate::fixtures::{by_row, commit, identity, load, open, peer, with_database};
use crate::rows::{archived_rows, live_rows};

/// Every row of a store that holds [`live_rows`], [`archived_rows`], one transaction and one
/// partner's address:
/// keyspace, key and record.
const FORMAT_3: &str = include_str!("../fixtures/format_3.txt");

const KEYSPACES: [&str; 18] = [
    "answers",
    "archived_channels",
    "archived_objectives",
    "buried",
    "calls",
    "debts",
    "guards",
    "ledgers",
    "messages",
    "meta",
    "objectives",
    "paid",
    "partners",
    "payments",
    "sendings",
    "towers",
    "transactions",
    "waiting",
];

fn dump(folder: &Path) -> String {
    with_database(folder, |database| {
        let mut names: Vec<String> =
            database.list_keyspace_names().iter().map(|name| name.to_string()).collect();
        names.sort();
        assert_eq!(names, KEYSPACES);
        let mut text = String::new();
        for name in KEYSPACES {
            let rows = database.keyspace(name, KeyspaceCreateOptions::default).unwrap();
            for row in rows.iter() {
                let (key, value) = row.into_inner().unwrap();
                writeln!(text, "{name} {} {}", hex::encode(&key), hex::encode(&value)).unwrap();
            }
        }
        text
    })
}

/// A folder as a node wrote it whose format was 3.
fn restore(folder: &Path, text: &str) {
    drop(open(folder));
    with_database(folder, |database| {
        for line in text.lines() {
            let [name, key, value] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("not a row: {line}")
            };
            let rows = database.keyspace(name, KeyspaceCreateOptions::default).unwrap();
            rows.insert(hex::decode(key).unwrap(), hex::decode(value).unwrap()).unwrap();
        }
    });
}

#[test]
fn rows_have_their_fixed_bytes() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    store.claim(identity()).unwrap().note().unwrap();
    commit(&mut store, live_rows().into_iter().chain(archived_rows()));
    store.transactions().put(300, &[1, 2, 3]).unwrap();
    store.partners().put(&[(peer(7), Some(vec![4, 5]))]).unwrap();
    drop(store);
    let found = dump(place.path());
    if found != FORMAT_3 {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("format_3.txt");
        fs::write(&path, &found).unwrap();
        panic!("rows are encoded otherwise, see {}", path.display());
    }
}

#[test]
fn a_folder_of_format_3_opens() {
    let place = tempfile::tempdir().unwrap();
    restore(place.path(), FORMAT_3);
    let mut store = open(place.path());
    assert_eq!(load(&mut store), by_row(live_rows()));
    assert_eq!(store.transactions().load().unwrap(), [(300, vec![1, 2, 3])]);
    assert_eq!(store.partners().load().unwrap(), [(peer(7), vec![4, 5])]);
    let archive = store.archive();
    let channels = archive.archived_channels(None, 99).unwrap();
    let channels = channels.into_iter().map(|(id, row)| Write::ArchivedChannel(id, Box::new(row)));
    let objectives = archive.archived_objectives(None, 99).unwrap();
    let objectives = objectives.into_iter().map(|(id, row)| Write::ArchivedObjective(id, row));
    assert_eq!(by_row(channels.chain(objectives)), by_row(archived_rows()));
}

#[test]
fn a_newer_format_is_refused() {
    let place = tempfile::tempdir().unwrap();
    restore(place.path(), "meta 666f726d6174 00000004");
    let error = FjallStore::open(place.path(), &Config::default()).err().unwrap();
    assert!(matches!(error, StoreError::NewerFormat { found: 4, known: 3, .. }), "{error}");
    assert!(error.to_string().contains("run the version that wrote it"), "{error}");
}

#[test]
fn a_format_from_before_the_first_release_is_refused() {
    let place = tempfile::tempdir().unwrap();
    for row in ["meta 666f726d6174 00000001", "meta 666f726d6174 00000002"] {
        restore(place.path(), row);
        let error = FjallStore::open(place.path(), &Config::default()).err().unwrap();
        assert!(matches!(error, StoreError::UnreleasedFormat { .. }), "{error}");
        assert!(error.to_string().contains("begin with a new folder"), "{error}");
        fs::remove_dir_all(place.path()).unwrap();
    }
}

#[test]
fn a_format_that_never_was_is_refused() {
    let place = tempfile::tempdir().unwrap();
    for row in ["meta 666f726d6174 00000000", "meta 666f726d6174 0001"] {
        restore(place.path(), "meta 666f726d6174 00000003");
        with_database(place.path(), |database| {
            let meta = database.keyspace("meta", KeyspaceCreateOptions::default).unwrap();
            meta.insert("format", hex::decode(row.rsplit(' ').next().unwrap()).unwrap()).unwrap();
        });
        let error = FjallStore::open(place.path(), &Config::default()).err().unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("format number"), "{error}");
        fs::remove_dir_all(place.path()).unwrap();
    }
}
