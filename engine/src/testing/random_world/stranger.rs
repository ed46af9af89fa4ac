//! Somebody who holds no key of any channel, and uses the contract with everybody's channels.

use std::collections::BTreeMap;

use super::RandomWorld;
use crate::chain::{ChainCall, ChainFact, Challenge, Reclaim};
use crate::outcome::{AllocationKind, Outcome, reclaim_effects, transfer_effects};
use crate::testing::chain::ContractCall;
use crate::testing::fixtures;
use crate::testing::world::World;
use crate::types::{Address, Amount, Asset, B256, ChannelId};

/// Calls of others that are remembered, the newest.
const REMEMBERED: usize = 200;

/// What a channel may have been finalized with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    outcome: Outcome,
    state_hash: B256,
}

/// What the logs have told a stranger.
#[derive(Clone, Debug)]
pub(super) struct Stranger {
    address: Address,
    read_up_to: u64,
    shown: BTreeMap<ChannelId, Vec<Shown>>,
}

impl Stranger {
    pub(super) fn arrive(world: &mut World) -> Self {
        let address = fixtures::stranger();
        for asset in [Asset::NATIVE, fixtures::TOKEN] {
            world.chain_mut().endow(address, asset, fixtures::PURSE.into());
        }
        Self { address, read_up_to: 0, shown: BTreeMap::new() }
    }

    /// Reads the newest logs; what a reorganisation took back stays known.
    fn read(&mut self, world: &World) {
        for (channel, fact) in world.chain().logs_from(self.read_up_to) {
            let state = match fact {
                ChainFact::ChallengeRegistered { candidate, .. }
                | ChainFact::StateCheckpointed { candidate, .. }
                | ChainFact::StateConcluded { candidate, .. } => &candidate.state,
                _ => continue,
            };
            let known = self.shown.entry(channel).or_default();
            for state_hash in [state.hash(channel), B256::ZERO] {
                let shown = Shown { outcome: state.outcome.clone(), state_hash };
                if !known.contains(&shown) {
                    known.push(shown);
                }
            }
        }
        self.read_up_to = world.chain().head().number.0;
    }
}

impl RandomWorld {
    /// A stranger does one thing; mostly something that the contract accepts.
    pub(super) fn meet_stranger(&mut self) {
        if !self.scope.strangers {
            return;
        }
        self.stranger.read(&self.world);
        let call = match self.world.random().below(5) {
            0 => self.gift(),
            1 => self.repetition(),
            2 => self.early_checkpoint(),
            _ => self.odd_payout(),
        };
        let Some((what, call)) = call else { return };
        let sender = self.stranger.address;
        let accepted = self.world.would_accept(sender, &call);
        if accepted || self.world.random().chance(10) {
            self.tally.count(if accepted { what } else { "strangers refused" });
            if self.world.random().chance(50) {
                self.world.front_run(sender, call);
            } else {
                self.world.call(sender, call);
            }
        }
    }

    /// Some channel that anybody ever showed on chain, or that holds something.
    fn any_channel(&mut self) -> Option<ChannelId> {
        let mut known: Vec<ChannelId> = self.stranger.shown.keys().copied().collect();
        if known.is_empty() || self.world.random().chance(40) {
            known = self.world.chain().channels_with_holdings();
        }
        if known.is_empty() { None } else { Some(*self.world.random().pick(&known)) }
    }

    /// A few units, or as much as a channel pays, into any channel.
    fn gift(&mut self) -> Option<(&'static str, ContractCall)> {
        let channel = self.any_channel()?;
        let token = self.scope.tokens && self.world.random().chance(40);
        let asset = if token { fixtures::TOKEN } else { Asset::NATIVE };
        let amount: Amount = match self.world.random().below(3) {
            0 => self.world.random().between(1, 300).into(),
            _ => self.world.random().between(1, 3).into(),
        };
        let expected_held = self.world.chain().held(asset, channel);
        let call = ContractCall::Deposit { channel, asset, expected_held, amount };
        Some(("gifts by strangers", call))
    }

