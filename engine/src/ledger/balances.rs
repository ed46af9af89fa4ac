//! The agreed content of a ledger and the arithmetic of changing it (protocol.md 8.1–8.3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::{Allocation, Outcome};
use crate::state::VariablePart;
use crate::types::{Amount, Asset, Bytes, ChannelId, Destination, TurnNumber};

/// One of the two participants of a ledger channel, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Participant 0, which proposes changes.
    Leader,
    /// Participant 1, which countersigns them.
    Follower,
}

impl Side {
    /// The counterparty's side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Leader => Self::Follower,
            Self::Follower => Self::Leader,
        }
    }

    /// Position among the participants.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Leader => 0,
            Self::Follower => 1,
        }
    }
}

/// Funds locked in a ledger for a payment channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarantee {
    /// How much is locked.
    pub amount: Amount,
    /// Who stands on the payer's side of the payment channel.
    pub left: Side,
}

/// A change of a ledger that one side proposes and the other countersigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Locks funds for a payment channel.
    Add {
        /// The payment channel.
        target: ChannelId,
        /// What is locked.
        guarantee: Guarantee,
        /// The left side's part of it; the rest comes from the right side.
        left_deposit: Amount,
    },
    /// Gives the funds of a payment channel back.
    Remove {
        /// The payment channel.
        target: ChannelId,
        /// What the left side gets; the rest goes to the right side.
        left_amount: Amount,
    },
    /// Changes nothing but the turn, so that no refused proposal counts any more.
    Keep,
}

impl Change {
    /// The payment channel that the change is about.
    #[must_use]
    pub const fn target(&self) -> Option<ChannelId> {
        match self {
            Self::Add { target, .. } | Self::Remove { target, .. } => Some(*target),
            Self::Keep => None,
        }
    }
}

/// Why a change does not apply (texts of protocol.md 8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The channel is guaranteed already.
    #[error("duplicate guarantee detected")]
    Duplicate,
    /// The left side would pay more than the whole.
    #[error("unable to divert to guarantee: invalid deposit")]
    InvalidDeposit,
    /// A side cannot pay its part.
    #[error("insufficient funds")]
    InsufficientFunds,
    /// The channel is not guaranteed.
    #[error("guarantee not found")]
    NotFound,
    /// The left side would get more than was locked.
    #[error("left amount is greater than the guarantee amount")]
    LeftAmount,
    /// A sum or a turn number does not fit.
    #[error("amount or turn number out of range")]
    Overflow,
}

/// Balances and guarantees of a ledger at one turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    /// Version.
    pub turn: TurnNumber,
    /// What the leader could take out.
    pub leader: Amount,
    /// What the follower could take out.
    pub follower: Amount,
    /// What is locked, by payment channel.
    pub guarantees: BTreeMap<ChannelId, Guarantee>,
}

impl Balances {
    /// Free balance of a side.
    #[must_use]
    pub const fn of(&self, side: Side) -> Amount {
        match side {
            Side::Leader => self.leader,
            Side::Follower => self.follower,
        }
    }

    fn set(&mut self, side: Side, amount: Amount) {
        match side {
            Side::Leader => self.leader = amount,
            Side::Follower => self.follower = amount,
        }
    }

    /// Everything in the ledger; constant over its life.
    #[must_use]
    pub fn total(&self) -> Option<Amount> {
        let locked = self.guarantees.values().map(|guarantee| guarantee.amount);
        Amount::checked_sum([self.leader, self.follower].into_iter().chain(locked))
    }

    /// The balances after `change`, at `turn`.
    ///
    /// # Errors
    /// See [`ChangeError`]; `self` is unchanged in every case.
    pub fn apply(&self, change: &Change, turn: TurnNumber) -> Result<Self, ChangeError> {
        let mut next = self.clone();
        next.apply_in_place(change, turn)?;
        Ok(next)
    }

    /// Like [`Balances::apply`], on these balances themselves.
    ///
    /// # Errors
    /// See [`ChangeError`]; nothing has changed then.
    pub fn apply_in_place(&mut self, change: &Change, turn: TurnNumber) -> Result<(), ChangeError> {
        match change {
            Change::Add { target, guarantee, left_deposit } => {
                self.add(*target, *guarantee, *left_deposit)?;
            }
            Change::Remove { target, left_amount } => self.remove(*target, *left_amount)?,
            Change::Keep => {}
        }
        self.turn = turn;
        Ok(())
    }

    fn add(
        &mut self,
        target: ChannelId,
        guarantee: Guarantee,
        left_deposit: Amount,
    ) -> Result<(), ChangeError> {
        if self.guarantees.contains_key(&target) {
            return Err(ChangeError::Duplicate);
        }
        let right_deposit =
            guarantee.amount.checked_sub(left_deposit).ok_or(ChangeError::InvalidDeposit)?;
        let (left, right) = (guarantee.left, guarantee.left.other());
        let take =
            |side, amount| self.of(side).checked_sub(amount).ok_or(ChangeError::InsufficientFunds);
        let (left_rest, right_rest) = (take(left, left_deposit)?, take(right, right_deposit)?);
        self.set(left, left_rest);
        self.set(right, right_rest);
        self.guarantees.insert(target, guarantee);
        Ok(())
    }

    fn remove(&mut self, target: ChannelId, left_amount: Amount) -> Result<(), ChangeError> {
        let guarantee = *self.guarantees.get(&target).ok_or(ChangeError::NotFound)?;
        let right_amount =
            guarantee.amount.checked_sub(left_amount).ok_or(ChangeError::LeftAmount)?;
        let (left, right) = (guarantee.left, guarantee.left.other());
        let give = |side, amount| self.of(side).checked_add(amount).ok_or(ChangeError::Overflow);
        let (left_sum, right_sum) = (give(left, left_amount)?, give(right, right_amount)?);
        self.set(left, left_sum);
        self.set(right, right_sum);
        self.guarantees.remove(&target);
        Ok(())
    }

    /// The channel state that stands for these balances: leader, follower, then guarantees in
    /// ascending order of their targets (protocol.md 8.2).
    #[must_use]
    pub fn to_state(
        &self,
        asset: Asset,
        destinations: [Destination; 2],
        is_final: bool,
    ) -> VariablePart {
        let [leader, follower] = destinations;
        let mut allocations = vec![
            Allocation::simple(leader, self.leader),
            Allocation::simple(follower, self.follower),
        ];
        allocations.extend(self.guarantees.iter().map(|(target, guarantee)| {
            let (left, right) = match guarantee.left {
                Side::Leader => (leader, follower),
                Side::Follower => (follower, leader),
            };
            Allocation::guarantee(*target, guarantee.amount, left, right)
        }));
        VariablePart {
            outcome: Outcome::single(asset, allocations),
            app_data: Bytes::default(),
            turn: self.turn,
            is_final,
        }
    }
}
