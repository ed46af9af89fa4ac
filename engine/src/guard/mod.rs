//! What a node hands to its watchtowers, so that a stale challenge is answered while it is away.
//!
//! A tower holds for each channel the newest state that the adjudicator supports, and shows it by
//! `checkpoint` when somebody challenges with an older one. It needs no key of the client: the state
//! carries all signatures. See `docs/adr/0009-watchtower.md` for what a tower can and cannot do.

mod hand_over;
mod receipt;

use serde::{Deserialize, Serialize};

pub(crate) use hand_over::{
    accept_receipt, accept_refusal, accept_terms, add, hand_over, list, remove,
};
pub use receipt::GuardReceipt;

use crate::chain::{ChainCall, Urgency};
use crate::state::{Deployment, FixedPart, SupportedState, is_supported};
use crate::types::{Address, Amount, B256, ChannelId, TurnNumber};

/// Towers that a node may have: each costs one message per newer state.
pub const MAX_TOWERS: usize = 8;

/// Everything that a tower needs to answer a stale challenge of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// The channel.
    pub fixed: FixedPart,
    /// What supports the candidate, if its own signatures do not.
    pub proof: Vec<SupportedState>,
    /// The newest state that its giver can enforce.
    pub candidate: SupportedState,
}

/// Which of two guards of one channel is the newer one.
///
/// A redemption of a payment channel has always turn 2, so that what it pays decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rank {
    /// Turn of the state.
    pub turn: TurnNumber,
    /// What it pays to the payee of a payment channel; zero for a ledger.
    pub paid: Amount,
}

/// What a tower promises to hold for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Channels.
    pub channels: u32,
    /// Bytes of one guard.
    pub guard_bytes: u32,
}

/// Why a tower does not take something. Nothing has changed there. Travels on the wire: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum TowerRefusal {
    /// The node is no tower.
    #[error(
        "the node there serves no watchtower; ask its operator to set tower.serve, or choose another one"
    )]
    NotServing,
    /// The tower guards another chain or other contracts.
    #[error(
        "the tower guards chain {} with adjudicator {}, which is not ours; choose a tower of our \
         chain and adjudicator", .0.chain_id, .0.adjudicator
    )]
    WrongDeployment(Deployment),
    /// The tower's operator has not listed the client.
    #[error("the tower serves only the clients that its operator has listed; ask to be listed")]
    NotListed,
    /// The tower has as many clients as it takes.
    #[error("the tower has no room for another client; choose another tower")]
    Full,
    /// The client has as many channels there as it may.
    #[error("the tower guards no more than {0} channels of one client; choose another tower too")]
    Quota(u32),
    /// The guard is larger than a record may be.
    #[error("the guard has {bytes} bytes, more than the {max} that the tower takes")]
    TooLarge {
        /// As handed over.
        bytes: u32,
        /// As allowed.
        max: u32,
    },
    /// The giver is no participant of the channel.
    #[error("the channel is not one of its giver")]
    NotParticipant,
    /// A state of turn 0 answers no challenge.
    #[error("a state of turn 0 answers no challenge")]
    Prefund,
    /// The adjudicator would not take the state.
    #[error("the adjudicator would not take the state")]
    Unsupported,
    /// The tower holds a newer one: the giver may have lost data.
    #[error("the tower holds a newer state: turn {}, paid {}", .0.turn.0, .0.paid)]
    Older(Rank),
}

impl TowerRefusal {
    /// True when a newer state of the same channel would be refused as well. Handing on regardless
    /// would cost a message per payment; another channel's end or `tower add` tries again.
    const fn is_lasting(&self) -> bool {
        match self {
            Self::NotServing
            | Self::WrongDeployment(_)
            | Self::NotListed
            | Self::Full
            | Self::Quota(_)
            | Self::NotParticipant => true,
            Self::TooLarge { .. } | Self::Prefund | Self::Unsupported | Self::Older(_) => false,
        }
    }

    /// True when the end of another channel makes room.
    const fn is_for_want_of_room(&self) -> bool {
        matches!(self, Self::Quota(_) | Self::Full)
    }
}

