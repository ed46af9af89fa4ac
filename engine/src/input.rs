//! What the engine takes in.

use crate::chain::{ChainEvent, Receipt};
use crate::sending::Order;
use crate::types::{
    Address, Amount, Asset, B256, CallId, ChannelId, FrameToken, MessageId, ObjectiveId, RequestId,
};
use crate::vouchers::Voucher;
use crate::wire::{Envelope, Message};

/// One input of a turn.
#[derive(Clone, Debug)]
pub enum Input {
    /// The application asks for something.
    Request(RequestId, Request),
    /// The application pays, several times in a row: requests of the kinds [`Request::Pay`] and
    /// [`Request::PayTo`] only. What goes over one channel is one voucher, whose signature is most of
    /// what a payment costs.
    Payments(Vec<(RequestId, Request)>),
    /// A frame of a peer, opened; acknowledged once everything that follows from it is durable.
    Frame {
        /// What the acknowledgement names.
        token: FrameToken,
        /// Messages in the order they were sent.
        envelopes: Vec<Envelope>,
    },
    /// What a peer answered to a frame of ours in its acknowledgement. Nothing of it is
    /// acknowledged or kept by the peer; whoever waits for an answer that is lost gives up in time.
    /// Comes before the word that the frame is delivered.
    Answered(Vec<Envelope>),
    /// Something happened on chain.
    Chain(ChainEvent),
    /// A peer has committed all our messages up to this one.
    Delivered(Address, MessageId),
    /// A chain call has ended.
    Settled(CallId, Receipt),
    /// A service beside the engine, such as a watchtower, has something to say to a peer. It goes
    /// through the outbox, so that it is durable and in order with everything else.
    Answer(Address, Box<Message>),
    /// The time of [`crate::engine::Engine::next_deadline`] has come.
    Deadline,
}

/// What the application can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Open a ledger channel.
    OpenLedger {
        /// The counterparty.
        peer: Address,
        /// What is deposited.
        asset: Asset,
        /// Our deposit.
        mine: Amount,
        /// The counterparty's deposit.
        theirs: Amount,
        /// Seconds.
        challenge_duration: u32,
        /// Fresh random bits for the channel nonce.
        random: u32,
    },
    /// Close a ledger channel together and pay out.
    CloseLedger {
        /// Which.
        ledger: ChannelId,
    },
    /// Open a payment channel; we pay.
    OpenPayment {
        /// Who is paid.
        payee: Address,
        /// Relays from us to the payee; none when we share a ledger with the payee.
        relays: Vec<Address>,
        /// What is paid.
        asset: Asset,
        /// What can be paid in all.
        capacity: Amount,
        /// Seconds.
        challenge_duration: u32,
        /// Fresh random bits for the channel nonce.
        random: u32,
    },
    /// Close a payment channel with what has been paid.
    ClosePayment {
        /// Which.
        channel: ChannelId,
    },
    /// Pay: make a voucher and send it.
    Pay {
        /// Which channel.
        channel: ChannelId,
        /// How much more.
        amount: Amount,
    },
    /// Pay, once: what is paid in all reaches a total that the application names, so that it can ask
    /// again when it does not know whether it was heard.
    PayTo {
        /// Which channel.
        channel: ChannelId,
        /// How much more.
        amount: Amount,
        /// Everything paid once this is.
        total: Amount,
    },
    /// Pay out of band: make a voucher and hand it to the application only.
    CreateVoucher {
        /// Which channel.
        channel: ChannelId,
        /// How much more.
        amount: Amount,
    },
    /// Take a voucher that came out of band.
    ReceiveVoucher {
        /// The voucher.
        voucher: Voucher,
        /// Recovered signer, see [`Voucher::hash`].
        signer: Address,
    },
    /// Enforce a ledger channel on chain, without the counterparty.
    ExitLedger {
        /// Which.
        ledger: ChannelId,
    },
    /// Enforce a payment channel on chain, with the best voucher that this node holds.
    ExitPayment {
        /// Which.
        channel: ChannelId,
    },
    /// Have a watchtower guard all channels, from its answer on.
    AddTower {
        /// Which.
        tower: Address,
    },
    /// Do without a watchtower.
    RemoveTower {
        /// Which.
        tower: Address,
    },
    /// Describe all watchtowers and what each has.
    ListTowers,
    /// Give up an objective that is not finished.
    Cancel {
        /// Which.
        objective: ObjectiveId,
    },
    /// Describe one ledger channel.
    GetLedger(ChannelId),
    /// Describe all ledger channels.
    ListLedgers,
    /// Describe one payment channel.
    GetPayment(ChannelId),
    /// Describe all payment channels, or those over one ledger.
    ListPayments {
        /// Only those guaranteed by this ledger.
        ledger: Option<ChannelId>,
    },
    /// Describe one running objective.
    GetObjective(ObjectiveId),
    /// Describe all running objectives.
    ListObjectives,
    /// Describe what the adjudicator owes this node.
    ListDebts,
    /// Send coin or tokens of an account of this node.
    Send(Box<Order>),
    /// Claim what the adjudicator owes this node.
    Claim {
        /// Chosen by the owner: asking again under the same key claims once.
        key: B256,
        /// What is owed.
        asset: Asset,
        /// Who is to get it, paid for by the channel account; the channel account itself when none,
        /// paid for by the chain account.
        to: Option<Address>,
    },
    /// Take back what is not sent yet.
    TakeBack(B256),
    /// Describe something that is sent, or was.
    GetSending(B256),
    /// Describe everything that is being sent or was sent not long ago.
    ListSendings,
    /// Counters and the chain cursor.
    GetStatus,
}
