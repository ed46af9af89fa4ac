//! What went wrong in the reference system (protocol.md section 16), one test per gap.
//!
//! Tested elsewhere: S11, C8, C9, C13, C14, L7, L8 (p2p: records, connections, delivery), C11,
//! C12, L11, L13, L14 (chain: decoding, resubscription, approval, order of logs), S13, L20 (store:
//! one synced batch, whole loads), C16, D8 (node: bounded subscriptions, JSON-RPC).

use engine::chain::{ChainCall, ChainFact};
use engine::crypto::{Signature, Signer};
use engine::effect::{Offence, Update};
use engine::error::RequestError;
use engine::input::Request;
use engine::ledger::{Change, ChannelMode, Guarantee, Ledger, Side};
use engine::objectives::{DeclineReason, ObjectiveStatus};
use engine::payment::{PaymentChannel, PaymentPhase};
use engine::state::{Deployment, FixedPart};
use engine::testing::adversaries::{Equivocator, Overspender, Puppet};
use engine::testing::{Crash, Party, World, fixtures};
use engine::types::{
    Address, Amount, Asset, B256, BlockNumber, ChannelId, ObjectiveId, TurnNumber, U256,
};
use engine::vouchers::Voucher;
use engine::wire::{self, Evidence, Message, Seal, WireError};

const PURSE: u64 = fixtures::PURSE;

/// Bob, and mallory who leads a ledger with him.
fn mallory_leads() -> (World, Puppet, Party, Ledger) {
    let mut world = World::calm(&["bob"]);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.lead_ledger(&mut world, Party(0), 100, 100);
    world.leave_unfinished();
    (world, mallory, Party(0), ledger)
}

fn offences(world: &mut World, party: Party) -> Vec<Offence> {
    world.take_offences(party).into_iter().map(|(_, offence)| offence).collect()
}

/// The reason of the one decline that was heard.
fn declined(mallory: &mut Puppet) -> Option<DeclineReason> {
    mallory.heard().into_iter().find_map(|message| match message {
        Message::Decline { reason, .. } => Some(reason),
        _ => None,
    })
}

fn junk() -> Signature {
    fixtures::key("nobody").sign(B256::repeat_byte(1))
}

// Safety.

#[test]
fn gap_s1_a_state_with_made_up_signatures_is_not_supported() {
    let (mut world, mut mallory, bob, mut ledger) = mallory_leads();
    let channel = mallory.pay_into(&mut world, bob, &mut ledger, 50);
    // A final state that only its hash and a claim of bob's signature support.
    let hash = channel.final_hash(Amount::ZERO);
    let own = mallory.key().sign(hash);
    let mut vector = vec![own, junk()];
    for signatures in [vector.clone(), vec![own, own], {
        vector.truncate(1);
        vector
    }] {
        let evidence = Evidence::new(hash, signatures, Vec::new());
        let change = Change::Remove { target: channel.id, left_amount: 50_u64.into() };
        mallory.say(&mut world, bob, &mallory.proposal(&ledger, change, evidence));
        let refused =
            mallory.heard().iter().any(|message| matches!(message, Message::Refuse { .. }));
        assert!(refused);
        assert_eq!(world.ledger(bob, ledger.id).unwrap().agreed, ledger.agreed);
    }
    assert!(world.has_open_payment(bob, channel.id));
}

#[test]
fn gap_s2_final_state_with_another_outcome_is_refused() {
    let (mut world, mut mallory, bob, ledger) = mallory_leads();
    let theft = Equivocator(&mallory).close(&ledger, TurnNumber(2), 200_u64.into());
    mallory.say(&mut world, bob, &theft);
    assert_eq!(declined(&mut mallory), Some(DeclineReason::State));
    assert_eq!(offences(&mut world, bob), [Offence::BadSignature]);
    assert!(world.has_open_ledger(bob, ledger.id));
    let honest = Equivocator(&mallory).close(&ledger, TurnNumber(2), 100_u64.into());
    mallory.say(&mut world, bob, &honest);
    assert!(world.ledger(bob, ledger.id).is_none_or(|ledger| ledger.closing.is_some()));
}

#[test]
fn gap_s3_a_final_state_of_another_shape_is_refused() {
    let (mut world, mut mallory, bob, mut ledger) = mallory_leads();
    let channel = mallory.pay_into(&mut world, bob, &mut ledger, 50);
    let finalize = |paid: Amount, hash| {
        let seal = mallory.seal(hash);
        Message::Finalize { channel: channel.id, paid, payer: seal, seal }
    };
    // Above the capacity, not final, and at another turn.
    let above = finalize(51_u64.into(), channel.final_hash(51_u64.into()));
    let prefund = finalize(Amount::ZERO, channel.prefund_hash());
    let postfund = finalize(Amount::ZERO, channel.postfund_hash());
    for message in [above, prefund, postfund] {
        mallory.say(&mut world, bob, &message);
        assert_eq!(offences(&mut world, bob), [Offence::BadSignature]);
        assert!(world.has_open_payment(bob, channel.id));
    }
}

