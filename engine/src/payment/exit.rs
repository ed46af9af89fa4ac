//! What a payment channel is worth on chain, without the others.

use super::end::paid_by;
use super::{PaymentChannel, Role, is_complete};
use crate::chain::{ChainCall, Challenge, Urgency};
use crate::crypto::{Signature, Signer};
use crate::ledger::{CallState, ChannelMode};
use crate::outcome::{Allocation, Outcome};
use crate::state::{SupportedState, VariablePart, challenge_hash};
use crate::types::{Amount, B256, Bytes, TurnNumber};
use crate::vouchers::Voucher;

/// A voucher is taken during a challenge while this part of the challenge is left: enough to see the
/// redemption mined, also when fees climb.
const REDEEM_MARGIN: u64 = 4;

/// How a payment channel ended on chain: what its guarantees are reclaimed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// State hash that it was finalized with; zero when it was concluded.
    pub state_hash: B256,
    /// Who gets what.
    pub outcome: Outcome,
    /// What the payee gets.
    pub paid: Amount,
}

impl Resolution {
    fn new(state_hash: B256, outcome: Outcome) -> Self {
        let paid = allocations(&outcome).get(1).map(|payee| payee.amount).unwrap_or_default();
        Self { state_hash, outcome, paid }
    }

    /// The payer's and the payee's allocation.
    #[must_use]
    pub fn allocations(&self) -> &[Allocation] {
        allocations(&self.outcome)
    }
}

fn allocations(outcome: &Outcome) -> &[Allocation] {
    outcome.0.first().map_or(&[], |exit| &exit.allocations)
}

impl PaymentChannel {
    /// How the channel ended, once the adjudicator takes it for final at `time` (seconds). What was
    /// paid out of its own holdings changes nothing: guarantees are reclaimed with the final outcome.
    #[must_use]
    pub fn resolution(&self, time: u64) -> Option<Resolution> {
        let status = self.status();
        let state = status.registered.as_ref().filter(|_| status.is_finalized(time))?;
        Some(Resolution::new(status.state_hash(self.id), state.outcome.clone()))
    }

    /// The best state that this node can have registered: the payee its best voucher, the others
    /// what they have seen, or the opening, which the payee answers with its voucher.
    #[must_use]
    pub fn enforceable(
        &self,
        voucher: Option<&Voucher>,
        signer: &dyn Signer,
    ) -> Option<(Vec<SupportedState>, SupportedState)> {
        let shown = self.shown.as_deref();
        let known = shown.and_then(|shown| paid_by(&shown.candidate.state.outcome));
        if let Some(voucher) = voucher.filter(|_| self.role() == Role::Payee)
            && known.is_none_or(|known| known < voucher.total)
            && let Some(redemption) = self.redemption(voucher, signer)
        {
            return Some(redemption);
        }
        if let Some(shown) = shown {
            return Some((shown.proof.clone(), shown.candidate.clone()));
        }
        let opening = self
            .supported(TurnNumber::POSTFUND, &self.postfund)
            .or_else(|| self.supported(TurnNumber::PREFUND, &self.prefund))?;
        Some((Vec::new(), opening))
    }

    /// True while a larger voucher would still count, with time to have it mined: no redemption is
    /// registered or on its way, and of a running challenge enough is left.
    #[must_use]
    pub fn may_redeem_more(&self, time: u64) -> bool {
        let status = self.status();
        let in_time = match status.mode {
            ChannelMode::Open => true,
            ChannelMode::Challenge { finalizes_at } => {
                let margin = u64::from(self.fixed.challenge_duration) / REDEEM_MARGIN;
                status.turn < TurnNumber::PAYMENT_FINAL
                    && time.saturating_add(margin) < finalizes_at
            }
            ChannelMode::Concluded => false,
        };
        let redeemable = is_complete(&self.postfund) && !self.is_finalized();
        self.call == CallState::None && in_time && redeemable
    }

    /// True when everyone has signed what opened the channel, or what closes it: nobody can keep
    /// the payee from what it was paid by keeping a signature back.
    #[must_use]
    pub fn can_pay_out(&self) -> bool {
        is_complete(&self.postfund) || self.is_finalized()
    }

    /// Turn of [`PaymentChannel::enforceable`].
    #[must_use]
    pub fn enforceable_turn(&self, voucher: Option<&Voucher>) -> Option<TurnNumber> {
        let (funded, agreed) = (is_complete(&self.postfund), is_complete(&self.prefund));
        let redeems = funded && self.role() == Role::Payee && voucher.is_some();
        if redeems || self.shown.is_some() {
            Some(TurnNumber::PAYMENT_FINAL)
        } else if funded {
            Some(TurnNumber::POSTFUND)
        } else {
            agreed.then_some(TurnNumber::PREFUND)
        }
    }

    /// The voucher as a state: everyone's postfund state supports it, the payee alone signs it
    /// (contracts.md 10.5). None while a signature on the postfund state is missing.
    #[must_use]
    pub fn redemption(
        &self,
        voucher: &Voucher,
        signer: &dyn Signer,
    ) -> Option<(Vec<SupportedState>, SupportedState)> {
        let proof = self.supported(TurnNumber::POSTFUND, &self.postfund)?;
        let state = VariablePart {
            app_data: Bytes(voucher.redemption_data()),
            ..self.state(TurnNumber::PAYMENT_FINAL, voucher.total, false)
        };
        let signatures = vec![signer.sign(state.hash(self.id))];
        Some((vec![proof], SupportedState { state, signatures }))
    }

    pub(super) fn supported(
        &self,
        turn: TurnNumber,
        signatures: &[Option<Signature>],
    ) -> Option<SupportedState> {
        let signatures = signatures.iter().copied().collect::<Option<Vec<Signature>>>()?;
        Some(SupportedState { state: self.state(turn, Amount::ZERO, false), signatures })
    }

    /// The challenge with [`PaymentChannel::enforceable`].
    #[must_use]
    pub fn challenge(&self, voucher: Option<&Voucher>, signer: &dyn Signer) -> Option<Challenge> {
        let (proof, candidate) = self.enforceable(voucher, signer)?;
        let challenger = signer.sign(challenge_hash(candidate.state.hash(self.id)));
        Some(Challenge { fixed: self.fixed.clone(), proof, candidate, challenger })
    }

    /// Ends the channel at once with the final state that everyone has signed.
    #[must_use]
    pub fn conclusion(&self, urgency: Urgency) -> Option<ChainCall> {
        let state = self.final_state.as_ref()?;
        let signatures = state.signatures.iter().copied().collect::<Option<Vec<Signature>>>()?;
        Some(ChainCall::Conclude {
            fixed: self.fixed.clone(),
            state: self.state(TurnNumber::PAYMENT_FINAL, state.paid, true),
            signatures,
            urgency,
        })
    }
}
