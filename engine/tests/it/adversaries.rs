//! Peers that do not keep to the rules, and the safety rules of ARCHITECTURE.md by name.

use std::time::Duration;

use engine::effect::Offence;
use engine::input::Request;
use engine::ledger::{Change, RefusalReason, Side};
use engine::objectives::{DeclineReason, ExitReason};
use engine::payment::PaymentPhase;
use engine::testing::adversaries::{Equivocator, Overspender, Puppet, Replayer, Staller};
use engine::testing::{Climate, Party, Random, Setup, World, fixtures};
use engine::types::{Amount, Asset, ObjectiveId, TurnNumber};
use engine::wire::{Evidence, Message};

const PURSE: u64 = fixtures::PURSE;

fn offences(world: &mut World, party: Party) -> Vec<Offence> {
    world.take_offences(party).into_iter().map(|(_, offence)| offence).collect()
}

fn refusal(mallory: &mut Puppet) -> Option<RefusalReason> {
    mallory.heard().into_iter().find_map(|message| match message {
        Message::Refuse { reason, .. } => Some(reason),
        _ => None,
    })
}

/// Everything that was ever said is said again, in any order, at several moments.
#[test]
fn a_replayer_changes_nothing() {
    for seed in 0..10 {
        let mut world = Setup::new(seed).nodes(&["alice", "irene", "bob"]).build();
        world.expect_offences();
        let path = [Party(0), Party(1), Party(2)];
        let (mut replayer, mut random) = (Replayer::default(), Random::new(seed));
        let watch = |world: &mut World, replayer: &mut Replayer| {
            for _ in 0..400 {
                if world.is_quiet() {
                    break;
                }
                world.step();
                replayer.watch(world);
            }
            world.run_until_quiet();
        };
        let left = world.begin_ledger(path[0], path[1], 100, 100);
        let right = world.begin_ledger(path[2], path[1], 100, 100);
        watch(&mut world, &mut replayer);
        replayer.replay(&mut world, &mut random);
        let id = world.begin_payment(&path, 60);
        watch(&mut world, &mut replayer);
        replayer.replay(&mut world, &mut random);
        for amount in [10, 5, 7] {
            world.pay(path[0], id, amount);
            replayer.watch(&world);
        }
        watch(&mut world, &mut replayer);
        replayer.replay(&mut world, &mut random);
        assert_eq!(world.paid(path[2], id), 22_u64.into());
        world.start(path[0], Request::ClosePayment { channel: id });
        watch(&mut world, &mut replayer);
        replayer.replay(&mut world, &mut random);
        world.start(path[0], Request::CloseLedger { ledger: left });
        world.start(path[1], Request::CloseLedger { ledger: right });
        watch(&mut world, &mut replayer);
        let rows = path.map(|party| world.store(party).rows());
        replayer.replay(&mut world, &mut random);
        assert!(replayer.len() > 30, "{} messages", replayer.len());
        for (party, rows) in path.into_iter().zip(rows) {
            let after = world.store(party).rows();
            let cursor = |rows: Vec<engine::step::Write>| -> Vec<engine::step::Write> {
                let rest =
                    |write: &engine::step::Write| !matches!(write, engine::step::Write::Cursor(_));
                rows.into_iter().filter(rest).collect()
            };
            assert_eq!(cursor(after), cursor(rows), "seed {seed}");
        }
        assert_eq!(world.purse(path[0], Asset::NATIVE), (PURSE - 22).into());
        assert_eq!(world.purse(path[1], Asset::NATIVE), PURSE.into());
        assert_eq!(world.purse(path[2], Asset::NATIVE), (PURSE + 22).into());
    }
}

/// Two proposals of one turn: one is signed, the other is not, whatever it says.
#[test]
fn an_equivocator_gets_one_signature_per_turn() {
    let mut world = World::calm(&["bob"]);
    let bob = Party(0);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.lead_ledger(&mut world, bob, 100, 100);
    let channels = [30, 40].map(|capacity| mallory.payment(&mut world, &[bob], capacity));
    let mut evidence = Vec::new();
    for channel in &channels {
        mallory.say(&mut world, bob, &mallory.open_message(channel));
        let record = world.payment(bob, channel.id).unwrap().clone();
        let signatures = record.prefund.into_iter().flatten().collect();
        evidence.push(Evidence::new(channel.prefund_hash(), signatures, Vec::new()));
    }
    mallory.heard();
    let changes = [0, 1].map(|index| Puppet::addition(&channels[index], Side::Leader));
    let [one, _] = Equivocator(&mallory).proposals(&ledger, changes, &evidence[0]);
    let [_, other] = Equivocator(&mallory).proposals(&ledger, changes, &evidence[1]);
    mallory.say(&mut world, bob, &one);
    mallory.say(&mut world, bob, &other);
    let countersigned =
        mallory.heard().into_iter().filter(|m| matches!(m, Message::Countersign { .. })).count();
    assert_eq!(countersigned, 1);
    let agreed = world.ledger(bob, ledger.id).unwrap().agreed.clone();
    assert_eq!(agreed.turn, TurnNumber(2));
    assert_eq!(agreed.guarantees.len(), 1);
    world.leave_unfinished();
}

