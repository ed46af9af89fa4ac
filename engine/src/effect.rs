//! What leaves the engine, after the commit.

use crate::chain::ChainCall;
use crate::debts::DebtView;
use crate::error::RequestError;
use crate::guard::{Terms, TowerRefusal, TowerView};
use crate::ledger::RefusalReason;
use crate::objectives::Objective;
use crate::query::{LedgerView, PaymentView, StatusView};
use crate::sending::Sending;
use crate::types::{
    Address, Amount, B256, CallId, ChannelId, FrameToken, MessageId, ObjectiveId, RequestId,
    Timestamp,
};
use crate::vouchers::Voucher;

/// A side effect. Sends and submissions are also rows of the outbox until they are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an encoded message to a peer.
    Send(Address, MessageId, Vec<u8>),
    /// Do not deliver what waits for a peer, up to this message: it is no row any more.
    Forget(Address, MessageId),
    /// Put a call on chain.
    Submit(CallId, ChainCall),
    /// Ask for a call back, if nothing of it is on its way yet: its row stays until it is settled.
    Withdraw(CallId),
    /// Tell the peer that its frame is committed, with what is answered to it at once: encoded
    /// messages that nobody keeps, see [`Input::Answered`](crate::input::Input::Answered).
    Ack(FrameToken, Vec<Vec<u8>>),
    /// Answer the application.
    Reply(RequestId, Result<Response, RequestError>),
    /// Tell the application what changed.
    Notify(Update),
    /// A peer misbehaved.
    Report(Address, Offence),
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// An objective was begun.
    Started(ObjectiveId),
    /// A payment was made.
    Paid {
        /// Everything paid so far, this payment included.
        total: Amount,
        /// What can still be paid.
        remaining: Amount,
    },
    /// The payment that was asked for was made before; nothing was paid now.
    PaidBefore {
        /// Everything paid so far.
        total: Amount,
        /// What can still be paid.
        remaining: Amount,
    },
    /// A voucher was made or taken.
    Voucher {
        /// Everything paid so far.
        total: Amount,
        /// What this voucher added.
        delta: Amount,
        /// The voucher.
        voucher: Voucher,
    },
    /// One ledger channel.
    Ledger(Box<LedgerView>),
    /// Ledger channels.
    Ledgers(Vec<LedgerView>),
    /// One payment channel.
    Payment(Box<PaymentView>),
    /// Payment channels.
    Payments(Vec<PaymentView>),
    /// One objective.
    Objective(Objective),
    /// Objectives.
    Objectives(Vec<Objective>),
    /// The engine's counters.
    Status(StatusView),
    /// Watchtowers of this node.
    Towers(Vec<TowerView>),
    /// What the adjudicator owes this node.
    Debts(Vec<DebtView>),
    /// Something that is sent, or was, under its key.
    Sending(B256, Box<Sending>),
    /// All of them.
    Sendings(Vec<(B256, Sending)>),
}

/// Something that the application may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// An objective moved on or ended.
    Objective(Objective),
    /// A ledger channel changed; nothing when it is archived.
    Ledger(Box<LedgerView>),
    /// A payment channel changed phase.
    Payment(Box<PaymentView>),
    /// We paid.
    Paid {
        /// Which channel.
        channel: ChannelId,
        /// Everything paid so far.
        total: Amount,
        /// This payment.
        delta: Amount,
    },
    /// The payee counts what we paid.
    Credited {
        /// Which channel.
        channel: ChannelId,
        /// Everything that it has credited, at most what we paid.
        total: Amount,
    },
    /// The payee counts more than this node had paid as it remembers: it has lost its newest
    /// vouchers, being a copy of an older one, and what it has paid since is credited no more.
    Surpassed {
        /// Which channel.
        channel: ChannelId,
        /// Everything paid as this node remembered it.
        remembered: Amount,
        /// Everything that the payee counts.
        total: Amount,
        /// True when the payee shows this node's own signature on it, which is taken over: the next
        /// payment is credited.
        proven: bool,
    },
    /// We were paid.
    Received {
        /// Which channel.
        channel: ChannelId,
        /// Everything received so far.
        total: Amount,
        /// This payment.
        delta: Amount,
    },
    /// Enforcing what is left of a channel would cost more than it brings, so it stays on chain.
    LeftBehind {
        /// Which channel.
        channel: ChannelId,
        /// Still held for the channel, for all its participants.
        holdings: Amount,
    },
    /// A contract refuses a call about a channel.
    Refused {
        /// Which channel.
        channel: ChannelId,
        /// What the contract says.
        reason: String,
    },
    /// The peer does not agree to take a guarantee back, or to anything, as it sees things now. It is
    /// asked again.
    NotAgreed {
        /// Over which ledger.
        ledger: ChannelId,
        /// Whose guarantee; none when the peer refuses that nothing changes.
        channel: Option<ChannelId>,
        /// What the peer says.
        reason: RefusalReason,
        /// When it is asked again at the latest.
        again: Timestamp,
    },
    /// A watchtower has answered the question whether it serves.
    Tower {
        /// Which.
        tower: Address,
        /// Its terms, or why it does not.
        answer: Result<Terms, TowerRefusal>,
    },
    /// A watchtower does not guard the newest state of a channel.
    Unguarded {
        /// Which tower.
        tower: Address,
        /// Which channel.
        channel: ChannelId,
        /// Why.
        reason: TowerRefusal,
    },
    /// The adjudicator owes this node more, or less: a payout was refused, or claimed, or a claim is on
    /// its way or was refused.
    Debt(DebtView),
    /// Something that the owner had sent has ended.
    Sending(B256, Box<Sending>),
    /// The adjudicator runs a challenge against a channel of ours.
    Challenged {
        /// Which channel.
        channel: ChannelId,
        /// Seconds since the Unix epoch.
        finalizes_at: u64,
    },
}

/// What a peer did wrong. Never a reason to stop: the message is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offence {
    /// A signature over something else than the agreed state, or by somebody else.
    BadSignature,
    /// A message about a channel that the peer is not part of, or out of its role.
    NotAllowed,
    /// A voucher that cannot be honoured.
    BadVoucher,
    /// Different terms for one channel, both signed.
    Equivocation,
}
