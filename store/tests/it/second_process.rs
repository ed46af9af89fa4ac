//! One folder, one node.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use engine::step::Write;
use engine::types::CallId;
use store::{Config, FjallStore, StoreError};

use crate::fixtures::{commit, load, open};

const FOLDER: &str = "STORE_TEST_HOLD";

/// Holds the folder until it is killed.
#[test]
#[ignore = "runs in a process of its own, started by the test below"]
fn holds_a_folder() {
    let folder = std::env::var(FOLDER).unwrap();
    let mut store = open(Path::new(&folder));
    commit(&mut store, [Write::NextCall(CallId(7))]);
    println!("\nopened");
    std::thread::sleep(std::time::Duration::from_secs(60));
}

fn hold(folder: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["second_process::holds_a_folder", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "opened"), "the other process opens");
    child
}

fn assert_locked(folder: &Path) {
    let error = FjallStore::open(folder, &Config::default()).err().unwrap();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(folder.to_str().unwrap()), "{text}");
    assert!(text.contains("another node runs on it"), "{text}");
}

#[test]
fn a_second_process_is_refused_until_the_first_has_ended() {
    let place = tempfile::tempdir().unwrap();
    let mut other = hold(place.path());
    assert_locked(place.path());
    other.kill().unwrap();
    other.wait().unwrap();
    let rows: Vec<_> = load(&mut open(place.path())).into_values().collect();
    assert_eq!(rows, [Write::NextCall(CallId(7))]);
}

#[test]
fn a_folder_is_free_when_the_last_handle_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    assert_locked(place.path());
    let (archive, transactions) = (store.archive(), store.transactions());
    drop(store);
    assert_locked(place.path());
    drop(archive);
    assert_locked(place.path());
    drop(transactions);
    drop(open(place.path()));
}
