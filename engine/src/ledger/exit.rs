//! What a ledger is worth on chain, without the peer.

use super::{Balances, Change, ChannelMode, Guarantee, Ledger, Move, Side};
use crate::chain::{ChainCall, Challenge, Reclaim, Urgency};
use crate::crypto::{Signature, Signer};
use crate::outcome::{
    Allocation, AllocationKind, SingleAssetExit, guarantee_sides, inferred_payout,
    reclaim_in_place, settle_effects,
};
use crate::payment::Resolution;
use crate::policy::gas;
use crate::state::{SupportedState, VariablePart, challenge_hash};
use crate::types::{Amount, B256, ChannelId, Destination, TurnNumber};

/// How the payment channels that a ledger guarantees ended, as far as the chain has decided.
pub type Resolutions<'a> = &'a dyn Fn(ChannelId) -> Option<Resolution>;

/// What can be done about a finalized ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The call that reclaims what can be reclaimed and pays what can be paid.
    pub call: ChainCall,
    /// What the call, and those that follow when one is not enough, bring to this node.
    pub gain: Amount,
    /// Gas that they cost.
    pub gas: u64,
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

    /// Takes a state that somebody has shown on chain. Whatever both have signed is agreed, however
    /// this node comes to know of it: a peer that keeps its own signature to itself takes nobody
    /// hostage by showing the state. Returns the changes that are agreed, or given up, by it.
    pub fn adopt(&mut self, shown: &SupportedState) -> Vec<Change> {
        let Some(signatures) = self.signed_by_both(shown) else { return Vec::new() };
        let (state, hash) = (&shown.state, shown.state.hash(self.id));
        let both = signatures.map(Some);
        if state.is_final {
            self.adopt_final(state, signatures);
            return Vec::new();
        }
        if state.turn == TurnNumber::PREFUND && !self.has_opened() && hash == self.prefund_hash() {
            self.prefund = both;
        }
        if state.turn == self.agreed.turn && hash == self.agreed_hash() {
            self.signatures = both;
        }
        let theirs = signatures.get(self.me.other().index()).copied();
        if let Some(signature) = theirs
            && self.pending.iter().any(|pending| pending.hash == hash)
        {
            return self.countersigned(state.turn, hash, signature);
        }
        if state.turn > self.agreed.turn
            && let Some(balances) = self.balances_of(state)
        {
            // They were built on what is no longer agreed; the follower may still show them.
            let changes = self.withdraw_from(0);
            self.agree(balances, both);
            return changes;
        }
        Vec::new()
    }

    fn adopt_final(&mut self, state: &VariablePart, signatures: [Signature; 2]) {
        let hash = state.hash(self.id);
        if hash == self.final_state(state.turn).hash(self.id) {
            let signatures = signatures.map(Some);
            self.closing = Some(super::Closing { turn: state.turn, hash, signatures });
        }
    }

    /// The signatures of leader and follower, if both have signed.
    fn signed_by_both(&self, shown: &SupportedState) -> Option<[Signature; 2]> {
        let hash = shown.state.hash(self.id);
        let by = |side| {
            let signer = self.participant(side);
            shown.signatures.iter().copied().find(|sig| sig.recover(hash) == Ok(signer))
        };
        Some([by(Side::Leader)?, by(Side::Follower)?])
    }

    /// The content that a state of this ledger stands for; none when it is not one that honest
    /// nodes make, or not about the same money.
    fn balances_of(&self, state: &VariablePart) -> Option<Balances> {
        let [leader, follower] = self.destinations();
        let exit = state.outcome.0.first()?;
        let [first, second, guarantees @ ..] = exit.allocations.as_slice() else { return None };
        let mut balances = Balances {
            turn: state.turn,
            leader: first.amount,
            follower: second.amount,
            guarantees: std::collections::BTreeMap::new(),
        };
        for allocation in guarantees {
            let left = match guarantee_sides(allocation)? {
                (left, right) if (left, right) == (leader, follower) => Side::Leader,
                (left, right) if (left, right) == (follower, leader) => Side::Follower,
                _ => return None,
            };
            let guarantee = Guarantee { amount: allocation.amount, left };
            balances.guarantees.insert(guarantee_target(allocation)?, guarantee);
        }
        let same = self.state(&balances, state.is_final) == *state;
        (same && balances.total() == self.agreed.total()).then_some(balances)
    }

    /// The payment channels that any state guarantees which may still become final: the agreed one,
    /// and everything newer that this node has signed.
    #[must_use]
    pub fn targets(&self) -> Vec<ChannelId> {
        let agreed = self.agreed.guarantees.keys().copied();
        let pending = self.pending.iter().filter_map(|pending| pending.change.target());
        let withdrawn = self.withdrawn.iter().map(|(_, target)| *target);
        let mut targets: Vec<ChannelId> = agreed.chain(pending).chain(withdrawn).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// True when a state that may still become final may guarantee the payment channel.
    #[must_use]
    pub fn may_guarantee(&self, target: ChannelId) -> bool {
        self.agreed.guarantees.contains_key(&target)
            || self.has_pending(target)
            || self.withdrawn.iter().any(|(_, withdrawn)| *withdrawn == target)
    }

    /// True when the peer may still agree to a state that this node has signed and that takes the
    /// guarantee of the payment channel back.
    #[must_use]
    pub fn may_give_back(&self, target: ChannelId) -> bool {
        let takes_back =
            |change: &Change| matches!(change, Change::Remove { target: of, .. } if *of == target);
        self.pending.iter().any(|pending| takes_back(&pending.change))
            || self.given_back.contains_key(&target)
    }

    /// True when money of the ledger hangs on the payment channel, as far as is known: on chain
    /// once the outcome is final there, reclaimed or not, else in what has been signed.
    #[must_use]
    pub fn guarantees(&self, target: ChannelId, time: u64) -> bool {
        match self.registered_exit().filter(|_| self.status().is_finalized(time)) {
            Some(exit) => {
                exit.allocations.iter().any(|some| guarantee_target(some) == Some(target))
            }
            None => self.may_guarantee(target),
        }
    }

    fn registered_exit(&self) -> Option<&SingleAssetExit> {
        self.status().registered.as_ref()?.outcome.0.first()
    }

    /// The payment channels that the outcome on chain guarantees, and that were not reclaimed.
    #[must_use]
    pub fn finalized_targets(&self) -> Vec<ChannelId> {
        let Some(exit) = self.registered_exit() else { return Vec::new() };
        let mut allocations = exit.allocations.clone();
        for change in &self.status().moves {
            let Move::Reclaim { which } = change else { continue };
            let only = || allocations.iter().position(|some| guarantee_target(some).is_some());
            let index = which.and_then(|(index, _)| usize::try_from(index).ok()).or_else(only);
            if let Some(index) = index.filter(|index| *index < allocations.len()) {
                allocations.remove(index);
            }
        }
        allocations.iter().filter_map(guarantee_target).collect()
    }

    /// True when nothing is left that the outcome on chain allocates: all money is out.
    #[must_use]
    pub fn is_paid_out(&self, resolutions: Resolutions<'_>) -> bool {
        let status = self.status();
        let left = self.left(resolutions);
        status.forgotten || (!left.is_empty() && left.iter().all(|some| some.amount.is_zero()))
    }

    /// True when the outcome on chain still owes this node something.
    #[must_use]
    pub fn has_unpaid(&self, resolutions: Resolutions<'_>) -> bool {
        let mine: Destination = self.participant(self.me).into();
        let left = self.left(resolutions);
        left.iter().any(|some| some.destination == mine && !some.amount.is_zero())
    }

    /// What the outcome on chain still has to pay, replayed from the logs by the rules that the
    /// contract's interface states: nothing is guessed, whatever strangers pay and reclaim.
    #[must_use]
    pub fn left(&self, resolutions: Resolutions<'_>) -> Vec<Allocation> {
        let registered = self.registered_exit();
        let outcome = registered.map(|exit| exit.allocations.clone()).unwrap_or_default();
        self.replay(outcome, resolutions, |_, _| {})
    }

    /// What the adjudicator has paid to leader and follower so far. What it forgets with the last
    /// payout was the outcome that both had agreed to.
    #[must_use]
    pub fn paid_out(&self, resolutions: Resolutions<'_>) -> [Amount; 2] {
        let agreed = self.state(&self.agreed, true).outcome;
        let outcome = self.registered_exit().or_else(|| agreed.0.first());
        let outcome = outcome.map(|exit| exit.allocations.clone()).unwrap_or_default();
        let (sides, mut sums) = (self.destinations(), [Amount::ZERO; 2]);
        self.replay(outcome, resolutions, |destination, amount| {
            for (side, sum) in sides.iter().zip(&mut sums) {
                if *side == destination {
                    *sum = sum.saturating_add(amount);
                }
            }
        });
        sums
    }

    /// What payouts and reclaims have left of an outcome; each amount that was paid is told.
    fn replay(
        &self,
        outcome: Vec<Allocation>,
        resolutions: Resolutions<'_>,
        mut paid_to: impl FnMut(Destination, Amount),
    ) -> Vec<Allocation> {
        let mut left = outcome;
        for change in &self.status().moves {
            match change {
                Move::Payout { initial, paid, amounts } => {
                    let inferred = || inferred_payout(*initial, *paid, &left);
                    let amounts = amounts.clone().unwrap_or_else(inferred);
                    for (allocation, amount) in left.iter().zip(&amounts) {
                        paid_to(allocation.destination, *amount);
                    }
                    take_off(&mut left, &amounts);
                }
                Move::Reclaim { which } => reclaim(&mut left, *which, resolutions),
            }
        }
        left
    }

    /// The next settlement of the finalized ledger, with everything that has been resolved by now.
    /// None when it would bring this node nothing.
    #[must_use]
    pub fn settlement(&self, resolutions: Resolutions<'_>) -> Option<Settlement> {
        let status = self.status();
        let allocations = self.left(resolutions);
        let mut outcome = status.registered.as_ref()?.outcome.clone();
        let guarantees = allocations.iter().filter_map(guarantee_target).count();
        let (mut reclaims, resolved) = reclaim_all(&allocations, resolutions);
        let gain = payout(&resolved, status.holdings, self.participant(self.me).into());
        if gain.is_zero() {
            return None;
        }
        let most =
            gas::reclaims_at_once(guarantees).min(self.reclaims_at_once.unwrap_or(usize::MAX));
        let gas = gas::settle_all(guarantees, reclaims.len(), most);
        let at_once = most.min(reclaims.len()) >> self.refused_calls.min(8);
        reclaims.truncate(at_once.max(1));
        outcome.0.first_mut()?.allocations = allocations;
        let call = ChainCall::Settle {
            channel: self.id,
            outcome,
            state_hash: status.state_hash(self.id),
            reclaims,
            urgency: Urgency { deadline: None, at_risk: gain },
        };
        Some(Settlement { call, gain, gas })
    }

    /// True when nothing has been decided on chain and something of this node's is there: what the
    /// agreed outcome would pay it of the holdings.
    #[must_use]
    pub fn holds_mine(&self) -> bool {
        let status = self.status();
        let state = self.state(&self.agreed, false);
        let running = status.mode == ChannelMode::Open && !status.paid_out && !status.forgotten;
        // Before both have signed it, whatever is there is a stranger's gift.
        let could_deposit = self.prefund.iter().all(Option::is_some);
        let exit = state.outcome.0.first().filter(|_| running && could_deposit);
        let mine = self.participant(self.me).into();
        exit.is_some_and(|exit| !payout(&exit.allocations, status.holdings, mine).is_zero())
    }

    /// What this node could lose at most if the newest agreed state were not enforced.
    #[must_use]
    pub fn at_stake(&self) -> Amount {
        let locked = self.agreed.guarantees.values().map(|guarantee| guarantee.amount);
        Amount::checked_sum(locked.chain([self.agreed.of(self.me)])).unwrap_or_default()
    }
}

