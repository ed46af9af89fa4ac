//! A journal that outlives the service, as a store outlives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chain::{Journal, JournalError};
use engine::types::CallId;

/// Clones share their records.
#[derive(Clone, Default)]
pub(crate) struct MemoryJournal(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    records: BTreeMap<CallId, Vec<u8>>,
    broken: bool,
}

impl MemoryJournal {
    /// From now on nothing can be written.
    pub(crate) fn break_down(&self) {
        self.0.lock().unwrap().broken = true;
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().records.len()
    }

    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<CallId, Vec<u8>>),
    ) -> Result<(), JournalError> {
        let mut state = self.0.lock().unwrap();
        if state.broken {
            return Err(JournalError::Store("no space left".into()));
        }
        change(&mut state.records);
        Ok(())
    }
}

impl Journal for MemoryJournal {
    fn load(&self) -> Result<Vec<(CallId, Vec<u8>)>, JournalError> {
        let state = self.0.lock().unwrap();
        Ok(state.records.iter().map(|(id, record)| (*id, record.clone())).collect())
    }

    fn put(&self, call: CallId, record: &[u8]) -> Result<(), JournalError> {
        self.change(|records| {
            records.insert(call, record.to_vec());
        })
    }

    fn remove(&self, call: CallId) -> Result<(), JournalError> {
        self.change(|records| {
            records.remove(&call);
        })
    }
}
