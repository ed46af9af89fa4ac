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
    let mut selected = indices.iter().peekable();
    let mut guarantee = false;
    let effects = pay(holdings, allocations, |position, allocation| {
        let pays = indices.is_empty() || selected.next_if(|index| **index == position).is_some();
        guarantee |= pays && allocation.kind == AllocationKind::GUARANTEE;
        pays
    });
    if guarantee { Err(TransferError::Guarantee) } else { Ok(effects) }
}

/// Pays the allocations that are selected, in their order; the others keep their share.
fn pay(
    holdings: Amount,
    allocations: &[Allocation],
    mut is_selected: impl FnMut(u64, &Allocation) -> bool,
) -> TransferEffects {
    let mut surplus = holdings;
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
        if is_selected(position, allocation) {
            left.amount = allocation.amount.saturating_sub(affordable);
            effects.paid = effects.paid.checked_add(affordable).unwrap_or(holdings);
            effects.exits.push(Allocation { amount: affordable, ..allocation.clone() });
        }
        effects.exhausted &= left.amount.is_zero();
        effects.remaining.push(left);
    }
    effects
}

/// What each allocation was paid, as far as the sum of a payout says it: everybody who is no
/// guarantee, or else the first of them whose share is the sum. The adjudicator tells whenever
/// something else is true (`IMultiAssetHolder`, third rule).
#[must_use]
pub fn inferred_payout(holdings: Amount, paid: Amount, allocations: &[Allocation]) -> Vec<Amount> {
    let is_payable = |_, allocation: &Allocation| allocation.kind != AllocationKind::GUARANTEE;
    let everybody = pay(holdings, allocations, is_payable);
    let mut amounts: Vec<Amount> = allocations
        .iter()
        .zip(&everybody.remaining)
        .map(|(before, left)| before.amount.saturating_sub(left.amount))
        .collect();
    if everybody.paid == paid {
        return amounts;
    }
    let mut is_first = true;
    for amount in &mut amounts {
        let is_paid = is_first && *amount == paid;
        is_first &= !is_paid;
        if !is_paid {
            *amount = Amount::ZERO;
        }
    }
    amounts
}

/// Why a reclaim is refused. The contract's own texts, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReclaimError {
    /// There is no allocation at all.
    #[error("no allocations")]
    NoAllocations,
    /// There is no allocation at that index.
    #[error("no allocation at the index of the guarantee")]
    NoGuarantee,
    /// The allocation at that index pays its destination.
    #[error("not a guarantee allocation")]
    Kind,
    /// The guarantee's metadata does not begin with left ‖ right.
    #[error("guarantee metadata is not two destinations")]
    Metadata,
    /// The target channel has fewer than two allocations.
    #[error("target channel has fewer than two allocations")]
    TargetAllocations,
    /// A balance would not fit.
    #[error("balance does not fit 256 bits")]
    Overflow,
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
/// See [`ReclaimError`]; the contract refuses the same inputs, in the same order of checks.
pub fn reclaim_effects(
    source: &[Allocation],
    target: &[Allocation],
    index: usize,
) -> Result<Vec<Allocation>, ReclaimError> {
    let mut ledger = source.to_vec();
    reclaim_in_place(&mut ledger, target, index)?;
    Ok(ledger)
}