#[test]
fn gap_s4_a_prefund_state_is_turn_zero_and_not_final() {
    let (mut world, mut mallory, bob, _) = mallory_leads();
    let channel = mallory.payment(&mut world, &[bob], 50);
    for hash in [channel.postfund_hash(), channel.final_hash(Amount::ZERO)] {
        let seal = mallory.seal(hash);
        let message = Message::OpenPayment {
            fixed: channel.fixed.clone(),
            asset: channel.asset,
            capacity: channel.capacity,
            payer: seal,
            seal,
        };
        mallory.say(&mut world, bob, &message);
        assert_eq!(offences(&mut world, bob), [Offence::BadSignature]);
        assert!(world.payment(bob, channel.id).is_none());
        assert_eq!(mallory.heard(), []);
    }
}

#[test]
fn gap_s5_a_channel_in_another_asset_than_the_ledger_is_declined() {
    let (mut world, mut mallory, bob, _) = mallory_leads();
    let channel = mallory.payment(&mut world, &[bob], 50);
    let channel = PaymentChannel { asset: fixtures::TOKEN, ..channel };
    mallory.say(&mut world, bob, &mallory.open_message(&channel));
    assert_eq!(declined(&mut mallory), Some(DeclineReason::NoLedger));
    assert!(world.payment(bob, channel.id).is_none());
}

#[test]
fn gap_s6_a_channel_of_another_app_is_declined() {
    let (mut world, mut mallory, bob, _) = mallory_leads();
    for app in [Address::ZERO, fixtures::DEPLOYMENT.consensus_app] {
        let channel = mallory.payment(&mut world, &[bob], 50);
        let fixed = FixedPart { app, ..channel.fixed };
        let channel = PaymentChannel::new(fixed, Asset::NATIVE, 50_u64.into(), 0);
        mallory.say(&mut world, bob, &mallory.open_message(&channel));
        assert_eq!(declined(&mut mallory), Some(DeclineReason::WrongDeployment));
        assert!(world.payment(bob, channel.id).is_none());
    }
}

#[test]
fn gap_s7_a_signature_that_ecrecover_refuses_is_no_message() {
    let (mut world, mallory, _, ledger) = mallory_leads();
    let hash = ledger.final_state(TurnNumber(2)).hash(ledger.id);
    let good = mallory.key().sign(hash);
    for v in [good.v() - 27, 29, 0xff] {
        let mut bytes = good.0;
        bytes[64] = v;
        let seal = Seal::new(hash, Signature(bytes), mallory.address());
        let message = Message::CloseLedger { ledger: ledger.id, turn: TurnNumber(2), seal };
        let opened = wire::open(mallory.address(), &wire::encode(&message));
        assert!(matches!(opened, Err(WireError::Signature(_))), "{opened:?}");
    }
    world.run_until_quiet();
}

#[test]
fn gap_s8_a_challenge_on_a_running_ledger_is_seen_and_stops_it() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let id = world.open_ledger(alice, bob, 100, 100);
    world.run_until_quiet();
    world.take_updates(bob);
    let record = world.ledger(bob, id).unwrap().clone();
    let candidate = engine::state::SupportedState {
        state: record.state(&record.agreed, false),
        signatures: record.signatures.iter().copied().flatten().collect(),
    };
    let finalizes_at = 1_800_000_000;
    let candidate = Box::new(candidate);
    let fact = ChainFact::ChallengeRegistered { finalizes_at, proof: Vec::new(), candidate };
    world.chain_mut().announce(id, fact);
    world.run_until_quiet();
    assert!(world.take_updates(bob).contains(&Update::Challenged { channel: id, finalizes_at }));
    let mode = world.ledger(bob, id).unwrap().status().mode;
    assert_eq!(mode, ChannelMode::Challenge { finalizes_at });
    // Nothing more is signed while it runs (threat A10).
    let request = world.payment_request(&[bob, alice], 10);
    assert_eq!(world.request(bob, request), Err(RequestError::LedgerNotUsable(id)));
    let close = world.request(bob, Request::CloseLedger { ledger: id });
    assert_eq!(close, Err(RequestError::AlreadyExiting(id)));
    world.leave_unfinished();
}

#[test]
fn gap_s9_a_challenge_duration_that_nobody_can_answer_is_declined() {
    let (mut world, mut mallory, bob, _) = mallory_leads();
    for duration in [0, 59, u32::MAX] {
        let channel = mallory.payment(&mut world, &[bob], 50);
        let fixed = FixedPart { challenge_duration: duration, ..channel.fixed };
        let channel = PaymentChannel::new(fixed, Asset::NATIVE, 50_u64.into(), 0);
        mallory.say(&mut world, bob, &mallory.open_message(&channel));
        assert_eq!(declined(&mut mallory), Some(DeclineReason::ChallengeDuration));
        assert!(world.payment(bob, channel.id).is_none());
    }
}