/// A refused turn is not signed later with other content either.
#[test]
fn a_turn_below_the_signed_one_is_never_signed() {
    let mut world = World::calm(&["bob"]);
    let bob = Party(0);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let mut ledger = mallory.lead_ledger(&mut world, bob, 100, 100);
    let before = ledger.clone();
    let channel = mallory.pay_into(&mut world, bob, &mut ledger, 50);
    let change = Change::Remove { target: channel.id, left_amount: 50_u64.into() };
    // On the old parent, on the new parent at the old turn, and far below.
    for (parent, turn) in
        [(before.agreed.turn, 2), (ledger.agreed.turn, 2), (before.agreed.turn, 1)]
    {
        let seal = mallory.seal(ledger.agreed_hash());
        let message = Message::Propose {
            ledger: ledger.id,
            turn: TurnNumber(turn),
            parent,
            change,
            seal,
            evidence: Evidence::default(),
        };
        mallory.say(&mut world, bob, &message);
        assert_eq!(mallory.heard(), []);
    }
    // A close at a turn that is taken.
    let close = Equivocator(&mallory).close(&ledger, TurnNumber(2), 50_u64.into());
    mallory.say(&mut world, bob, &close);
    assert_eq!(world.ledger(bob, ledger.id).unwrap().agreed, ledger.agreed);
    world.leave_unfinished();
}

#[test]
fn an_overspender_pays_with_what_it_has_only() {
    let mut world = World::calm(&["bob"]);
    let bob = Party(0);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let mut ledger = mallory.lead_ledger(&mut world, bob, 100, 100);
    let channel = mallory.pay_into(&mut world, bob, &mut ledger, 50);
    for total in [51_u64.into(), Amount::from(engine::types::U256::MAX)] {
        mallory.say(&mut world, bob, &Overspender(&mallory).voucher(&channel, total));
        assert_eq!(offences(&mut world, bob), [Offence::BadVoucher]);
        assert_eq!(world.paid(bob, channel.id), Amount::ZERO);
    }
    mallory.say(&mut world, bob, &Overspender(&mallory).voucher(&channel, 40_u64.into()));
    assert_eq!(world.paid(bob, channel.id), 40_u64.into());
    // An older voucher takes nothing back.
    mallory.say(&mut world, bob, &Overspender(&mallory).voucher(&channel, 10_u64.into()));
    assert_eq!(world.paid(bob, channel.id), 40_u64.into());
    // Neither does a final state that pays less.
    for (position, message) in
        Equivocator(&mallory).final_states(&channel, &[39, 0]).iter().enumerate()
    {
        mallory.say(&mut world, bob, message);
        // From the first one on the voucher is enforced, and no word counts any more.
        if position > 0 {
            assert_eq!((offences(&mut world, bob), mallory.heard()), (vec![], vec![]));
            continue;
        }
        assert_eq!(offences(&mut world, bob), [Offence::BadVoucher]);
        let heard = mallory.heard();
        let below = heard.iter().any(|message| {
            matches!(message, Message::Decline { reason: DeclineReason::BelowVouchers, .. })
        });
        assert!(below, "{heard:?}");
        assert_eq!(world.paid(bob, channel.id), 40_u64.into());
    }
    let phase = world.payment(bob, channel.id).unwrap().phase;
    assert_eq!(phase, PaymentPhase::Exiting(ExitReason::Cheated));
    // Nor a removal that gives everything back to the payer.
    let removal = Overspender(&mallory).removal(&ledger, &channel, 50_u64.into());
    mallory.say(&mut world, bob, &removal);
    assert_eq!(refusal(&mut mallory), Some(RefusalReason::NotExpected));
    world.leave_unfinished();
}

