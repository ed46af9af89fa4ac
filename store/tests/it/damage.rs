//! Damage on disk: a store opens with everything that was committed, or it does not open.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use engine::step::Write;
use engine::testing::Random;
use engine::types::{CallId, MessageId};
use store::{Config, FjallStore, StoreError};
use tempfile::TempDir;

use crate::fixtures::{channel, commit, load, open, paid, peer};

const TURNS: u64 = 40;
const PAGE: usize = 4_096;

/// A closed store as it was left, to be damaged in copies.
struct Template {
    /// Path, content without zeros at its end, length with them.
    files: Vec<(PathBuf, Vec<u8>, u64)>,
    rows: Vec<Write>,
}

impl Template {
    fn of(folder: &Path, mut store: FjallStore) -> Self {
        let rows = load(&mut store).into_values().collect();
        drop(store);
        let mut files = Vec::new();
        collect(folder, Path::new(""), &mut files);
        Self { files, rows }
    }

    fn place(&self) -> TempDir {
        let place = tempfile::tempdir().unwrap();
        for (path, content, length) in &self.files {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write(&path, content, *length);
        }
        place
    }

    /// A copy whose only journal is damaged within what was written to it.
    fn place_damaged(&self, damage: impl FnOnce(&mut Vec<u8>)) -> TempDir {
        let place = self.place();
        let (path, content, length) =
            self.files.iter().find(|(path, _, _)| is_journal(path)).unwrap();
        let mut content = content.clone();
        damage(&mut content);
        let path = place.path().join(path);
        write(&path, &content, *length);
        place
    }

    fn journal(&self) -> &[u8] {
        &self.files.iter().find(|(path, _, _)| is_journal(path)).unwrap().1
    }

    /// The error of a store that does not open; none when it opens with all rows.
    fn error(&self, place: &TempDir) -> Option<StoreError> {
        match FjallStore::open(place.path(), &Config::default()) {
            Ok(mut store) => {
                let rows: Vec<_> = load(&mut store).into_values().collect();
                assert_eq!(rows, self.rows, "an opened store has lost nothing");
                None
            }
            Err(error) => Some(error),
        }
    }
}

/// A file with `content` and then zeros up to `length`.
fn write(path: &Path, content: &[u8], length: u64) {
    fs::write(path, content).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn is_journal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jnl")
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>, u64)>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, files);
        } else {
            let mut content = fs::read(root.join(&path)).unwrap();
            let length = content.len() as u64;
            let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            content.truncate(used);
            files.push((path, content, length));
        }
    }
}

/// About one turn per page of the journal.
fn written_store() -> Template {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let mut random = Random::new(1);
    for turn in 1..=TURNS {
        commit(&mut store, writes(turn, noise(&mut random, PAGE)));
    }
    Template::of(place.path(), store)
}

fn writes(turn: u64, message: Vec<u8>) -> Vec<Write> {
    vec![
        Write::NextCall(CallId(turn)),
        Write::Paid(channel(1), Some(paid(turn))),
        Write::Message(peer(1), MessageId(turn), Some(message)),
    ]
}

/// Bytes that no compression makes shorter.
fn noise(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.below(256) as u8).collect()
}

fn count(errors: &[Option<StoreError>], kind: impl Fn(&StoreError) -> bool) -> usize {
    errors.iter().flatten().filter(|error| kind(error)).count()
}

const fn is_rolled_back(error: &StoreError) -> bool {
    matches!(error, StoreError::RolledBack { .. })
}

const fn is_damaged(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged { .. })
}

#[test]
fn an_undamaged_copy_opens() {
    let template = written_store();
    assert!(template.error(&template.place()).is_none());
    assert!(template.error(&template.place_damaged(|_| {})).is_none());
}

#[test]
fn a_zeroed_page_anywhere_in_the_journal_is_found() {
    let template = written_store();
    let pages = template.journal().len() / PAGE;
    let errors: Vec<_> = (0..pages)
        .step_by(4)
        .map(|page| {
            let damage = |journal: &mut Vec<u8>| journal[page * PAGE..(page + 1) * PAGE].fill(0);
            template.error(&template.place_damaged(damage))
        })
        .collect();
    assert!(errors.iter().all(Option::is_some), "{errors:?}");
    // The database itself opens after this, without a word.
    assert!(count(&errors, is_rolled_back) > errors.len() / 2, "{errors:?}");
}

