//! What the adjudicator owes this node: payouts that the channel account or the token refused, such as
//! a paused one. The money stays with the adjudicator until somebody claims it for the payee.
//!
//! Anybody may tell the chain of a debt: a stranger's token can owe this node as much as it likes. So
//! only assets that this node has to do with make a row, rows do not grow without bound, and what is
//! claimed without being asked for is known to be worth its gas.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::chain::{BlockRef, ChainCall, DebtChange, DebtLog, Receipt};
use crate::draft::Draft;
use crate::effect::Update;
use crate::ledger::SETTLED_DEPTH;
use crate::policy::gas;
use crate::types::{Amount, Asset, BlockNumber, CallId, ChannelId};

/// Seconds of the chain's clock between a claim and the next one. Whether it would succeed is asked
/// of the endpoint first, so that a refusal costs a few requests.
const FIRST_RETRY: u64 = 600;

/// Longest time between two claims. A token may be paused for months.
const LAST_RETRY: u64 = 86_400;

/// What is owed in one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// In chain order. What no reorganisation reaches is folded, so that there is one entry per channel
    /// of ours, one for all others, and as many again per recent block.
    changes: Vec<(BlockNumber, DebtChange)>,
    /// The claim that is on its way.
    claim: Option<CallId>,
    /// Claims that were refused in a row.
    refusals: u32,
    /// When the next claim is due, in seconds of the chain's clock.
    next: u64,
}

/// What becomes of a debt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebtStatus {
    /// A claim is on its way.
    Claiming,
    /// It is claimed with the next block.
    Due,
    /// It was claimed in vain, or just now, and is claimed again.
    Waiting {
        /// When, in seconds of the chain's clock.
        again: u64,
    },
    /// A claim costs more than it brings at present, or the amount is dust by the policy.
    NotWorth,
    /// The policy does not name the token, so that nobody knows whether it is worth any gas.
    UnknownAsset,
    /// The chain account has too little coin beside what enforcing all channels may cost.
    ShortOfCoin,
}

/// A debt as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebtView {
    /// What is owed.
    pub asset: Asset,
    /// How much; zero for one that is paid.
    pub owed: Amount,
    /// How much of it from which channel of this node, where the logs say so.
    pub channels: BTreeMap<ChannelId, Amount>,
    /// Claims that were refused in a row.
    pub refusals: u32,
    /// What becomes of it.
    pub status: DebtStatus,
}

impl Debt {
    /// A debt with a history.
    #[must_use]
    pub fn new(changes: impl IntoIterator<Item = (BlockNumber, DebtChange)>) -> Self {
        let mut debt = Self::default();
        changes.into_iter().for_each(|(block, change)| debt.record(block, change));
        debt
    }

    /// Takes a change of a newly confirmed block.
    fn record(&mut self, block: BlockNumber, change: DebtChange) {
        self.fold(BlockNumber(block.0.saturating_sub(SETTLED_DEPTH)));
        if change.is_claim() {
            (self.refusals, self.next) = (0, 0);
        }
        push(&mut self.changes, block, change);
    }

    /// Folds what is older than `horizon`.
    fn fold(&mut self, horizon: BlockNumber) {
        let old = self.changes.iter().take_while(|(number, _)| *number < horizon).count();
        let recent = self.changes.split_off(old);
        let old = std::mem::replace(&mut self.changes, recent);
        let mut folded = Vec::new();
        for (_, change) in old {
            if change.is_claim() {
                folded.clear();
            } else {
                push(&mut folded, BlockNumber(0), change);
            }
        }
        self.changes.splice(..0, folded);
    }

    /// Forgets what happened above `ancestor`; true when there was something.
    fn roll_back(&mut self, ancestor: BlockNumber) -> bool {
        let before = self.changes.len();
        self.changes.retain(|(number, _)| *number <= ancestor);
        self.changes.len() != before
    }

    /// What is owed, and for which payouts.
    fn open(&self) -> impl Iterator<Item = (Option<ChannelId>, Amount)> {
        let claimed = self.changes.iter().rposition(|(_, change)| change.is_claim());
        let open = self.changes.iter().skip(claimed.map_or(0, |last| last.saturating_add(1)));
        open.filter_map(|(_, change)| match change {
            DebtChange::Blocked { channel, amount } => Some((*channel, *amount)),
            DebtChange::Claimed { .. } => None,
        })
    }

