//! The fake adjudicator of `engine::testing` against the real one: random calls by anybody, in
//! random order and at random times, on three ledgers and two payment channels. After every call
//! both must have answered the same, logged the same, and keep the same; and whoever has read
//! nothing but the logs must know which outcome is final and what of it is left to pay.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::hex::encode as encode_hex;
use alloy::primitives::{Address, Log, LogData, U256};
use alloy::sol_types::SolEvent;
use chain::bindings::NitroAdjudicator;
use engine::chain::{ChainFact, ChannelLog};
use engine::outcome::Outcome;
use engine::state::{FixedPart, SupportedState};
use engine::testing::{Adjudicator, ContractCall, Random};
use engine::types::{Asset, ChannelId};

use crate::calldata::{disturb, read};
use crate::decode::decode;
use crate::encode::{encode, log_data, name};
use crate::evm::Evm;
use crate::generate;
use crate::observer::Observer;
use crate::tally::Tally;

/// Per coin; with both coins a hundred thousand calls.
const SEQUENCES: u64 = 1_000;
const CALLS: usize = 50;

/// What everyone has of both assets.
const PURSE: u64 = 1_000_000;

/// The first second that the adjudicator cannot keep.
const END_OF_TIME: u64 = 1 << 44;

/// What the channels of a sequence hold.
#[derive(Clone, Copy)]
enum Coin {
    Native,
    Token,
}

/// A channel of the sequence, and everything that was signed or became of it.
pub(crate) struct Channel {
    pub(crate) fixed: FixedPart,
    pub(crate) signers: Vec<u8>,
    /// Outcomes that it was shown with.
    pub(crate) outcomes: Vec<Outcome>,
    /// What was signed as its end.
    pub(crate) finals: Vec<SupportedState>,
}

impl Channel {
    pub(crate) fn id(&self) -> ChannelId {
        self.fixed.channel_id()
    }

    pub(crate) fn is_payment(&self, evm: &Evm) -> bool {
        self.fixed.app == evm.deployment.payment_app
    }
}

/// Both adjudicators, and what they are about.
pub(crate) struct Pair {
    pub(crate) evm: Evm,
    pub(crate) fake: Adjudicator,
    pub(crate) observer: Observer,
    pub(crate) random: Random,
    pub(crate) asset: Asset,
    pub(crate) time: u64,
    /// Two ledgers, two payment channels, and a ledger of three.
    pub(crate) channels: Vec<Channel>,
}

impl Pair {
    fn new(seed: u64, coin: Coin) -> Self {
        let (mut evm, mut random) = (Evm::new(), Random::new(seed));
        let mut fake = Adjudicator::new(evm.deployment);
        let token = Asset(evm.token);
        for key in 0..generate::KEYS {
            let owner = generate::account(key);
            evm.fund(owner, U256::from(PURSE));
            evm.give_tokens(owner, U256::from(PURSE));
            fake.endow(owner, Asset::NATIVE, PURSE.into());
            fake.endow(owner, token, PURSE.into());
        }
        fake.block_payee(Evm::UNPAYABLE);
        let apps = [evm.deployment.consensus_app, evm.deployment.payment_app];
        let channels = [
            (0, vec![0, 1]),
            (0, vec![1, 2]),
            (1, vec![0, 1, 2]),
            (1, vec![0, 1]),
            (0, vec![0, 1, 2]),
        ];
        let channels = channels.map(|(app, signers)| Channel {
            fixed: FixedPart {
                challenge_duration: u32::try_from(random.below(80)).unwrap(),
                ..generate::fixed(&mut random, apps[app], signers.clone())
            },
            signers,
            outcomes: Vec::new(),
            finals: Vec::new(),
        });
        let asset = match coin {
            Coin::Native => Asset::NATIVE,
            Coin::Token => token,
        };
        let time = if random.chance(4) { END_OF_TIME - 400 } else { 1_000 };
        let (observer, channels) = (Observer::default(), channels.into());
        Self { evm, fake, observer, random, asset, time, channels }
    }