/// Every kind of message about a channel of others, with that channel's true hashes in it.
#[test]
fn gap_s10_a_stranger_has_no_say_in_a_channel_of_others() {
    let mut world = World::calm(&["alice", "irene", "bob"]);
    let path = [Party(0), Party(1), Party(2)];
    let ledger_id = world.open_ledger(path[0], path[1], 100, 100);
    world.open_ledger(path[1], path[2], 100, 100);
    let channel_id = world.open_payment(&path, 50);
    world.run_until_quiet();
    let mut stranger = Puppet::new(&mut world, "mallory");
    for victim in path {
        let channel = world.payment(victim, channel_id).unwrap().clone();
        let record = world.ledger(path[1], ledger_id).unwrap().clone();
        let before = world.store(victim).rows();
        for message in every_message(&stranger, &record, &channel) {
            stranger.say(&mut world, victim, &message);
        }
        assert_eq!(world.store(victim).rows(), before);
    }
    assert!(stranger.heard().iter().all(|message| matches!(message, Message::Decline { .. })));
    world.close_payment(path[0], channel_id);
}

/// One message of each kind, signed by `who`.
fn every_message(who: &Puppet, ledger: &Ledger, channel: &PaymentChannel) -> Vec<Message> {
    let (id, target) = (ledger.id, channel.id);
    let turn = ledger.agreed.turn.next().unwrap();
    let seal = |hash| who.seal(hash);
    let paid = Amount::from(10_u64);
    let voucher = Voucher::sign(target, paid, who.key());
    let change = Change::Remove { target, left_amount: channel.capacity };
    let next = ledger.agreed.apply(&change, turn).unwrap_or_else(|_| ledger.agreed.clone());
    let proposed = seal(ledger.state_hash(&next, false));
    let final_seal = seal(channel.final_hash(paid));
    let mut messages = vec![
        Message::Voucher { voucher, payments: Vec::new(), signer: who.address() },
        Message::LedgerPrefund { ledger: id, seal: seal(ledger.prefund_hash()) },
        Message::LedgerPostfund { ledger: id, seal: seal(ledger.agreed_hash()) },
        Message::CloseLedger { ledger: id, turn, seal: seal(ledger.final_state(turn).hash(id)) },
        Message::Propose {
            ledger: id,
            turn,
            parent: ledger.agreed.turn,
            change,
            seal: proposed,
            evidence: Evidence::default(),
        },
        Message::Countersign { ledger: id, turn, seal: proposed },
        Message::Refuse { ledger: id, turn, reason: engine::ledger::RefusalReason::NotUsable },
        Message::PaymentPostfund { channel: target, seal: seal(channel.postfund_hash()) },
        Message::RequestFinal { channel: target },
        Message::Finalize { channel: target, paid, payer: final_seal, seal: final_seal },
        who.open_message(channel),
    ];
    for objective in [
        ObjectiveId::DirectFund(id),
        ObjectiveId::DirectDefund(id),
        ObjectiveId::VirtualFund(target),
        ObjectiveId::VirtualDefund(target),
    ] {
        messages.push(Message::Decline { objective, reason: DeclineReason::Cancelled });
    }
    messages
}

#[test]
fn gap_s12_a_voucher_counts_only_while_the_channel_is_open() {
    let (mut world, mut mallory, bob, mut ledger) = mallory_leads();
    // Before anything is locked.
    let early = mallory.payment(&mut world, &[bob], 50);
    mallory.say(&mut world, bob, &mallory.open_message(&early));
    let voucher = Overspender(&mallory).voucher(&early, 5_u64.into());
    mallory.say(&mut world, bob, &voucher);
    assert_eq!(offences(&mut world, bob), [Offence::BadVoucher]);
    assert_eq!(world.paid(bob, early.id), Amount::ZERO);
    // After the final state, which does not pay it.
    let channel = mallory.pay_into(&mut world, bob, &mut ledger, 50);
    let finals = Equivocator(&mallory).final_states(&channel, &[5]);
    mallory.say(&mut world, bob, &finals[0]);
    assert_eq!(world.payment(bob, channel.id).unwrap().phase, PaymentPhase::Closing);
    let voucher = Overspender(&mallory).voucher(&channel, 6_u64.into());
    mallory.say(&mut world, bob, &voucher);
    assert_eq!(offences(&mut world, bob), [Offence::BadVoucher]);
    assert_eq!(world.paid(bob, channel.id), Amount::ZERO);
    // After the guarantee is gone.
    let record = world.payment(bob, channel.id).unwrap().final_state.clone().unwrap();
    let signatures = record.signatures.into_iter().flatten().collect();
    let evidence = Evidence::new(channel.final_hash(5_u64.into()), signatures, Vec::new());
    let change = Change::Remove { target: channel.id, left_amount: 45_u64.into() };
    mallory.say(&mut world, bob, &mallory.proposal(&ledger, change, evidence));
    assert!(world.payment(bob, channel.id).is_none());
    let rows = world.store(bob).rows();
    mallory.say(&mut world, bob, &Overspender(&mallory).voucher(&channel, 7_u64.into()));
    assert_eq!(world.store(bob).rows(), rows);
}