/// Like [`reclaim_effects`], on the ledger's allocations themselves; they are unchanged when it is
/// refused.
///
/// # Errors
/// See [`ReclaimError`].
pub fn reclaim_in_place(
    ledger: &mut Vec<Allocation>,
    target: &[Allocation],
    index: usize,
) -> Result<(), ReclaimError> {
    if ledger.is_empty() {
        return Err(ReclaimError::NoAllocations);
    }
    let guarantee = ledger.get(index).ok_or(ReclaimError::NoGuarantee)?;
    let (left, right) = guarantee_sides(guarantee).ok_or(ReclaimError::Metadata)?;
    let locked = guarantee.amount;
    // Left and right are each credited once, to the first allocation that pays them.
    let (mut waiting, mut total) = ([Some(left), Some(right)], Amount::ZERO);
    let mut credits: Vec<(usize, Amount)> = Vec::new();
    for (position, entry) in ledger.iter().enumerate() {
        if position == index {
            continue;
        }
        if waiting == [None, None] {
            break;
        }
        let mut amount = entry.amount;
        for (side, destination) in waiting.iter_mut().enumerate() {
            if *destination != Some(entry.destination) {
                continue;
            }
            let share = target.get(side).ok_or(ReclaimError::TargetAllocations)?.amount;
            amount = amount.checked_add(share).ok_or(ReclaimError::Overflow)?;
            total = total.checked_add(share).ok_or(ReclaimError::Overflow)?;
            *destination = None;
            credits.push((position, amount));
        }
    }
    match waiting {
        [Some(_), _] => return Err(ReclaimError::LeftNotFound),
        [None, Some(_)] => return Err(ReclaimError::RightNotFound),
        [None, None] if total != locked => return Err(ReclaimError::Total),
        [None, None] => {}
    }
    for (position, amount) in credits {
        if let Some(entry) = ledger.get_mut(position) {
            entry.amount = amount;
        }
    }
    ledger.remove(index);
    Ok(())
}

/// Left and right destination of a guarantee; none where the metadata does not say.
#[must_use]
pub fn guarantee_sides(guarantee: &Allocation) -> Option<(Destination, Destination)> {
    // The contract decodes two words and ignores what follows them.
    let words = guarantee.metadata.0.first_chunk::<64>()?;
    let (left, right) = words.split_at(32);
    Some((Destination(B256::from_slice(left)), Destination(B256::from_slice(right))))
}

/// A guarantee to be reclaimed before a ledger is paid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReclaimStep<'a> {
    /// Position of the guarantee in the allocations as earlier steps left them.
    pub index: usize,
    /// Allocations that the target channel was finalized with.
    pub target: &'a [Allocation],
}