pub(crate) fn guarantee_target(allocation: &Allocation) -> Option<ChannelId> {
    (allocation.kind == AllocationKind::GUARANTEE).then_some(ChannelId(allocation.destination.0))
}

fn take_off(allocations: &mut [Allocation], amounts: &[Amount]) {
    for (allocation, paid) in allocations.iter_mut().zip(amounts) {
        allocation.amount = allocation.amount.saturating_sub(*paid);
    }
}

/// Where the logs do not say which guarantee was reclaimed there is only one, and its target says
/// the rest. A reclaim that cannot be followed leaves the allocations as they were: what is asked of
/// the chain with them is refused, and costs nothing.
fn reclaim(
    left: &mut Vec<Allocation>,
    which: Option<(u64, [Amount; 2])>,
    resolutions: Resolutions<'_>,
) {
    let target = match which {
        Some((index, shares)) => {
            let nobody = Destination(B256::ZERO);
            let shares = shares.map(|share| Allocation::simple(nobody, share));
            usize::try_from(index).ok().map(|index| (index, shares.to_vec()))
        }
        None => left.iter().enumerate().find_map(|(index, some)| {
            let resolution = resolutions(guarantee_target(some)?)?;
            Some((index, resolution.allocations().to_vec()))
        }),
    };
    if let Some((index, target)) = target {
        let _ = reclaim_in_place(left, &target, index);
    }
}

/// Reclaims every guarantee whose target is final: the calls, the last position first so that none
/// moves another, and what they make of the ledger.
fn reclaim_all(
    allocations: &[Allocation],
    resolutions: Resolutions<'_>,
) -> (Vec<Reclaim>, Vec<Allocation>) {
    let (mut reclaims, mut current) = (Vec::new(), allocations.to_vec());
    for index in (0..allocations.len()).rev() {
        let target = allocations.get(index).and_then(guarantee_target).and_then(resolutions);
        let Some(target) = target else { continue };
        if reclaim_in_place(&mut current, target.allocations(), index).is_err() {
            continue;
        }
        reclaims.push(Reclaim {
            index: u64::try_from(index).unwrap_or(u64::MAX),
            target_state: target.state_hash,
            target_outcome: target.outcome,
        });
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