#[test]
fn gap_s14_a_channel_of_another_chain_or_adjudicator_is_declined() {
    let (mut world, mut mallory, bob, _) = mallory_leads();
    let ours = fixtures::DEPLOYMENT;
    let elsewhere = [
        Deployment { chain_id: 1, ..ours },
        Deployment { adjudicator: Address::repeat_byte(0xae), ..ours },
    ];
    for deployment in elsewhere {
        let channel = mallory.payment(&mut world, &[bob], 50);
        let fixed = FixedPart { nonce: deployment.nonce(7), ..channel.fixed };
        let channel = PaymentChannel::new(fixed, Asset::NATIVE, 50_u64.into(), 0);
        mallory.say(&mut world, bob, &mallory.open_message(&channel));
        assert_eq!(declined(&mut mallory), Some(DeclineReason::WrongDeployment));
        assert!(world.payment(bob, channel.id).is_none());
    }
}

#[test]
fn gap_s15_sums_that_do_not_fit_are_declined() {
    let mut world = World::calm(&["bob"]);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let fixed = mallory.ledger_part(&mut world, Party(0));
    let (leader, follower) = (Amount::from(U256::MAX), Amount::from(1_u64));
    let ledger = Ledger::new(fixed.clone(), Asset::NATIVE, Side::Leader, leader, follower);
    let seal = mallory.seal(ledger.prefund_hash());
    let open = Message::OpenLedger { fixed, asset: Asset::NATIVE, leader, follower, seal };
    mallory.say(&mut world, Party(0), &open);
    assert_eq!(declined(&mut mallory), Some(DeclineReason::Amounts));
    assert_eq!(world.counters(Party(0)).ledgers, 0);
}

#[test]
fn gap_s16_a_ledger_is_judged_before_it_is_signed() {
    let mut world = World::calm(&["bob"]);
    let bob = Party(0);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let good = mallory.ledger_part(&mut world, bob);
    let third = Address::repeat_byte(3);
    let cases: Vec<(FixedPart, Option<DeclineReason>)> = vec![
        (
            FixedPart { app: fixtures::DEPLOYMENT.payment_app, ..good.clone() },
            Some(DeclineReason::WrongDeployment),
        ),
        (FixedPart { nonce: 7, ..good.clone() }, Some(DeclineReason::WrongDeployment)),
        (
            FixedPart { challenge_duration: 0, ..good.clone() },
            Some(DeclineReason::ChallengeDuration),
        ),
        // Participants that are not the two of us are no mistake but an attack.
        (
            FixedPart {
                participants: vec![mallory.address(), world.address(bob), third],
                ..good.clone()
            },
            None,
        ),
        (FixedPart { participants: vec![mallory.address()], ..good.clone() }, None),
        (FixedPart { participants: vec![third, world.address(bob)], ..good.clone() }, None),
        (FixedPart { participants: vec![world.address(bob); 2], ..good }, None),
    ];
    for (fixed, reason) in cases {
        let asset = Asset::NATIVE;
        let (leader, follower) = (Amount::from(10_u64), Amount::from(10_u64));
        let ledger = Ledger::new(fixed.clone(), asset, Side::Leader, leader, follower);
        let seal = mallory.seal(ledger.prefund_hash());
        let open = Message::OpenLedger { fixed, asset, leader, follower, seal };
        mallory.say(&mut world, bob, &open);
        assert_eq!(declined(&mut mallory), reason);
        let reported = offences(&mut world, bob);
        assert_eq!(reported.is_empty(), reason.is_some(), "{reported:?}");
        assert_eq!(world.counters(bob).ledgers, 0);
    }
}

// Crashes: each of these ended the reference's process.

#[test]
fn gap_c1_no_message_about_something_unknown_ends_the_node() {
    let (mut world, mut mallory, bob, mut ledger) = mallory_leads();
    let channel = mallory.pay_into(&mut world, bob, &mut ledger, 50);
    let unknown_ledger = {
        let fixed = mallory.ledger_part(&mut world, bob);
        Ledger::new(fixed, Asset::NATIVE, Side::Leader, 5_u64.into(), 5_u64.into())
    };
    let unknown_channel = mallory.payment(&mut world, &[bob], 5);
    let before = content(&world, bob, ledger.id);
    for (ledger, channel) in [
        (&unknown_ledger, &unknown_channel),
        (&ledger, &unknown_channel),
        (&unknown_ledger, &channel),
    ] {
        for message in every_message(&mallory, ledger, channel) {
            mallory.say(&mut world, bob, &message);
        }
    }
    assert_eq!(content(&world, bob, ledger.id), before);
    // A virtual channel whose payer is the receiver.
    let fixed = FixedPart {
        participants: vec![world.address(bob), mallory.address()],
        ..unknown_channel.fixed.clone()
    };
    let channel = PaymentChannel::new(fixed, Asset::NATIVE, 5_u64.into(), 1);
    mallory.say(&mut world, bob, &mallory.open_message(&channel));
    assert!(world.payment(bob, channel.id).is_none());
}

