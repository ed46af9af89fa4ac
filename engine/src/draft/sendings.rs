//! Rows of what the owner has sent.

use std::collections::BTreeSet;

use super::Draft;
use crate::chain::{Account, ChainCall};
use crate::quotas::deposit_due;
use crate::sending::Sending;
use crate::types::{Amount, Asset, B256, CallId, ChannelId};

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
        self.running().map(|(_, sending)| sending)
    }

    fn running(&self) -> impl Iterator<Item = (B256, &Sending)> {
        let keys: BTreeSet<B256> =
            self.state.running_sendings.iter().chain(self.sendings.keys()).copied().collect();
        let known = keys.into_iter().filter_map(|key| Some((key, self.sending(key)?)));
        known.filter(|(_, sending)| sending.end.is_none())
    }

    /// What is on its way from an account, and may still be in its balance.
    pub(crate) fn leaving(&self, from: Account, asset: Asset) -> Amount {
        let amounts = self.running_sendings().filter_map(|sending| match sending.call {
            ChainCall::Transfer { from: of, asset: what, amount, .. }
                if (of, what) == (from, asset) =>
            {
                Some(amount)
            }
            _ => None,
        });
        amounts.fold(Amount::ZERO, Amount::saturating_add)
    }

    /// Coin that the owner has had sent from the chain account, in wei.
    pub(super) fn leaving_coin(&self) -> Amount {
        self.leaving(Account::Chain, Asset::NATIVE)
    }

    /// True while something claims what the adjudicator owes in an asset.
    pub(crate) fn is_claiming(&self, asset: Asset) -> bool {
        self.running_sendings().any(|sending| match sending.call {
            ChainCall::Claim { asset: of, .. } | ChainCall::ClaimTo { asset: of, .. } => {
                of == asset
            }
            _ => false,
        })
    }

    /// Deposits of an asset that are agreed and not made.
    pub(crate) fn promised_in(&self, asset: Asset) -> Amount {
        let ids: BTreeSet<ChannelId> =
            self.state.ledgers.keys().chain(self.ledgers.keys()).copied().collect();
        let ledgers = ids.into_iter().filter_map(|id| self.ledger(id));
        let due = ledgers.filter(|ledger| ledger.asset == asset).map(deposit_due);
        due.fold(Amount::ZERO, Amount::saturating_add)
    }

    /// The running one that a call belongs to.
    pub(crate) fn running_sending(&self, id: CallId) -> Option<(B256, Sending)> {
        let found = self.running().find(|(_, sending)| sending.id == id);
        found.map(|(key, sending)| (key, sending.clone()))
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
