//! What happens to a channel once its outcome is final (contracts.md 8 and 9).

use super::status::has_guarantee;
use super::{AssetReclaim, ChannelStatus, Execution, OVERFLOW, RANGE, require, require_final};
use crate::chain::{ChainFact, DebtChange, DebtLog, Reclaim};
use crate::outcome::{
    Allocation, AllocationKind, Outcome, ReclaimError, SingleAssetExit, inferred_payout,
    reclaim_effects, settle_effects, transfer_effects,
};
use crate::state::{FixedPart, SupportedState};
use crate::types::{Address, Amount, Asset, B256, ChannelId};

/// Largest asset type that the contract decodes.
const MAX_ASSET_TYPE: u8 = 3;

/// A payout of everything, before it is told: holdings are taken down already.
struct Distribution {
    /// The outcome that is left.
    left: Outcome,
    updates: Vec<ChainFact>,
    payments: Vec<(Asset, Allocation)>,
    /// Nothing is left to pay.
    is_exhausted: bool,
    /// Nothing is held any more of the outcome's assets.
    is_empty: bool,
}

impl ChannelStatus {
    /// Everything was paid as far as it reaches.
    fn pay(&mut self, before: &Outcome, paid: &Distribution) {
        if paid.is_exhausted {
            self.is_closed = true;
        } else {
            self.leave(before, &paid.left);
        }
    }
}

impl Execution {
    /// Refuses a channel that is not final, and one that has paid everything.
    fn require_payable(&self, channel: ChannelId) -> Result<ChannelStatus, String> {
        let status = self.after.status(channel);
        let status = status.filter(|status| status.is_payable(self.timestamp));
        status.ok_or_else(|| "Channel not finalized.".to_owned())
    }

    /// Refuses what is not the outcome that became final first, whatever was paid since.
    fn require_target(&self, channel: ChannelId, reclaim: &Reclaim) -> Result<(), String> {
        let status = self.after.status(channel);
        let status = status.filter(|status| status.is_finalized(self.timestamp));
        let status = status.ok_or("Channel not finalized.")?;
        let known = status.state_hash == reclaim.target_state
            && status.target_outcome_hash() == reclaim.target_outcome.hash();
        require(known, "incorrect fingerprint")?;
        let guarantees = status.is_source || has_guarantee(&reclaim.target_outcome);
        require(!guarantees, "target guarantees others")
    }

    fn leave(&mut self, channel: ChannelId, before: &Outcome, left: &Outcome) {
        if let Some(status) = self.after.statuses.get_mut(&channel) {
            status.leave(before, left);
        }
    }

    pub(super) fn transfer(
        &mut self,
        asset_index: u64,
        channel: ChannelId,
        outcome: &Outcome,
        state_hash: B256,
        indices: &[u64],
    ) -> Result<(), String> {
        require(indices.is_sorted_by(|one, next| one < next), "Indices must be sorted")?;
        let status = self.require_payable(channel)?;
        require_left(&status, outcome, state_hash)?;
        require_decodable(outcome)?;
        let mut left = outcome.clone();
        let exit = nth(&mut left.0, asset_index)?;
        let (asset, initial) = (exit.asset, self.after.held(exit.asset, channel));
        let effects = transfer_effects(initial, &exit.allocations, indices)
            .map_err(|error| error.to_string())?;
        if let Some(last) = indices.last() {
            nth(&mut exit.allocations, *last)?;
        }
        let before = std::mem::replace(&mut exit.allocations, effects.remaining);
        let amounts: Vec<Amount> = before
            .iter()
            .zip(&exit.allocations)
            .map(|(before, left)| before.amount.saturating_sub(left.amount))
            .collect();
        let holdings = initial.checked_sub(effects.paid).ok_or(OVERFLOW)?;
        self.after.holdings.insert((asset, channel), holdings);
        self.leave(channel, outcome, &left);
        if amounts != inferred_payout(initial, effects.paid, &before) {
            self.log(channel, ChainFact::AllocationsPaid { asset_index, amounts });
        }
        self.log(channel, ChainFact::AllocationUpdated { asset_index, initial, holdings });
        effects.exits.iter().try_for_each(|exit| self.pay(channel, asset, exit))
    }

    pub(super) fn transfer_all(
        &mut self,
        channel: ChannelId,
        outcome: &Outcome,
        state_hash: B256,
    ) -> Result<(), String> {
        let status = self.require_payable(channel)?;
        require_decodable(outcome)?;
        require_left(&status, outcome, state_hash)?;
        require(!has_guarantee(outcome), "cannot transfer a guarantee")?;
        self.finish(channel, outcome, outcome.clone())
    }

