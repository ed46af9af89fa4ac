//! The adjudicator's checks and effects (contracts.md 7.3, 8 and 9.1), and everyone's purse.

use std::collections::BTreeMap;

use crate::chain::{ChainCall, ChainFact, ChannelLog};
use crate::crypto::Signature;
use crate::outcome::{Outcome, transfer_effects};
use crate::state::{FixedPart, VariablePart};
use crate::types::{Address, Amount, Asset, B256, ChannelId};

/// What is stored for a finalized channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Finalized {
    outcome: B256,
}

/// Contract storage and balances after some block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Adjudicator {
    holdings: BTreeMap<(Asset, ChannelId), Amount>,
    finalized: BTreeMap<ChannelId, Finalized>,
    purses: BTreeMap<(Address, Asset), Amount>,
}

impl Adjudicator {
    pub(super) fn endow(&mut self, owner: Address, asset: Asset, amount: Amount) {
        let purse = self.purses.entry((owner, asset)).or_default();
        *purse = purse.checked_add(amount).expect("a purse of less than 2^256");
    }

    pub(super) fn purse(&self, owner: Address, asset: Asset) -> Amount {
        self.purses.get(&(owner, asset)).copied().unwrap_or_default()
    }

    pub(super) fn held(&self, asset: Asset, channel: ChannelId) -> Amount {
        self.holdings.get(&(asset, channel)).copied().unwrap_or_default()
    }

    /// All money of an asset: in purses and held for channels.
    pub(super) fn total(&self, asset: Asset) -> Option<Amount> {
        let purses = self.purses.iter().filter(|((_, of), _)| *of == asset);
        let held = self.holdings.iter().filter(|((of, _), _)| *of == asset);
        Amount::checked_sum(purses.map(|(_, amount)| *amount).chain(held.map(|(_, held)| *held)))
    }

    /// Executes a call whole, or not at all.
    pub(super) fn execute(
        &mut self,
        sender: Address,
        timestamp: u64,
        call: &ChainCall,
    ) -> Result<Vec<ChannelLog>, String> {
        let mut next = self.clone();
        let logs = match call {
            ChainCall::Deposit { channel, asset, expected_held, amount } => {
                next.deposit(sender, *channel, *asset, *expected_held, *amount)?
            }
            ChainCall::ConcludeAndTransfer { fixed, state, signatures } => {
                next.conclude(fixed, state, signatures, timestamp)?
            }
        };
        *self = next;
        Ok(logs)
    }

    fn deposit(
        &mut self,
        sender: Address,
        channel: ChannelId,
        asset: Asset,
        expected_held: Amount,
        amount: Amount,
    ) -> Result<Vec<ChannelLog>, String> {
        let held = self.held(asset, channel);
        if held != expected_held {
            return Err("held != expectedHeld".into());
        }
        let rest = self.purse(sender, asset).checked_sub(amount).ok_or("insufficient balance")?;
        let holdings = held.checked_add(amount).ok_or("Panic(0x11)")?;
        self.purses.insert((sender, asset), rest);
        self.holdings.insert((asset, channel), holdings);
        Ok(vec![ChannelLog { channel, fact: ChainFact::Deposited { asset, holdings } }])
    }

    fn conclude(
        &mut self,
        fixed: &FixedPart,
        state: &VariablePart,
        signatures: &[Signature],
        timestamp: u64,
    ) -> Result<Vec<ChannelLog>, String> {
        let channel = fixed.channel_id();
        if self.finalized.contains_key(&channel) {
            return Err("Channel finalized.".into());
        }
        if !state.is_final {
            return Err("State must be final".into());
        }
        let hash = state.hash(channel);
        let mut signed = vec![false; fixed.participants.len()];
        for signature in signatures {
            let signer = signature.recover(hash).map_err(|_| "Invalid signature")?;
            let index = fixed.index_of(signer).ok_or("Invalid signer")?;
            *signed.get_mut(index).ok_or("Invalid signer")? = true;
        }
        if signed.contains(&false) {
            return Err("!unanimous".into());
        }
        let concluded = ChainFact::Concluded { finalizes_at: timestamp };
        let mut logs = vec![ChannelLog { channel, fact: concluded }];
        logs.extend(self.transfer_all(channel, &state.outcome)?);
        Ok(logs)
    }

    fn transfer_all(
        &mut self,
        channel: ChannelId,
        outcome: &Outcome,
    ) -> Result<Vec<ChannelLog>, String> {
        let (mut logs, mut reduced, mut exits) = (Vec::new(), outcome.clone(), Vec::new());
        let mut exhausted = true;
        for (asset_index, exit) in (0_u64..).zip(&mut reduced.0) {
            let initial = self.held(exit.asset, channel);
            let effects = transfer_effects(initial, &exit.allocations, &[])
                .map_err(|error| error.to_string())?;
            let holdings = initial.checked_sub(effects.paid).ok_or("Panic(0x11)")?;
            self.holdings.insert((exit.asset, channel), holdings);
            exhausted &= effects.exhausted;
            exit.allocations = effects.remaining;
            exits.extend(effects.exits.into_iter().map(|paid| (exit.asset, paid)));
            let fact = ChainFact::AllocationUpdated { asset_index, initial, holdings };
            logs.push(ChannelLog { channel, fact });
        }
        if !exhausted {
            self.finalized.insert(channel, Finalized { outcome: reduced.hash() });
        }
        for (asset, paid) in exits {
            match paid.destination.to_address() {
                Some(owner) => self.endow(owner, asset, paid.amount),
                None => {
                    let target = ChannelId(paid.destination.0);
                    let held = self.held(asset, target).checked_add(paid.amount);
                    self.holdings.insert((asset, target), held.ok_or("Panic(0x11)")?);
                }
            }
        }
        Ok(logs)
    }
}
