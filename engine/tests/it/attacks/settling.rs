//! A finalized ledger that strangers have had their hands in before the node settles it: the node
//! follows every payout and every reclaim, and its first call is the right one.

use std::time::Duration;

use engine::chain::{ChainCall, Reclaim, Urgency};
use engine::input::Request;
use engine::outcome::{AllocationKind, Outcome, reclaim_in_place, transfer_effects};
use engine::state::VariablePart;
use engine::testing::{ChainRules, ContractCall, Party, Random, World, fixtures};
use engine::types::{Address, Amount, Asset, B256, ChannelId};

use super::stage::{assert_out, refused};

const ALICE: Party = Party(0);
const BOB: Party = Party(1);
const STRANGER: Address = Address::repeat_byte(0x5a);

/// Enough to settle, once everything is final.
const SOON: Duration = Duration::from_secs(3_600);

/// Alice and bob with 100 each, and three payment channels over it of which two are alice's. She
/// has paid 34, and was paid 7.
struct Scene {
    world: World,
    ledger: ChannelId,
    channels: Vec<ChannelId>,
}

impl Scene {
    /// Alice leaves, and everyone has shown what they have.
    fn new() -> Self {
        let mut world = World::calm(&["alice", "bob"]);
        let ledger = world.open_ledger(ALICE, BOB, 100, 100);
        let mut channels = Vec::new();
        for (path, capacity, paid) in
            [([ALICE, BOB], 10, 4), ([BOB, ALICE], 20, 7), ([ALICE, BOB], 30, 30)]
        {
            let channel = world.open_payment(&path, capacity);
            world.pay(path[0], channel, paid);
            channels.push(channel);
        }
        world.run_until_quiet();
        world.start(ALICE, Request::ExitLedger { ledger });
        world.run_for(Duration::from_secs(3_600));
        Self { world, ledger, channels }
    }

    /// From then on everything is final.
    fn end(&self) -> u64 {
        let ids = self.channels.iter().copied().chain([self.ledger]);
        ids.map(|id| self.world.chain().status(id).unwrap().finalizes_at).max().unwrap()
    }

    /// Waits for the end. Neither node runs then.
    fn finalize(&mut self) {
        for party in [ALICE, BOB] {
            self.world.crash(party);
        }
        let end = self.end();
        self.world.run_until_chain_time(end);
    }

    /// Has calls mined in the first block in which everything is final, so that both nodes hear of
    /// them and of the end at once. A node that hears of one before the other may be refused, as
    /// anybody may who is overtaken.
    fn finalize_with(&mut self, calls: Vec<ContractCall>) {
        let (end, block_time) = (self.end(), 300_000);
        self.world.set_chain_rules(ChainRules { block_time, ..ChainRules::CALM });
        self.world.run_until_chain_time(end - block_time / 1_000);
        for call in calls {
            self.world.call(STRANGER, call);
        }
        self.world.run_until_chain_time(end);
        self.world.set_chain_rules(ChainRules::CALM);
        assert_eq!(self.world.chain().refusals(STRANGER), [""; 0]);
    }

    /// What became final, as everyone can read it in the logs.
    fn registered(&self, id: ChannelId) -> VariablePart {
        let ledger = self.world.ledger(ALICE, id).map(|ledger| ledger.status().clone());
        let status = ledger.or_else(|| Some(self.world.payment(ALICE, id)?.status().clone()));
        *status.unwrap().registered.unwrap()
    }

    fn call(&mut self, call: impl Into<ContractCall>) {
        self.world.front_run(STRANGER, call);
        self.world.mine();
        assert_eq!(self.world.chain().refusals(STRANGER), [""; 0]);
    }

    /// Both are there, and get what is theirs.
    fn assert_settled(&mut self) {
        for party in [ALICE, BOB] {
            self.world.restart(party);
            self.world.run_for(SOON);
        }
        assert_out(&self.world, ALICE, 7 - 34);
        assert_out(&self.world, BOB, 34 - 7);
        for party in [ALICE, BOB] {
            let refusals = self.world.chain().refusals(self.world.address(party));
            assert_eq!(refusals, [""; 0], "the first call is the right one");
        }
        assert!(settlements(&self.world) <= 1);
    }
}