/// Wrong guarantees: too small, the other way round, and at the relay's cost.
#[test]
fn a_guarantee_is_the_whole_capacity_from_the_left() {
    let mut world = World::calm(&["bob"]);
    let bob = Party(0);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.lead_ledger(&mut world, bob, 100, 100);
    let channel = mallory.payment(&mut world, &[bob], 50);
    mallory.say(&mut world, bob, &mallory.open_message(&channel));
    let record = world.payment(bob, channel.id).unwrap().clone();
    let signatures: Vec<_> = record.prefund.into_iter().flatten().collect();
    mallory.heard();
    let add = |amount: u64, left, left_deposit: u64| Change::Add {
        target: channel.id,
        guarantee: engine::ledger::Guarantee { amount: amount.into(), left },
        left_deposit: left_deposit.into(),
    };
    let wrong = [add(49, Side::Leader, 49), add(50, Side::Follower, 50), add(50, Side::Leader, 20)];
    for change in wrong {
        let evidence = Evidence::new(channel.prefund_hash(), signatures.clone(), Vec::new());
        mallory.say(&mut world, bob, &mallory.proposal(&ledger, change, evidence));
        assert_eq!(refusal(&mut mallory), Some(RefusalReason::NotExpected));
    }
    // Right, but without the proof that everyone takes part.
    let right = add(50, Side::Leader, 50);
    let half = Evidence::new(channel.prefund_hash(), signatures[..1].to_vec(), Vec::new());
    mallory.say(&mut world, bob, &mallory.proposal(&ledger, right, half));
    assert_eq!(refusal(&mut mallory), Some(RefusalReason::Evidence));
    assert_eq!(world.ledger(bob, ledger.id).unwrap().agreed, ledger.agreed);
    world.leave_unfinished();
}

/// A payer and a relay's right neighbour that work together get nothing out of the relay.
#[test]
fn a_relay_between_two_cheats_loses_nothing() {
    let mut world = World::calm(&["irene"]);
    let irene = Party(0);
    let mut payer = Puppet::new(&mut world, "mallory");
    let mut payee = Puppet::new(&mut world, "trudy");
    let left = payer.lead_ledger(&mut world, irene, 100, 100);
    let right = payee.follow_ledger(&mut world, irene, 100, 100);
    let mut channel = payer.payment(&mut world, &[irene], 60);
    channel.fixed.participants.push(payee.address());
    let channel =
        engine::payment::PaymentChannel::new(channel.fixed, channel.asset, channel.capacity, 0);
    payer.say(&mut world, irene, &payer.open_message(&channel));
    let seal = payee.seal(channel.prefund_hash());
    let join = Message::OpenPayment {
        fixed: channel.fixed.clone(),
        asset: channel.asset,
        capacity: channel.capacity,
        payer: payer.seal(channel.prefund_hash()),
        seal,
    };
    payee.say(&mut world, irene, &join);
    // Irene proposes on her right; the payee agrees, the payer keeps its own guarantee back.
    let pending = world.ledger(irene, right.id).unwrap().pending.clone();
    assert_eq!(pending.len(), 1);
    let agree = Message::Countersign {
        ledger: right.id,
        turn: pending[0].turn,
        seal: payee.seal(pending[0].hash),
    };
    payee.say(&mut world, irene, &agree);
    let record = world.payment(irene, channel.id).unwrap();
    assert!(!record.postfund_signed(), "the left hop is not guaranteed");
    // Both claim the channel is over and everything was paid.
    let paid = Amount::from(60_u64);
    let payer_seal = payer.seal(channel.final_hash(paid));
    let payee_seal = payee.seal(channel.final_hash(paid));
    let says = |payer, seal| Message::Finalize { channel: channel.id, paid, payer, seal };
    payer.say(&mut world, irene, &says(payer_seal, payer_seal));
    payee.say(&mut world, irene, &says(payer_seal, payee_seal));
    assert!(world.payment(irene, channel.id).unwrap().final_state.is_none());
    // Time passes; irene gives up and asks for her guarantee back, which the payee keeps.
    world.run_for(Duration::from_secs(120));
    let objective = ObjectiveId::VirtualFund(channel.id);
    assert!(world.has_declined(irene, objective));
    let reason = DeclineReason::TimedOut;
    payee.say(&mut world, irene, &Message::Decline { objective, reason });
    let asked = world.ledger(irene, right.id).unwrap().pending.clone();
    let back = Change::Remove { target: channel.id, left_amount: 60_u64.into() };
    assert_eq!(asked[0].change, back, "everything comes back to irene");
    assert_eq!(world.balance(irene, left.id), 100_u64.into());
    world.leave_unfinished();
}

