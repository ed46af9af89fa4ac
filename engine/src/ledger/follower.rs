//! The countersigning side of a ledger (protocol.md 8.5).

use serde::{Deserialize, Serialize};

use super::{Change, Ledger, MAX_TURN_GAP, Side};
use crate::crypto::{Signature, Signer};
use crate::types::{B256, TurnNumber};

/// Why a follower does not countersign. Travels on the wire: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RefusalReason {
    /// The ledger is closing, disputed, or its deposit is gone.
    #[error("the ledger channel cannot be changed now")]
    NotUsable,
    /// The payment channel is unknown, declined, or in another phase.
    #[error("the payment channel does not call for this change")]
    NotExpected,
    /// The proof that everyone has signed is missing or wrong.
    #[error("the proposal does not prove that everyone has signed")]
    Evidence,
    /// A side cannot pay its part.
    #[error("insufficient funds")]
    InsufficientFunds,
    /// The ledger already guarantees as many channels as policy allows.
    #[error("too many guarantees in the ledger channel")]
    TooManyGuarantees,
    /// The change does not apply to the agreed content.
    #[error("the change does not apply")]
    Invalid,
}

impl Ledger {
    /// True when a proposal is the next one: built on what is agreed.
    #[must_use]
    pub fn expects(&self, turn: TurnNumber, parent: TurnNumber) -> bool {
        self.me == Side::Follower && parent == self.agreed.turn && turn > self.agreed.turn
    }

    /// True when nobody has a reason to sign a turn so far ahead.
    #[must_use]
    pub fn is_too_far(&self, turn: TurnNumber) -> bool {
        turn.0 > self.agreed.turn.0.saturating_add(MAX_TURN_GAP)
    }

    /// True when this proposal was refused before. Another state of the newest refused turn is not:
    /// whoever holds the leader's key beside its node may have made the refused one.
    #[must_use]
    pub fn was_refused(&self, turn: TurnNumber, hash: B256) -> bool {
        self.refused
            .is_some_and(|(newest, refused)| turn < newest || (turn == newest && hash == refused))
    }

    /// Remembers a refusal.
    pub fn refuse(&mut self, turn: TurnNumber, hash: B256) {
        let newer = self.refused.is_none_or(|(newest, _)| newest <= turn);
        if newer && !self.is_too_far(turn) {
            self.refused = Some((turn, hash));
        }
    }

    /// Countersigns the next proposal. The caller has decided that the payment channel calls for
    /// the change, and that `leader` recovers to the leader over `hash`.
    ///
    /// # Errors
    /// The reason to tell the leader; nothing is signed then.
    pub fn countersign(
        &mut self,
        turn: TurnNumber,
        change: &Change,
        hash: B256,
        leader: Signature,
        signer: &dyn Signer,
    ) -> Result<Signature, RefusalReason> {
        if !self.is_usable() || turn <= self.signed_turn || self.was_refused(turn, hash) {
            return Err(RefusalReason::NotUsable);
        }
        let next = match self.agreed.apply(change, turn) {
            Ok(next) => next,
            Err(super::ChangeError::InsufficientFunds) => {
                return Err(RefusalReason::InsufficientFunds);
            }
            Err(_) => return Err(RefusalReason::Invalid),
        };
        if self.is_too_far(turn) || self.state_hash(&next, false) != hash {
            return Err(RefusalReason::Invalid);
        }
        let signature = signer.sign(hash);
        self.agree(next, [Some(leader), Some(signature)]);
        Ok(signature)
    }
}
