//! The proposing side of a ledger (protocol.md 8.4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Balances, Change, ChangeError, Ledger, Side};
use crate::crypto::{Signature, Signer};
use crate::types::{Amount, B256, ChannelId, Timestamp, TurnNumber};

/// A proposal that the follower has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Turn of the resulting state.
    pub turn: TurnNumber,
    /// Turn that it builds on.
    pub parent: TurnNumber,
    /// What changes.
    pub change: Change,
    /// Hash of the resulting state.
    pub hash: B256,
    /// Our signature on it.
    pub signature: Signature,
}

/// Something that the follower does not agree to as it sees things now. It may see them otherwise soon,
/// for example when it hears of the same block, so it is asked again, after growing waits: each time
/// costs a turn, of which there are not many, see `MAX_UNAGREED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// How often in a row.
    pub times: u32,
    /// When it is asked again; none once it may be.
    pub wait: Option<Timestamp>,
}

/// From a first refusal until it is asked again: about as long as blocks take to get around.
const FIRST_WAIT: Duration = Duration::from_secs(5);

/// No wait is longer. With it, the turns that may be signed last for longer than people take to notice
/// what they are told, and for longer than patience by default.
const LONGEST_WAIT: Duration = Duration::from_secs(2 * 3_600);

/// So many refusals are not waited for when a block comes that may have changed the follower's mind.
const HASTE: u32 = 6;

/// Why nothing can be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// Only the leader proposes.
    #[error("method may only be called by the channel leader")]
    NotLeader,
    /// The ledger is not open, disputed, or its deposit is gone.
    #[error("ledger channel cannot be changed now")]
    NotUsable,
    /// The follower has left too many proposals unanswered, or refused them.
    #[error("too many proposals wait for the peer")]
    Busy,
    /// The change does not apply.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Turns that may be signed and not agreed: each lets the follower answer a challenge once more, and
/// so prolong an exit by its duration. Additions leave room for what takes guarantees back, and both
/// for what puts an end to it.
const MAX_UNAGREED: [u64; 3] = [16, 24, 32];

/// Refused additions that may be shown, above which there are no more.
const MAX_WITHDRAWN: usize = 3;

/// Proposals that one answer can make room for.
pub(crate) const MAX_PROPOSALS: usize = 32;

impl Ledger {
    /// Content after all pending proposals.
    #[must_use]
    pub fn proposed(&self) -> &Balances {
        self.proposed.as_deref().unwrap_or(&self.agreed)
    }

    /// What `side` could still give if every pending proposal is agreed.
    #[must_use]
    pub fn available(&self, side: Side) -> Amount {
        self.proposed().of(side)
    }

    /// True when a change for `target` waits for its answer.
    #[must_use]
    pub fn has_pending(&self, target: ChannelId) -> bool {
        self.pending.iter().any(|pending| pending.change.target() == Some(target))
    }

    /// Signs a change on top of all pending ones and queues it.
    ///
    /// # Errors
    /// When this node does not lead, the ledger cannot change now, or the change does not apply.
    pub fn propose(
        &mut self,
        change: Change,
        signer: &dyn Signer,
    ) -> Result<Pending, ProposalError> {
        if self.me != Side::Leader {
            return Err(ProposalError::NotLeader);
        }
        if !self.is_usable() {
            return Err(ProposalError::NotUsable);
        }
        if !self.has_room_for(&change) {
            return Err(ProposalError::Busy);
        }
        let parent = self.proposed().turn;
        let turn = self.next_turn().ok_or(ChangeError::Overflow)?;
        let next = match &mut self.proposed {
            Some(next) => next,
            none => none.insert(Box::new(self.agreed.clone())),
        };
        if let Err(error) = next.apply_in_place(&change, turn) {
            self.propose_on_top();
            return Err(error.into());
        }
        let hash = self.state_hash(self.proposed(), false);
        let signature = signer.sign(hash);
        let pending = Pending { turn, parent, change, hash, signature };
        self.pending.push(pending.clone());
        self.signed_turn = turn;
        Ok(pending)
    }

    /// True when the change may be proposed now, as far as what is not agreed yet goes.
    #[must_use]
    pub fn has_room_for(&self, change: &Change) -> bool {
        let [additions, removals, all] = MAX_UNAGREED;
        let max = match change {
            // Whoever refuses gets no more of them before it agrees that nothing changes.
            Change::Add { .. } if self.withdrawn.len() >= MAX_WITHDRAWN => 0,
            Change::Add { .. } => additions,
            Change::Remove { .. } => removals,
            Change::Keep => all,
        };
        self.signed_turn.0.saturating_sub(self.agreed.turn.0) < max
    }

