//! Every node could leave each of its ledgers alone, at any time, with what it is owed: played out
//! on a copy of the chain whenever a ledger or a voucher has changed.

use std::collections::BTreeSet;

use super::chain::Adjudicator;
use crate::apply::State;
use crate::chain::{ChainCall, Reclaim, Urgency};
use crate::crypto::Signer;
use crate::ledger::{ChannelMode, Ledger};
use crate::outcome::AllocationKind;
use crate::payment::{Role, paid_by};
use crate::types::{Address, Amount, B256, ChannelId};

/// Exits that were played out: per node, ledger, state and vouchers.
#[derive(Debug, Default)]
pub(crate) struct Rehearsed(BTreeSet<(Address, ChannelId, B256, Amount)>);

/// Plays out the exit of every ledger in use that has changed since it was last done.
pub(crate) fn check(
    name: &str,
    state: &State,
    signer: &dyn Signer,
    contract: &Adjudicator,
    time: u64,
    rehearsed: &mut Rehearsed,
) {
    for ledger in state.ledgers.values() {
        let targets = ledger.agreed.guarantees.keys();
        let paid = targets.clone().filter_map(|id| Some(state.paid.get(id)?.total));
        let paid = Amount::checked_sum(paid).unwrap_or_default();
        let key = (signer.address(), ledger.id, ledger.agreed_hash(), paid);
        // Whatever runs on chain already is a story of its own, and so is a chain that has lost
        // a deposit.
        let total = ledger.agreed.total().unwrap_or_default();
        let untouched = std::iter::once(&ledger.id).chain(targets).all(|id| {
            let known = state.payments.get(id).map(|channel| channel.status().mode);
            contract.status(*id).is_none() && known.is_none_or(|mode| mode == ChannelMode::Open)
        });
        let funded = contract.held(ledger.asset, ledger.id) >= total;
        if ledger.is_usable() && untouched && funded && rehearsed.0.insert(key) {
            rehearse(name, state, signer, &mut contract.clone(), time, ledger);
        }
    }
}

fn rehearse(
    name: &str,
    state: &State,
    signer: &dyn Signer,
    contract: &mut Adjudicator,
    time: u64,
    ledger: &Ledger,
) {
    let own = ledger.challenge(signer).expect("a usable ledger has a state that both signed");
    let (mut owed, mut end) = (ledger.agreed.of(ledger.me), ledger.fixed.challenge_duration);
    let urgency = Urgency::default();
    let (mut challenges, mut reclaims) = (vec![own.clone()], Vec::new());
    let mut calls = Vec::new();
    let outcome = own.candidate.state.outcome.clone();
    let allocations = outcome.0.iter().flat_map(|exit| &exit.allocations);
    for (position, lock) in (0_u64..).zip(allocations) {
        if lock.kind != AllocationKind::GUARANTEE {
            continue;
        }
        let id = ChannelId(lock.destination.0);
        let channel = state.payments.get(&id).expect("what is guaranteed is known");
        let left = ledger.agreed.guarantees.get(&id).is_some_and(|lock| lock.left == ledger.me);
        let index = position - reclaims.len() as u64;
        // What everyone has signed is concluded, and needs no challenge.
        if let Some(conclusion) = channel.conclusion(urgency)
            && let ChainCall::Conclude { state, .. } = &conclusion
        {
            let paid = channel.final_state.as_ref().map(|last| last.paid).unwrap_or_default();
            let share = if left { lock.amount.saturating_sub(paid) } else { paid };
            owed = owed.checked_add(share).expect("less than the ledger holds");
            let (target_state, target_outcome) = (B256::ZERO, state.outcome.clone());
            reclaims.push(Reclaim { index, target_state, target_outcome });
            calls.push((time, conclusion));
            continue;
        }
        let voucher = state.paid.get(&id).and_then(|paid| paid.voucher);
        let challenge = channel.challenge(voucher.as_ref(), signer);
        let challenge = challenge.unwrap_or_else(|| panic!("{name}: {id:?} cannot be enforced"));
        let redeemed = voucher.filter(|_| channel.role() == Role::Payee);
        let redeemed = redeemed.map(|voucher| voucher.total).unwrap_or_default();
        // What the payee has shown counts, also once a reorganisation has taken it back.
        let shown = channel.shown.as_ref();
        let shown = shown.and_then(|shown| paid_by(&shown.candidate.state.outcome));
        let paid = redeemed.max(shown.unwrap_or_default());
        let share = if left { lock.amount.saturating_sub(paid) } else { paid };
        owed = owed.checked_add(share).expect("less than the ledger holds");
        end = end.max(channel.fixed.challenge_duration);
        reclaims.push(Reclaim {
            index,
            target_state: challenge.candidate.state.hash(id),
            target_outcome: challenge.candidate.state.outcome.clone(),
        });
        challenges.push(challenge);
    }
    let settle = ChainCall::Settle {
        channel: ledger.id,
        state_hash: own.candidate.state.hash(ledger.id),
        outcome,
        reclaims,
        urgency,
    };
    let me = signer.address();
    let before = contract.purse(me, ledger.asset);
    let challenge = ChainCall::Challenge { challenges, urgency };
    calls.extend([(time, challenge), (time + u64::from(end), settle)]);
    for (at, call) in calls {
        let done = contract.execute(me, at, &call.into());
        assert!(done.is_ok(), "{name} cannot leave {:?}: {done:?}", ledger.id);
    }
    let gain = contract.purse(me, ledger.asset).saturating_sub(before);
    assert!(gain >= owed, "{name} leaves {:?} with {gain} of {owed}", ledger.id);
}
