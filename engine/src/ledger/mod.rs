//! Ledger channels: two parties, funds on chain, changed by proposal and countersignature.
//!
//! The leader proposes, the follower answers each proposal at once with a countersignature or a
//! refusal, so nothing ever waits in a queue behind something stuck (gap L5). Every proposal
//! names the turn that it builds on; after a refusal the leader goes on from the last agreed turn
//! with a turn number that it has never signed, so no turn is ever signed twice.

mod balances;
mod exit;
mod follower;
mod leader;
mod onchain;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use balances::{Balances, Change, ChangeError, Guarantee, Side};
pub use exit::{Resolutions, Settlement};
pub use follower::RefusalReason;
pub(crate) use leader::MAX_PROPOSALS;
pub use leader::{Pending, ProposalError, Refusal};
pub(crate) use onchain::SETTLED_DEPTH;
pub use onchain::{ChannelMode, Move, OnChain, OnChainStatus};

use crate::chain::ChainCall;
use crate::crypto::Signature;
use crate::objectives::ExitReason;
use crate::state::{Deployment, FixedPart, VariablePart};
use crate::types::{
    Address, Amount, Asset, B256, BlockNumber, CallId, ChannelId, Destination, Timestamp,
    TurnNumber,
};

/// How far a turn may lie above the agreed one. A leader counts on by one for each proposal, and a
/// refused one costs a turn; nobody may use up the turns that a ledger has.
pub const MAX_TURN_GAP: u64 = 1_000_000;

/// Where a ledger is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LedgerPhase {
    /// Waiting for signatures and deposits.
    Opening,
    /// Funded; changes are agreed.
    Open,
    /// No more changes: a final state is being signed or paid out.
    Closing,
    /// No more changes: being enforced on chain.
    Exiting(ExitReason),
}

/// A final state of the ledger and who has signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Turn of the final state; its outcome is the last agreed one.
    pub turn: TurnNumber,
    /// What was signed. Once other content is agreed, the signatures are for nothing.
    pub hash: B256,
    /// Leader's and follower's signature.
    pub signatures: [Option<Signature>; 2],
}

/// The one chain call that a channel may have on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallState {
    /// None.
    None,
    /// Submitted, not settled.
    InFlight(CallId),
    /// Settled; the next call waits until the watcher has told of this block, so that what the
    /// settled call did is seen before anything is concluded from holdings.
    Until(BlockNumber),
}

/// When participant 1 withdraws, should participant 0 not have done it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WithdrawalTurn {
    /// The final state is not signed by both yet.
    Unset,
    /// Participant 0 has until then.
    After(Timestamp),
    /// Participant 0 had its time.
    Due,
}

/// A ledger channel with all evidence of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Identity.
    pub id: ChannelId,
    /// Participants, nonce, app and challenge duration.
    pub fixed: FixedPart,
    /// What is held.
    pub asset: Asset,
    /// This node's side.
    pub me: Side,
    /// Phase of life.
    pub phase: LedgerPhase,
    /// What leader and follower put in.
    pub deposits: [Amount; 2],
    /// Signatures on the prefund state, leader's and follower's.
    pub prefund: [Option<Signature>; 2],
    /// Newest agreed content. At turn 1 while the ledger opens.
    pub agreed: Balances,
    /// Signatures on the agreed state; on the postfund state while the ledger opens.
    pub signatures: [Option<Signature>; 2],
    /// Leader only: proposals signed and not answered yet, oldest first.
    pub pending: Vec<Pending>,
    /// Leader only: content after all pending proposals; none while there is none.
    pub proposed: Option<Box<Balances>>,
    /// Leader only: what states may guarantee that the follower has refused, or that others have
    /// overtaken, by turn. It has our signature, so it may still sign and show them, until a higher
    /// turn is agreed.
    pub withdrawn: Vec<(TurnNumber, ChannelId)>,
    /// Leader only: whose guarantee such a state takes back, by turn.
    pub given_back: BTreeMap<ChannelId, TurnNumber>,
    /// Follower only: turn and hash of the newest proposal that was refused. The leader drops what is refused,
    /// so to sign it when it arrives again, after things have changed, would leave the two with
    /// different states.
    pub refused: Option<(TurnNumber, B256)>,
    /// Highest turn that this node has signed; no turn at or below is signed with other content.
    pub signed_turn: TurnNumber,
    /// The final state, once somebody asked for it.
    pub closing: Option<Closing>,
    /// View of the chain.
    pub onchain: OnChain,
    /// Deposit or withdrawal on its way.
    pub call: CallState,
    /// When this node withdraws itself, should participant 0 not have done it (gap S17).
    pub withdrawal: WithdrawalTurn,
    /// How long the peer may stay silent about what was asked before the ledger is enforced.
    pub patience: Option<Timestamp>,
    /// Calls that the contract refused: the next one is made otherwise.
    pub refused_calls: u32,
    /// Reclaims of one settlement at most, once more were too large for a transaction.
    pub reclaims_at_once: Option<usize>,
    /// True while something is left to be done that is not worth what it costs now.
    pub deferred: bool,
    /// Leader only: what the follower has refused and is asked for again, by payment channel; under
    /// no channel where it refuses everything.
    pub refusals: BTreeMap<Option<ChannelId>, Refusal>,
    /// What the chain has paid to leader and follower, once the ledger is closed.
    pub payout: Option<Box<[Amount; 2]>>,
}

