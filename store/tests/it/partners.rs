//! The network's side table.

use engine::ports::Store;

use crate::fixtures::{open, peer};

#[test]
fn the_newest_record_of_each_partner_stays_until_it_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let mut store = open(place.path());
    let table = store.partners();
    table.put(&[(peer(2), Some(vec![2])), (peer(1), Some(vec![1])), (peer(3), None)]).unwrap();
    table.put(&[(peer(2), Some(vec![2, 2]))]).unwrap();
    table.put(&[(peer(1), None), (peer(4), Some(vec![]))]).unwrap();
    assert!(store.load().unwrap().is_empty(), "the engine does not know them");
    drop((store, table));
    let store = open(place.path());
    assert_eq!(store.partners().load().unwrap(), [(peer(2), vec![2, 2]), (peer(4), vec![])]);
}