#[test]
fn gap_c3_a_channel_above_a_hops_free_balance_is_refused_and_the_node_goes_on() {
    let (mut world, mut mallory, bob, ledger) = mallory_leads();
    let channel = mallory.payment(&mut world, &[bob], 101);
    mallory.say(&mut world, bob, &mallory.open_message(&channel));
    assert_eq!(declined(&mut mallory), Some(DeclineReason::InsufficientFunds));
    // Two that fit alone and not together: the second proposal does not apply.
    let channels = [60, 60].map(|capacity| mallory.payment(&mut world, &[bob], capacity));
    for channel in &channels {
        mallory.say(&mut world, bob, &mallory.open_message(channel));
    }
    let mut ledger = ledger;
    for (index, channel) in channels.iter().enumerate() {
        let record = world.payment(bob, channel.id).unwrap().clone();
        let signatures = record.prefund.into_iter().flatten().collect();
        let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
        let change = Puppet::addition(channel, Side::Leader);
        mallory.heard();
        if index == 0 {
            mallory.say(&mut world, bob, &mallory.proposal(&ledger, change, evidence));
            ledger.agreed = world.ledger(bob, ledger.id).unwrap().agreed.clone();
            assert!(ledger.agreed.guarantees.contains_key(&channel.id));
        } else {
            let message = Overspender(&mallory).invention(&ledger, change, evidence);
            mallory.say(&mut world, bob, &message);
            let refusal = mallory.heard().into_iter().find_map(|message| match message {
                Message::Refuse { reason, .. } => Some(reason),
                _ => None,
            });
            assert_eq!(refusal, Some(engine::ledger::RefusalReason::InsufficientFunds));
        }
    }
}

#[test]
fn gap_c4_the_first_final_state_counts() {
    let (mut world, mut mallory, bob, mut ledger) = mallory_leads();
    let channel = mallory.pay_into(&mut world, bob, &mut ledger, 50);
    let finals = Equivocator(&mallory).final_states(&channel, &[9, 8, 10]);
    for message in &finals {
        mallory.say(&mut world, bob, message);
    }
    assert_eq!(offences(&mut world, bob), [Offence::NotAllowed; 2]);
    let state = world.payment(bob, channel.id).unwrap().final_state.clone().unwrap();
    assert_eq!(state.paid, 9_u64.into());
    let signed: Vec<Amount> = mallory
        .heard()
        .into_iter()
        .filter_map(|message| match message {
            Message::Finalize { paid, .. } => Some(paid),
            _ => None,
        })
        .collect();
    assert_eq!(signed, [9_u64.into()], "one final state is signed, once");
}

#[test]
fn gap_c4_only_the_payer_makes_a_final_state() {
    let mut world = World::calm(&["alice"]);
    let alice = Party(0);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.follow_ledger(&mut world, alice, 100, 100);
    let payee = mallory.address();
    let request = Request::OpenPayment {
        payee,
        relays: Vec::new(),
        asset: Asset::NATIVE,
        capacity: 50_u64.into(),
        challenge_duration: fixtures::CHALLENGE_DURATION,
        random: 1,
    };
    let id = world.start(alice, request).channel();
    let channel = world.payment(alice, id).unwrap().clone();
    let paid = Amount::from(50_u64);
    let seal = mallory.seal(channel.final_hash(paid));
    let message = Message::Finalize { channel: id, paid, payer: seal, seal };
    mallory.say(&mut world, alice, &message);
    assert!(world.payment(alice, id).unwrap().final_state.is_none());
    assert!(world.has_open_ledger(alice, ledger.id));
    world.leave_unfinished();
}

#[test]
fn gap_c5_the_payer_pays_no_more_once_it_closes() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.open_ledger(alice, bob, 100, 100);
    let id = world.open_payment(&[alice, bob], 50);
    world.pay(alice, id, 5);
    world.start(alice, Request::ClosePayment { channel: id });
    for request in [
        Request::Pay { channel: id, amount: 1_u64.into() },
        Request::CreateVoucher { channel: id, amount: 1_u64.into() },
    ] {
        assert_eq!(world.request(alice, request), Err(RequestError::NotOpen(id)));
    }
    world.run_until_quiet();
    assert!(world.has_completed(bob, ObjectiveId::VirtualDefund(id)));
}