/// What `settle` does to a finalized ledger: replaces the given guarantees, then pays everything
/// that is not a guarantee, first come first served. A guarantee that is left keeps its share.
///
/// # Errors
/// When a step is refused; the contract refuses the same inputs.
pub fn settle_effects(
    holdings: Amount,
    allocations: &[Allocation],
    steps: &[ReclaimStep<'_>],
) -> Result<TransferEffects, ReclaimError> {
    let mut current = allocations.to_vec();
    for step in steps {
        let guarantee = current.get(step.index).ok_or(ReclaimError::NoGuarantee)?;
        if guarantee.kind != AllocationKind::GUARANTEE {
            return Err(ReclaimError::Kind);
        }
        reclaim_in_place(&mut current, step.target, step.index)?;
    }
    Ok(pay(holdings, &current, |_, allocation| allocation.kind != AllocationKind::GUARANTEE))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::types::{ChannelId, U256};

    fn any_amount() -> impl Strategy<Value = Amount> {
        prop_oneof![
            (0_u64..20).prop_map(Amount::from),
            any::<u128>().prop_map(Amount::from),
            Just(Amount::from(U256::MAX)),
        ]
    }

    fn any_allocations() -> impl Strategy<Value = Vec<Allocation>> {
        let allocation = (0_u8..4, any_amount())
            .prop_map(|(payee, amount)| Allocation::simple(destination(payee), amount));
        prop::collection::vec(allocation, 0..6)
    }

    /// Holdings, allocations, and some of their indices in ascending order.
    fn any_payout() -> impl Strategy<Value = (Amount, Vec<Allocation>, Vec<u64>)> {
        let subset = prop::collection::btree_set(0_u64..8, 0..5);
        (any_amount(), any_allocations(), subset)
            .prop_map(|(holdings, all, some)| (holdings, all, some.into_iter().collect()))
    }

    fn destination(number: u8) -> Destination {
        Destination(B256::with_last_byte(number))
    }

    fn simple(number: u8, amount: u64) -> Allocation {
        Allocation::simple(destination(number), amount.into())
    }

    fn guarantee(amount: Amount, left: u8, right: u8) -> Allocation {
        let target = ChannelId(B256::repeat_byte(9));
        Allocation::guarantee(target, amount, destination(left), destination(right))
    }

    fn total<'a>(allocations: impl IntoIterator<Item = &'a Allocation>) -> Option<Amount> {
        Amount::checked_sum(allocations.into_iter().map(|allocation| allocation.amount))
    }

    /// The share of one allocation: what those before it leave of the holdings.
    fn share(holdings: Amount, all: &[Allocation], position: usize) -> Amount {
        let before = total(&all[..position]).unwrap_or_else(|| U256::MAX.into());
        all[position].amount.min(holdings.saturating_sub(before))
    }

    proptest! {
        #[test]
        fn a_transfer_conserves_value((holdings, all, indices) in any_payout()) {
            let effects = transfer_effects(holdings, &all, &indices).unwrap();
            prop_assert_eq!(total(&effects.exits), Some(effects.paid));
            prop_assert!(effects.paid <= holdings);
            prop_assert_eq!(effects.remaining.len(), all.len());
            let mut exits = effects.exits.iter();
            for (position, (before, after)) in (0_u64..).zip(all.iter().zip(&effects.remaining)) {
                let paid = if indices.is_empty() || indices.contains(&position) {
                    let exit = exits.next().unwrap();
                    prop_assert_eq!(exit.destination, before.destination);
                    exit.amount
                } else {
                    Amount::ZERO
                };
                prop_assert_eq!(after.destination, before.destination);
                prop_assert_eq!(after.amount.checked_add(paid), Some(before.amount));
            }
            prop_assert_eq!(exits.next(), None);
            let nothing_left = effects.remaining.iter().all(|left| left.amount.is_zero());
            prop_assert_eq!(effects.exhausted, nothing_left);
        }

        #[test]
        fn earlier_allocations_keep_their_share((holdings, all, indices) in any_payout()) {
            let effects = transfer_effects(holdings, &all, &indices).unwrap();
            let positions: Vec<usize> = (0..all.len())
                .filter(|at| indices.is_empty() || indices.contains(&(*at as u64)))
                .collect();
            let shares: Vec<_> = positions.iter().map(|at| share(holdings, &all, *at)).collect();
            let paid: Vec<_> = effects.exits.iter().map(|exit| exit.amount).collect();
            prop_assert_eq!(paid, shares);
        }

        /// No payee gains by being paid before the others.
        #[test]
        fn the_order_of_payouts_changes_nothing((holdings, all, first) in any_payout()) {
            let early = transfer_effects(holdings, &all, &first).unwrap();
            let left = holdings.checked_sub(early.paid).unwrap();
            let late = transfer_effects(left, &early.remaining, &[]).unwrap();
            let at_once = transfer_effects(holdings, &all, &[]).unwrap();
            prop_assert_eq!(late.remaining, at_once.remaining);
            prop_assert_eq!(early.paid.checked_add(late.paid), Some(at_once.paid));
        }

        #[test]
        fn a_transfer_pays_no_guarantee((holdings, all, indices) in any_payout(), at: usize) {
            let mut all = all;
            let at = at.checked_rem(all.len()).unwrap_or(0);
            all.insert(at, guarantee(6_u64.into(), 0, 1));
            let selected = indices.is_empty() || indices.contains(&(at as u64));
            let found = transfer_effects(holdings, &all, &indices);
            prop_assert_eq!(found.is_err(), selected);
        }

        #[test]
        fn the_sum_tells_who_was_paid_when_everybody_is((holdings, all, _) in any_payout()) {
            let effects = transfer_effects(holdings, &all, &[]).unwrap();
            let paid: Vec<_> = effects.exits.iter().map(|exit| exit.amount).collect();
            prop_assert_eq!(inferred_payout(holdings, effects.paid, &all), paid);
        }

        #[test]
        fn the_sum_never_tells_more_than_was_paid((holdings, all, some) in any_payout()) {
            let paid = transfer_effects(holdings, &all, &some).unwrap().paid;
            let inferred = inferred_payout(holdings, paid, &all);
            prop_assert_eq!(inferred.len(), all.len());
            prop_assert!(Amount::checked_sum(inferred).is_some_and(|sum| sum <= paid));
        }

        #[test]
        fn a_reclaim_conserves_value(
            balances: [u64; 2],
            shares: [u64; 2],
            others in any_allocations(),
            place in 0_usize..=2,
        ) {
            let target = [simple(7, shares[0]), simple(8, shares[1])];
            let locked = total(&target).unwrap();
            let mut ledger = vec![simple(0, balances[0]), simple(1, balances[1])];
            ledger.insert(place, guarantee(locked, 0, 1));
            ledger.extend(others.iter().cloned());
            let after = reclaim_effects(&ledger, &target, place).unwrap();
            let sums = [0, 1].map(|side| {
                Amount::from(balances[side]).checked_add(shares[side].into()).unwrap()
            });
            prop_assert_eq!(&after[0], &Allocation::simple(destination(0), sums[0]));
            prop_assert_eq!(&after[1], &Allocation::simple(destination(1), sums[1]));
            prop_assert_eq!(&after[2..], &others);
            prop_assert_eq!(total(&after), total(&ledger));
        }

        #[test]
        fn a_reclaim_never_makes_value(
            ledger in any_allocations(),
            target in any_allocations(),
            locked in any_amount(),
            index in 0_usize..8,
        ) {
            let mut ledger = ledger;
            ledger.push(guarantee(locked, 0, 1));
            if let Ok(after) = reclaim_effects(&ledger, &target, index) {
                prop_assert_eq!(after.len().checked_add(1), Some(ledger.len()));
                prop_assert_eq!(total(&after), total(&ledger));
            }
        }
    }

    #[test]
    fn indices_out_of_range_or_order_pay_nothing() {
        let all = [simple(0, 5), simple(1, 5)];
        let paid_to = |indices: &[u64]| -> BTreeSet<Destination> {
            let effects = transfer_effects(10_u64.into(), &all, indices).unwrap();
            effects.exits.iter().map(|exit| exit.destination).collect()
        };
        assert_eq!(paid_to(&[2]), BTreeSet::new());
        assert_eq!(paid_to(&[0, u64::MAX]), [destination(0)].into());
        assert_eq!(paid_to(&[1, 0]), [destination(1)].into());
        assert_eq!(paid_to(&[]), [destination(0), destination(1)].into());
    }

    #[test]
    fn the_sum_names_the_first_whose_share_it_is() {
        let all = [guarantee(5_u64.into(), 0, 1), simple(0, 4), simple(1, 5), simple(2, 5)];
        let inferred =
            |paid: u64| -> Vec<Amount> { inferred_payout(19_u64.into(), paid.into(), &all) };
        let amounts = |amounts: [u64; 4]| amounts.map(Amount::from).to_vec();
        assert_eq!(inferred(5), amounts([0, 0, 5, 0]), "no guarantee is paid");
        assert_eq!(inferred(14), amounts([0, 4, 5, 5]), "everybody");
        assert_eq!(inferred(9), amounts([0; 4]), "two of them, and nobody knows who");
        assert_eq!(inferred(0), amounts([0; 4]));
    }

    #[test]
    fn nothing_is_exhausted_from_the_start() {
        let effects = transfer_effects(3_u64.into(), &[], &[]).unwrap();
        assert!(effects.exhausted);
        assert!(effects.paid.is_zero());
    }

    #[test]
    fn a_reclaim_for_one_destination_gives_it_both_shares() {
        let ledger = [simple(0, 2), guarantee(6_u64.into(), 0, 0)];
        let target = [simple(7, 1), simple(8, 5)];
        assert_eq!(reclaim_effects(&ledger, &target, 1), Ok(vec![simple(0, 8)]));
    }

    #[test]
    fn a_reclaim_credits_the_first_allocation_and_looks_at_two_of_the_target() {
        let ledger = [simple(0, 2), simple(0, 3), simple(1, 4), guarantee(6_u64.into(), 0, 1)];
        let target = [simple(7, 1), simple(8, 5), simple(9, 100)];
        let after = vec![simple(0, 3), simple(0, 3), simple(1, 9)];
        assert_eq!(reclaim_effects(&ledger, &target, 3), Ok(after));
    }

    #[test]
    fn a_reclaim_reads_two_words_of_metadata() {
        let target = [simple(7, 1), simple(8, 5)];
        let with_length = |length: usize| {
            let mut lock = guarantee(6_u64.into(), 0, 1);
            lock.metadata.0.resize(length, 0xee);
            reclaim_effects(&[simple(0, 0), simple(1, 0), lock], &target, 2)
        };
        for length in [0, 32, 63] {
            assert_eq!(with_length(length), Err(ReclaimError::Metadata), "{length} bytes");
        }
        for length in [64, 65, 96] {
            assert_eq!(with_length(length), Ok(vec![simple(0, 1), simple(1, 5)]), "{length} bytes");
        }
    }

    #[test]
    fn refuses_a_reclaim_that_does_not_add_up() {
        let lock = guarantee(6_u64.into(), 0, 1);
        let ledger = [simple(0, 2), simple(1, 2), lock.clone()];
        let target = [simple(7, 1), simple(8, 5)];
        let refused = |ledger: &[Allocation], target: &[Allocation], index| {
            reclaim_effects(ledger, target, index).unwrap_err()
        };
        assert_eq!(refused(&ledger, &target, 3), ReclaimError::NoGuarantee);
        assert_eq!(refused(&[], &target, 0), ReclaimError::NoAllocations);
        assert_eq!(refused(&ledger, &target, 0), ReclaimError::Metadata);
        assert_eq!(refused(&ledger, &target[..1], 2), ReclaimError::TargetAllocations);
        assert_eq!(refused(&[simple(1, 2), lock.clone()], &target, 1), ReclaimError::LeftNotFound);
        assert_eq!(refused(&[simple(0, 2), lock.clone()], &target, 1), ReclaimError::RightNotFound);
        assert_eq!(refused(&ledger, &[simple(7, 1), simple(8, 4)], 2), ReclaimError::Total);
        // Sums that only fit when they wrap around.
        let huge = Allocation::simple(destination(7), U256::MAX.into());
        assert_eq!(refused(&ledger, &[huge.clone(), simple(8, 7)], 2), ReclaimError::Overflow);
        let lock = guarantee(U256::MAX.into(), 0, 1);
        let ledger = [simple(0, 2), simple(1, 2), lock];
        assert_eq!(refused(&ledger, &[huge, simple(8, 0)], 2), ReclaimError::Overflow);
    }

    #[test]
    fn a_settlement_reclaims_first_and_then_pays() {
        let lock = |amount: u64, left| guarantee(amount.into(), left, 1);
        let ledger = [simple(0, 10), simple(1, 10), lock(6, 0), lock(4, 0)];
        let (one, other) = ([simple(7, 1), simple(8, 5)], [simple(7, 4), simple(8, 0)]);
        let steps =
            [ReclaimStep { index: 2, target: &one }, ReclaimStep { index: 2, target: &other }];
        let effects = settle_effects(30_u64.into(), &ledger, &steps).unwrap();
        assert_eq!(effects.exits, [simple(0, 15), simple(1, 15)]);
        assert_eq!(effects.remaining, [simple(0, 0), simple(1, 0)]);
        assert!(effects.exhausted);
        // What is not reclaimed keeps its share, also where holdings are short.
        let effects = settle_effects(25_u64.into(), &ledger, &steps[..1]).unwrap();
        assert_eq!(effects.exits, [simple(0, 11), simple(1, 14)]);
        assert_eq!(effects.remaining, [simple(0, 0), simple(1, 1), lock(4, 0)]);
        assert!(!effects.exhausted);
        let effects = settle_effects(25_u64.into(), &[lock(20, 0), simple(0, 10)], &[]).unwrap();
        assert_eq!(effects.exits, [simple(0, 5)]);
    }

    #[test]
    fn refuses_to_reclaim_what_is_no_guarantee() {
        let ledger = [simple(0, 10), guarantee(6_u64.into(), 0, 0)];
        let target = [simple(7, 1), simple(8, 5)];
        let refused = |index| {
            let steps = [ReclaimStep { index, target: &target }];
            settle_effects(30_u64.into(), &ledger, &steps).unwrap_err()
        };
        assert_eq!(refused(0), ReclaimError::Kind);
        assert_eq!(refused(2), ReclaimError::NoGuarantee);
    }
}