    /// One call of one account on both sides.
    fn step(&mut self, tally: &mut Tally) {
        if self.random.chance(40) {
            self.time = (self.time + self.random.below(30)).min(END_OF_TIME - 1);
            self.evm.set_time(self.time);
        }
        let call = self.any_call();
        let key = u8::try_from(self.random.below(u64::from(generate::KEYS))).unwrap();
        let sender = generate::account(key);
        let (value, data) = encode(&call);
        if self.random.chance(10) && decode(&data).is_some() {
            return self.disturb(sender, data, tally);
        }
        let theirs = self.evm.execute(sender, value, data);
        self.compare(sender, &call, theirs, tally);
    }

    /// The call in a form that no honest encoder writes. If the contract takes it, then as what a
    /// strict decoder reads.
    fn disturb(&mut self, sender: Address, mut data: Vec<u8>, tally: &mut Tally) {
        let original = data.clone();
        if self.random.chance(30) {
            data.extend([7; 40]);
        } else {
            disturb(&mut self.random, &mut data);
        }
        let theirs = self.evm.execute(sender, U256::ZERO, data.clone());
        if theirs.is_err() {
            return;
        }
        let call = read(&data, original.len());
        let call = call.unwrap_or_else(|| panic!("taken, but not readable: {}", encode_hex(&data)));
        if data != original {
            tally.note_done("another form was taken");
        }
        self.compare(sender, &call, theirs, tally);
    }

    fn compare(
        &mut self,
        sender: Address,
        call: &ContractCall,
        theirs: Result<Vec<Log>, String>,
        tally: &mut Tally,
    ) {
        let before = self.fake.clone();
        let ours = self.fake.execute(sender, self.time, call);
        tally.note(&ours);
        for log in ours.iter().flatten() {
            tally.note_done(name(&log.fact));
            note_rare(tally, &before, log);
        }
        let data = |logs: &Vec<ChannelLog>| logs.iter().map(log_data).collect::<Vec<_>>();
        let logs = ours.as_ref().map(data).map_err(Clone::clone);
        let theirs = theirs.map(|logs| self.told(logs));
        assert_eq!(logs, theirs, "at {} {call:?}", self.time);
        if let Ok(logs) = ours {
            self.observer.read(&logs, self.time);
            self.compare_storage(call, &logs);
            self.compare_knowledge(call);
        }
    }

    /// What the adjudicator logs about channels.
    fn told(&self, logs: Vec<Log>) -> Vec<LogData> {
        let payees = [
            NitroAdjudicator::PayoutBlocked::SIGNATURE_HASH,
            NitroAdjudicator::Claimed::SIGNATURE_HASH,
        ];
        let ours = logs.into_iter().filter(|log| log.address == self.evm.deployment.adjudicator);
        ours.map(|log| log.data).filter(|data| !payees.contains(&data.topics()[0])).collect()
    }

    /// What is kept of the channels that the logs name, and of any other.
    fn compare_storage(&mut self, call: &ContractCall, logs: &[ChannelLog]) {
        let any = generate::index(&mut self.random, self.channels.len());
        let known = logs.iter().map(|log| log.channel).chain([self.channels[any].id()]);
        for id in known.collect::<BTreeSet<_>>() {
            self.compare_channel(id, call);
        }
        let ask = NitroAdjudicator::claimableCall { asset: self.asset.0, payee: Evm::UNPAYABLE };
        let owed = self.evm.ask(&ask).unwrap();
        let kept = self.fake.claimable(Evm::UNPAYABLE, self.asset).to_u256();
        assert_eq!(kept, owed, "owed after {call:?}");
    }

    fn compare_channel(&mut self, id: ChannelId, call: &ContractCall) {
        let word = self.fake.status_word(id);
        let stored = self.evm.ask(&NitroAdjudicator::statusOfCall(id.0)).unwrap();
        assert_eq!(word, stored, "status of {id:?} after {call:?}");
        let shown = self.evm.ask(&NitroAdjudicator::unpackStatusCall { channelId: id.0 }).unwrap();
        let parts =
            [&shown.turnNumRecord.to_be_bytes::<6>()[..], &shown.finalizesAt.to_be_bytes::<6>()];
        let parts = [&parts.concat()[..], &shown.fingerprint.to_be_bytes::<20>()].concat();
        assert_eq!(word[..], parts, "shown of {id:?} after {call:?}");
        for asset in [Asset::NATIVE, Asset(self.evm.token)] {
            let held = NitroAdjudicator::holdingsCall { _0: asset.0, _1: id.0 };
            let held = self.evm.ask(&held).unwrap();
            let kept = self.fake.held(asset, id).to_u256();
            assert_eq!(kept, held, "held of {asset} for {id:?} after {call:?}");
        }
    }

