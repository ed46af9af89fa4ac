//! What the node says in one word, in the words of people. Programs read the words of the interface.

use engine::types::ObjectiveId;

use super::ids::short;
use super::money::money;
use crate::moment::{now, utc_and_distance};
use crate::rpc::types::{LedgerInfo, ObjectiveInfo};

/// Stands before what is missing.
pub(super) const WAITING_FOR: &str = "waiting for";

/// How a channel stands.
pub(super) fn status(word: &str) -> String {
    match word {
        "funding" => "opening",
        "exiting" => "leaving",
        other => other,
    }
    .to_owned()
}

/// How it stands, and what that waits for.
pub(super) fn status_and_wait(word: &str, objective: Option<&ObjectiveInfo>) -> String {
    let status = status(word);
    match objective {
        Some(objective) => format!("{status}: {}", progress(objective, None)),
        None => status,
    }
}

/// What the chain has of a ledger.
pub(super) fn on_chain(ledger: &LedgerInfo) -> String {
    let holdings = money(&ledger.asset, ledger.holdings);
    // What was disputed before it was closed is no dispute any more.
    if ledger.status == "closed" {
        return holdings;
    }
    format!("{holdings}, {}", dispute(&ledger.on_chain))
}

/// Whether the chain has been asked to decide.
pub(super) fn dispute(word: &str) -> &str {
    match word {
        "open" => "not disputed",
        "challenged" => "a challenge runs",
        "concluded" => "final",
        other => other,
    }
}

/// What an objective does to which channel: `opening ledger 0x628a1234`.
pub(super) fn task(objective: &str) -> String {
    match objective.parse::<ObjectiveId>() {
        Ok(id) => format!("{} {}", job(id), short(id.channel())),
        Err(_) => objective.to_owned(),
    }
}

/// What an objective does.
pub(super) const fn job(objective: ObjectiveId) -> &'static str {
    match objective {
        ObjectiveId::DirectFund(_) => "opening ledger",
        ObjectiveId::DirectDefund(_) => "closing ledger",
        ObjectiveId::VirtualFund(_) => "opening channel",
        ObjectiveId::VirtualDefund(_) => "closing channel",
        ObjectiveId::Exit(_) => "leaving",
    }
}

/// How far an objective is, for the end of a sentence. `finalizes_at` is the deadline of a challenge.
pub(super) fn progress(objective: &ObjectiveInfo, finalizes_at: Option<u64>) -> String {
    match objective.waiting_for.as_deref() {
        Some(waiting_for) => wait(&objective.kind, waiting_for, finalizes_at),
        None => objective.status.clone(),
    }
}

/// What is missing, as the interface names it.
fn wait(kind: &str, waiting_for: &str, finalizes_at: Option<u64>) -> String {
    let ledger = kind == "open_ledger";
    let what = match (waiting_for, finalizes_at) {
        ("WaitingForCompletePrefund", _) => "the others to agree",
        ("WaitingForMyTurnToFund", _) => "the peer's deposit",
        ("WaitingForCompleteFunding", _) if ledger => "the deposits on chain",
        ("WaitingForCompleteFunding", _) => "the ledgers to lock it",
        ("WaitingForCompletePostFund", _) => "all to say that it is funded",
        ("WaitingForFinalStateFromPayer", _) => "the payer to end it",
        ("WaitingForSupportedFinalState", _) => "the others to sign the end",
        ("WaitingForDefundingOnMyLeft", _) => "the payer's ledger to free it",
        ("WaitingForDefundingOnMyRight", _) => "the payee's ledger to free it",
        ("WaitingForFinalization", _) => "the peer to sign the end",
        ("WaitingForWithdraw", _) => "the payout on chain",
        ("WaitingForChallenge", None) => "its challenge on chain",
        ("WaitingForChallenge", Some(at)) => {
            let at = utc_and_distance(at);
            return format!("{WAITING_FOR} its answer to a challenge, at the latest {at}");
        }
        ("WaitingForChallengeExpiry", None) => "the challenge to run out",
        ("WaitingForChallengeExpiry", Some(at)) if at > now() => {
            return format!("the challenge runs until {}", utc_and_distance(at));
        }
        ("WaitingForChallengeExpiry", Some(at)) => {
            let at = utc_and_distance(at);
            return format!("the challenge ran out {at}; waiting for a confirmed block after it");
        }
        ("WaitingForPaymentChannels", _) => "its channels to end on chain",
        (other, _) => other,
    };
    format!("{WAITING_FOR} {what}")
}

#[cfg(test)]
mod tests {
    use engine::objectives::WaitingFor;

    use super::*;

    /// A new step has no words until it stands here.
    const fn next(step: WaitingFor) -> Option<WaitingFor> {
        Some(match step {
            WaitingFor::CompletePrefund => WaitingFor::MyTurnToFund,
            WaitingFor::MyTurnToFund => WaitingFor::CompleteFunding,
            WaitingFor::CompleteFunding => WaitingFor::CompletePostfund,
            WaitingFor::CompletePostfund => WaitingFor::FinalStateFromPayer,
            WaitingFor::FinalStateFromPayer => WaitingFor::SupportedFinalState,
            WaitingFor::SupportedFinalState => WaitingFor::DefundingOnMyLeft,
            WaitingFor::DefundingOnMyLeft => WaitingFor::DefundingOnMyRight,
            WaitingFor::DefundingOnMyRight => WaitingFor::Finalization,
            WaitingFor::Finalization => WaitingFor::Withdraw,
            WaitingFor::Withdraw => WaitingFor::Challenge,
            WaitingFor::Challenge => WaitingFor::ChallengeExpiry,
            WaitingFor::ChallengeExpiry => WaitingFor::PaymentChannels,
            WaitingFor::PaymentChannels => return None,
        })
    }

    #[test]
    fn every_step_of_every_objective_is_told_in_words() {
        let mut step = Some(WaitingFor::CompletePrefund);
        let mut seen = 0;
        while let Some(at) = step {
            for kind in ["open_ledger", "close_ledger", "open_channel", "close_channel", "exit"] {
                for finalizes_at in [None, Some(1), Some(u64::MAX)] {
                    let words = wait(kind, &at.to_string(), finalizes_at);
                    assert!(!words.contains("WaitingFor"), "{words}");
                }
            }
            (step, seen) = (next(at), seen + 1);
        }
        assert_eq!(seen, 13);
    }
}
