//! A process killed in the middle of commits loses nothing that it has acknowledged.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use engine::step::{Row, Write};
use engine::types::{CallId, MessageId, ObjectiveId};
use store::FjallStore;

use crate::fixtures::{channel, commit, deposit, ended, load, open, paid, peer};

const FOLDER: &str = "STORE_TEST_KILL";
const ROUNDS: u64 = 6;
/// Messages in the outbox after each turn.
const BACKLOG: u64 = 5;
/// Large enough that a kill falls into the write and not only into the sync.
const MESSAGE_BYTES: usize = 20_000;

/// Commits turns and tells of each that is durable, until it is killed.
#[test]
#[ignore = "runs in a process of its own, started by the test below"]
fn commits_until_it_is_killed() {
    let folder = std::env::var(FOLDER).unwrap();
    let mut store = open(Path::new(&folder));
    let first = last_turn(&load(&mut store)) + 1;
    let table = store.transactions();
    thread::spawn(move || {
        for number in last_record(&table.load().unwrap()) + 1.. {
            table.put(0, &number.to_be_bytes()).unwrap();
            println!("\nput {number}");
        }
    });
    for turn in first.. {
        commit(&mut store, writes(turn));
        println!("\nturn {turn}");
    }
}

/// A turn that touches every keyspace; what it leaves can be told from its number.
fn writes(turn: u64) -> Vec<Write> {
    let mut writes = vec![
        Write::NextCall(CallId(turn)),
        Write::Paid(channel(1), Some(paid(turn))),
        Write::Call(CallId(turn), Some(deposit(turn))),
        Write::Message(peer(1), MessageId(turn), Some(vec![turn as u8; MESSAGE_BYTES])),
        Write::ArchivedObjective(objective(turn), ended(objective(turn))),
    ];
    if let Some(old) = turn.checked_sub(BACKLOG).filter(|old| *old > 0) {
        writes.push(Write::Message(peer(1), MessageId(old), None));
        writes.push(Write::Call(CallId(old), None));
    }
    writes
}

fn objective(turn: u64) -> ObjectiveId {
    ObjectiveId::DirectFund(channel(turn as u8))
}

fn last_turn(rows: &BTreeMap<Row, Write>) -> u64 {
    match rows.get(&Row::NextCall) {
        Some(Write::NextCall(CallId(turn))) => *turn,
        _ => 0,
    }
}

fn last_record(records: &[(u64, Vec<u8>)]) -> u64 {
    records.first().map_or(0, |(_, record)| u64::from_be_bytes(record[..].try_into().unwrap()))
}

/// Exactly what turn after turn up to `turn` leaves.
fn expected(turn: u64) -> BTreeMap<Row, Write> {
    let mut rows = BTreeMap::new();
    for past in turn.saturating_sub(BACKLOG - 1).max(1)..=turn {
        for write in writes(past) {
            let removes = matches!(write, Write::Message(_, _, None) | Write::Call(_, None));
            if !removes && !matches!(write, Write::ArchivedObjective(..)) {
                rows.insert(write.row(), write);
            }
        }
    }
    rows
}

/// Starts a child, kills it after some acknowledgements, and returns the newest ones.
fn run_and_kill(folder: &Path, acknowledgements: u64) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::commits_until_it_is_killed", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut turn, mut record, mut count) = (0, 0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(number) = line.strip_prefix("turn ") {
            turn = number.parse().unwrap();
            count += 1;
            if count == acknowledgements {
                child.kill().unwrap();
            }
        } else if let Some(number) = line.strip_prefix("put ") {
            record = number.parse().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(count >= acknowledgements, "the child works until it is killed");
    (turn, record)
}

fn assert_whole(store: &mut FjallStore, acknowledged: u64) {
    let rows = load(store);
    let turn = last_turn(&rows);
    // One more can be durable whose acknowledgement did not come through, and one more whose
    // line was cut.
    assert!((acknowledged..=acknowledged + 2).contains(&turn), "{turn} after {acknowledged}");
    assert_eq!(rows, expected(turn), "turn {turn} is whole and no later one has begun");
    let archive = store.archive();
    let found = archive.archived_objective(objective(turn)).unwrap();
    assert_eq!(found, Some(ended(objective(turn))));
}

#[test]
fn nothing_acknowledged_is_lost_and_every_turn_is_whole() {
    let place = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        let (turn, record) = run_and_kill(place.path(), 3 + round * 17);
        let mut store = open(place.path());
        assert_whole(&mut store, turn);
        let found = last_record(&store.transactions().load().unwrap());
        assert!((record..=record + 2).contains(&found), "{found} after {record}");
    }
}