#[test]
fn flipped_bits_are_found_or_change_nothing() {
    let template = written_store();
    let mut random = Random::new(2);
    let errors: Vec<_> = (0..24)
        .map(|_| {
            let at = random.below(template.journal().len() as u64) as usize;
            let bit = 1 << random.below(8);
            template.error(&template.place_damaged(|journal| journal[at] ^= bit))
        })
        .collect();
    assert!(count(&errors, is_damaged) > 12, "{errors:?}");
}

#[test]
fn a_cut_journal_is_found_wherever_it_is_cut() {
    let template = written_store();
    let mut random = Random::new(3);
    for _ in 0..10 {
        let length = random.below(template.journal().len() as u64) as usize;
        let place = template.place_damaged(|journal| journal.truncate(length));
        let error = template.error(&place).unwrap();
        assert!(is_rolled_back(&error), "{length}: {error}");
        // It does not open the second time either.
        assert!(is_rolled_back(&template.error(&place).unwrap()));
    }
}

#[test]
fn a_removed_journal_or_database_is_found() {
    let template = written_store();
    let place = template.place();
    let journal = &template.files.iter().find(|(path, _, _)| is_journal(path)).unwrap().0;
    fs::remove_file(place.path().join(journal)).unwrap();
    assert!(template.error(&place).is_some());
    let place = template.place();
    fs::remove_dir_all(place.path().join("database")).unwrap();
    assert!(is_damaged(&template.error(&place).unwrap()));
}

/// Fills a journal of the database, so that it begins another one; the first one stays, because
/// it has the only copy of rows that were written once.
fn store_with_two_journals() -> (Template, Range<usize>) {
    const MESSAGE_BYTES: usize = 1 << 20;
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let mut random = Random::new(4);
    let noise = noise(&mut random, MESSAGE_BYTES);
    commit(&mut store, [Write::Message(peer(1), MessageId(0), Some(noise[..PAGE].to_vec()))]);
    for seldom in 1..=8 {
        commit(&mut store, [Write::Paid(channel(seldom), Some(paid(seldom.into())))]);
    }
    for turn in 1..=90 {
        let mut message = noise.clone();
        message[..8].copy_from_slice(&u64::to_be_bytes(turn));
        let old = Write::Message(peer(1), MessageId(turn - 1), None);
        commit(&mut store, [Write::Message(peer(1), MessageId(turn), Some(message)), old]);
    }
    let template = Template::of(place.path(), store);
    let journals = template.files.iter().filter(|(path, _, _)| is_journal(path)).count();
    assert!(journals >= 2, "{journals} journals");
    (template, PAGE..2 * PAGE)
}

#[test]
fn a_zeroed_page_of_an_old_journal_is_found() {
    let (mut template, page) = store_with_two_journals();
    template.files.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let place = template.place_damaged(|journal| journal[page].fill(0));
    let error = template.error(&place).unwrap();
    // The newest commit is there, which alone would look well.
    assert!(matches!(error, StoreError::Incomplete { .. }), "{error}");
}

#[test]
fn flipped_bits_of_table_files_are_found_or_change_nothing() {
    let config = Config { memtable_bytes: 64 << 10, ..Config::default() };
    let place = tempfile::tempdir().unwrap();
    let mut store = FjallStore::open(place.path(), &config).unwrap();
    let mut random = Random::new(5);
    for turn in 1..=200 {
        commit(&mut store, writes(turn, noise(&mut random, PAGE)));
    }
    let template = Template::of(place.path(), store);
    let (path, content, length) = template
        .files
        .iter()
        .max_by_key(
            |(path, content, _)| {
                if path.to_str().unwrap().contains("/tables/") { content.len() } else { 0 }
            },
        )
        .unwrap();
    assert!(content.len() > 32 << 10, "rows are in table files");
    let errors: Vec<_> = (0..12)
        .map(|_| {
            let place = template.place();
            let mut content = content.clone();
            let at = random.below(content.len() as u64) as usize;
            content[at] ^= 0x10;
            write(&place.path().join(path), &content, *length);
            template.error(&place)
        })
        .collect();
    assert!(count(&errors, is_damaged) > 6, "{errors:?}");
    let names_keyspace = |error: &StoreError| error.to_string().contains("keyspace messages");
    assert!(count(&errors, names_keyspace) > 0, "{errors:?}");
}
