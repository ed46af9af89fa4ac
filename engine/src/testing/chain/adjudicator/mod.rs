//! The adjudicator's checks and effects (contracts.md 7 to 9), and everyone's purse.
//!
//! Checks stand in the contract's order and give its revert texts; a refusal without a text is an
//! empty one. A test of `chain` holds this against the compiled contract.

mod call;
mod payout;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use call::{AssetReclaim, ContractCall};
pub use payout::reclaim_text;
pub use status::ChannelStatus;

use crate::chain::{ChainCall, ChainFact, Challenge, ChannelLog, DebtLog};
use crate::state::{
    Deployment, FixedPart, SupportError, SupportedState, is_challenged_by_participant,
    is_supported, is_unanimous,
};
use crate::types::{Address, Amount, Asset, B256, ChannelId, Destination, TurnNumber};
use status::LAST_TIME;

/// Contract storage and balances after some block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjudicator {
    deployment: Deployment,
    holdings: BTreeMap<(Asset, ChannelId), Amount>,
    statuses: BTreeMap<ChannelId, ChannelStatus>,
    purses: BTreeMap<(Address, Asset), Amount>,
    /// Payees that take nothing, such as a contract without a function for it.
    blocked: BTreeSet<Address>,
    claimable: BTreeMap<(Address, Asset), Amount>,
    /// What each channel has paid to whom, over its life.
    paid: BTreeMap<(ChannelId, Destination), Amount>,
}

impl Adjudicator {
    /// A contract that was just deployed.
    #[must_use]
    pub const fn new(deployment: Deployment) -> Self {
        Self {
            deployment,
            holdings: BTreeMap::new(),
            statuses: BTreeMap::new(),
            purses: BTreeMap::new(),
            blocked: BTreeSet::new(),
            claimable: BTreeMap::new(),
            paid: BTreeMap::new(),
        }
    }

    /// Puts money into a purse.
    ///
    /// # Panics
    /// When a purse would hold 2^256 or more.
    pub fn endow(&mut self, owner: Address, asset: Asset, amount: Amount) {
        let purse = self.purses.entry((owner, asset)).or_default();
        *purse = purse.checked_add(amount).expect("a purse of less than 2^256");
    }

    /// From now on this payee takes nothing, and may claim what it is owed.
    pub fn block_payee(&mut self, payee: Address) {
        self.blocked.insert(payee);
    }

    /// From now on this payee takes what it is paid again.
    pub fn unblock_payee(&mut self, payee: Address) {
        self.blocked.remove(&payee);
    }

    /// What an account has outside of channels.
    #[must_use]
    pub fn purse(&self, owner: Address, asset: Asset) -> Amount {
        self.purses.get(&(owner, asset)).copied().unwrap_or_default()
    }

    /// What is held for a channel.
    #[must_use]
    pub fn held(&self, asset: Asset, channel: ChannelId) -> Amount {
        self.holdings.get(&(asset, channel)).copied().unwrap_or_default()
    }

    /// Channels for which something is held.
    #[must_use]
    pub fn channels_with_holdings(&self) -> Vec<ChannelId> {
        let held = self.holdings.iter().filter(|(_, amount)| !amount.is_zero());
        held.map(|((_, channel), _)| *channel).collect()
    }

    /// What a payee is owed that could not be paid.
    #[must_use]
    pub fn claimable(&self, payee: Address, asset: Asset) -> Amount {
        self.claimable.get(&(payee, asset)).copied().unwrap_or_default()
    }

    /// What a channel has paid to an account over its life.
    #[must_use]
    pub fn paid(&self, channel: ChannelId, payee: Address) -> Amount {
        self.paid.get(&(channel, payee.into())).copied().unwrap_or_default()
    }

    /// What is stored about a channel, also once it is closed; none for one that was never heard of.
    #[must_use]
    pub fn status(&self, channel: ChannelId) -> Option<ChannelStatus> {
        self.statuses.get(&channel).copied()
    }

    /// What `statusOf` shows of a channel.
    #[must_use]
    pub fn status_word(&self, channel: ChannelId) -> B256 {
        self.status(channel).map(|status| status.word()).unwrap_or_default()
    }

