//! What a ledger is worth on chain, without the peer.

use super::{ChannelMode, Ledger, Move, OnChainStatus};
use crate::chain::{ChainCall, Challenge, Reclaim, Urgency};
use crate::crypto::{Signature, Signer};
use crate::outcome::{
    Allocation, AllocationKind, Outcome, SingleAssetExit, reclaim_effects, settle_effects,
    transfer_effects,
};
use crate::payment::Resolution;
use crate::state::{SupportedState, challenge_hash};
use crate::types::{Amount, B256, ChannelId, Destination, TurnNumber};

/// Outcomes that are told apart at most. A cheater can make the outcome on chain ambiguous only by
/// paying some of two allocations, each of which ends with the first payment.
const MAX_OUTCOMES: usize = 64;

/// Guarantees that one settlement reclaims at most, so that it fits any block.
const MAX_RECLAIMS: usize = 32;

/// What can be done about a finalized ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The call that reclaims what can be reclaimed and pays what can be paid.
    pub call: ChainCall,
    /// What the call brings to this node.
    pub gain: Amount,
}

impl Ledger {
    /// The newest state that both have signed: what this node can enforce.
    #[must_use]
    pub fn supported(&self) -> Option<SupportedState> {
        let complete = |signatures: [Option<Signature>; 2]| match signatures {
            [Some(leader), Some(follower)] => Some(vec![leader, follower]),
            _ => None,
        };
        let newest = complete(self.signatures)
            .map(|signatures| (self.state(&self.agreed, false), signatures))
            .or_else(|| Some((self.prefund_state(), complete(self.prefund)?)));
        newest.map(|(state, signatures)| SupportedState { state, signatures })
    }

    /// Turn of [`Ledger::supported`].
    #[must_use]
    pub fn supported_turn(&self) -> Option<TurnNumber> {
        if self.has_opened() {
            Some(self.agreed.turn)
        } else {
            self.prefund.iter().all(Option::is_some).then_some(TurnNumber::PREFUND)
        }
    }

    /// The challenge with the newest state that both have signed.
    #[must_use]
    pub fn challenge(&self, signer: &dyn Signer) -> Option<Challenge> {
        let candidate = self.supported()?;
        let challenger = signer.sign(challenge_hash(candidate.state.hash(self.id)));
        Some(Challenge { fixed: self.fixed.clone(), proof: Vec::new(), candidate, challenger })
    }

    /// Takes a state that the peer has shown on chain. The follower may hold a state that this
    /// leader has proposed and whose countersignature never came: it counts as agreed then.
    pub fn adopt(&mut self, shown: &SupportedState) {
        let hash = shown.state.hash(self.id);
        let theirs = self.peer();
        let signature =
            shown.signatures.iter().find(|signature| signature.recover(hash) == Ok(theirs));
        if let Some(signature) = signature {
            self.countersigned(shown.state.turn, hash, *signature);
        }
    }

