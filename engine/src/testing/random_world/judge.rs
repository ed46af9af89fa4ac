//! What must be so at the end, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};

use super::due::{self, ASSETS};
use super::{RandomWorld, Scope};
use crate::chain::ChainCall;
use crate::effect::Update;
use crate::ledger::LedgerPhase;
use crate::objectives::{ExitReason, ObjectiveStatus};
use crate::payment::PaymentPhase;
use crate::testing::world::Party;
use crate::types::{ChannelId, ObjectiveId};

/// Calls about one channel that the contract may refuse one node: somebody else was faster. More
/// of them mean a node that does not learn.
const MAX_REFUSALS: usize = 12;

/// Rows of a node that has nothing left: the cursor, the next call, and the like.
const MAX_ROWS: usize = 4;

impl RandomWorld {
    /// Takes down what nodes have told their owners.
    pub(super) fn take_note(&mut self) {
        for party in self.honest() {
            for update in self.world.take_updates(party) {
                self.dues.take_note(party, &update);
                self.judge_patience(party, &update);
                if let Some(what) = name(&update) {
                    self.tally.count(what);
                }
            }
        }
    }

    /// Once the faults have ended and everything under way has arrived: honest ends of a ledger
    /// have agreed to the same, unless it is being closed or enforced.
    pub(super) fn judge_agreement(&self) {
        let honest = self.honest();
        for (party, other) in honest.iter().flat_map(|one| honest.iter().map(move |two| (one, two)))
        {
            for id in self.world.ledger_ids(*party) {
                let Some(ledger) = self.world.ledger(*party, id) else { continue };
                if ledger.peer() != self.world.address(*other)
                    || ledger.phase != LedgerPhase::Open
                    || !ledger.is_usable()
                {
                    continue;
                }
                let theirs = self.world.ledger(*other, id);
                let agreed = theirs.is_none_or(|theirs| {
                    theirs.phase != LedgerPhase::Open || theirs.agreed == ledger.agreed
                });
                assert!(
                    agreed && theirs.is_some(),
                    "honest ends of {id:?} disagree: {:?} and {:?}\n{}",
                    ledger.agreed,
                    theirs.map(|theirs| &theirs.agreed),
                    self.world.describe()
                );
            }
        }
    }

    /// Everybody honest has what is due and nothing to do, and was not blamed by honest nodes.
    pub(super) fn judge(&mut self) {
        for party in self.honest() {
            self.judge_blame(party);
            self.judge_worth(party);
            self.judge_rest(party);
            self.judge_refusals(party);
        }
        self.count_on_chain();
    }

    /// Once everybody hears everybody again, honest nodes lose patience with nobody.
    fn judge_patience(&self, party: Party, update: &Update) {
        let (id, silent) = match update {
            Update::Ledger(view) => {
                (view.id, view.phase == Some(LedgerPhase::Exiting(ExitReason::Silent)))
            }
            Update::Payment(view) => {
                (view.id, view.phase == Some(PaymentPhase::Exiting(ExitReason::Silent)))
            }
            _ => return,
        };
        let Some(lost) = self.lost_patience.as_ref().filter(|_| silent) else { return };
        assert!(
            lost.contains(&(party, id)),
            "{} loses patience with honest nodes over {id:?}\n{}",
            self.world.name(party),
            self.world.describe()
        );
    }

    /// From now on nobody loses patience: what everybody has waited for has had its time.
    pub(super) fn expect_patience(&mut self) {
        if self.scope.villains > 0 {
            return;
        }
        let mut lost = BTreeSet::new();
        for party in self.honest() {
            for id in self.world.ledger_ids(party) {
                let ledger = self.world.ledger(party, id);
                let exiting =
                    ledger.is_some_and(|ledger| matches!(ledger.phase, LedgerPhase::Exiting(_)));
                lost.extend(exiting.then_some((party, id)));
            }
            for id in self.world.payment_ids(party) {
                let channel = self.world.payment(party, id);
                let exiting =
                    channel.is_some_and(|one| matches!(one.phase, PaymentPhase::Exiting(_)));
                lost.extend(exiting.then_some((party, id)));
            }
        }
        self.lost_patience = Some(lost);
    }

