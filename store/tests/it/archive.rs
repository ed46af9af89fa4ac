//! Queries of history.

use std::thread;

use engine::ports::Store;
use engine::step::{ArchivedChannel, Write};
use engine::types::{CallId, ObjectiveId};

use crate::fixtures::{channel, commit, ended, ledger, open, paid, payment};

#[test]
fn finds_closed_channels_and_ended_objectives() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let reader = store.archive();
    let objective = ObjectiveId::VirtualDefund(channel(1));
    let closed = ArchivedChannel::Payment(payment(), Some(paid(77)));
    assert_eq!(reader.archived_channel(channel(1)).unwrap(), None);
    commit(
        &mut store,
        [
            Write::ArchivedChannel(channel(1), Box::new(closed.clone())),
            Write::ArchivedObjective(objective, ended(objective)),
        ],
    );
    assert_eq!(reader.archived_channel(channel(1)).unwrap(), Some(closed));
    assert_eq!(reader.archived_objective(objective).unwrap(), Some(ended(objective)));
    let other = ObjectiveId::VirtualFund(channel(1));
    assert_eq!(reader.archived_objective(other).unwrap(), None);
    assert!(store.is_archived(channel(1)).unwrap());
    assert!(!store.is_archived(channel(2)).unwrap());
}

#[test]
fn pages_hold_each_channel_once_in_order() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let closed = Box::new(ArchivedChannel::Ledger(ledger()));
    for byte in [9, 3, 7, 1, 5] {
        commit(&mut store, [Write::ArchivedChannel(channel(byte), closed.clone())]);
    }
    let reader = store.archive();
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = reader.archived_channels(after, 2).unwrap();
        after = page.last().map(|(id, _)| *id);
        pages.push(page.iter().map(|(id, _)| id.0[0]).collect::<Vec<_>>());
        if page.len() < 2 {
            break;
        }
    }
    assert_eq!(pages, [vec![1, 3], vec![5, 7], vec![9]]);
    assert!(reader.archived_channels(Some(channel(9)), 2).unwrap().is_empty());
}

#[test]
fn pages_hold_objectives_by_kind_and_channel() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let ids = [
        ObjectiveId::DirectFund(channel(1)),
        ObjectiveId::DirectFund(channel(2)),
        ObjectiveId::VirtualFund(channel(1)),
        ObjectiveId::VirtualDefund(channel(0)),
    ];
    commit(&mut store, ids.map(|id| Write::ArchivedObjective(id, ended(id))));
    let reader = store.archive();
    let first = reader.archived_objectives(None, 3).unwrap();
    assert_eq!(first, [0, 1, 2].map(|at| (ids[at], ended(ids[at]))));
    let rest = reader.archived_objectives(Some(ids[2]), 3).unwrap();
    assert_eq!(rest, [(ids[3], ended(ids[3]))]);
}

#[test]
fn reads_beside_commits_and_after_the_store_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let closed = ArchivedChannel::Ledger(ledger());
    commit(&mut store, [Write::ArchivedChannel(channel(1), Box::new(closed.clone()))]);
    let reader = store.archive();
    let reads = thread::spawn({
        let reader = reader.clone();
        move || (0..200).filter(|_| reader.archived_channel(channel(1)).unwrap().is_some()).count()
    });
    for call in 0..50 {
        commit(&mut store, [Write::NextCall(CallId(call))]);
    }
    assert_eq!(reads.join().unwrap(), 200);
    drop(store);
    assert_eq!(reader.archived_channel(channel(1)).unwrap(), Some(closed));
}