/// A participant whose words no longer arrive, at every moment of opening and of closing.
#[test]
fn a_staller_delays_and_takes_nothing() {
    for stalling in 0..3 {
        for steps in 0..16 {
            let mut world = World::calm(&["alice", "irene", "bob"]);
            let path = [Party(0), Party(1), Party(2)];
            let left = world.open_ledger(path[0], path[1], 100, 100);
            let right = world.open_ledger(path[2], path[1], 100, 100);
            world.run_until_quiet();
            let staller = Staller(path[stalling]);
            let id = world.begin_payment(&path, 60);
            staller.stall_after(&mut world, steps);
            world.run_for(Duration::from_secs(100));
            staller.relent(&mut world);
            world.run_until_quiet();
            if world.has_open_payment(path[0], id) {
                world.pay(path[0], id, 10);
                world.start(path[2], Request::ClosePayment { channel: id });
                staller.stall_after(&mut world, steps);
                world.run_for(Duration::from_secs(800));
                for party in path {
                    let status = world.counters(party);
                    assert_eq!(status.objectives, 0, "{}", world.describe());
                }
                staller.relent(&mut world);
                world.run_until_quiet();
            }
            for party in path {
                assert_eq!(world.counters(party).payments, 0, "{}", world.describe());
            }
            world.close_ledger(path[0], left);
            world.close_ledger(path[1], right);
        }
    }
}

// The safety rules of ARCHITECTURE.md. Rules 1, 2, 3, 4 and 5 are also checked after every turn
// of every world; these tests show that the checks see something.

#[test]
fn rule_1_nothing_leaves_before_it_is_durable() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.run_until(|world| world.turns(alice) > 0);
    world.crash_at(alice, world.turns(alice), engine::testing::Crash::BeforeCommit);
    let request = world.ledger_request(bob, 60, 40);
    assert_eq!(world.try_request(alice, request.clone()), None, "no answer");
    world.run_until_quiet();
    assert_eq!(world.counters(bob).ledgers, 0, "no message");
    assert_eq!(world.counters(alice).ledgers, 0, "no trace");
    assert!(world.request(alice, request).is_ok(), "the same nonce may be used");
    world.run_until_quiet();
}

/// A refused turn stays signed: the next proposal builds on the same state at a higher turn.
#[test]
fn rule_2_a_refused_turn_is_not_signed_again() {
    let mut world = World::calm(&["alice"]);
    let alice = Party(0);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.follow_ledger(&mut world, alice, 100, 100);
    let mut proposed = Vec::new();
    for capacity in [10_u64, 20, 30] {
        let request = Request::OpenPayment {
            payee: mallory.address(),
            relays: Vec::new(),
            asset: Asset::NATIVE,
            capacity: capacity.into(),
            challenge_duration: fixtures::CHALLENGE_DURATION,
            random: world.nonce(),
        };
        let id = world.start(alice, request).channel();
        let channel = world.payment(alice, id).unwrap().clone();
        let seal = mallory.seal(channel.prefund_hash());
        let join = Message::OpenPayment {
            fixed: channel.fixed.clone(),
            asset: channel.asset,
            capacity: channel.capacity,
            payer: seal,
            seal,
        };
        mallory.say(&mut world, alice, &join);
        let pending = world.ledger(alice, ledger.id).unwrap().pending.last().cloned().unwrap();
        proposed.push((pending.turn.0, pending.parent.0));
        let (turn, reason) = (pending.turn, RefusalReason::InsufficientFunds);
        mallory.say(&mut world, alice, &Message::Refuse { ledger: ledger.id, turn, reason });
        assert!(world.has_declined(alice, ObjectiveId::VirtualFund(id)));
    }
    // After the first refusal alice asks at turn 3 that nothing changes, so that the refused state
    // cannot be shown any more.
    assert_eq!(proposed, [(2, 1), (4, 3), (5, 3)]);
    assert_eq!(world.ledger(alice, ledger.id).unwrap().agreed, ledger.agreed);
    world.leave_unfinished();
}

