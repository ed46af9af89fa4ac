//! What happens to a channel once its outcome is final (contracts.md 8 and 9).

use super::{Execution, OVERFLOW, RANGE, require};
use crate::chain::{ChainFact, Reclaim};
use crate::outcome::{
    Allocation, AllocationKind, Outcome, ReclaimError, SingleAssetExit, reclaim_effects,
    settle_effects, transfer_effects,
};
use crate::types::{Asset, B256, ChannelId};

/// Largest asset type that the contract decodes.
const MAX_ASSET_TYPE: u8 = 3;

impl Execution {
    /// Refuses what is not final, and what is not the outcome that is final.
    fn require_outcome(
        &self,
        channel: ChannelId,
        outcome: &Outcome,
        state_hash: B256,
    ) -> Result<(), String> {
        require(self.is_finalized(channel), "Channel not finalized.")?;
        let known = self.after.status(channel).is_some_and(|status| {
            status.state_hash == state_hash && status.outcome_hash == outcome.hash()
        });
        require(known, "incorrect fingerprint")
    }

    fn keep_outcome(&mut self, channel: ChannelId, outcome: &Outcome, state_hash: B256) {
        if let Some(status) = self.after.statuses.get_mut(&channel) {
            (status.state_hash, status.outcome_hash) = (state_hash, outcome.hash());
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
        self.require_outcome(channel, outcome, state_hash)?;
        require_decodable(outcome)?;
        let mut outcome = outcome.clone();
        let exit = nth(&mut outcome.0, asset_index)?;
        let (asset, initial) = (exit.asset, self.after.held(exit.asset, channel));
        let effects = transfer_effects(initial, &exit.allocations, indices)
            .map_err(|error| error.to_string())?;
        exit.allocations = effects.remaining;
        let holdings = initial.checked_sub(effects.paid).ok_or(OVERFLOW)?;
        self.after.holdings.insert((asset, channel), holdings);
        self.keep_outcome(channel, &outcome, state_hash);
        self.log(channel, ChainFact::AllocationUpdated { asset_index, initial, holdings });
        effects.exits.iter().try_for_each(|exit| self.pay(channel, asset, exit))
    }

    pub(super) fn transfer_all(
        &mut self,
        channel: ChannelId,
        outcome: &Outcome,
        state_hash: B256,
    ) -> Result<(), String> {
        require_decodable(outcome)?;
        self.require_outcome(channel, outcome, state_hash)?;
        self.pay_everything(channel, outcome.clone(), state_hash)
    }

    pub(super) fn reclaim(
        &mut self,
        channel: ChannelId,
        outcome: &Outcome,
        state_hash: B256,
        reclaim: &Reclaim,
    ) -> Result<(), String> {
        self.require_outcome(channel, outcome, state_hash)?;
        require_decodable(outcome)?;
        require_decodable(&reclaim.target_outcome)?;
        let mut outcome = outcome.clone();
        self.replace_guarantee(&mut outcome, reclaim)?;
        self.keep_outcome(channel, &outcome, state_hash);
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        channel: ChannelId,
        outcome: &Outcome,
        state_hash: B256,
        reclaims: &[Reclaim],
    ) -> Result<(), String> {
        require_decodable(outcome)?;
        self.require_outcome(channel, outcome, state_hash)?;
        let mut outcome = outcome.clone();
        for reclaim in reclaims {
            self.replace_guarantee(&mut outcome, reclaim)?;
        }
        self.distribute(channel, outcome, state_hash)
    }

    /// Replaces one guarantee of the first asset by the outcome of its target.
    fn replace_guarantee(&self, outcome: &mut Outcome, reclaim: &Reclaim) -> Result<(), String> {
        let source = outcome.0.first_mut().ok_or(RANGE)?;
        require_decodable(&reclaim.target_outcome)?;
        let target = reclaim.target_outcome.0.first().ok_or(RANGE)?;
        let guarantee = nth(&mut source.allocations, reclaim.index)?;
        let is_guarantee = guarantee.kind == AllocationKind::GUARANTEE;
        require(is_guarantee, "not a guarantee allocation")?;
        require(target.asset == source.asset, "targetAsset != guaranteeAsset")?;
        let id = ChannelId(guarantee.destination.0);
        self.require_outcome(id, &reclaim.target_outcome, reclaim.target_state)?;
        let index = usize::try_from(reclaim.index).map_err(|_| RANGE)?;
        source.allocations = reclaim_effects(&source.allocations, &target.allocations, index)
            .map_err(reclaim_text)?;
        Ok(())
    }

    /// Pays everybody, unless there is a guarantee.
    pub(super) fn pay_everything(
        &mut self,
        channel: ChannelId,
        outcome: Outcome,
        state_hash: B256,
    ) -> Result<(), String> {
        let mut allocations = outcome.0.iter().flat_map(|exit| &exit.allocations);
        let guarantee = allocations.any(|entry| entry.kind == AllocationKind::GUARANTEE);
        require(!guarantee, "cannot transfer a guarantee")?;
        self.distribute(channel, outcome, state_hash)
    }

    fn distribute(
        &mut self,
        channel: ChannelId,
        mut outcome: Outcome,
        state_hash: B256,
    ) -> Result<(), String> {
        let (mut finished, mut payments) = (true, Vec::new());
        for (asset_index, exit) in (0_u64..).zip(&mut outcome.0) {
            let SingleAssetExit { asset, allocations, .. } = exit;
            let initial = self.after.held(*asset, channel);
            let effects = settle_effects(initial, allocations, &[]).map_err(reclaim_text)?;
            let holdings = initial.checked_sub(effects.paid).ok_or(OVERFLOW)?;
            self.after.holdings.insert((*asset, channel), holdings);
            self.log(channel, ChainFact::AllocationUpdated { asset_index, initial, holdings });
            finished &= effects.exhausted && holdings.is_zero();
            payments.extend(effects.exits.into_iter().map(|exit| (*asset, exit)));
            *allocations = effects.remaining;
        }
        // A surplus keeps the status: without it any older state would be taken again.
        if finished {
            self.after.statuses.remove(&channel);
        } else {
            self.keep_outcome(channel, &outcome, state_hash);
        }
        payments.iter().try_for_each(|(asset, exit)| self.pay(channel, *asset, exit))
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
}

fn nth<T>(some: &mut [T], index: u64) -> Result<&mut T, String> {
    let index = usize::try_from(index).map_err(|_| RANGE)?;
    some.get_mut(index).ok_or_else(|| RANGE.to_owned())
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
