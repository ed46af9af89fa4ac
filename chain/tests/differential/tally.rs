//! How often a test met which answer.

use std::collections::BTreeMap;

/// Counts answers; refusals by their text.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: u64,
    refused: BTreeMap<String, u64>,
    done: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Takes note of an answer that both sides gave.
    pub(crate) fn note<T>(&mut self, answer: &Result<T, String>) {
        match answer {
            Ok(_) => self.accepted += 1,
            Err(text) => *self.refused.entry(text.clone()).or_default() += 1,
        }
    }

    /// Takes note of something that an accepted call did.
    pub(crate) fn note_done(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// Every one of these was done more than a few times.
    pub(crate) fn assert_done(&self, some: &[&'static str]) {
        for what in some {
            let count = self.done.get(what).copied().unwrap_or_default();
            assert!(count >= 10, "{what} was done {count} times: {self:?}");
        }
    }

    /// A tenth of all cases, at least, was accepted, and a tenth refused.
    pub(crate) fn assert_balanced(&self) {
        let refused: u64 = self.refused.values().sum();
        let all = self.accepted + refused;
        assert!(self.accepted * 10 >= all, "{} of {all} accepted: {self:?}", self.accepted);
        assert!(refused * 10 >= all, "{refused} of {all} refused: {self:?}");
    }

    /// Every one of these refusals was met more than a few times.
    pub(crate) fn assert_met(&self, texts: &[&str]) {
        for text in texts {
            let count = self.refused.get(*text).copied().unwrap_or_default();
            assert!(count >= 5, "{text:?} was met {count} times: {self:?}");
        }
    }
}
