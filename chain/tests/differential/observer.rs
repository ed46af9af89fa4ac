//! What somebody knows of the channels who reads nothing but logs, by the rules that
//! `IMultiAssetHolder` states: which outcome became final, and what of it is left to pay.

use std::collections::BTreeMap;

use engine::chain::{ChainFact, ChannelLog};
use engine::outcome::{Allocation, AllocationKind, Outcome, inferred_payout};
use engine::types::{Amount, B256, ChannelId, Destination};

/// A channel whose outcome is final, or will be unless a challenge is answered.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    finalizes_at: u64,
    /// What it is finalized with; zero when it was concluded.
    pub(crate) state_hash: B256,
    /// The outcome that became final.
    pub(crate) first: Outcome,
    /// What of it is left to pay.
    pub(crate) left: Outcome,
}

/// Reads the logs of all channels in their order.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    channels: BTreeMap<ChannelId, Known>,
}

impl Observer {
    /// What is known of a channel; none for one that is open.
    pub(crate) fn known(&self, channel: ChannelId) -> Option<&Known> {
        self.channels.get(&channel)
    }

    /// Reads what one transaction in a block of that time has logged.
    pub(crate) fn read(&mut self, logs: &[ChannelLog], time: u64) {
        let mut explained = None;
        for log in logs {
            self.read_one(log.channel, &log.fact, explained.take(), time);
            explained = Some(log);
        }
    }

    fn read_one(
        &mut self,
        channel: ChannelId,
        fact: &ChainFact,
        before: Option<&ChannelLog>,
        time: u64,
    ) {
        let explanation = before.filter(|log| log.channel == channel).map(|log| &log.fact);
        match fact {
            ChainFact::Deposited { .. }
            | ChainFact::StateCheckpointed { .. }
            | ChainFact::Concluded { .. }
            | ChainFact::GuaranteeReclaimed { .. }
            | ChainFact::AllocationsPaid { .. } => {}
            ChainFact::ChallengeRegistered { finalizes_at, candidate, .. } => {
                let outcome = &candidate.state.outcome;
                self.learn(channel, *finalizes_at, candidate.state.hash(channel), outcome);
            }
            ChainFact::ChallengeCleared { .. } | ChainFact::Checkpointed { .. } => {
                self.channels.remove(&channel);
            }
            ChainFact::StateConcluded { kept, candidate } => {
                let known = self.channels.get(&channel);
                if !kept {
                    self.channels.remove(&channel);
                } else if known.is_none_or(|known| known.finalizes_at > time) {
                    self.learn(channel, time, B256::ZERO, &candidate.state.outcome);
                }
            }
            ChainFact::Reclaimed { asset_index } => {
                self.reclaim(channel, *asset_index, explanation);
            }
            ChainFact::AllocationUpdated { asset_index, initial, holdings } => {
                let paid = initial.checked_sub(*holdings).unwrap();
                self.pay(channel, *asset_index, *initial, paid, explanation);
            }
        }
    }

    fn learn(&mut self, channel: ChannelId, finalizes_at: u64, state_hash: B256, first: &Outcome) {
        let (first, left) = (first.clone(), first.clone());
        self.channels.insert(channel, Known { finalizes_at, state_hash, first, left });
    }

    fn allocations(&mut self, channel: ChannelId, asset: u64) -> Option<&mut Vec<Allocation>> {
        let exits = &mut self.channels.get_mut(&channel)?.left.0;
        Some(&mut exits.get_mut(usize::try_from(asset).unwrap())?.allocations)
    }

    fn reclaim(&mut self, channel: ChannelId, asset: u64, explanation: Option<&ChainFact>) {
        let allocations = self.allocations(channel, asset).unwrap().clone();
        let (index, shares) = match explanation {
            Some(ChainFact::GuaranteeReclaimed { index, to_left, to_right, .. }) => {
                (usize::try_from(*index).unwrap(), [*to_left, *to_right])
            }
            _ => {
                let is_lock = |entry: &Allocation| entry.kind == AllocationKind::GUARANTEE;
                let index = allocations.iter().position(is_lock).unwrap();
                assert!(!allocations[index + 1..].iter().any(is_lock), "which of them?");
                let target = ChannelId(allocations[index].destination.0);
                let [exit] = &self.known(target).unwrap().first.0[..] else {
                    panic!("which asset of the target?");
                };
                (index, [0, 1].map(|side| exit.allocations[side].amount))
            }
        };
        let allocations = self.allocations(channel, asset).unwrap();
        let lock = allocations.remove(index);
        for (word, share) in lock.metadata.0.chunks_exact(32).zip(shares) {
            let side = Destination(B256::from_slice(word));
            let entry = allocations.iter_mut().find(|entry| entry.destination == side).unwrap();
            entry.amount = entry.amount.checked_add(share).unwrap();
        }
    }

    fn pay(
        &mut self,
        channel: ChannelId,
        asset: u64,
        initial: Amount,
        paid: Amount,
        explanation: Option<&ChainFact>,
    ) {
        // A later final state is paid out of what came later: its outcome is nobody's.
        let Some(allocations) = self.allocations(channel, asset) else { return };
        let amounts = match explanation {
            Some(ChainFact::AllocationsPaid { amounts, .. }) => amounts.clone(),
            _ => inferred_payout(initial, paid, allocations),
        };
        for (entry, amount) in allocations.iter_mut().zip(amounts) {
            entry.amount = entry.amount.checked_sub(amount).unwrap();
        }
    }
}