    fn judge_blame(&self, party: Party) {
        let name = self.world.name(party);
        for (blamed, offence) in self.world.offences(party) {
            let honest = self.honest().into_iter().find(|one| self.world.address(*one) == *blamed);
            assert!(
                honest.is_none(),
                "{name} reports the honest {}: {offence:?}",
                honest.map(|one| self.world.name(one)).unwrap_or_default()
            );
        }
    }

    fn judge_worth(&self, party: Party) {
        for asset in ASSETS {
            let (has, due) =
                (due::has(&self.world, party, asset), self.dues.of(&self.world, party, asset));
            assert!(
                has >= due,
                "{} ends with {has} of {due} {}\n{}{}",
                self.world.name(party),
                if asset.is_native() { "coins" } else { "tokens" },
                self.dues.describe(&self.world, party, asset),
                self.world.describe()
            );
        }
    }

    /// No objective lives for ever, and nothing is kept of what is over.
    fn judge_rest(&self, party: Party) {
        let (counters, name) = (self.world.counters(party), self.world.name(party));
        let left = (counters.ledgers, counters.payments, counters.objectives, counters.calls);
        assert!(
            left == (0, 0, 0, 0),
            "{name} never ends: {} ledgers, {} payment channels, {} objectives, {} calls\n{}",
            left.0,
            left.1,
            left.2,
            left.3,
            self.world.describe()
        );
        let rows = self.world.rows(party);
        assert!(
            rows <= MAX_ROWS,
            "{name} keeps {rows} rows when all is over\n{}",
            self.world.describe()
        );
    }

    fn judge_refusals(&self, party: Party) {
        let mut refused: BTreeMap<ChannelId, Vec<&str>> = BTreeMap::new();
        let all = self.world.chain().refused_calls(self.world.address(party));
        for (call, reason) in &all {
            // Chance lets some calls fail for no reason of the contract.
            if *reason != "out of gas"
                && let Some(id) = call.channels().first()
            {
                refused.entry(*id).or_default().push(reason);
            }
        }
        for (id, reasons) in refused {
            assert!(
                reasons.len() <= MAX_REFUSALS,
                "{} is refused {} times about {id:?}: {:?}",
                self.world.name(party),
                reasons.len(),
                reasons.last()
            );
        }
    }

    /// What the chain has seen, for the tally.
    fn count_on_chain(&mut self) {
        if self.scope == Scope::PLAIN {
            return;
        }
        for (sender, call) in self.world.chain().successes() {
            let villain = self.world.find(sender).is_some_and(|party| self.world.is_villain(party));
            let what = match (&call, villain) {
                (ChainCall::Challenge { .. }, false) => "challenges by honest nodes",
                (ChainCall::Challenge { .. }, true) => "challenges by villains",
                (ChainCall::Checkpoint { .. }, false) => "checkpoints by honest nodes",
                (ChainCall::Checkpoint { .. }, true) => "checkpoints by villains",
                (ChainCall::Conclude { .. }, _) => "conclusions of payment channels",
                (ChainCall::ConcludeAndTransfer { .. }, _) => "ledgers closed together",
                (ChainCall::Settle { .. }, _) => "settlements",
                _ => continue,
            };
            self.tally.count(what);
        }
        let met = self.world.take_villainy();
        self.tally.merge(&met);
    }
}

/// Under which name an update is counted.
fn name(update: &Update) -> Option<&'static str> {
    Some(match update {
        Update::Received { .. } => "payments received",
        Update::LeftBehind { .. } => "left behind",
        Update::Challenged { .. } => "challenges seen",
        Update::Objective(objective) => match (objective.id, objective.status) {
            (ObjectiveId::DirectFund(_), ObjectiveStatus::Completed) => "ledgers opened",
            (ObjectiveId::VirtualFund(_), ObjectiveStatus::Completed) => "openings completed",
            (ObjectiveId::VirtualFund(_), ObjectiveStatus::Declined { .. }) => "openings declined",
            (ObjectiveId::VirtualDefund(_), ObjectiveStatus::Completed) => "channels closed",
            (ObjectiveId::Exit(_), ObjectiveStatus::Completed) => "exits completed",
            _ => return None,
        },
        Update::Payment(view) => match view.phase {
            Some(PaymentPhase::Exiting(ExitReason::Cheated)) => "cheats answered",
            _ => return None,
        },
        _ => return None,
    })
}
