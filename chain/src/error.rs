//! What can go wrong at the edge to the chain.

use std::time::Duration;

use engine::types::{Address, BlockNumber, CallId};

use crate::journal::JournalError;
use crate::refusal::Refusal;

/// Why something could not be done with the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The endpoint is not an address that can be connected to.
    #[error("chain endpoint {endpoint:?} is not usable: {reason}; change the setting `endpoint`")]
    Endpoint {
        /// Host of the endpoint; the rest may hold a secret.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// Transactions of the chain account are on their way, and another account would send them again.
    #[error(
        "transactions of the chain account are on their way still, and `chain.account = \"channel\"` \
         would send them once more; start with `chain.account = \"own\"` until `nitro status` says \
         that none is in flight"
    )]
    AccountBusy,
    /// One of several endpoints cannot be used.
    #[error("{error} (endpoint {endpoint})")]
    One {
        /// Host of the endpoint.
        endpoint: String,
        /// Why not.
        #[source]
        error: Box<Self>,
    },
    /// No endpoint can be used with these settings.
    #[error(transparent)]
    Hopeless(std::sync::Arc<Self>),
    /// The account key is not a key.
    #[error("the chain account key is not a secp256k1 secret key; change the chain account's key")]
    Key,
    /// The endpoint serves another chain.
    #[error(
        "the endpoint serves chain {found} but chain {expected} is configured; change the setting \
         `endpoint` or `chain_id`"
    )]
    WrongChain {
        /// Configured.
        expected: u64,
        /// Answered by the endpoint.
        found: u64,
    },
    /// A configured contract does not exist.
    #[error(
        "there is no contract at {address} on this chain; deploy the contracts or change the \
         setting `{setting}`"
    )]
    NoCode {
        /// Name of the setting that holds the address.
        setting: &'static str,
        /// The empty address.
        address: Address,
    },
    /// The endpoint's chain is shorter than what is already known.
    #[error("the endpoint is behind: its head is block {head}, block {needed} is needed")]
    Behind {
        /// Head of the endpoint.
        head: BlockNumber,
        /// Block that is known to exist.
        needed: BlockNumber,
    },
    /// A node behind the endpoint does not have a block that another one has shown.
    #[error("the endpoint does not know of block {height} at the moment")]
    Lags {
        /// Height of the block.
        height: BlockNumber,
    },
    /// The endpoint shows a block without all of its logs.
    #[error(
        "the endpoint leaves out logs of block {block}, in which there may be a challenge; it is \
         asked again, and another endpoint is better"
    )]
    LogsLeftOut {
        /// Height of the block.
        block: BlockNumber,
    },
    /// The endpoint does not give the logs of an old block.
    #[error(
        "the endpoint does not give the logs of block {block}: {message}. There are channels that may \
         have been touched since; set `endpoint` to one that keeps the history of the chain"
    )]
    NoHistory {
        /// Height of the block.
        block: BlockNumber,
        /// The endpoint's words.
        message: String,
    },
    /// None of the delivered blocks is on the endpoint's chain.
    #[error(
        "the endpoint's chain contains none of the {known} blocks this node knows, not even block \
         {oldest}: it follows another fork, or is a development chain that was reset. Nothing is read \
         from it. Change the setting `endpoint`, or, after a reset, begin with a new data folder"
    )]
    NoCommonBlock {
        /// How many blocks were compared.
        known: usize,
        /// The lowest of them.
        oldest: BlockNumber,
    },
    /// Other endpoints say otherwise, or fewer answer than the operator wants.
    #[error("{endpoint} says something about {subject} that {against}")]
    Unconfirmed {
        /// Host of the endpoint that was asked.
        endpoint: String,
        /// What it was about.
        subject: String,
        /// Who does not confirm it, and how.
        against: String,
    },
    /// Too few endpoints have it so far; they are asked again.
    #[error("{subject} of {endpoint} is not confirmed yet: {against}")]
    Awaited {
        /// Host of the endpoint that was asked.
        endpoint: String,
        /// What it was about.
        subject: String,
        /// Who does not confirm it, and how.
        against: String,
    },
    /// The chain was reorganised while it was read; reading again helps.
    #[error("the chain changed while it was read")]
    Moved,
    /// The endpoint refused a request.
    #[error("the endpoint refuses {request}: {message}")]
    Refused {
        /// Which request.
        request: &'static str,
        /// What kind of refusal it is.
        kind: Refusal,
        /// The endpoint's words.
        message: String,
    },
    /// The endpoint did not answer.
    #[error("the endpoint does not answer {request}: {message}")]
    Unreachable {
        /// Which request.
        request: &'static str,
        /// What the transport says.
        message: String,
    },
    /// The endpoint did not answer in time.
    #[error("the endpoint does not answer {request} within {limit:?}")]
    TimedOut {
        /// Which request.
        request: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The endpoint closed the subscription.
    #[error("the endpoint closed the subscription to new blocks")]
    Disconnected,
    /// There is no connection at the moment.
    #[error("there is no connection to the chain endpoint")]
    Down,
    /// The contract refuses a call.
    #[error("the contract refuses {request}: {reason}")]
    Reverted {
        /// Which request.
        request: &'static str,
        /// The contract's reason.
        reason: String,
    },
    /// A deployment transaction was mined without a contract.
    #[error("deploying {contract} created no contract")]
    NotDeployed {
        /// Which contract.
        contract: &'static str,
    },
    /// The submitter's records cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl ChainError {
    /// True when endpoints contradict each other or what was told, or one is left alone with what it
    /// says.
    pub(crate) const fn is_contradiction(&self) -> bool {
        matches!(self, Self::Unconfirmed { .. } | Self::Awaited { .. } | Self::NoCommonBlock { .. })
    }

    /// True when the endpoint was asked too much.
    pub(crate) const fn is_busy(&self) -> bool {
        matches!(self, Self::Refused { kind: Refusal::Busy, .. })
    }

    /// True when trying again later can help without a change of settings.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::One { error, .. } => error.is_retryable(),
            Self::Hopeless(error) => error.is_retryable(),
            Self::Unconfirmed { .. }
            | Self::Awaited { .. }
            | Self::Behind { .. }
            | Self::Lags { .. }
            | Self::LogsLeftOut { .. }
            | Self::NoHistory { .. }
            | Self::NoCommonBlock { .. }
            | Self::Moved
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Disconnected
            | Self::Down => true,
            Self::Endpoint { .. }
            | Self::Key
            | Self::AccountBusy
            | Self::WrongChain { .. }
            | Self::NoCode { .. }
            | Self::Reverted { .. }
            | Self::NotDeployed { .. }
            | Self::Journal(_) => false,
        }
    }
}

/// The chain service has stopped; the call stays in the outbox until the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chain service has stopped; call {} is not taken", .0.0)]
pub struct Stopped(pub CallId);