impl Ledger {
    /// A new ledger at its prefund state, unsigned.
    #[must_use]
    pub fn new(fixed: FixedPart, asset: Asset, me: Side, leader: Amount, follower: Amount) -> Self {
        Self {
            id: fixed.channel_id(),
            fixed,
            asset,
            me,
            phase: LedgerPhase::Opening,
            deposits: [leader, follower],
            prefund: [None; 2],
            agreed: Balances {
                turn: TurnNumber::POSTFUND,
                leader,
                follower,
                guarantees: BTreeMap::new(),
            },
            signatures: [None; 2],
            pending: Vec::new(),
            proposed: None,
            withdrawn: Vec::new(),
            given_back: BTreeMap::new(),
            refused: None,
            signed_turn: TurnNumber::PREFUND,
            closing: None,
            onchain: OnChain::default(),
            call: CallState::None,
            withdrawal: WithdrawalTurn::Unset,
            patience: None,
            refused_calls: 0,
            reclaims_at_once: None,
            deferred: false,
            refusals: BTreeMap::new(),
            payout: None,
        }
    }

    /// True for an opening that a peer has asked for and that costs nobody anything to forget: this
    /// node deposits nothing, has signed no more than the prefund state, and the chain has never
    /// heard of the ledger.
    ///
    /// Should the same id come back later, then again without a deposit of ours, because its nonce
    /// says so (`Deployment::ledger_nonce`): whatever outcome its two prefund states have, all that
    /// is in the ledger until a higher turn is signed is the peer's own.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.me == Side::Follower
            && !Deployment::may_deposit(self.fixed.nonce)
            && self.signed_turn == TurnNumber::PREFUND
            && self.onchain.is_blank()
            && self.call == CallState::None
    }

    /// The counterparty.
    #[must_use]
    pub fn peer(&self) -> Address {
        self.participant(self.me.other())
    }

    /// The address of a side.
    #[must_use]
    pub fn participant(&self, side: Side) -> Address {
        self.fixed.participants.get(side.index()).copied().unwrap_or_default()
    }

    fn destinations(&self) -> [Destination; 2] {
        [Side::Leader, Side::Follower].map(|side| self.participant(side).into())
    }

    /// The state that stands for some content of this ledger.
    #[must_use]
    pub fn state(&self, balances: &Balances, is_final: bool) -> VariablePart {
        balances.to_state(self.asset, self.destinations(), is_final)
    }

    /// Hash of [`Ledger::state`], which is what gets signed.
    #[must_use]
    pub fn state_hash(&self, balances: &Balances, is_final: bool) -> B256 {
        self.state(balances, is_final).hash(self.id)
    }

    /// Hash of the prefund state.
    #[must_use]
    pub fn prefund_hash(&self) -> B256 {
        self.prefund_state().hash(self.id)
    }

    /// The state that both sign before anything is deposited. Only while the ledger opens, for
    /// afterwards its content is another.
    fn prefund_state(&self) -> VariablePart {
        let balances = Balances { turn: TurnNumber::PREFUND, ..self.agreed.clone() };
        self.state(&balances, false)
    }

    /// Hash of the agreed state; of the postfund state while the ledger opens.
    #[must_use]
    pub fn agreed_hash(&self) -> B256 {
        self.state_hash(&self.agreed, false)
    }

    /// The final state at `turn`, with the agreed outcome: nobody can close with another (gap S2).
    #[must_use]
    pub fn final_state(&self, turn: TurnNumber) -> VariablePart {
        let balances = Balances { turn, ..self.agreed.clone() };
        self.state(&balances, true)
    }

    /// The next turn that this node may sign.
    #[must_use]
    pub fn next_turn(&self) -> Option<TurnNumber> {
        self.agreed.turn.max(self.signed_turn).next()
    }

    /// Where the channel stands on chain.
    #[must_use]
    pub const fn status(&self) -> &OnChainStatus {
        self.onchain.status()
    }

    /// Takes over what both have signed. Nothing that was signed before it counts any more.
    fn agree(&mut self, balances: Balances, signatures: [Option<Signature>; 2]) {
        self.signed_turn = self.signed_turn.max(balances.turn);
        // Signed turns above it that do not build on it, because they were refused or overtaken, hold
        // what was agreed when they were made. The follower may still show them.
        let above = self.signed_turn.0.saturating_sub(balances.turn.0);
        let builds_on_it = u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
        if self.me == Side::Leader && above > builds_on_it {
            let gone = self.agreed.guarantees.keys();
            let gone = gone.filter(|target| !balances.guarantees.contains_key(*target));
            let last = self.signed_turn;
            self.withdrawn.extend(gone.map(|target| (last, *target)));
        }
        self.agreed = balances;
        self.signatures = signatures;
        let locked = &self.agreed.guarantees;
        self.refusals.retain(|subject, _| subject.is_some_and(|id| locked.contains_key(&id)));
        let turn = self.agreed.turn;
        self.withdrawn.retain(|(withdrawn, _)| *withdrawn > turn);
        self.given_back.retain(|_, until| *until > turn);
        let fits = |closing: &Closing| closing.hash == self.final_state(closing.turn).hash(self.id);
        if self.closing.as_ref().is_some_and(|closing| !fits(closing)) {
            self.closing = None;
        }
        self.propose_on_top();
    }

    /// Keeps [`Ledger::proposed`] in step with the pending proposals.
    fn propose_on_top(&mut self) {
        self.proposed = (!self.pending.is_empty()).then(|| {
            let base = Box::new(self.agreed.clone());
            self.pending.iter().fold(base, |mut balances, pending| {
                // Each applied when it was proposed, on the same base.
                let _ = balances.apply_in_place(&pending.change, pending.turn);
                balances
            })
        });
    }

    /// True once the ledger is being enforced: that is entered once and never left.
    #[must_use]
    pub const fn is_exiting(&self) -> bool {
        matches!(self.phase, LedgerPhase::Exiting(_))
    }

    /// True once both have signed that all deposits are there.
    #[must_use]
    pub fn has_opened(&self) -> bool {
        self.signatures.iter().all(Option::is_some)
    }

    /// True when content may be changed: open, nothing disputed on chain (threat A10), and the
    /// deposits still where they were.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.phase == LedgerPhase::Open
            && self.status().mode == ChannelMode::Open
            && self.is_covered()
    }

    /// True when the chain holds as much as the ledger allocates.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.agreed.total().is_some_and(|total| self.status().holdings >= total)
    }

    /// What must be on chain before `side` deposits, and what must be there afterwards. The first
    /// allocation's owner deposits first (protocol.md section 7).
    #[must_use]
    pub fn deposit_target(&self, side: Side) -> Option<(Amount, Amount)> {
        let [leader, follower] = self.deposits;
        match side {
            Side::Leader => Some((Amount::ZERO, leader)),
            Side::Follower => Some((leader, leader.checked_add(follower)?)),
        }
    }

    /// The call on its way of an opening that is given up: a deposit that is not sent yet need not be.
    #[must_use]
    pub(crate) fn unwanted_call(&self) -> Option<CallId> {
        match self.call {
            CallState::InFlight(call) if !self.has_opened() => {
                (self.phase != LedgerPhase::Opening).then_some(call)
            }
            CallState::InFlight(_) | CallState::Until(_) | CallState::None => None,
        }
    }

    /// The withdrawal with a final state that both have signed.
    #[must_use]
    pub fn withdrawal_call(&self) -> Option<ChainCall> {
        let closing = self.closing.as_ref()?;
        let [Some(leader), Some(follower)] = closing.signatures else {
            return None;
        };
        Some(ChainCall::ConcludeAndTransfer {
            fixed: self.fixed.clone(),
            state: self.final_state(closing.turn),
            signatures: vec![leader, follower],
        })
    }
}