fn settlements(world: &World) -> usize {
    let successes = world.chain().successes();
    successes.iter().filter(|(_, call)| matches!(call, ChainCall::Settle { .. })).count()
}

/// What a stranger makes of an outcome, call by call.
struct Meddler {
    channel: ChannelId,
    state_hash: B256,
    outcome: Outcome,
    held: Amount,
    targets: Vec<(ChannelId, VariablePart)>,
}

impl Meddler {
    /// Pays some allocations, of those that can be paid.
    fn transfer(&mut self, random: &mut Random) -> Option<ContractCall> {
        let allocations = &mut self.outcome.0[0].allocations;
        let simple = (0_u64..).zip(allocations.iter());
        let simple = simple.filter(|(_, some)| some.kind == AllocationKind::SIMPLE);
        let indices: Vec<u64> =
            simple.map(|(index, _)| index).filter(|_| random.chance(60)).collect();
        if indices.is_empty() {
            return None;
        }
        let effects = transfer_effects(self.held, allocations, &indices).unwrap();
        let remaining = effects.remaining;
        let before = std::mem::replace(allocations, remaining);
        let outcome = Outcome::single(Asset::NATIVE, before);
        self.held = self.held.checked_sub(effects.paid).unwrap();
        let (channel, state_hash) = (self.channel, self.state_hash);
        Some(ContractCall::Transfer { asset_index: 0, channel, outcome, state_hash, indices })
    }

    /// Reclaims any guarantee.
    fn reclaim(&mut self, random: &mut Random) -> Option<ContractCall> {
        let outcome = self.outcome.clone();
        let allocations = &mut self.outcome.0[0].allocations;
        let guarantees: Vec<usize> = (0..allocations.len())
            .filter(|index| allocations[*index].kind == AllocationKind::GUARANTEE)
            .collect();
        if guarantees.is_empty() {
            return None;
        }
        let index = *random.pick(&guarantees);
        let target = allocations[index].destination.0;
        let (id, state) = self.targets.iter().find(|(id, _)| id.0 == target).unwrap();
        reclaim_in_place(allocations, &state.outcome.0[0].allocations, index).unwrap();
        let reclaim = Reclaim {
            index: u64::try_from(index).unwrap(),
            target_state: state.hash(*id),
            target_outcome: state.outcome.clone(),
        };
        let (channel, state_hash) = (self.channel, self.state_hash);
        Some(ContractCall::Reclaim { channel, outcome, state_hash, reclaim })
    }
}

/// Payouts to some and reclaims of any guarantee, in any order and number.
///
/// Issue point: 1.3, and 2.2 (nothing is enumerated).
#[test]
fn odd_payouts_and_reclaims_of_strangers_change_nothing() {
    for seed in 0..12 {
        eprintln!("seed {seed}");
        let mut random = Random::new(seed);
        let mut s = Scene::new();
        let state = s.registered(s.ledger);
        let targets = s.channels.iter().map(|id| (*id, s.registered(*id))).collect();
        let mut meddler = Meddler {
            channel: s.ledger,
            state_hash: state.hash(s.ledger),
            outcome: state.outcome,
            held: 200_u64.into(),
            targets,
        };
        let mut calls = Vec::new();
        for _ in 0..=random.below(8) {
            // What has paid everything takes no more calls.
            if meddler.held.is_zero() {
                break;
            }
            calls.extend(match random.below(2) {
                0 => meddler.transfer(&mut random),
                _ => meddler.reclaim(&mut random),
            });
        }
        s.finalize_with(calls);
        s.assert_settled();
    }
}

