//! The chain submitter's side table.

use std::thread;

use engine::ports::Store;
use engine::step::Write;
use engine::types::CallId;

use crate::fixtures::{commit, load, open};

#[test]
fn records_stay_until_they_are_removed() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let table = store.transactions();
    for id in [256, 1, u64::MAX, 255] {
        table.put(id, &id.to_le_bytes()).unwrap();
    }
    table.put(1, b"").unwrap();
    table.remove(256).unwrap();
    table.remove(7).unwrap();
    assert!(store.load().unwrap().is_empty(), "the engine does not know them");
    let expected =
        [(1, Vec::new()), (255, 255_u64.to_le_bytes().to_vec()), (u64::MAX, vec![0xff; 8])];
    assert_eq!(table.load().unwrap(), expected);
    drop((store, table));
    assert_eq!(open(place.path()).transactions().load().unwrap(), expected);
}

#[test]
fn two_threads_write_at_once_and_nothing_is_lost() {
    const WRITES: u64 = 100;
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let table = store.transactions();
    let puts = thread::spawn(move || {
        for id in 0..WRITES {
            table.put(id, &[1]).unwrap();
        }
    });
    for call in 1..=WRITES {
        commit(&mut store, [Write::NextCall(CallId(call))]);
    }
    puts.join().unwrap();
    drop(store);
    let mut store = open(place.path());
    assert_eq!(store.transactions().load().unwrap().len() as u64, WRITES);
    let rows: Vec<_> = load(&mut store).into_values().collect();
    assert_eq!(rows, [Write::NextCall(CallId(WRITES))]);
}