    /// Logs alone tell what `reclaim` and the payouts of a channel want to be shown.
    fn compare_knowledge(&self, call: &ContractCall) {
        for channel in &self.channels {
            let id = channel.id();
            let known = self.observer.known(id);
            let status = self.fake.status(id).filter(|status| status.finalizes_at != 0);
            assert_eq!(known.is_some(), status.is_some(), "{id:?} after {call:?}");
            let Some((known, status)) = known.zip(status) else { continue };
            assert_eq!(known.state_hash, status.state_hash, "{id:?} after {call:?}");
            assert_eq!(known.first.hash(), status.final_outcome_hash, "{id:?} after {call:?}");
            if !status.is_closed {
                assert_eq!(known.left.hash(), status.outcome_hash, "{id:?} after {call:?}");
            }
        }
    }

    fn compare_purses(&mut self) {
        let token = Asset(self.evm.token);
        let mut total = BTreeMap::new();
        for key in 0..generate::KEYS {
            let owner = generate::account(key);
            let (coin, tokens) = (self.evm.balance(owner), self.evm.tokens(owner));
            for (asset, found) in [(Asset::NATIVE, coin), (token, tokens)] {
                assert_eq!(self.fake.purse(owner, asset).to_u256(), found, "{asset} of {owner}");
                *total.entry(asset).or_insert(U256::ZERO) += found;
            }
        }
        let all = U256::from(PURSE) * U256::from(generate::KEYS);
        assert!(total.values().all(|sum| *sum <= all), "{total:?}");
    }
}

/// Takes note of what only happens to a channel that has a story.
fn note_rare(tally: &mut Tally, before: &Adjudicator, log: &ChannelLog) {
    match &log.fact {
        ChainFact::StateConcluded { kept: false, .. } => tally.note_done("forgotten conclusion"),
        ChainFact::StateConcluded { .. }
            if before.status(log.channel).is_some_and(|status| status.is_closed) =>
        {
            tally.note_done("later conclusion");
        }
        ChainFact::GuaranteeReclaimed { target, .. } => {
            let target = before.status(*target).unwrap();
            if target.is_closed {
                tally.note_done("reclaim by a closed channel");
            } else if target.outcome_hash != target.final_outcome_hash {
                tally.note_done("reclaim by a reduced channel");
            }
        }
        _ => {}
    }
}

#[test]
fn the_fake_adjudicator_does_what_the_real_one_does_with_coin() {
    play(0, Coin::Native);
}

#[test]
fn the_fake_adjudicator_does_what_the_real_one_does_with_tokens() {
    play(SEQUENCES, Coin::Token);
}

fn play(first_seed: u64, coin: Coin) {
    let mut tally = Tally::default();
    for seed in first_seed..first_seed + SEQUENCES {
        let mut pair = Pair::new(seed, coin);
        pair.evm.set_time(pair.time);
        for _ in 0..CALLS {
            pair.step(&mut tally);
        }
        pair.compare_purses();
    }
    tally.assert_balanced();
    tally.assert_done(&["deposit", "payout", "challenge", "answer", "checkpoint", "conclusion"]);
    tally.assert_done(&["reclaim", "reclaimed guarantee", "paid allocations"]);
    tally.assert_done(&["checkpointed state", "concluded state"]);
    tally.assert_done(&["forgotten conclusion", "later conclusion"]);
    tally.assert_done(&["another form was taken"]);
    tally.assert_done(&["reclaim by a closed channel", "reclaim by a reduced channel"]);
    tally.assert_met(&[
        "held < expectedHeld",
        "held != expectedHeld",
        "Deposit to external destination",
        "Channel finalized.",
        "Channel not finalized.",
        "incorrect fingerprint",
        "turnNumRecord decreased.",
        "turnNumRecord not increased.",
        "Challenger is not a participant",
        "Invalid signature",
        "State must be final",
        "!unanimous",
        "Indices must be sorted",
        "cannot transfer a guarantee",
        "not a guarantee allocation",
        "targetAsset != guaranteeAsset",
        "totalReclaimed!=guarantee.amount",
        "nothing to claim",
        "Panic(0x11)",
        "Panic(0x32)",
    ]);
}