    /// How much is owed.
    #[must_use]
    pub fn owed(&self) -> Amount {
        self.open().fold(Amount::ZERO, |sum, (_, amount)| sum.saturating_add(amount))
    }

    pub(crate) const fn is_claimed_now(&self) -> bool {
        self.claim.is_some()
    }

    pub(crate) const fn is_claimed_by(&mut self, id: CallId) {
        self.claim = Some(id);
    }

    /// True once nothing is owed and no reorganisation changes that.
    fn is_over(&self, head: BlockNumber) -> bool {
        let horizon = BlockNumber(head.0.saturating_sub(SETTLED_DEPTH));
        let is_old = self.changes.last().is_none_or(|(number, _)| *number < horizon);
        self.claim.is_none() && is_old && self.owed().is_zero()
    }
}

impl DebtChange {
    const fn is_claim(&self) -> bool {
        matches!(self, Self::Claimed { .. })
    }
}

/// Adds a change, to the one of the same block and channel where there is one: whoever lets a thousand
/// payouts of one unit fail adds one entry per block.
fn push(changes: &mut Vec<(BlockNumber, DebtChange)>, block: BlockNumber, change: DebtChange) {
    if let DebtChange::Blocked { channel, amount } = change {
        let same = changes
            .iter_mut()
            .rev()
            .take_while(|(number, known)| *number == block && !known.is_claim());
        for (_, known) in same {
            if let DebtChange::Blocked { channel: of, amount: sum } = known
                && *of == channel
            {
                *sum = sum.saturating_add(amount);
                return;
            }
        }
    }
    changes.push((block, change));
}

/// Takes a log of a confirmed block, should it be about this node and an asset of its own.
pub(crate) fn record(draft: &mut Draft<'_>, block: &BlockRef, log: &DebtLog) {
    if log.payee != draft.me() || !is_of_interest(draft, log.asset) {
        return;
    }
    let change = match log.change {
        DebtChange::Blocked { channel, amount } => {
            let channel = channel.filter(|id| draft.is_or_was_ours(*id));
            DebtChange::Blocked { channel, amount }
        }
        claimed @ DebtChange::Claimed { .. } => claimed,
    };
    // What was owed before this node followed the chain is nothing that it knows of.
    if change.is_claim() && draft.debt(log.asset).is_none() {
        return;
    }
    draft.debt_mut(log.asset).record(block.number, change);
    tell(draft, log.asset);
}

/// Assets of the policy, of ledgers of this node, and of debts that are there already. Everybody else's
/// tokens may owe this node what they like: nobody shall fill the store with that.
fn is_of_interest(draft: &Draft<'_>, asset: Asset) -> bool {
    draft.policy.knows(asset) || draft.debt(asset).is_some() || draft.has_ledger_in(asset)
}

/// Claims what can be claimed now, and forgets what is over.
pub(crate) fn claim_due(draft: &mut Draft<'_>) {
    for asset in draft.debts() {
        let head = draft.cursor().number();
        let Some(debt) = draft.debt(asset) else { continue };
        if debt.is_over(head) {
            draft.forget_debt(asset);
        } else if !debt.owed().is_zero() && status(draft, asset, debt) == DebtStatus::Due {
            let most_gas = Some(gas::MOST_CLAIM);
            let call = draft.submit_as(ChainCall::Claim { asset, payee: draft.me(), most_gas });
            draft.debt_mut(asset).claim = Some(call);
            tell(draft, asset);
        }
    }
}

fn status(draft: &Draft<'_>, asset: Asset, debt: &Debt) -> DebtStatus {
    let cost = draft.gas.cost(gas::CLAIM);
    if debt.claim.is_some() || draft.is_claiming(asset) {
        DebtStatus::Claiming
    } else if !draft.policy.knows(asset) {
        DebtStatus::UnknownAsset
    } else if !draft.policy.is_worth(asset, debt.owed(), cost) {
        DebtStatus::NotWorth
    } else if !draft.can_spare(cost) {
        DebtStatus::ShortOfCoin
    } else if draft.chain_time() < debt.next {
        DebtStatus::Waiting { again: debt.next }
    } else {
        DebtStatus::Due
    }
}

