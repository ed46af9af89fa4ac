//! Rows of what the adjudicator owes this node.

use std::collections::BTreeSet;

use super::Draft;
use crate::debts::Debt;
use crate::step::ArchivedChannel;
use crate::types::{Amount, Asset, ChannelId};

impl Draft<'_> {
    pub(crate) fn debt(&self, asset: Asset) -> Option<&Debt> {
        match self.debts.get(&asset) {
            Some(changed) => changed.as_deref(),
            None => self.state.debts.get(&asset),
        }
    }

    /// The debt in an asset; nothing is owed where there is none yet.
    pub(crate) fn debt_mut(&mut self, asset: Asset) -> &mut Debt {
        let stored = || Some(Box::new(self.state.debts.get(&asset).cloned().unwrap_or_default()));
        self.debts.entry(asset).or_insert_with(stored).get_or_insert_default()
    }

    pub(crate) fn forget_debt(&mut self, asset: Asset) {
        self.debts.insert(asset, None);
    }

    /// Assets of all debts, those included that are paid and could be owed again.
    pub(crate) fn debts(&self) -> BTreeSet<Asset> {
        let known = self.state.debts.keys().chain(self.debts.keys()).copied();
        known.filter(|asset| self.debt(*asset).is_some()).collect()
    }

    /// True for a channel of this node, open or closed not long ago.
    pub(crate) fn is_or_was_ours(&self, id: ChannelId) -> bool {
        self.is_known(id) || self.buried(id).is_some()
    }

    /// True when there is a ledger in an asset, open or closed not long ago.
    pub(crate) fn has_ledger_in(&self, asset: Asset) -> bool {
        let mut open = self.state.ledgers.values();
        let mut closed = self.state.buried.values().filter_map(|buried| match &buried.channel {
            ArchivedChannel::Ledger(ledger) => Some(ledger),
            ArchivedChannel::Payment(..) => None,
        });
        open.any(|ledger| ledger.asset == asset) || closed.any(|ledger| ledger.asset == asset)
    }

    /// True when the chain account can pay `cost` and enforce all channels afterwards. What it has is
    /// known once the chain was heard.
    pub(crate) fn can_spare(&self, cost: Amount) -> bool {
        let needed = self.reserve(0, 0).saturating_add(cost);
        self.coin_of_owner().is_some_and(|coin| coin >= needed)
    }
}