impl Guard {
    /// Largest number of proof states that any app of ours asks for.
    const MAX_PROOF: usize = 1;

    /// The channel's id.
    #[must_use]
    pub fn channel(&self) -> ChannelId {
        self.fixed.channel_id()
    }

    /// Hash of the candidate.
    #[must_use]
    pub fn state_hash(&self) -> B256 {
        self.candidate.state.hash(self.channel())
    }

    /// How new it is. Only of a guard that [`Guard::check`] has let pass.
    #[must_use]
    pub fn rank(&self, deployment: &Deployment) -> Rank {
        let payee = || self.candidate.state.outcome.0.first()?.allocations.get(1);
        let paid = match self.fixed.app == deployment.payment_app {
            true => payee().map(|payee| payee.amount).unwrap_or_default(),
            false => Amount::ZERO,
        };
        Rank { turn: self.candidate.state.turn, paid }
    }

    /// Everything that the channel holds, as far as the state tells: what is at risk.
    #[must_use]
    pub fn total(&self) -> Amount {
        let allocations = self.candidate.state.outcome.0.iter().flat_map(|exit| &exit.allocations);
        Amount::checked_sum(allocations.map(|allocation| allocation.amount)).unwrap_or_default()
    }

    /// Whether the adjudicator of `deployment` would take it, and `client` may hand it over.
    ///
    /// Cheap questions come first: whoever sends a guard makes the tower recover no more
    /// signatures than the channel has participants.
    ///
    /// # Errors
    /// What to tell the client.
    pub fn check(&self, deployment: &Deployment, client: Address) -> Result<(), TowerRefusal> {
        let apps = [deployment.consensus_app, deployment.payment_app];
        if !deployment.owns(self.fixed.nonce) || !apps.contains(&self.fixed.app) {
            return Err(TowerRefusal::WrongDeployment(*deployment));
        }
        if self.fixed.index_of(client).is_none() {
            return Err(TowerRefusal::NotParticipant);
        }
        if self.candidate.state.turn == TurnNumber::PREFUND {
            return Err(TowerRefusal::Prefund);
        }
        let participants = self.fixed.participants.len();
        let mut states = self.proof.iter().chain([&self.candidate]);
        if self.proof.len() > Self::MAX_PROOF
            || states.any(|state| state.signatures.len() > participants)
        {
            return Err(TowerRefusal::Unsupported);
        }
        is_supported(deployment, &self.fixed, &self.proof, &self.candidate)
            .map_err(|_| TowerRefusal::Unsupported)
    }

    /// The answer to a challenge that becomes final at `finalizes_at` (seconds, chain's clock).
    #[must_use]
    pub fn checkpoint(self, finalizes_at: u64) -> ChainCall {
        let urgency = Urgency { deadline: Some(finalizes_at), at_risk: self.total() };
        let Self { fixed, proof, candidate } = self;
        ChainCall::Checkpoint { fixed, proof, candidate, urgency }
    }
}

/// A tower of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tower {
    /// Asked for its terms; nothing is handed over yet.
    Asked,
    /// It guards our channels.
    Serving(Terms),
}

/// What a tower has of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarding {
    /// How new the last hand-over was.
    pub sent: Rank,
    /// Hash of its state: what the receipt must name.
    pub state: B256,
    /// True once the tower has answered it. Until then no other one is sent, so that no more than
    /// one per channel and tower waits for delivery, however fast a channel changes.
    pub answered: bool,
    /// The newest receipt.
    pub receipt: Option<GuardReceipt>,
    /// Why the tower did not take the last one.
    pub refused: Option<TowerRefusal>,
}

/// A tower as the user of the node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TowerView {
    /// The tower.
    pub tower: Address,
    /// Its terms, once it has told them.
    pub terms: Option<Terms>,
    /// Channels that it should guard.
    pub guards: Vec<GuardView>,
}

/// What a tower has of one channel, as the user of the node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardView {
    /// The channel.
    pub channel: ChannelId,
    /// The newest state that this node could hand over.
    pub newest: Option<Rank>,
    /// What the tower has and what not; none before the first hand-over.
    pub guarding: Option<Guarding>,
}
