//! What a villain does to the words of its own node, for a while.

use std::collections::BTreeSet;

use crate::testing::Random;
use crate::types::Address;
use crate::wire::Message;

/// Kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Voucher,
    OpenLedger,
    LedgerPrefund,
    LedgerPostfund,
    CloseLedger,
    Propose,
    Countersign,
    Refuse,
    OpenPayment,
    PaymentPostfund,
    RequestFinal,
    Finalize,
    Decline,
    Credited,
    Tower,
}

const KINDS: [Kind; 14] = [
    Kind::Voucher,
    Kind::OpenLedger,
    Kind::LedgerPrefund,
    Kind::LedgerPostfund,
    Kind::CloseLedger,
    Kind::Propose,
    Kind::Countersign,
    Kind::Refuse,
    Kind::OpenPayment,
    Kind::PaymentPostfund,
    Kind::RequestFinal,
    Kind::Finalize,
    Kind::Decline,
    Kind::Credited,
];

impl Kind {
    pub(super) const fn of(message: &Message) -> Self {
        match message {
            Message::Voucher { .. } => Self::Voucher,
            Message::OpenLedger { .. } => Self::OpenLedger,
            Message::LedgerPrefund { .. } => Self::LedgerPrefund,
            Message::LedgerPostfund { .. } => Self::LedgerPostfund,
            Message::CloseLedger { .. } => Self::CloseLedger,
            Message::Propose { .. } => Self::Propose,
            Message::Countersign { .. } => Self::Countersign,
            Message::Refuse { .. } => Self::Refuse,
            Message::OpenPayment { .. } => Self::OpenPayment,
            Message::PaymentPostfund { .. } => Self::PaymentPostfund,
            Message::RequestFinal { .. } => Self::RequestFinal,
            Message::Finalize { .. } => Self::Finalize,
            Message::Decline { .. } => Self::Decline,
            Message::Credited { .. } => Self::Credited,
            Message::TowerHello { .. }
            | Message::TowerTerms { .. }
            | Message::Guard { .. }
            | Message::Guarded { .. }
            | Message::GuardRefused { .. }
            | Message::Unguard { .. } => Self::Tower,
        }
    }
}

/// Chances are in percent.
#[derive(Clone, Debug)]
pub(super) struct Mood {
    /// Kinds that do not leave.
    mute: BTreeSet<Kind>,
    /// Towards whom; none for everybody.
    towards: Option<Address>,
    /// Kinds that its own node does not hear.
    pub(super) deaf: BTreeSet<Kind>,
    /// Leaves late.
    pub(super) late: u64,
    /// Leaves twice.
    pub(super) twice: u64,
    /// Answers by itself what it hears.
    pub(super) reacts: u64,
    /// Its node's calls do not reach the chain.
    pub(super) idle_on_chain: bool,
    /// Nothing is acknowledged.
    pub(super) unsociable: bool,
}

impl Default for Mood {
    fn default() -> Self {
        Self {
            mute: BTreeSet::new(),
            towards: None,
            deaf: BTreeSet::new(),
            late: 0,
            twice: 0,
            reacts: 4,
            idle_on_chain: false,
            unsociable: false,
        }
    }
}

impl Mood {
    /// Half of the time nothing is wrong, so that there is something to spoil.
    pub(super) fn of_chance(random: &mut Random, honest: &[Address]) -> Self {
        let mut mood = Self::default();
        if random.chance(50) {
            return mood;
        }
        for _ in 0..random.between(1, 3) {
            mood.mute.insert(*random.pick(&KINDS));
        }
        if random.chance(50) && !honest.is_empty() {
            mood.towards = Some(*random.pick(honest));
        }
        if random.chance(30) {
            mood.deaf.insert(*random.pick(&KINDS));
        }
        (mood.late, mood.twice) = (random.below(40), random.below(20));
        mood.reacts = random.below(50);
        mood.idle_on_chain = random.chance(20);
        mood.unsociable = random.chance(10);
        mood
    }

    pub(super) fn withholds(&self, kind: Kind, to: Address) -> bool {
        self.mute.contains(&kind) && self.towards.is_none_or(|towards| towards == to)
    }
}