    /// All money of an asset: in purses, owed, and held for channels.
    #[must_use]
    pub fn total(&self, asset: Asset) -> Option<Amount> {
        let of =
            |((_, of), amount): (&(Address, Asset), &Amount)| (*of == asset).then_some(*amount);
        let owned = self.purses.iter().chain(&self.claimable).filter_map(of);
        let held = self.holdings.iter().filter(|((of, _), _)| *of == asset).map(|(_, held)| *held);
        Amount::checked_sum(owned.chain(held))
    }

    /// Executes a call whole, or not at all.
    ///
    /// # Errors
    /// The contract's revert text.
    pub fn execute(
        &mut self,
        sender: Address,
        timestamp: u64,
        call: &ContractCall,
    ) -> Result<Vec<ChannelLog>, String> {
        self.tell(sender, timestamp, call).map(|told| told.logs)
    }

    /// The same, with all that is logged.
    pub(super) fn tell(
        &mut self,
        sender: Address,
        timestamp: u64,
        call: &ContractCall,
    ) -> Result<Told, String> {
        let told = Told::default();
        let mut next = Execution { after: self.clone(), sender, timestamp, told };
        next.run(call)?;
        *self = next.after;
        Ok(next.told)
    }
}

/// A call that is being executed. Its storage is thrown away when it reverts.
struct Execution {
    after: Adjudicator,
    sender: Address,
    timestamp: u64,
    told: Told,
}

/// What a call logs.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) logs: Vec<ChannelLog>,
    pub(super) debts: Vec<DebtLog>,
}

impl Execution {
    fn run(&mut self, call: &ContractCall) -> Result<(), String> {
        match call {
            ContractCall::Node(call) => self.run_ours(call),
            ContractCall::Deposit { channel, asset, expected_held, amount } => {
                self.deposit(*channel, *asset, *expected_held, *amount)
            }
            ContractCall::DepositBatch { asset, entries } => self.deposit_batch(*asset, entries),
            ContractCall::Challenge(challenge) => self.challenge(challenge),
            ContractCall::Transfer { asset_index, channel, outcome, state_hash, indices } => {
                self.transfer(*asset_index, *channel, outcome, *state_hash, indices)
            }
            ContractCall::TransferAll { channel, outcome, state_hash } => {
                self.transfer_all(*channel, outcome, *state_hash)
            }
            ContractCall::Reclaim { channel, outcome, state_hash, reclaim } => {
                self.reclaim(*channel, outcome, *state_hash, &reclaim.clone().into())
            }
            ContractCall::ReclaimAsset { channel, outcome, state_hash, reclaim } => {
                self.reclaim(*channel, outcome, *state_hash, reclaim)
            }
            ContractCall::Settle { channel, outcome, state_hash, reclaims } => {
                self.settle(*channel, outcome, *state_hash, reclaims)
            }
            ContractCall::Claim { asset, payee } => self.claim(*asset, *payee, *payee),
        }
    }

    fn run_ours(&mut self, call: &ChainCall) -> Result<(), String> {
        match call {
            ChainCall::Deposit { channel, asset, expected_held, amount } => {
                self.deposit_up_to(*channel, *asset, *expected_held, *amount)
            }
            ChainCall::ConcludeAndTransfer { fixed, state, signatures } => {
                let (state, signatures) = (state.clone(), signatures.clone());
                self.conclude_and_transfer(fixed, &SupportedState { state, signatures })
            }
            ChainCall::Challenge { challenges, urgency: _ } => {
                challenges.iter().try_for_each(|entry| {
                    if self.is_news(entry) { self.register(entry) } else { Ok(()) }
                })
            }
            ChainCall::Checkpoint { fixed, proof, candidate, urgency: _ } => {
                self.checkpoint(fixed, proof, candidate)
            }
            ChainCall::Conclude { fixed, state, signatures, urgency: _ } => {
                let (state, signatures) = (state.clone(), signatures.clone());
                self.conclude(fixed, &SupportedState { state, signatures })
            }
            ChainCall::Settle { channel, outcome, state_hash, reclaims, urgency: _ } => {
                let reclaims: Vec<_> = reclaims.iter().cloned().map(AssetReclaim::from).collect();
                self.settle(*channel, outcome, *state_hash, &reclaims)
            }
            ChainCall::Claim { asset, payee, most_gas: _ } => self.claim(*asset, *payee, *payee),
            ChainCall::ClaimTo { asset, to } => self.claim(*asset, self.sender, *to),
            ChainCall::Transfer { from: _, asset, to, amount } => {
                self.collect(*asset, *amount)?;
                self.after.endow(*to, *asset, *amount);
                Ok(())
            }
        }
    }