/// A claim has ended. Whether anything is owed still is told by the logs alone.
pub(crate) fn settled(draft: &mut Draft<'_>, id: CallId, call: &ChainCall, receipt: &Receipt) {
    let (ChainCall::Claim { asset, .. } | ChainCall::ClaimTo { asset, .. }) = call else { return };
    if draft.debt(*asset).is_none_or(|debt| debt.claim != Some(id)) {
        return;
    }
    let now = draft.chain_time();
    let debt = draft.debt_mut(*asset);
    debt.claim = None;
    debt.refusals = match receipt {
        Receipt::Succeeded { .. } => 0,
        Receipt::Reverted { .. }
        | Receipt::TooLarge { .. }
        | Receipt::Unknown { .. }
        | Receipt::Withdrawn => debt.refusals.saturating_add(1),
    };
    let times = debt.refusals.saturating_sub(1);
    let doubled = FIRST_RETRY.saturating_mul(1_u64.checked_shl(times).unwrap_or(u64::MAX));
    debt.next = now.saturating_add(doubled.min(LAST_RETRY));
    if !debt.owed().is_zero() {
        tell(draft, *asset);
    }
}

/// Takes back what happened above `ancestor`: a claim that is gone leaves the debt as it was.
pub(crate) fn roll_back(draft: &mut Draft<'_>, ancestor: BlockNumber) {
    for asset in draft.debts() {
        let Some(mut debt) = draft.debt(asset).cloned() else { continue };
        if debt.roll_back(ancestor) {
            *draft.debt_mut(asset) = debt;
            tell(draft, asset);
        }
    }
}

fn tell(draft: &mut Draft<'_>, asset: Asset) {
    if let Some(view) = view(draft, asset) {
        draft.notify(Update::Debt(view));
    }
}

fn view(draft: &Draft<'_>, asset: Asset) -> Option<DebtView> {
    let debt = draft.debt(asset)?;
    let mut channels = BTreeMap::<ChannelId, Amount>::new();
    for (channel, amount) in debt.open() {
        if let Some(id) = channel {
            let sum = channels.entry(id).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    let (owed, refusals) = (debt.owed(), debt.refusals);
    Some(DebtView { asset, owed, channels, refusals, status: status(draft, asset, debt) })
}

/// What is owed now.
pub(crate) fn list(draft: &Draft<'_>) -> Vec<DebtView> {
    let views = draft.debts().into_iter().filter_map(|asset| view(draft, asset));
    views.filter(|view| !view.owed.is_zero()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Address, B256, U256};

    fn blocked(channel: Option<u8>, amount: u64) -> DebtChange {
        let channel = channel.map(|byte| ChannelId(B256::repeat_byte(byte)));
        DebtChange::Blocked { channel, amount: amount.into() }
    }

    const fn claimed() -> DebtChange {
        DebtChange::Claimed { to: Address::ZERO, amount: Amount::ZERO }
    }

    fn debt(changes: impl IntoIterator<Item = (u64, DebtChange)>) -> Debt {
        Debt::new(changes.into_iter().map(|(block, change)| (BlockNumber(block), change)))
    }

    #[test]
    fn a_claim_that_a_reorganisation_takes_back_leaves_the_debt_as_it_was() {
        let mut debt = debt([(1, blocked(None, 5)), (9, claimed()), (10, blocked(Some(1), 2))]);
        assert_eq!(debt.owed(), 2_u64.into());
        assert!(debt.roll_back(BlockNumber(8)));
        assert_eq!(debt.owed(), 5_u64.into());
        assert!(!debt.roll_back(BlockNumber(8)));
    }

    #[test]
    fn a_flood_of_small_debts_does_not_make_the_row_grow() {
        let flood =
            (0..10_000).flat_map(|n| [(n / 4, blocked(None, 1)), (n / 4, blocked(Some(7), 1))]);
        let debt = debt(flood);
        assert_eq!(debt.owed(), 20_000_u64.into());
        assert!(debt.changes.len() <= 2 * (SETTLED_DEPTH as usize + 2), "{}", debt.changes.len());
    }

    #[test]
    fn what_was_claimed_long_ago_is_forgotten() {
        let mut debt = debt([(1, blocked(None, 5)), (2, claimed())]);
        assert!(!debt.is_over(BlockNumber(SETTLED_DEPTH)));
        assert!(debt.is_over(BlockNumber(SETTLED_DEPTH + 3)));
        debt.record(BlockNumber(1_000), blocked(None, 7));
        assert_eq!((debt.changes.len(), debt.owed()), (1, 7_u64.into()));
    }

    #[test]
    fn a_debt_beyond_all_there_is_overflows_nothing() {
        let all = DebtChange::Blocked { channel: None, amount: Amount::from(U256::MAX) };
        assert_eq!(debt([(1, all), (2, all)]).owed(), Amount::from(U256::MAX));
    }
}
