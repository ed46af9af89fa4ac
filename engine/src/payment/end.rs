//! What a payment channel's binding end is, and how sure that is. Three sources could decide it: the
//! chain, a final state that everyone has signed, and those who gave the opening up. Every place
//! that lets go of a guarantee asks here.

use super::{PaymentChannel, Resolution, is_complete};
use crate::chain::ChainFact;
use crate::crypto::Signature;
use crate::outcome::Outcome;
use crate::state::SupportedState;
use crate::types::{Amount, TurnNumber};

/// How a payment channel ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The chain has decided, for good.
    Resolved(Resolution),
    /// The chain knows a state of the channel and has not decided: whatever everyone has signed must
    /// be concluded there first. In the last seconds of a challenge that may come too late, so until
    /// it is done it binds nobody.
    Disputed,
    /// Everyone has signed that the payee gets this, and the chain knows nothing of the channel:
    /// whoever challenges it now gives time to conclude it.
    Agreed(Amount),
    /// It was given up before it opened here.
    GivenUp,
    /// Nothing has been decided.
    Running,
}

impl PaymentChannel {
    /// How the channel ends, as seen at `time` (seconds, the chain's clock).
    #[must_use]
    pub fn end(&self, time: u64) -> End {
        if let Some(resolution) = self.resolution(time) {
            return End::Resolved(resolution);
        }
        if self.status().is_on_record() {
            return End::Disputed;
        }
        match &self.final_state {
            Some(state) if is_complete(&state.signatures) => End::Agreed(state.paid),
            _ if self.is_given_up() => End::GivenUp,
            _ => End::Running,
        }
    }

    /// Takes what a fact shows of the channel. The contract has checked that it is supported; who
    /// signed what is checked here, because every signature is kept with the state that it signs.
    pub(crate) fn adopt(&mut self, fact: &ChainFact) {
        match fact {
            ChainFact::ChallengeRegistered { proof, candidate, .. }
            | ChainFact::StateCheckpointed { proof, candidate } => {
                proof.iter().for_each(|state| self.adopt_state(state));
                self.adopt_state(candidate);
                self.adopt_redemption(proof, candidate);
            }
            ChainFact::StateConcluded { candidate, .. } => self.adopt_state(candidate),
            ChainFact::Deposited { .. }
            | ChainFact::AllocationUpdated { .. }
            | ChainFact::AllocationsPaid { .. }
            | ChainFact::ChallengeCleared { .. }
            | ChainFact::Checkpointed { .. }
            | ChainFact::Concluded { .. }
            | ChainFact::Reclaimed { .. }
            | ChainFact::GuaranteeReclaimed { .. } => {}
        }
    }

    /// Keeps the signatures on a state of the channel that were missing here.
    fn adopt_state(&mut self, shown: &SupportedState) {
        let hash = shown.state.hash(self.id);
        let paid = paid_by(&shown.state.outcome);
        let missing = if hash == self.prefund_hash() {
            &mut self.prefund
        } else if hash == self.postfund_hash() {
            &mut self.postfund
        } else if let Some((state, paid)) = self.final_state.as_ref().zip(paid)
            && state.paid == paid
            && hash == self.final_hash(paid)
        {
            let Some(state) = &mut self.final_state else { return };
            &mut state.signatures
        } else {
            return;
        };
        for signature in &shown.signatures {
            let Ok(signer) = signature.recover(hash) else { continue };
            let Some(index) = self.fixed.index_of(signer) else { continue };
            if let Some(entry) = missing.get_mut(index).filter(|entry| entry.is_none()) {
                *entry = Some(*signature);
            }
        }
    }

    /// Keeps a redemption that pays more than the one known here.
    fn adopt_redemption(&mut self, proof: &[SupportedState], candidate: &SupportedState) {
        if candidate.state.turn < TurnNumber::PAYMENT_FINAL || proof.is_empty() {
            return;
        }
        let worth = |shown: &SupportedState| paid_by(&shown.state.outcome).unwrap_or_default();
        let known = self.shown.as_ref().map(|shown| worth(&shown.candidate));
        if known.is_some_and(|known| known >= worth(candidate)) {
            return;
        }
        // Only what it takes: whoever shows it may have put anything beside that, and to go on from
        // here is to show it again.
        let hash = candidate.state.hash(self.id);
        let payees = |signature: &&Signature| signature.recover(hash) == Ok(self.payee());
        let Some(signature) = candidate.signatures.iter().find(payees).copied() else { return };
        let Some(opening) = self.supported(TurnNumber::POSTFUND, &self.postfund) else { return };
        let candidate =
            SupportedState { state: candidate.state.clone(), signatures: vec![signature] };
        self.shown = Some(Box::new(super::Shown { proof: vec![opening], candidate }));
    }
}

/// What an outcome of a payment channel gives to the payee.
pub(crate) fn paid_by(outcome: &Outcome) -> Option<Amount> {
    outcome.0.first()?.allocations.get(1).map(|payee| payee.amount)
}