    fn log(&mut self, channel: ChannelId, fact: ChainFact) {
        self.told.logs.push(ChannelLog { channel, fact });
    }

    /// Takes money out of the sender's purse.
    fn collect(&mut self, asset: Asset, amount: Amount) -> Result<(), String> {
        let purse = self.after.purse(self.sender, asset);
        let rest = purse.checked_sub(amount).ok_or("insufficient balance")?;
        self.after.purses.insert((self.sender, asset), rest);
        Ok(())
    }

    fn deposit(
        &mut self,
        channel: ChannelId,
        asset: Asset,
        expected_held: Amount,
        amount: Amount,
    ) -> Result<(), String> {
        require(!Destination::from(channel).is_external(), "Deposit to external destination")?;
        let held = self.after.held(asset, channel);
        require(held == expected_held, "held != expectedHeld")?;
        self.collect(asset, amount)?;
        self.credit(channel, asset, amount)
    }

    fn credit(&mut self, channel: ChannelId, asset: Asset, amount: Amount) -> Result<(), String> {
        let held = self.after.held(asset, channel);
        let holdings = held.checked_add(amount).ok_or(OVERFLOW)?;
        self.after.holdings.insert((asset, channel), holdings);
        self.log(channel, ChainFact::Deposited { asset, holdings });
        Ok(())
    }

    fn deposit_batch(
        &mut self,
        asset: Asset,
        entries: &[(ChannelId, Amount, Amount)],
    ) -> Result<(), String> {
        let amounts = entries.iter().map(|(_, _, amount)| *amount);
        self.collect(asset, Amount::checked_sum(amounts).ok_or(OVERFLOW)?)?;
        for (channel, expected_held, amount) in entries {
            let is_external = Destination::from(*channel).is_external();
            require(!is_external, "Deposit to external destination")?;
            let held = self.after.held(asset, *channel);
            require(held == *expected_held, "held != expectedHeld")?;
            self.credit(*channel, asset, *amount)?;
        }
        Ok(())
    }

    /// Coin that is sent and not needed comes back, but must be there.
    fn deposit_up_to(
        &mut self,
        channel: ChannelId,
        asset: Asset,
        expected_held: Amount,
        amount: Amount,
    ) -> Result<(), String> {
        let target = expected_held.checked_add(amount).ok_or("target does not fit 256 bits")?;
        let sent = if asset.is_native() { amount } else { Amount::ZERO };
        require(self.after.purse(self.sender, asset) >= sent, "insufficient balance")?;
        require(!Destination::from(channel).is_external(), "Deposit to external destination")?;
        let held = self.after.held(asset, channel);
        require(held >= expected_held, "held < expectedHeld")?;
        self.collect(asset, target.saturating_sub(held))?;
        let holdings = held.max(target);
        self.after.holdings.insert((asset, channel), holdings);
        self.log(channel, ChainFact::Deposited { asset, holdings });
        Ok(())
    }

    fn is_finalized(&self, channel: ChannelId) -> bool {
        self.after.status(channel).is_some_and(|status| status.is_finalized(self.timestamp))
    }

    /// Turn that is on record, and whether a challenge runs. Refuses a finalized channel.
    fn record(&self, channel: ChannelId) -> Result<(TurnNumber, bool), String> {
        require(!self.is_finalized(channel), "Channel finalized.")?;
        let status = self.after.status(channel);
        Ok(status.map_or((TurnNumber(0), false), |status| (status.turn, status.finalizes_at != 0)))
    }

