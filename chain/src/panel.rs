//! The endpoints in use: one that is asked, and others that are asked whether it is right.

use std::future::Future;
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::error::ChainError;
use crate::quorum::{self, Decision, Vote};
use crate::refusal::Refusal;
use crate::rpc::Rpc;
use crate::scout::SILENCE;

/// A transaction that one endpoint takes is on its way; slow ones must not hold up the next.
const SEND_PATIENCE: Duration = Duration::from_secs(3);

/// How long the others are waited for once enough endpoints agree.
const DISSENT_PATIENCE: Duration = Duration::from_millis(500);

/// Connections to verified endpoints. A snapshot: the watcher makes a new one when they change.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Asked for everything.
    pub(crate) leader: Rpc,
    /// Must confirm what is told to the engine.
    pub(crate) witnesses: Vec<Rpc>,
    /// Endpoints that are gone for a moment and could say otherwise.
    pub(crate) missing: usize,
    /// Endpoints that must agree.
    pub(crate) least: usize,
}

/// What the other endpoints make of a statement of the leader.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) decision: Decision,
    /// Who says otherwise or nothing, in words for the operator.
    pub(crate) against: String,
}

/// What became of a transaction at another endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Taken,
    Refused,
    Silence,
}

impl Share {
    const fn of(sent: &Result<(), ChainError>) -> Self {
        match sent {
            Ok(()) | Err(ChainError::Refused { kind: Refusal::AlreadyKnown, .. }) => Self::Taken,
            Err(ChainError::Refused { .. }) => Self::Refused,
            Err(_) => Self::Silence,
        }
    }
}

impl Panel {
    /// Asks the witnesses about a statement of the leader, until it is decided: a slow one holds up
    /// nobody who can do without it. One that refuses to answer is silent, and so is one that leaves
    /// the question unanswered; one that cannot be reached counts, until it is given up: a liar must
    /// not profit from a hiccup.
    pub(crate) async fn confirm<F>(&self, ask: impl Fn(Rpc) -> F) -> Answer
    where
        F: Future<Output = Result<Vote, ChainError>>,
    {
        let mut asked: FuturesUnordered<_> = self
            .witnesses
            .iter()
            .enumerate()
            .map(|(seat, witness)| {
                let vote = ask(witness.clone());
                async move { (seat, Self::vote(witness, vote.await)) }
            })
            .collect();
        let mut votes = vec![None; self.witnesses.len()];
        // What is gone does not know of it yet.
        let with = |unanswered: Vote, votes: &[Option<Vote>]| {
            let mut cast: Vec<Vote> = votes.iter().map(|vote| vote.unwrap_or(unanswered)).collect();
            cast.resize(cast.len() + self.missing, Vote::Lacks);
            quorum::decide(&cast, self.least)
        };
        loop {
            let patience = if with(Vote::Lacks, &votes).holds() {
                // Enough agree; whoever contradicts is to be heard all the same.
                DISSENT_PATIENCE
            } else if with(Vote::Silent, &votes).holds() {
                SILENCE
            } else {
                Duration::MAX
            };
            let Ok(Some((seat, vote))) = timeout(patience, asked.next()).await else { break };
            if let Some(cast) = votes.get_mut(seat) {
                *cast = Some(vote);
            }
        }
        let decision = with(Vote::Silent, &votes);
        let told: Vec<Vote> = votes.into_iter().map(|vote| vote.unwrap_or(Vote::Silent)).collect();
        Answer { decision, against: self.against(&told) }
    }

    fn vote(witness: &Rpc, vote: Result<Vote, ChainError>) -> Vote {
        vote.unwrap_or_else(|error| {
            debug!(endpoint = witness.shown(), %error, "no answer to a cross-check");
            match error {
                ChainError::Refused { .. } | ChainError::TimedOut { .. } => Vote::Silent,
                _ => Vote::Lacks,
            }
        })
    }

    fn against(&self, votes: &[Vote]) -> String {
        let of = |vote: Vote, words: &str| {
            let who: Vec<&str> = self
                .witnesses
                .iter()
                .zip(votes)
                .filter(|(_, other)| **other == vote)
                .map(|(witness, _)| witness.shown())
                .collect();
            (!who.is_empty()).then(|| format!("{} {words}", who.join(" and ")))
        };
        let all = [
            of(Vote::Differs, "contradicts"),
            of(Vote::Lacks, "does not know of"),
            of(Vote::Silent, "does not answer to"),
        ];
        let mut told: Vec<String> = all.into_iter().flatten().collect();
        if self.missing > 0 {
            told.push("endpoints that are down cannot confirm".to_owned());
        }
        if told.is_empty() { "nobody else confirms".to_owned() } else { told.join(" and ") }
    }

    /// Hands a transaction to every endpoint: one that keeps it to itself, or has lost the
    /// chain, must not be the only one to know it.
    ///
    /// # Errors
    /// The leader's answer, where nobody takes the transaction. Its kind is [`Refusal::Unclear`]
    /// unless everybody refuses: who did not answer may have taken it.
    pub(crate) async fn send(&self, raw: &[u8]) -> Result<(), ChainError> {
        let others = join_all(self.witnesses.iter().map(|witness| witness.send(raw)));
        let (led, others) = tokio::join!(self.leader.send(raw), timeout(SEND_PATIENCE, others));
        let Err(error) = led else { return Ok(()) };
        let shares: Vec<Share> = match &others {
            Ok(others) => others.iter().map(Share::of).collect(),
            Err(_) => vec![Share::Silence; self.witnesses.len()],
        };
        if shares.contains(&Share::Taken) {
            // It is on its way, whatever the leader says: forgetting it would use its nonce twice.
            warn!(endpoint = self.leader.shown(), %error, "sent over other endpoints only");
            return Ok(());
        }
        Err(match error {
            ChainError::Refused { request, message, kind }
                if kind.is_definite() && shares.contains(&Share::Silence) =>
            {
                ChainError::Refused { request, message, kind: Refusal::Unclear }
            }
            error => error,
        })
    }

    /// Forgets what is known of the newest blocks: one of the endpoints was wrong.
    pub(crate) fn forget(&self) {
        std::iter::once(&self.leader).chain(&self.witnesses).for_each(Rpc::forget);
    }

    /// True when both are the same connections.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.leader.is(&other.leader)
            && self.missing == other.missing
            && self.witnesses.len() == other.witnesses.len()
            && self.witnesses.iter().zip(&other.witnesses).all(|(one, other)| one.is(other))
    }
}