    /// The payment channels that the newest agreed or proposed content guarantees.
    #[must_use]
    pub fn targets(&self) -> Vec<ChannelId> {
        let agreed = self.agreed.guarantees.keys().copied();
        let pending = self.pending.iter().map(|pending| pending.change.target());
        let mut targets: Vec<ChannelId> = agreed.chain(pending).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// True when money of the ledger hangs on the payment channel, as far as is known: on chain
    /// once the outcome is final there, else in what is agreed or proposed.
    #[must_use]
    pub fn guarantees(&self, target: ChannelId, time: u64) -> bool {
        let status = self.status();
        match self.finalized_outcome(&status).filter(|_| status.is_finalized(time)) {
            Some(outcome) => outcome
                .0
                .iter()
                .flat_map(|exit| &exit.allocations)
                .any(|allocation| guarantee_target(allocation) == Some(target)),
            None => self.agreed.guarantees.contains_key(&target) || self.has_pending(target),
        }
    }

    /// The outcome that the ledger was, or will be, finalized with on chain.
    fn finalized_outcome(&self, status: &OnChainStatus) -> Option<Outcome> {
        match status.mode {
            ChannelMode::Open => None,
            ChannelMode::Challenge { .. } => {
                status.challenged.as_ref().map(|state| state.outcome.clone())
            }
            // Every final state that this node has signed has the agreed outcome (gap S2).
            ChannelMode::Concluded => Some(self.state(&self.agreed, true).outcome),
        }
    }

    /// State hash that the ledger was finalized with; zero when it was concluded.
    fn finalized_state(&self, status: &OnChainStatus) -> B256 {
        let state = status.challenged.as_ref();
        state.map_or(B256::ZERO, |state| state.hash(self.id))
    }

    /// The payment channels that the outcome on chain guarantees.
    #[must_use]
    pub fn finalized_targets(&self) -> Vec<ChannelId> {
        let outcome = self.finalized_outcome(&self.status()).unwrap_or_default();
        outcome.0.iter().flat_map(|exit| &exit.allocations).filter_map(guarantee_target).collect()
    }

    /// True when the outcome on chain still owes this node something.
    #[must_use]
    pub fn has_unpaid(&self, time: u64) -> bool {
        let status = self.status();
        status.is_finalized(time)
            && self.outcomes(&|_| None).first().is_some_and(|exit| {
                let mine = exit.total_for(self.participant(self.me).into());
                mine.is_none_or(|mine| !mine.is_zero())
            })
    }

    /// Outcomes that the adjudicator may hold for this ledger now, most likely first.
    ///
    /// Its logs say how much was paid, not to whom, and that a guarantee was reclaimed, not which
    /// (weakness W16). All that fit are listed; a settlement that assumes a wrong one is refused
    /// and costs nothing, and the next one is tried. So nobody can lock the rest by paying or
    /// reclaiming in an unusual order.
    #[must_use]
    pub fn outcomes(
        &self,
        resolution: &dyn Fn(ChannelId) -> Option<Resolution>,
    ) -> Vec<SingleAssetExit> {
        let status = self.status();
        let first =
            self.finalized_outcome(&status).and_then(|outcome| outcome.0.into_iter().next());
        let mut outcomes: Vec<SingleAssetExit> = first.into_iter().collect();
        for change in &status.moves {
            let mut next: Vec<SingleAssetExit> = Vec::new();
            for exit in &outcomes {
                for allocations in moved(&exit.allocations, *change, resolution) {
                    let exit = SingleAssetExit { allocations, ..exit.clone() };
                    if !next.contains(&exit) && next.len() < MAX_OUTCOMES {
                        next.push(exit);
                    }
                }
            }
            if !next.is_empty() {
                outcomes = next;
            }
        }
        outcomes
    }

    /// The next settlement of the finalized ledger, with everything that has been resolved by now.
    /// None when it would bring this node nothing.
    #[must_use]
    pub fn settlement(
        &self,
        resolution: &dyn Fn(ChannelId) -> Option<Resolution>,
    ) -> Option<Settlement> {
        let status = self.status();
        let outcomes = self.outcomes(resolution);
        let count = u32::try_from(outcomes.len()).ok()?;
        let at = self.refused_calls.checked_rem(count)?;
        let exit = outcomes.into_iter().nth(usize::try_from(at).ok()?)?;
        let (reclaims, allocations) = reclaim_all(&exit.allocations, resolution);
        let gain = payout(&allocations, status.holdings, self.participant(self.me).into());
        // What was reclaimed is worth nothing by itself; the last step is what counts.
        let more = reclaims.len() >= MAX_RECLAIMS;
        if gain.is_zero() && !more {
            return None;
        }
        let call = ChainCall::Settle {
            channel: self.id,
            outcome: Outcome(vec![exit]),
            state_hash: self.finalized_state(&status),
            reclaims,
            urgency: Urgency { deadline: None, at_risk: gain },
        };
        Some(Settlement { call, gain })
    }

    /// What this node could lose at most if the newest agreed state were not enforced.
    #[must_use]
    pub fn at_stake(&self) -> Amount {
        let locked = self.agreed.guarantees.values().map(|guarantee| guarantee.amount);
        Amount::checked_sum(locked.chain([self.agreed.of(self.me)])).unwrap_or_default()
    }
}

fn guarantee_target(allocation: &Allocation) -> Option<ChannelId> {
    (allocation.kind == AllocationKind::GUARANTEE).then_some(ChannelId(allocation.destination.0))
}

/// All allocations that `change` may have made of these.
fn moved(
    allocations: &[Allocation],
    change: Move,
    resolution: &dyn Fn(ChannelId) -> Option<Resolution>,
) -> Vec<Vec<Allocation>> {
    match change {
        Move::Payout { initial, paid } => {
            let simple: Vec<u64> = (0_u64..)
                .zip(allocations)
                .filter(|(_, allocation)| allocation.kind != AllocationKind::GUARANTEE)
                .map(|(index, _)| index)
                .collect();
            // Everybody at once is what honest nodes do.
            let single = simple.iter().map(|index| vec![*index]);
            std::iter::once(simple.clone())
                .chain(single)
                .filter(|indices| !indices.is_empty())
                .filter_map(|indices| transfer_effects(initial, allocations, &indices).ok())
                .filter(|effects| effects.paid == paid)
                .map(|effects| effects.remaining)
                .collect()
        }
        Move::Reclaim => allocations
            .iter()
            .enumerate()
            .filter_map(|(index, allocation)| {
                let target = resolution(guarantee_target(allocation)?)?;
                reclaim_effects(allocations, target.allocations(), index).ok()
            })
            .collect(),
    }
}

/// Reclaims every guarantee whose target is final: the calls, and what they make of the ledger.
fn reclaim_all(
    allocations: &[Allocation],
    resolution: &dyn Fn(ChannelId) -> Option<Resolution>,
) -> (Vec<Reclaim>, Vec<Allocation>) {
    let (mut reclaims, mut current, mut index) = (Vec::new(), allocations.to_vec(), 0);
    while let Some(allocation) = current.get(index)
        && reclaims.len() < MAX_RECLAIMS
    {
        let target = guarantee_target(allocation).and_then(resolution);
        let effects = target.and_then(|target| {
            Some((reclaim_effects(&current, target.allocations(), index).ok()?, target))
        });
        match effects {
            Some((next, target)) => {
                current = next;
                reclaims.push(Reclaim {
                    index: u64::try_from(index).unwrap_or(u64::MAX),
                    target_state: target.state_hash,
                    target_outcome: target.outcome,
                });
            }
            None => index = index.saturating_add(1),
        }
    }
    (reclaims, current)
}

/// What `destination` is paid of `holdings`; guarantees before it keep their share.
fn payout(allocations: &[Allocation], holdings: Amount, destination: Destination) -> Amount {
    let Ok(effects) = settle_effects(holdings, allocations, &[]) else {
        return Amount::ZERO;
    };
    let mine = effects.exits.iter().filter(|exit| exit.destination == destination);
    Amount::checked_sum(mine.map(|exit| exit.amount)).unwrap_or_default()
}