    fn is_news(&self, challenge: &Challenge) -> bool {
        let turn = challenge.candidate.state.turn;
        match self.record(challenge.fixed.channel_id()) {
            Ok((record, true)) => turn > record,
            Ok((record, false)) => turn >= record,
            Err(_) => false,
        }
    }

    fn challenge(&mut self, challenge: &Challenge) -> Result<(), String> {
        let turn = challenge.candidate.state.turn;
        match self.record(challenge.fixed.channel_id())? {
            (record, true) => require(turn > record, "turnNumRecord not increased.")?,
            (record, false) => require(turn >= record, "turnNumRecord decreased.")?,
        }
        self.register(challenge)
    }

    fn register(&mut self, challenge: &Challenge) -> Result<(), String> {
        let Challenge { fixed, proof, candidate, challenger } = challenge;
        let channel = fixed.channel_id();
        is_supported(&self.after.deployment, fixed, proof, candidate).map_err(support_text)?;
        let state_hash = candidate.state.hash(channel);
        is_challenged_by_participant(fixed, state_hash, challenger).map_err(support_text)?;
        let finalizes_at = self.timestamp + u64::from(fixed.challenge_duration);
        require(finalizes_at <= LAST_TIME, OVERFLOW)?;
        let status = ChannelStatus::challenged(&candidate.state, channel, finalizes_at);
        self.after.statuses.insert(channel, status);
        let (proof, candidate) = (proof.clone(), Box::new(candidate.clone()));
        self.log(channel, ChainFact::ChallengeRegistered { finalizes_at, proof, candidate });
        Ok(())
    }

    fn checkpoint(
        &mut self,
        fixed: &FixedPart,
        proof: &[SupportedState],
        candidate: &SupportedState,
    ) -> Result<(), String> {
        let (channel, turn) = (fixed.channel_id(), candidate.state.turn);
        let (record, challenged) = self.record(channel)?;
        require(turn > record, "turnNumRecord not increased.")?;
        is_supported(&self.after.deployment, fixed, proof, candidate).map_err(support_text)?;
        self.after.statuses.insert(channel, ChannelStatus::checkpointed(turn));
        let (proof, candidate) = (proof.to_vec(), Box::new(candidate.clone()));
        self.log(channel, ChainFact::StateCheckpointed { proof, candidate });
        self.log(
            channel,
            if challenged {
                ChainFact::ChallengeCleared { turn }
            } else {
                ChainFact::Checkpointed { turn }
            },
        );
        Ok(())
    }

    fn conclude(&mut self, fixed: &FixedPart, signed: &SupportedState) -> Result<(), String> {
        let channel = fixed.channel_id();
        require(!self.is_finalized(channel), "Channel finalized.")?;
        require_final(fixed, signed)?;
        let status = ChannelStatus::concluded(&signed.state, self.timestamp);
        self.after.statuses.insert(channel, status);
        self.log_conclusion(channel, signed, true);
        Ok(())
    }

    fn log_conclusion(&mut self, channel: ChannelId, signed: &SupportedState, kept: bool) {
        let candidate = Box::new(signed.clone());
        self.log(channel, ChainFact::StateConcluded { kept, candidate });
        self.log(channel, ChainFact::Concluded { finalizes_at: self.timestamp });
    }
}

/// Everyone has signed the state as the last one.
fn require_final(fixed: &FixedPart, signed: &SupportedState) -> Result<(), String> {
    require(signed.state.is_final, "State must be final")?;
    is_unanimous(fixed, signed).map_err(support_text)
}

/// Arithmetic that does not fit.
const OVERFLOW: &str = "Panic(0x11)";

/// An index out of range.
const RANGE: &str = "Panic(0x32)";

fn require(holds: bool, text: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(text.to_owned()) }
}

/// What the contract says, which is nothing where it does not decode or finds no app.
#[must_use]
pub fn support_text(error: SupportError) -> String {
    match error {
        SupportError::Encoding | SupportError::App | SupportError::AppData => String::new(),
        SupportError::Participants | SupportError::NoParticipants | SupportError::Overdrawn => {
            OVERFLOW.to_owned()
        }
        other => other.to_string(),
    }
}