#[test]
fn gap_c6_absent_and_negative_amounts_have_no_encoding() {
    let (world, mallory, _, ledger) = mallory_leads();
    let target = ChannelId(B256::repeat_byte(4));
    let change = Change::Remove { target, left_amount: Amount::ZERO };
    let seal = mallory.seal(B256::repeat_byte(5));
    let message = Message::Propose {
        ledger: ledger.id,
        turn: TurnNumber(2),
        parent: TurnNumber(1),
        change,
        seal,
        evidence: Evidence::default(),
    };
    let bytes = wire::encode(&message);
    // The amount zero is one length byte; 33 bytes would be 2^256 or more.
    let at = bytes.windows(32).position(|window| window == [4; 32]).unwrap() + 32;
    assert_eq!(bytes[at], 0);
    let with = |amount: &[u8]| {
        let mut changed = bytes[..at].to_vec();
        changed.push(u8::try_from(amount.len()).unwrap());
        changed.extend_from_slice(amount);
        changed.extend_from_slice(&bytes[at + 1..]);
        wire::open(mallory.address(), &changed)
    };
    assert!(with(&[1]).is_ok());
    assert_eq!(with(&[0]).unwrap_err(), WireError::Malformed);
    assert_eq!(with(&[0, 1]).unwrap_err(), WireError::Malformed);
    assert_eq!(with(&[1; 33]).unwrap_err(), WireError::Malformed);
    drop(world);
}

#[test]
fn gap_c7_late_messages_of_a_completed_objective_change_nothing() {
    let (mut world, mut mallory, bob, ledger) = mallory_leads();
    let seals = [ledger.prefund_hash(), ledger.agreed_hash()].map(|hash| mallory.seal(hash));
    let before = world.store(bob).rows();
    let open = Message::OpenLedger {
        fixed: ledger.fixed.clone(),
        asset: ledger.asset,
        leader: ledger.agreed.leader,
        follower: ledger.agreed.follower,
        seal: seals[0],
    };
    mallory.say(&mut world, bob, &open);
    mallory.say(&mut world, bob, &Message::LedgerPostfund { ledger: ledger.id, seal: seals[1] });
    assert_eq!(world.store(bob).rows(), before);
    assert_eq!(mallory.heard(), []);
    assert_eq!(offences(&mut world, bob), []);
}

/// The same where the content of the ledger has changed since: an honest follower whose first signature
/// came twice, the second time late, was reported for it.
#[test]
fn gap_c7_a_first_signature_that_comes_again_late_is_no_offence() {
    let mut world = World::calm(&["alice"]);
    let alice = Party(0);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.follow_ledger(&mut world, alice, 100, 100);
    let seals = [ledger.prefund_hash(), ledger.agreed_hash()].map(|hash| mallory.seal(hash));
    let request = Request::OpenPayment {
        payee: mallory.address(),
        relays: Vec::new(),
        asset: Asset::NATIVE,
        capacity: 50_u64.into(),
        challenge_duration: fixtures::CHALLENGE_DURATION,
        random: world.nonce(),
    };
    let id = world.start(alice, request).channel();
    let channel = world.payment(alice, id).unwrap().clone();
    let seal = mallory.seal(channel.prefund_hash());
    let (fixed, asset, capacity) = (channel.fixed, channel.asset, channel.capacity);
    let join = Message::OpenPayment { fixed, asset, capacity, payer: seal, seal };
    mallory.say(&mut world, alice, &join);
    let pending = world.ledger(alice, ledger.id).unwrap().pending.last().cloned().unwrap();
    let (ledger, turn, seal) = (ledger.id, pending.turn, mallory.seal(pending.hash));
    mallory.say(&mut world, alice, &Message::Countersign { ledger, turn, seal });
    assert_eq!(world.ledger(alice, ledger).unwrap().agreed.turn, turn, "the content has changed");
    let before = world.store(alice).rows();
    mallory.say(&mut world, alice, &Message::LedgerPrefund { ledger, seal: seals[0] });
    mallory.say(&mut world, alice, &Message::LedgerPostfund { ledger, seal: seals[1] });
    assert_eq!(world.store(alice).rows(), before);
    assert_eq!(offences(&mut world, alice), []);
    world.leave_unfinished();
}

/// Nor is a close that was declined, once other turns have been agreed.
#[test]
fn gap_c7_a_close_that_comes_again_late_is_no_offence() {
    let (mut world, mut mallory, bob, ledger) = mallory_leads();
    let turn = ledger.agreed.turn;
    let seal = mallory.seal(ledger.final_state(turn).hash(ledger.id));
    mallory.say(&mut world, bob, &Message::CloseLedger { ledger: ledger.id, turn, seal });
    assert_eq!(declined(&mut mallory), Some(DeclineReason::State));
    assert_eq!(offences(&mut world, bob), []);
}