    pub(super) fn reclaim(
        &mut self,
        channel: ChannelId,
        outcome: &Outcome,
        state_hash: B256,
        reclaim: &AssetReclaim,
    ) -> Result<(), String> {
        let status = self.require_payable(channel)?;
        require_left(&status, outcome, state_hash)?;
        require_decodable(outcome)?;
        require_decodable(&reclaim.reclaim.target_outcome)?;
        let mut left = outcome.clone();
        self.replace_guarantee(channel, &mut left, reclaim)?;
        self.leave(channel, outcome, &left);
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        channel: ChannelId,
        outcome: &Outcome,
        state_hash: B256,
        reclaims: &[AssetReclaim],
    ) -> Result<(), String> {
        let status = self.require_payable(channel)?;
        require_decodable(outcome)?;
        require_left(&status, outcome, state_hash)?;
        let mut left = outcome.clone();
        for reclaim in reclaims {
            require_decodable(&reclaim.reclaim.target_outcome)?;
            self.replace_guarantee(channel, &mut left, reclaim)?;
        }
        self.finish(channel, outcome, left)
    }

    /// Pays what everyone has signed as final, the first time or out of what came later.
    pub(super) fn conclude_and_transfer(
        &mut self,
        fixed: &FixedPart,
        signed: &SupportedState,
    ) -> Result<(), String> {
        let (channel, state) = (fixed.channel_id(), &signed.state);
        let known = self.after.status(channel).filter(|known| known.is_finalized(self.timestamp));
        let again = known.filter(|known| known.is_closed && state.turn > known.turn);
        require(known.is_none() || again.is_some(), "Channel finalized.")?;
        require_final(fixed, signed)?;
        require(!has_guarantee(&state.outcome), "cannot transfer a guarantee")?;
        let paid = self.distribute(channel, state.outcome.clone())?;
        let is_done = fixed.participants.len() == 2 && paid.is_exhausted && paid.is_empty;
        let kept = again.is_some() || !is_done;
        if let Some(again) = again {
            // What could not be paid is void; what others reclaim by stays.
            let status = ChannelStatus { turn: state.turn, ..again };
            self.after.statuses.insert(channel, status);
        } else if kept {
            let mut status = ChannelStatus::concluded(state, self.timestamp);
            status.pay(&state.outcome, &paid);
            self.after.statuses.insert(channel, status);
        } else {
            self.after.statuses.remove(&channel);
        }
        self.log_conclusion(channel, signed, kept);
        self.tell(channel, paid)
    }

    /// Replaces one guarantee by the outcome of its target, and says which unless there is no
    /// other that it could be.
    fn replace_guarantee(
        &mut self,
        channel: ChannelId,
        outcome: &mut Outcome,
        reclaim: &AssetReclaim,
    ) -> Result<(), String> {
        let AssetReclaim { asset_index, target_asset_index, reclaim } = reclaim;
        let source = nth(&mut outcome.0, *asset_index)?;
        let guarantee = nth(&mut source.allocations, reclaim.index)?;
        let is_guarantee = guarantee.kind == AllocationKind::GUARANTEE;
        require(is_guarantee, "not a guarantee allocation")?;
        let target = ChannelId(guarantee.destination.0);
        let mut target_outcome = reclaim.target_outcome.clone();
        let exit = nth(&mut target_outcome.0, *target_asset_index)?;
        require(exit.asset == source.asset, "targetAsset != guaranteeAsset")?;
        self.require_target(target, reclaim)?;
        let index = usize::try_from(reclaim.index).map_err(|_| RANGE)?;
        let left =
            reclaim_effects(&source.allocations, &exit.allocations, index).map_err(reclaim_text)?;
        let before = std::mem::replace(&mut source.allocations, left);
        let guarantees = before.iter().filter(|entry| entry.kind == AllocationKind::GUARANTEE);
        let is_only = guarantees.count() == 1;
        let share = |side: usize| exit.allocations.get(side).map(|one| one.amount).ok_or(RANGE);
        let (to_left, to_right) = (share(0)?, share(1)?);
        let (asset_index, index) = (*asset_index, reclaim.index);
        if !is_only || target_outcome.0.len() != 1 {
            let fact =
                ChainFact::GuaranteeReclaimed { target, asset_index, index, to_left, to_right };
            self.log(channel, fact);
        }
        self.log(channel, ChainFact::Reclaimed { asset_index });
        Ok(())
    }

    /// Pays a finalized channel out of `current`, which is what reclaims have made of `outcome`.
    fn finish(
        &mut self,
        channel: ChannelId,
        outcome: &Outcome,
        current: Outcome,
    ) -> Result<(), String> {
        let paid = self.distribute(channel, current)?;
        if let Some(status) = self.after.statuses.get_mut(&channel) {
            status.pay(outcome, &paid);
        }
        self.tell(channel, paid)
    }