#[test]
fn rule_3_turns_and_totals_only_grow() {
    let mut world = World::rough(3, &["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let ledger = world.open_ledger(alice, bob, 100, 100);
    let mut turn = TurnNumber::POSTFUND;
    for _ in 0..5 {
        let id = world.open_payment(&[bob, alice], 10);
        world.pay(bob, id, 4);
        world.run_until_quiet();
        assert_eq!(world.paid(alice, id), 4_u64.into());
        world.close_payment(alice, id);
        let now = world.ledger(alice, ledger).unwrap().agreed.turn;
        assert_eq!(now.0, turn.0 + 2, "one turn each for the guarantee's coming and going");
        turn = now;
    }
    world.close_ledger(bob, ledger);
}

#[test]
fn rule_4_money_is_conserved_to_the_last_unit() {
    let mut world = Setup::new(4).climate(Climate::ROUGH).nodes(&["alice", "irene", "bob"]).build();
    let total = world.chain().total(Asset::NATIVE);
    crate::support::whole_life(&mut world);
    assert_eq!(world.chain().total(Asset::NATIVE), total);
    let purses = world.parties().map(|party| world.purse(party, Asset::NATIVE));
    assert_eq!(Amount::checked_sum(purses), Some(total));
}

#[test]
fn rule_5_an_open_channel_is_guaranteed_at_both_hops() {
    let mut world = World::calm(&["alice", "irene", "bob"]);
    let path = [Party(0), Party(1), Party(2)];
    let ledgers = [
        world.open_ledger(path[0], path[1], 100, 100),
        world.open_ledger(path[1], path[2], 100, 100),
    ];
    let id = world.begin_payment(&path, 60);
    world.run_until(|world| world.has_open_payment(path[2], id));
    for (party, ledger) in [(path[0], 0), (path[1], 0), (path[1], 1), (path[2], 1)] {
        let guarantees = &world.ledger(party, ledgers[ledger]).unwrap().agreed.guarantees;
        assert_eq!(guarantees[&id].amount, 60_u64.into());
    }
    world.run_until_quiet();
}

#[test]
fn rule_6_from_any_crash_point_both_sides_go_on() {
    // Every point of every turn is in crashes.rs; here both sides at once, at the same turn.
    for turn in 4..12 {
        let mut world = World::calm(&["alice", "bob"]);
        let (alice, bob) = (Party(0), Party(1));
        for party in [alice, bob] {
            world.crash_at(party, turn, engine::testing::Crash::Dispatching(0));
        }
        let ledger = crate::support::insist_on_ledger(&mut world, alice, bob, [100, 100]);
        crate::support::insist_on_closing_ledger(&mut world, [bob, alice], ledger);
        world.run_until_quiet();
    }
}

/// Honest messages with a few bytes changed, from a peer that has a ledger and a channel here.
#[test]
fn rule_7_no_bytes_of_a_peer_stop_a_node() {
    let mut world = World::calm(&["bob"]);
    let bob = Party(0);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let mut ledger = mallory.lead_ledger(&mut world, bob, 100, 100);
    let channel = mallory.pay_into(&mut world, bob, &mut ledger, 50);
    let change = Change::Remove { target: channel.id, left_amount: 50_u64.into() };
    let honest = [
        mallory.open_message(&channel),
        mallory.proposal(&ledger, change, Evidence::default()),
        Overspender(&mallory).voucher(&channel, 1_u64.into()),
        Equivocator(&mallory).close(&ledger, TurnNumber(9), 50_u64.into()),
    ];
    let mut random = Random::new(7);
    for _ in 0..2_000 {
        let mut bytes = engine::wire::encode(random.pick(&honest));
        for _ in 0..random.between(1, 3) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        world.inject_bytes(mallory.address(), bob, vec![bytes]);
        world.run_until_quiet();
    }
    assert!(world.has_open_payment(bob, channel.id) && world.has_open_ledger(bob, ledger.id));
    assert_eq!(world.ledger(bob, ledger.id).unwrap().agreed, ledger.agreed);
    world.leave_unfinished();
}

#[test]
fn rule_10_every_objective_ends_in_bounded_time() {
    let mut world = World::calm(&["alice", "irene", "bob"]);
    let path = [Party(0), Party(1), Party(2)];
    let left = world.open_ledger(path[0], path[1], 100, 100);
    world.open_ledger(path[1], path[2], 100, 100);
    let id = world.open_payment(&path, 60);
    world.run_until_quiet();
    world.crash(path[1]);
    world.start(path[2], Request::ClosePayment { channel: id });
    let refused = world.request(path[0], Request::CloseLedger { ledger: left });
    assert!(refused.is_err());
    world.run_for(Duration::from_secs(2 * 3_600));
    for party in [path[0], path[2]] {
        assert_eq!(world.counters(party).objectives, 0);
        assert!(world.has_declined(party, ObjectiveId::VirtualDefund(id)));
    }
    world.restart(path[1]);
    world.run_until_quiet();
    assert_eq!(world.counters(path[0]).payments, 0, "{}", world.describe());
}
