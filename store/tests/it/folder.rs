//! The folder itself: rights, unfinished creation, limits, counters.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use engine::ports::Store;
use engine::step::Write;
use engine::types::{CallId, MessageId};
use store::{ArchiveReader, Config, FjallStore, TransactionTable};

use crate::fixtures::{batch, commit, load, open, peer};

#[test]
fn others_cannot_read_the_folder() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("deep").join("store");
    drop(open(&path));
    for folder in [&path, &path.join("database")] {
        let mode = fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
}

#[test]
fn a_creation_that_was_cut_off_is_begun_again() {
    let place = tempfile::tempdir().unwrap();
    let database = place.path().join("database");
    fs::create_dir_all(database.join("keyspaces")).unwrap();
    fs::write(database.join("0.jnl"), b"").unwrap();
    fs::write(database.join("lock"), b"").unwrap();
    let mut store = open(place.path());
    commit(&mut store, [Write::NextCall(CallId(1))]);
    drop(store);
    assert_eq!(load(&mut open(place.path())).len(), 1);
}

#[test]
fn a_database_without_its_version_is_not_begun_again() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path()));
    fs::remove_file(place.path().join("database/version")).unwrap();
    for witness in [true, false] {
        if !witness {
            fs::remove_file(place.path().join("commits")).unwrap();
        }
        let error = FjallStore::open(place.path(), &Config::default()).err().unwrap();
        assert!(error.to_string().contains("its version file is missing"), "{error}");
    }
    assert!(place.path().join("database/keyspaces/1").exists(), "nothing was removed");
}

#[test]
fn after_a_failed_commit_nothing_more_is_taken() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    commit(&mut store, [Write::NextCall(CallId(1))]);
    let too_long = Write::Message(peer(1), MessageId(0), Some(vec![0; 64 << 20]));
    let error = store.commit(&batch([Write::NextCall(CallId(2)), too_long])).unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
    let error = store.commit(&batch([Write::NextCall(CallId(3))])).unwrap_err();
    assert!(error.to_string().contains("restart the node"), "{error}");
    assert!(store.transactions().put(1, b"").is_err());
    drop(store);
    let rows: Vec<_> = load(&mut open(place.path())).into_values().collect();
    assert_eq!(rows, [Write::NextCall(CallId(1))]);
}

#[test]
fn counts_what_it_commits() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let metrics = store.metrics();
    let before = [&metrics.commits, &metrics.rows, &metrics.bytes]
        .map(|counter| counter.load(Ordering::Relaxed));
    commit(
        &mut store,
        [
            Write::Message(peer(1), MessageId(0), Some(vec![0; 100])),
            Write::Message(peer(1), MessageId(1), None),
        ],
    );
    store.transactions().put(1, &[0; 10]).unwrap();
    let after = [&metrics.commits, &metrics.rows, &metrics.bytes]
        .map(|counter| counter.load(Ordering::Relaxed));
    let added: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(added, [2, 3, (28 + 101) + 28 + (8 + 11)]);
    assert!(metrics.commit_nanos.load(Ordering::Relaxed) > 0);
    assert!(metrics.commit_nanos_max.load(Ordering::Relaxed) > 0);
}

#[test]
fn handles_go_to_other_threads() {
    fn is_shareable<T: Clone + Send + Sync + 'static>() {}
    fn is_sendable<T: Send + 'static>() {}
    is_shareable::<ArchiveReader>();
    is_shareable::<TransactionTable>();
    is_sendable::<FjallStore>();
}