    /// Takes down the holdings, asset by asset: one that is listed twice is paid twice out of what
    /// there is. A guarantee keeps its share.
    fn distribute(
        &mut self,
        channel: ChannelId,
        mut outcome: Outcome,
    ) -> Result<Distribution, String> {
        let (mut is_exhausted, mut is_empty) = (true, true);
        let (mut updates, mut payments) = (Vec::new(), Vec::new());
        for (asset_index, exit) in (0_u64..).zip(&mut outcome.0) {
            let SingleAssetExit { asset, allocations, .. } = exit;
            let initial = self.after.held(*asset, channel);
            let effects = settle_effects(initial, allocations, &[]).map_err(reclaim_text)?;
            let holdings = initial.checked_sub(effects.paid).ok_or(OVERFLOW)?;
            self.after.holdings.insert((*asset, channel), holdings);
            updates.push(ChainFact::AllocationUpdated { asset_index, initial, holdings });
            is_exhausted &= effects.exhausted;
            is_empty &= holdings.is_zero();
            payments.extend(effects.exits.into_iter().map(|exit| (*asset, exit)));
            *allocations = effects.remaining;
        }
        Ok(Distribution { left: outcome, updates, payments, is_exhausted, is_empty })
    }

    fn tell(&mut self, channel: ChannelId, paid: Distribution) -> Result<(), String> {
        paid.updates.into_iter().for_each(|update| self.log(channel, update));
        paid.payments.iter().try_for_each(|(asset, exit)| self.pay(channel, *asset, exit))
    }

    /// Who cannot be paid is owed from then on, and stands in nobody's way.
    fn pay(&mut self, from: ChannelId, asset: Asset, exit: &Allocation) -> Result<(), String> {
        let (to, amount) = (exit.destination, exit.amount);
        if amount.is_zero() {
            return Ok(());
        }
        let paid = self.after.paid.entry((from, to)).or_default();
        *paid = paid.checked_add(amount).ok_or(OVERFLOW)?;
        let account = match to.to_address() {
            None => self.after.holdings.entry((asset, ChannelId(to.0))),
            Some(payee) if self.after.blocked.contains(&payee) => {
                let owed = self.after.claimable.entry((payee, asset)).or_default();
                *owed = owed.checked_add(amount).ok_or(OVERFLOW)?;
                let change = DebtChange::Blocked { channel: Some(from), amount };
                self.told.debts.push(DebtLog { payee, asset, change });
                return Ok(());
            }
            Some(payee) => {
                self.after.endow(payee, asset, amount);
                return Ok(());
            }
        };
        let held = account.or_default();
        *held = held.checked_add(amount).ok_or(OVERFLOW)?;
        Ok(())
    }

    /// Tells of no channel, since what is owed is no channel's any more.
    pub(super) fn claim(
        &mut self,
        asset: Asset,
        payee: Address,
        to: Address,
    ) -> Result<(), String> {
        let owed = self.after.claimable.remove(&(payee, asset)).unwrap_or_default();
        require(!owed.is_zero(), "nothing to claim")?;
        require(!self.after.blocked.contains(&to), "payee cannot be paid")?;
        let change = DebtChange::Claimed { to, amount: owed };
        self.told.debts.push(DebtLog { payee, asset, change });
        self.after.endow(to, asset, owed);
        Ok(())
    }
}

fn nth<T>(some: &mut [T], index: u64) -> Result<&mut T, String> {
    let index = usize::try_from(index).map_err(|_| RANGE)?;
    some.get_mut(index).ok_or_else(|| RANGE.to_owned())
}

/// Refuses what is not the outcome that is left to pay.
fn require_left(status: &ChannelStatus, outcome: &Outcome, state_hash: B256) -> Result<(), String> {
    let is_left = status.state_hash == state_hash && status.outcome_hash == outcome.hash();
    require(is_left, "incorrect fingerprint")
}

/// The contract reverts without a text at an asset type that it does not know.
fn require_decodable(outcome: &Outcome) -> Result<(), String> {
    require(outcome.0.iter().all(|exit| exit.asset_type <= MAX_ASSET_TYPE), "")
}

/// What the contract says to a reclaim that it refuses.
#[must_use]
pub fn reclaim_text(error: ReclaimError) -> String {
    match error {
        ReclaimError::NoAllocations | ReclaimError::Overflow => OVERFLOW.to_owned(),
        ReclaimError::NoGuarantee | ReclaimError::TargetAllocations => RANGE.to_owned(),
        ReclaimError::Metadata => String::new(),
        other => other.to_string(),
    }
}
