//! Rows of what the owner has sent.

use std::collections::BTreeSet;

use super::Draft;
use crate::sending::Sending;
use crate::types::{Amount, B256, CallId};

impl Draft<'_> {
    pub(crate) fn sending(&self, key: B256) -> Option<&Sending> {
        match self.sendings.get(&key) {
            Some(changed) => changed.as_ref(),
            None => self.state.sendings.get(&key),
        }
    }

    pub(crate) fn set_sending(&mut self, key: B256, row: Option<Sending>) {
        self.sendings.insert(key, row);
    }

    /// All of them with their keys.
    pub(crate) fn all_sendings(&self) -> impl Iterator<Item = (B256, &Sending)> {
        let keys: BTreeSet<B256> =
            self.state.sendings.keys().chain(self.sendings.keys()).copied().collect();
        keys.into_iter().filter_map(|key| Some((key, self.sending(key)?)))
    }

    pub(crate) fn running_sendings(&self) -> impl Iterator<Item = &Sending> {
        self.all_sendings().map(|(_, sending)| sending).filter(|sending| sending.end.is_none())
    }

    /// The running one that a call belongs to.
    pub(crate) fn running_sending(&self, id: CallId) -> Option<(B256, Sending)> {
        let mut all = self.all_sendings();
        all.find(|(_, sending)| sending.id == id && sending.end.is_none())
            .map(|(key, sending)| (key, sending.clone()))
    }

    /// Forgets the oldest that have ended, so that no more than `most` are kept.
    pub(crate) fn forget_old_sendings(&mut self, most: usize) {
        let ended = self.all_sendings().filter(|(_, sending)| sending.end.is_some());
        let mut ended: Vec<_> = ended.map(|(key, sending)| (sending.id, key)).collect();
        ended.sort_unstable();
        let excess = ended.len().saturating_sub(most);
        ended.into_iter().take(excess).for_each(|(_, key)| self.set_sending(key, None));
    }

    /// Coin of the chain account that channels may need: for enforcing them, and for deposits that are
    /// agreed.
    pub(crate) fn kept_coin(&self) -> Amount {
        self.reserve(0, 0).saturating_add(self.promised())
    }
}
