//! Says in the log, in plain words, what an operator must know of disputes.

use std::collections::BTreeSet;

use engine::debts::{DebtStatus, DebtView};
use engine::effect::Update;
use engine::ledger::LedgerPhase;
use engine::objectives::{ExitReason, ObjectiveStatus};
use engine::payment::PaymentPhase;
use engine::sending::SendingEnd;
use engine::types::{ChannelId, ObjectiveId};
use tracing::{info, warn};

use crate::moment::utc;

/// Remembers which exits were told, because a view comes with every change of its channel.
#[derive(Debug, Default)]
pub(crate) struct Herald {
    exiting: BTreeSet<ChannelId>,
}

impl Herald {
    pub(crate) fn tell(&mut self, update: &Update) {
        match update {
            Update::Challenged { channel, finalizes_at } => warn!(
                %channel,
                deadline = %utc(*finalizes_at),
                "a challenge runs on chain: unless a newer state is shown before the deadline, \
                 the channel ends with the challenged one"
            ),
            Update::LeftBehind { channel, holdings } => warn!(
                %channel,
                %holdings,
                "what is left of the channel stays on chain: taking it would cost more than it \
                 brings"
            ),
            Update::Refused { channel, reason } => warn!(
                %channel,
                %reason,
                "a contract refuses a call about the channel"
            ),
            Update::Surpassed { channel, remembered, total, proven } => warn!(
                %channel,
                %remembered,
                %total,
                proven,
                "the payee counts more than this node remembers to have paid: this folder is an \
                 older copy, or the payee claims too much; let no second copy of this node run"
            ),
            Update::NotAgreed { ledger, channel, reason, again: _ } => warn!(
                %ledger,
                channel = channel.map(tracing::field::display),
                %reason,
                "the peer does not agree now to take a guarantee back; it is asked again"
            ),
            Update::Ledger(view) => {
                if let Some(LedgerPhase::Exiting(reason)) = view.phase {
                    self.exits(view.id, reason);
                }
            }
            Update::Payment(view) => {
                if let Some(PaymentPhase::Exiting(reason)) = view.phase {
                    self.exits(view.id, reason);
                }
            }
            Update::Objective(objective) => {
                if let (ObjectiveId::Exit(channel), ObjectiveStatus::Completed) =
                    (objective.id, objective.status)
                {
                    self.exiting.remove(&channel);
                    info!(%channel, "the exit is complete");
                }
            }
            Update::Unguarded { tower, channel, reason } => warn!(
                %tower,
                %channel,
                %reason,
                "a watchtower does not guard the newest state of a channel"
            ),
            Update::Debt(debt) => owes(debt),
            Update::Sending(key, sending) => match &sending.end {
                None => {}
                Some(SendingEnd::Done { block }) => info!(%key, %block, "sent and confirmed"),
                Some(SendingEnd::Refused { reason } | SendingEnd::Unknown { reason }) => {
                    warn!(%key, %reason, "what was to be sent is not confirmed");
                }
            },
            Update::Paid { .. }
            | Update::Credited { .. }
            | Update::Received { .. }
            | Update::Tower { .. } => {}
        }
    }

    fn exits(&mut self, channel: ChannelId, reason: ExitReason) {
        if self.exiting.insert(channel) {
            warn!(%channel, %reason, "the channel is being enforced on chain");
        }
    }
}

fn owes(debt: &DebtView) {
    let DebtView { asset, owed, status, .. } = debt;
    if owed.is_zero() {
        info!(%asset, "the adjudicator owes this node nothing of the asset any more");
    } else if *status == DebtStatus::UnknownAsset {
        warn!(
            %asset,
            %owed,
            "a payout was refused by the payee or the token, and the adjudicator owes it; the policy \
             does not name the token, so claim it with nitro claim --asset if it is worth the gas"
        );
    } else {
        warn!(
            %asset,
            %owed,
            "a payout was refused by the payee or the token, and the adjudicator owes it; it is claimed \
             once that is possible and worth the gas"
        );
    }
}
