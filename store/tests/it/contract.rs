//! The engine's contract of a store.

use engine::testing::store_contract;
use store::{Config, FjallStore};

#[test]
fn keeps_the_contract_of_a_store() {
    store_contract(
        || tempfile::tempdir().unwrap(),
        |place| FjallStore::open(place.path().join("store"), &Config::default()).unwrap(),
    );
}
