//! Payout and reclaim arithmetic, same as the contracts (contracts.md 9.2 and 9.6).

use super::{Allocation, AllocationKind};
use crate::types::{Amount, B256, Destination};

/// What a payout does to a finalized channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferEffects {
    /// Allocations that remain, amounts reduced by what was paid.
    pub remaining: Vec<Allocation>,
    /// What is paid, one entry per selected allocation.
    pub exits: Vec<Allocation>,
    /// Sum of the exits.
    pub paid: Amount,
    /// True when nothing remains.
    pub exhausted: bool,
}

/// Why a payout is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// Guarantees are reclaimed, never paid.
    #[error("cannot transfer a guarantee")]
    Guarantee,
}

/// Pays `allocations` from `holdings`, first come first served. `indices` selects allocations in
/// ascending order; none selects all. Earlier allocations keep their share also when not selected.
///
/// # Errors
/// When a selected allocation is a guarantee.
pub fn transfer_effects(
    holdings: Amount,
    allocations: &[Allocation],
    indices: &[u64],
) -> Result<TransferEffects, TransferError> {
    let mut surplus = holdings;
    let mut selected = indices.iter().peekable();
    let mut effects = TransferEffects {
        remaining: Vec::with_capacity(allocations.len()),
        exits: Vec::new(),
        paid: Amount::ZERO,
        exhausted: true,
    };
    for (position, allocation) in (0_u64..).zip(allocations) {
        let affordable = allocation.amount.min(surplus);
        surplus = surplus.saturating_sub(affordable);
        let mut left = allocation.clone();
        if indices.is_empty() || selected.next_if(|index| **index == position).is_some() {
            if allocation.kind == AllocationKind::GUARANTEE {
                return Err(TransferError::Guarantee);
            }
            left.amount = allocation.amount.saturating_sub(affordable);
            effects.paid = effects.paid.checked_add(affordable).unwrap_or(holdings);
            effects.exits.push(Allocation { amount: affordable, ..allocation.clone() });
        }
        effects.exhausted &= left.amount.is_zero();
        effects.remaining.push(left);
    }
    Ok(effects)
}

/// Why a reclaim is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReclaimError {
    /// There is no allocation at that index.
    #[error("no allocation at the index of the guarantee")]
    NoGuarantee,
    /// The guarantee's metadata is not left ‖ right.
    #[error("guarantee metadata is not two destinations")]
    Metadata,
    /// The target channel has fewer than two allocations.
    #[error("target channel has fewer than two allocations")]
    TargetAllocations,
    /// The ledger pays no such destination.
    #[error("could not find left")]
    LeftNotFound,
    /// The ledger pays no such destination.
    #[error("could not find right")]
    RightNotFound,
    /// The channel's balances are not what the guarantee locked.
    #[error("totalReclaimed!=guarantee.amount")]
    Total,
}

/// The ledger's allocations once the guarantee at `index` is replaced by the balances of its
/// target channel: target allocation 0 goes to the guarantee's left, 1 to its right.
///
/// # Errors
/// See [`ReclaimError`]; the contract refuses the same inputs.
pub fn reclaim_effects(
    source: &[Allocation],
    target: &[Allocation],
    index: usize,
) -> Result<Vec<Allocation>, ReclaimError> {
    let guarantee = source.get(index).ok_or(ReclaimError::NoGuarantee)?;
    let (left, right) = sides(guarantee).ok_or(ReclaimError::Metadata)?;
    let [to_left, to_right, ..] = target else {
        return Err(ReclaimError::TargetAllocations);
    };
    let mut ledger: Vec<Allocation> = source.to_vec();
    ledger.remove(index);
    credit(&mut ledger, left, to_left.amount)?.ok_or(ReclaimError::LeftNotFound)?;
    credit(&mut ledger, right, to_right.amount)?.ok_or(ReclaimError::RightNotFound)?;
    let total = to_left.amount.checked_add(to_right.amount).ok_or(ReclaimError::Total)?;
    if total != guarantee.amount {
        return Err(ReclaimError::Total);
    }
    Ok(ledger)
}

fn sides(guarantee: &Allocation) -> Option<(Destination, Destination)> {
    let words: &[u8; 64] = guarantee.metadata.0.as_slice().try_into().ok()?;
    let (left, right) = words.split_at(32);
    Some((Destination(B256::from_slice(left)), Destination(B256::from_slice(right))))
}

/// Adds to the first allocation of `destination`; `None` when there is none.
fn credit(
    allocations: &mut [Allocation],
    destination: Destination,
    amount: Amount,
) -> Result<Option<()>, ReclaimError> {
    let Some(entry) = allocations.iter_mut().find(|entry| entry.destination == destination) else {
        return Ok(None);
    };
    entry.amount = entry.amount.checked_add(amount).ok_or(ReclaimError::Total)?;
    Ok(Some(()))
}