/// A wei is put into a finalized payment channel and paid out again, so that what it has left to pay
/// is another; its guarantee is reclaimed with what became final.
///
/// Issue point: 1.2, and 1.1 as far as the node goes.
#[test]
fn a_wei_through_a_finalized_payment_channel_changes_nothing() {
    for position in 0..3 {
        for times in [1, 2, 40] {
            let mut s = Scene::new();
            let channel = s.channels[position];
            let state = s.registered(channel);
            s.finalize();
            let mut outcome = state.outcome.clone();
            for _ in 0..times {
                let held = s.world.chain().held(Asset::NATIVE, channel);
                deposit(&mut s.world, channel, held, 1);
                let exit = &mut outcome.0[0].allocations;
                let effects = transfer_effects(1_u64.into(), exit, &[]).unwrap();
                let before = std::mem::replace(exit, effects.remaining);
                let call = ContractCall::Transfer {
                    asset_index: 0,
                    channel,
                    outcome: Outcome::single(Asset::NATIVE, before),
                    state_hash: state.hash(channel),
                    indices: Vec::new(),
                };
                // All that it had to pay is paid: it takes no more calls.
                if effects.paid.is_zero() {
                    break;
                }
                s.call(call);
                if effects.exhausted {
                    break;
                }
            }
            for party in [ALICE, BOB] {
                s.world.restart(party);
                s.world.run_for(SOON);
                assert_eq!(refused(&s.world, party), 0);
                assert_eq!(s.world.counters(party).ledgers, 0, "{}", s.world.describe());
            }
            // Whoever the channel pays has the wei on top.
            let purses = [ALICE, BOB].map(|party| s.world.purse(party, Asset::NATIVE));
            assert!(purses[0] >= (fixtures::PURSE - 27).into());
            assert!(purses[1] >= (fixtures::PURSE + 27).into());
        }
    }
}

/// A wei more than was ever agreed, before and after a ledger is closed together, and the conclusion
/// once more, by anybody.
///
/// Issue point: 1.5, and conclusions that come twice.
#[test]
fn a_surplus_and_a_second_conclusion_disturb_no_close() {
    for before in [false, true] {
        let mut world = World::calm(&["alice", "bob"]);
        let id = world.open_ledger(ALICE, BOB, 60, 40);
        world.run_until_quiet();
        if before {
            deposit(&mut world, id, 100_u64.into(), 1);
        }
        world.close_ledger(BOB, id);
        let calls = world.chain().successes();
        let close = calls.into_iter().map(|(_, call)| call);
        let mut close = close.filter(|call| matches!(call, ChainCall::ConcludeAndTransfer { .. }));
        let close = close.next_back().unwrap();
        let held = world.chain().held(Asset::NATIVE, id);
        deposit(&mut world, id, held, 1);
        world.front_run(STRANGER, close.clone());
        let ChainCall::ConcludeAndTransfer { fixed, state, signatures } = close else { panic!() };
        let urgency = Urgency::default();
        world.front_run(STRANGER, ChainCall::Conclude { fixed, state, signatures, urgency });
        world.run_for(SOON);
        for party in [ALICE, BOB] {
            assert!(world.purse(party, Asset::NATIVE) >= fixtures::PURSE.into());
            assert_eq!((world.counters(party).ledgers, refused(&world, party)), (0, 0));
            assert!(world.archived(party, id).is_some());
        }
    }
}

/// The same for a ledger that is left alone.
///
/// Issue point: 1.5.
#[test]
fn a_surplus_disturbs_no_exit() {
    for when in 0..3 {
        let mut s = Scene::new();
        if when < 2 {
            deposit(&mut s.world, s.ledger, 200_u64.into(), 1);
        }
        s.finalize();
        if when > 0 {
            let held = s.world.chain().held(Asset::NATIVE, s.ledger);
            deposit(&mut s.world, s.ledger, held, 1);
        }
        s.assert_settled();
    }
}

fn deposit(world: &mut World, channel: ChannelId, expected_held: Amount, amount: u64) {
    world.chain_mut().endow(STRANGER, Asset::NATIVE, amount.into());
    let asset = Asset::NATIVE;
    let amount = amount.into();
    let call = ContractCall::Deposit { channel, asset, expected_held, amount };
    world.front_run(STRANGER, call);
    world.mine();
    assert_eq!(world.chain().refusals(STRANGER), [""; 0]);
}