#[test]
fn gap_c10_a_chain_event_for_a_declined_ledger_is_nobodys_business() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.partition(&[bob]);
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until(|world| world.has_declined(alice, ObjectiveId::DirectFund(id)));
    world.heal();
    world.run_until_quiet();
    let asset = Asset::NATIVE;
    world.chain_mut().announce(id, ChainFact::Deposited { asset, holdings: 5_u64.into() });
    world.chain_mut().announce(id, ChainFact::Concluded { finalizes_at: 5 });
    let stranger = ChannelId(B256::repeat_byte(9));
    world.chain_mut().announce(stranger, ChainFact::Reclaimed { asset_index: 7 });
    world.run_until_quiet();
    assert_eq!(world.counters(alice).ledgers + world.counters(bob).ledgers, 0);
}

#[test]
fn gap_c15_an_objective_ends_once() {
    let (mut world, mut mallory, bob, ledger) = mallory_leads();
    let objective = ObjectiveId::DirectFund(ledger.id);
    assert_eq!(world.status(bob, objective), Some(ObjectiveStatus::Completed));
    world.take_updates(bob);
    let decline = Message::Decline { objective, reason: DeclineReason::Cancelled };
    mallory.say(&mut world, bob, &decline);
    mallory.say(&mut world, bob, &decline);
    assert_eq!(world.status(bob, objective), Some(ObjectiveStatus::Completed));
    assert_eq!(world.take_updates(bob), []);
}

#[test]
fn gap_c17_a_ledger_of_three_is_no_ledger() {
    let mut world = World::calm(&["bob"]);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let mut fixed = mallory.ledger_part(&mut world, Party(0));
    fixed.participants.push(Address::repeat_byte(9));
    let amount = Amount::from(5_u64);
    let ledger = Ledger::new(fixed.clone(), Asset::NATIVE, Side::Leader, amount, amount);
    let seal = mallory.seal(ledger.prefund_hash());
    let open =
        Message::OpenLedger { fixed, asset: Asset::NATIVE, leader: amount, follower: amount, seal };
    mallory.say(&mut world, Party(0), &open);
    assert_eq!(offences(&mut world, Party(0)), [Offence::NotAllowed]);
    assert_eq!(mallory.heard(), []);
}

// Liveness and loss.

#[test]
fn gap_l1_what_was_not_delivered_is_sent_again_after_a_restart() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.partition(&[bob]);
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_for(std::time::Duration::from_secs(20));
    assert_eq!(world.outbox(alice, world.address(bob)).len(), 1);
    world.crash(alice);
    world.heal();
    world.restart(alice);
    world.run_until_quiet();
    assert!(world.has_open_ledger(alice, id) && world.has_open_ledger(bob, id));
}

#[test]
fn gap_l2_what_was_stored_and_not_sent_is_sent_after_a_restart() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.crash_at(alice, 1, Crash::AfterCommit);
    let request = world.ledger_request(bob, 60, 40);
    world.run_until(|world| world.turns(alice) >= 1);
    assert_eq!(world.try_request(alice, request), None, "the answer is lost with the process");
    assert!(!world.is_up(alice));
    world.run_until_quiet();
    assert_eq!(world.counters(alice).ledgers, 1);
    assert_eq!(world.counters(bob).ledgers, 1);
}

/// The reference never sent a lost countersignature again. Here the follower's answer is a row of
/// its outbox until the leader has it.
#[test]
fn gap_l4_a_countersignature_survives_the_followers_crash() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let ledger = world.open_ledger(alice, bob, 100, 100);
    world.run_until_quiet();
    let id = world.begin_payment(&[alice, bob], 50);
    world.run_until(|world| !world.ledger(bob, ledger).unwrap().agreed.guarantees.is_empty());
    assert!(world.ledger(alice, ledger).unwrap().agreed.guarantees.is_empty());
    world.crash(bob);
    world.run_for(std::time::Duration::from_secs(1));
    world.restart(bob);
    world.run_until_quiet();
    assert!(world.has_open_payment(alice, id) && world.has_open_payment(bob, id));
}

/// One channel waits for a participant that never answers; the others on the ledger go on.
#[test]
fn gap_l5_a_stuck_channel_blocks_no_other_and_ends_in_time() {
    let mut world = World::calm(&["alice", "irene", "bob", "ivan"]);
    let [alice, irene, bob, ivan] = [0, 1, 2, 3].map(Party);
    let ledger = world.open_ledger(alice, irene, 100, 100);
    world.open_ledger(irene, bob, 100, 100);
    world.open_ledger(irene, ivan, 100, 100);
    world.run_until_quiet();
    world.crash(ivan);
    let stuck = world.begin_payment(&[alice, irene, ivan], 40);
    let other = world.open_payment(&[alice, irene, bob], 40);
    world.run_until(|world| world.has_declined(alice, ObjectiveId::VirtualFund(stuck)));
    assert_eq!(world.balance(alice, ledger), 60_u64.into());
    world.restart(ivan);
    world.run_until_quiet();
    world.close_payment(alice, other);
}