    /// True when the follower has refused what it may still sign and show, and nothing that waits
    /// for its answer would put an end to that.
    #[must_use]
    pub fn has_loose_ends(&self) -> bool {
        let is_loose = !self.withdrawn.is_empty() || !self.given_back.is_empty();
        is_loose && self.pending.is_empty() && self.is_usable()
    }

    /// Notes that the follower does not agree to something about a payment channel, or, when none is
    /// named, to anything at all. Returns when it is asked again.
    pub fn put_off(&mut self, subject: Option<ChannelId>, now: Timestamp) -> Timestamp {
        let refusal = self.refusals.entry(subject).or_insert(Refusal { times: 0, wait: None });
        let factor = 1_u32.checked_shl(refusal.times).unwrap_or(u32::MAX);
        let at = now.after(FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT));
        refusal.times = refusal.times.saturating_add(1);
        refusal.wait = Some(at);
        at
    }

    /// True when the follower may be asked to take a guarantee back, or that nothing changes, as far
    /// as its refusals go. One that has refused everything gets one proposal at a time.
    #[must_use]
    pub fn may_ask(&self, change: &Change) -> bool {
        let waits = |subject: Option<ChannelId>| {
            self.refusals.get(&subject).is_some_and(|refusal| refusal.wait.is_some())
        };
        let probing = self.refusals.contains_key(&None) && !self.pending.is_empty();
        !probing && !waits(None) && !waits(change.target())
    }

    /// Waits that are over by `now`.
    pub fn end_waits(&mut self, now: Timestamp) {
        for refusal in self.refusals.values_mut() {
            refusal.wait = refusal.wait.filter(|wait| *wait > now);
        }
    }

    /// True when a wait ends early with a block, which may have told the follower what it lacked.
    #[must_use]
    pub fn has_haste(&self) -> bool {
        self.refusals.values().any(Refusal::has_haste)
    }

    /// Ends those waits.
    pub fn end_waits_at_block(&mut self) {
        for refusal in self.refusals.values_mut().filter(|refusal| refusal.has_haste()) {
            refusal.wait = None;
        }
    }

    /// Takes the follower's signature: this proposal and all before it are agreed. Returns the
    /// agreed changes; none for an answer that is not, or no longer, waited for.
    pub fn countersigned(
        &mut self,
        turn: TurnNumber,
        hash: B256,
        signature: Signature,
    ) -> Vec<Change> {
        let Some(position) =
            self.pending.iter().position(|pending| pending.turn == turn && pending.hash == hash)
        else {
            return Vec::new();
        };
        let mut agreed = self.agreed.clone();
        let (mut changes, mut signatures) = (Vec::new(), self.signatures);
        for pending in self.pending.drain(..=position) {
            let _ = agreed.apply_in_place(&pending.change, pending.turn);
            changes.push(pending.change);
            signatures = [Some(pending.signature), Some(signature)];
        }
        self.agree(agreed, signatures);
        changes
    }

    /// Takes a refusal: the refused proposal and those built on it are off. Returns their changes
    /// in order; the first is the refused one. The follower's word binds it to nothing, so what was
    /// to be guaranteed is remembered until a higher turn is agreed.
    pub fn refused(&mut self, turn: TurnNumber) -> Vec<Change> {
        let Some(position) = self.pending.iter().position(|pending| pending.turn == turn) else {
            return Vec::new();
        };
        self.withdraw_from(position)
    }

    /// Takes the proposals from a position on out of those that wait for an answer. The follower has
    /// our signature on them.
    pub(super) fn withdraw_from(&mut self, position: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        for pending in self.pending.drain(position..) {
            match pending.change {
                Change::Add { target, .. } => self.withdrawn.push((pending.turn, target)),
                Change::Remove { target, .. } => {
                    self.given_back.insert(target, pending.turn);
                }
                Change::Keep => {}
            }
            changes.push(pending.change);
        }
        // Whatever is built on the first of them also holds what the later ones hold.
        let last = self.signed_turn;
        self.withdrawn.iter_mut().for_each(|(until, _)| *until = last);
        self.given_back.values_mut().for_each(|until| *until = last);
        self.propose_on_top();
        changes
    }
}

impl Refusal {
    const fn has_haste(&self) -> bool {
        self.wait.is_some() && self.times <= HASTE
    }
}
