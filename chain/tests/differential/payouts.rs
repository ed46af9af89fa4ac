//! Payout and reclaim arithmetic against the contract's pure functions.

use alloy::primitives::U256;
use chain::bindings::{ExitFormat, NitroAdjudicator, exits_of};
use engine::outcome::{Allocation, Outcome, TransferEffects, reclaim_effects, transfer_effects};
use engine::testing::{Random, reclaim_text};
use engine::types::{Amount, Asset};

use crate::evm::Evm;
use crate::generate;
use crate::tally::Tally;

const CASES: usize = 36_000;

/// As the contract takes them.
fn encoded(allocations: &[Allocation]) -> Vec<ExitFormat::Allocation> {
    exits_of(&Outcome::single(Asset::NATIVE, allocations.to_vec())).remove(0).allocations
}

/// What the contract returns for a payout, of the Rust side's answer. The contract gives one exit
/// per index, empty ones where an index selects nothing.
fn returned(
    effects: TransferEffects,
    indices: &[u64],
) -> NitroAdjudicator::compute_transfer_effects_and_interactionsReturn {
    let mut exits = encoded(&effects.exits);
    exits.resize_with(exits.len().max(indices.len()), || ExitFormat::Allocation {
        destination: Default::default(),
        amount: U256::ZERO,
        allocationType: 0,
        metadata: Default::default(),
    });
    NitroAdjudicator::compute_transfer_effects_and_interactionsReturn {
        newAllocations: encoded(&effects.remaining),
        allocatesOnlyZeros: effects.exhausted,
        exitAllocations: exits,
        totalPayouts: effects.paid.to_u256(),
    }
}

#[test]
fn a_payout_comes_to_the_same() {
    let (mut evm, mut random, mut tally) = (Evm::new(), Random::new(1), Tally::default());
    for case in 0..CASES {
        let holdings = generate::amount(&mut random);
        let count = random.below(6);
        let mut allocations: Vec<_> =
            (0..count).map(|_| generate::allocation(&mut random)).collect();
        if random.chance(30) {
            let locked = generate::amount(&mut random);
            let lock = generate::guarantee(&mut random, locked);
            let at = generate::index(&mut random, allocations.len() + 1);
            allocations.insert(at, lock);
        }
        // Mostly in ascending order, as `transfer` insists on.
        let mut indices: Vec<u64> = (0..8).filter(|_| random.chance(25)).collect();
        if random.chance(10) {
            indices.reverse();
        }
        let call = NitroAdjudicator::compute_transfer_effects_and_interactionsCall {
            initialHoldings: holdings.to_u256(),
            allocations: encoded(&allocations),
            indices: indices.iter().map(|index| U256::from(*index)).collect(),
        };
        let ours = transfer_effects(holdings, &allocations, &indices)
            .map(|effects| returned(effects, &indices))
            .map_err(|error| error.to_string());
        let theirs = evm.ask(&call);
        tally.note(&ours);
        assert_eq!(
            ours, theirs,
            "case {case}: {holdings} for {allocations:?}, indices {indices:?}"
        );
    }
    tally.assert_balanced();
}

/// A ledger with a guarantee in it, and the balances of its target: right half of the time.
fn any_reclaim(random: &mut Random) -> (Vec<Allocation>, Vec<Allocation>, usize) {
    let count = random.below(5);
    let mut source: Vec<_> = (0..count).map(|_| generate::allocation(random)).collect();
    let count = if random.chance(85) { 2 } else { random.below(4) };
    let target: Vec<_> = (0..count).map(|_| generate::simple(random)).collect();
    let sum = Amount::checked_sum(target.iter().take(2).map(|entry| entry.amount));
    let locked = sum.filter(|_| random.chance(85)).unwrap_or_else(|| generate::amount(random));
    let lock = generate::guarantee(random, locked);
    let at = generate::index(random, source.len() + 1);
    if random.chance(97) {
        source.insert(at, lock.clone());
    }
    if random.chance(60) {
        // Both sides are paid by the ledger, wherever.
        for word in lock.metadata.0.chunks_exact(32) {
            let destination = engine::types::Destination(engine::types::B256::from_slice(word));
            let amount = random.below(20).into();
            source.push(Allocation::simple(destination, amount));
        }
    }
    (source, target, if random.chance(95) { at } else { generate::index(random, 8) })
}

#[test]
fn a_reclaim_comes_to_the_same() {
    let (mut evm, mut random, mut tally) = (Evm::new(), Random::new(2), Tally::default());
    for case in 0..CASES {
        let (source, target, index) = any_reclaim(&mut random);
        let call = NitroAdjudicator::compute_reclaim_effectsCall {
            sourceAllocations: encoded(&source),
            targetAllocations: encoded(&target),
            indexOfTargetInSource: U256::from(index),
        };
        let ours = reclaim_effects(&source, &target, index)
            .map(|allocations| encoded(&allocations))
            .map_err(reclaim_text);
        let theirs = evm.ask(&call);
        tally.note(&ours);
        assert_eq!(ours, theirs, "case {case}: {index} of {source:?} by {target:?}");
    }
    tally.assert_balanced();
    tally.assert_met(&[
        "",
        "Panic(0x11)",
        "Panic(0x32)",
        "could not find left",
        "could not find right",
        "totalReclaimed!=guarantee.amount",
    ]);
}