#[test]
fn gap_l10_a_reverted_call_is_made_again() {
    // The stories are in funding.rs and closing.rs; here: the call has a new id each time.
    let mut world = World::calm(&["alice", "bob"]);
    world.set_chain_rules(engine::testing::ChainRules {
        failures: 100,
        ..engine::testing::ChainRules::CALM
    });
    let id = world.begin_ledger(Party(0), Party(1), 60, 40);
    world.run_until(|world| world.chain().reverts().len() == 2);
    world.set_chain_rules(engine::testing::ChainRules::CALM);
    world.run_until_quiet();
    assert!(world.has_open_ledger(Party(0), id));
}

#[test]
fn gap_l12_events_are_applied_once_and_in_order() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let id = world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    // Two facts of one block: the later one counts.
    let asset = Asset::NATIVE;
    world.chain_mut().announce(id, ChainFact::Deposited { asset, holdings: 300_u64.into() });
    world.chain_mut().announce(id, ChainFact::Deposited { asset, holdings: 200_u64.into() });
    world.run_until_quiet();
    assert_eq!(world.ledger(alice, id).unwrap().status().holdings, 200_u64.into());
    // After a restart nothing is applied twice.
    let before = world.ledger(bob, id).cloned();
    world.crash(bob);
    world.restart(bob);
    world.run_until_quiet();
    assert_eq!(world.ledger(bob, id).cloned(), before);
    assert!(world.counters(bob).block > BlockNumber(0));
}

#[test]
fn gap_l15_the_payer_is_asked_once() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.open_ledger(alice, bob, 100, 100);
    let id = world.open_payment(&[alice, bob], 50);
    world.run_until_quiet();
    world.partition(&[alice]);
    world.start(bob, Request::ClosePayment { channel: id });
    let again = world.request(bob, Request::ClosePayment { channel: id });
    assert_eq!(again, Err(RequestError::AlreadyClosing(id)));
    for _ in 0..20 {
        world.mine();
    }
    let asked = world.outbox(bob, world.address(alice));
    assert_eq!(asked.len(), 1);
    world.heal();
    world.run_until_quiet();
}

#[test]
fn gap_l16_two_payments_never_have_the_same_total() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    world.open_ledger(alice, bob, 100, 100);
    let id = world.open_payment(&[alice, bob], 50);
    let mut totals = Vec::new();
    for index in 0..10 {
        let amount = Amount::from(1_u64);
        let request = if index % 2 == 0 {
            Request::Pay { channel: id, amount }
        } else {
            Request::CreateVoucher { channel: id, amount }
        };
        totals.push(match world.request(alice, request) {
            Ok(engine::effect::Response::Paid { total, .. }) => total,
            Ok(engine::effect::Response::Voucher { total, .. }) => total,
            other => panic!("{other:?}"),
        });
    }
    let expected: Vec<Amount> = (1..=10_u64).map(Amount::from).collect();
    assert_eq!(totals, expected);
    world.run_until_quiet();
}

#[test]
fn gap_l18_a_refused_proposal_leaves_the_ledger_as_it_was() {
    let (mut world, mut mallory, bob, mut ledger) = mallory_leads();
    let channel = mallory.pay_into(&mut world, bob, &mut ledger, 50);
    let before = content(&world, bob, ledger.id);
    let message = Overspender(&mallory).removal(&ledger, &channel, 50_u64.into());
    mallory.say(&mut world, bob, &message);
    assert_eq!(content(&world, bob, ledger.id), before);
}

/// All of a ledger but the memory of what was refused.
fn content(world: &World, party: Party, id: ChannelId) -> Ledger {
    Ledger { refused: None, ..world.ledger(party, id).unwrap().clone() }
}

/// The reference dropped a wrong proposal without a word, and its leader waited.
#[test]
fn gap_l19_every_next_proposal_is_answered() {
    let (mut world, mut mallory, bob, ledger) = mallory_leads();
    let unknown = ChannelId(B256::repeat_byte(8));
    let guarantee = Guarantee { amount: 5_u64.into(), left: Side::Leader };
    let changes = [
        Change::Add { target: unknown, guarantee, left_deposit: 5_u64.into() },
        Change::Remove { target: unknown, left_amount: Amount::ZERO },
    ];
    for change in changes {
        let message = Overspender(&mallory).invention(&ledger, change, Evidence::default());
        mallory.say(&mut world, bob, &message);
        let heard = mallory.heard();
        assert!(matches!(heard[..], [Message::Refuse { .. }]), "{heard:?}");
    }
    let deposit = world
        .chain()
        .successes()
        .into_iter()
        .filter(|(_, call)| matches!(call, ChainCall::Deposit { .. }));
    assert_eq!(deposit.count(), 2);
    assert_eq!(world.purse(bob, Asset::NATIVE), (PURSE - 100).into());
}