    /// What somebody else has sent, once more.
    fn repetition(&mut self) -> Option<(&'static str, ContractCall)> {
        let calls = self.world.chain().calldata(REMEMBERED);
        if calls.is_empty() {
            return None;
        }
        let call = self.world.random().pick(&calls).clone();
        // A deposit would only be a gift.
        let deposit = matches!(
            call,
            ContractCall::Deposit { .. } | ContractCall::Node(ChainCall::Deposit { .. })
        );
        (!deposit).then_some(("repetitions by strangers", call))
    }

    /// A state from somebody's challenge, as a checkpoint or alone.
    fn early_checkpoint(&mut self) -> Option<(&'static str, ContractCall)> {
        let calls = self.world.chain().calldata(REMEMBERED);
        let challenges: Vec<Challenge> = calls
            .into_iter()
            .flat_map(|call| match call {
                ContractCall::Node(ChainCall::Challenge { challenges, .. }) => challenges,
                ContractCall::Challenge(challenge) => vec![challenge],
                _ => Vec::new(),
            })
            .collect();
        if challenges.is_empty() {
            return None;
        }
        let challenge = self.world.random().pick(&challenges).clone();
        if self.world.random().chance(50) {
            return Some(("challenges by strangers", ContractCall::Challenge(challenge)));
        }
        let Challenge { fixed, proof, candidate, .. } = challenge;
        let urgency = crate::chain::Urgency::default();
        let call = ChainCall::Checkpoint { fixed, proof, candidate, urgency };
        Some(("checkpoints by strangers", call.into()))
    }

    /// Some of what a finalized channel pays, or one guarantee of it reclaimed.
    fn odd_payout(&mut self) -> Option<(&'static str, ContractCall)> {
        let channel = self.any_channel()?;
        let known = self.stranger.shown.get(&channel)?.clone();
        let stored = self.world.chain().status(channel)?;
        let fits = |shown: &Shown| {
            shown.outcome.hash() == stored.outcome_hash && shown.state_hash == stored.state_hash
        };
        let Shown { outcome, state_hash } = known.into_iter().find(fits)?;
        let allocations = outcome.0.first()?.allocations.clone();
        let index = self.world.random().below(allocations.len() as u64);
        let position = usize::try_from(index).ok()?;
        let guarantee = allocations.get(position)?.kind == AllocationKind::GUARANTEE;
        let mut after = outcome.clone();
        let (what, call) = if guarantee {
            let target = ChannelId(allocations.get(position)?.destination.0);
            let ended = self.world.chain().status(target)?;
            let fits = |shown: &&Shown| {
                shown.outcome.hash() == ended.final_outcome_hash
                    && shown.state_hash == ended.state_hash
            };
            let target = self.stranger.shown.get(&target)?.iter().find(fits)?.clone();
            let shares = &target.outcome.0.first()?.allocations;
            after.0.first_mut()?.allocations =
                reclaim_effects(&allocations, shares, position).ok()?;
            let (target_state, target_outcome) = (target.state_hash, target.outcome);
            let reclaim = Reclaim { index, target_state, target_outcome };
            (
                "reclaims by strangers",
                ContractCall::Reclaim { channel, outcome, state_hash, reclaim },
            )
        } else if self.world.random().chance(30) {
            ("payouts by strangers", ContractCall::TransferAll { channel, outcome, state_hash })
        } else {
            let held = self.world.chain().held(outcome.0.first()?.asset, channel);
            let effects = transfer_effects(held, &allocations, &[index]).ok()?;
            after.0.first_mut()?.allocations = effects.remaining;
            let (asset_index, indices) = (0, vec![index]);
            let call =
                ContractCall::Transfer { asset_index, channel, outcome, state_hash, indices };
            ("partial payouts by strangers", call)
        };
        // What it becomes, should it be mined; a guess that is wrong fits nothing later.
        self.stranger.shown.entry(channel).or_default().push(Shown { outcome: after, state_hash });
        Some((what, call))
    }
}
