//! Strangers cost nothing that lasts: what they ask for is checked before anything is written, and
//! what is refused is said in the acknowledgement.

use std::time::Duration;

use engine::crypto::Signer;
use engine::ledger::{Ledger, Side};
use engine::objectives::DeclineReason;
use engine::payment::PaymentChannel;
use engine::policy::Policy;
use engine::state::FixedPart;
use engine::step::Write;
use engine::testing::adversaries::Puppet;
use engine::testing::{Party, Setup, World, fixtures};
use engine::types::{Address, Amount, Asset, B256, ObjectiveId};
use engine::wire::{Message, Seal};

const BOB: Party = Party(0);

fn world() -> (World, Puppet) {
    let mut world = World::calm(&["bob"]);
    world.leave_unfinished();
    world.run_until_quiet();
    let mallory = Puppet::new(&mut world, "mallory");
    (world, mallory)
}

fn nobody(number: u64) -> Address {
    Address::left_padding_from(&(number + 1).to_be_bytes())
}

/// Rows that are left, but for the chain's.
fn rows(world: &World) -> usize {
    let rows = world.store(BOB).rows();
    rows.iter().filter(|row| !matches!(row, Write::Cursor(_))).count()
}

fn reasons(mallory: &mut Puppet) -> Vec<DeclineReason> {
    let heard = mallory.heard().into_iter();
    heard
        .filter_map(|message| match message {
            Message::Decline { reason, .. } => Some(reason),
            _ => None,
        })
        .collect()
}

fn crowd(world: &mut World, mallory: &Puppet, number: u64, seal: Option<Seal>) -> Message {
    let others = (0..8).map(|index| nobody(number * 8 + index));
    let participants: Vec<Address> =
        [mallory.address()].into_iter().chain(others).chain([world.address(BOB)]).collect();
    let fixed = FixedPart { participants, ..mallory.payment(world, &[BOB], 1).fixed };
    let channel = PaymentChannel::new(fixed, Asset::NATIVE, 1_u64.into(), 0);
    let seal = seal.unwrap_or_else(|| mallory.seal(channel.prefund_hash()));
    let (fixed, asset, capacity) = (channel.fixed, channel.asset, channel.capacity);
    Message::OpenPayment { fixed, asset, capacity, payer: seal, seal }
}

#[test]
fn invented_participants_without_a_valid_signature_leave_no_row() {
    let (mut world, mallory) = world();
    let forged = mallory.seal(B256::repeat_byte(1));
    for number in 0..40 {
        let open = crowd(&mut world, &mallory, number, Some(forged));
        world.inject(mallory.address(), BOB, &open);
    }
    world.run_for(Duration::from_secs(10));
    assert_eq!(rows(&world), 0);
    assert_eq!(world.take_offences(BOB).len(), 40, "whoever forges is held to account");
}

#[test]
fn invented_participants_with_a_valid_signature_are_told_nothing() {
    let (mut world, mut mallory) = world();
    for number in 0..40 {
        let open = crowd(&mut world, &mallory, number, None);
        world.inject(mallory.address(), BOB, &open);
    }
    mallory.listen(&mut world);
    let messages = world.store(BOB).rows();
    let messages = messages.iter().filter(|row| matches!(row, Write::Message(..))).count();
    assert_eq!(messages, 0, "nobody hears of it but who asked");
    assert!(reasons(&mut mallory).iter().all(|reason| *reason == DeclineReason::NoLedger));
}

#[test]
fn a_refused_ledger_is_answered_in_the_acknowledgement() {
    let (mut world, mut mallory) = world();
    let fixed = mallory.ledger_part(&mut world, BOB);
    let fixed = FixedPart { challenge_duration: 1, ..fixed };
    let (asset, leader) = (Asset::NATIVE, Amount::from(1_u64));
    let ledger = Ledger::new(fixed.clone(), asset, Side::Leader, leader, Amount::ZERO);
    let seal = mallory.seal(ledger.prefund_hash());
    let open = Message::OpenLedger { fixed, asset, leader, follower: Amount::ZERO, seal };
    mallory.say(&mut world, BOB, &open);
    assert_eq!(reasons(&mut mallory), [DeclineReason::ChallengeDuration]);
    let sent = world.store(BOB).rows();
    assert!(!sent.iter().any(|row| matches!(row, Write::Message(..))));
}

/// Among honest nodes the answer ends the objective as a message would, in any weather.
#[test]
fn who_asks_hears_the_answer_in_any_weather() {
    for seed in 0..20 {
        let mut world = World::rough(seed, &["alice", "ivan", "bob"]);
        let [alice, ivan, bob] = [0, 1, 2].map(Party);
        world.open_ledger(alice, ivan, 100, 100);
        // Ivan and bob share no ledger, which both of them say.
        let id = world.begin_payment(&[alice, ivan, bob], 10);
        let objective = ObjectiveId::VirtualFund(id);
        world.run_until(|world| world.is_up(alice) && world.has_declined(alice, objective));
        world.run_until_quiet();
        assert!(world.payment(alice, id).is_none(), "{}", world.describe());
    }
}

/// With a ledger, somebody can have payment channels whose far participants do not exist. What waits
/// for those is bounded, and forgotten.
#[test]
fn messages_for_far_participants_who_do_not_exist_are_bounded_and_expire() {
    let policy = Policy { max_strangers: 20, ..fixtures::policy() };
    let mut world = Setup::new(1).node("bob", policy).build();
    world.leave_unfinished();
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.lead_ledger(&mut world, BOB, 100, 0);
    let payer = fixtures::key("payer");
    let mut joined = 0;
    for number in 0..20 {
        let others = (0..7).map(|index| nobody(number * 7 + index));
        let participants: Vec<Address> = [payer.address()]
            .into_iter()
            .chain(others)
            .chain([mallory.address(), world.address(BOB)])
            .collect();
        let fixed = FixedPart { participants, ..mallory.payment(&mut world, &[BOB], 1).fixed };
        let channel = PaymentChannel::new(fixed, Asset::NATIVE, 1_u64.into(), 0);
        let hash = channel.prefund_hash();
        let (payer, seal) = (Seal::sign(hash, &payer), mallory.seal(hash));
        let (fixed, asset, capacity) = (channel.fixed, channel.asset, channel.capacity);
        let open = Message::OpenPayment { fixed, asset, capacity, payer, seal };
        world.inject(mallory.address(), BOB, &open);
        world.run_for(Duration::from_secs(1));
        joined += usize::from(world.payment(BOB, channel.id).is_some());
    }
    assert_eq!(joined, 2, "each names seven nobodies, and one is the same payer");
    let waiting = |world: &World| {
        let rows = world.store(BOB).rows();
        rows.iter()
            .filter(|row| match row {
                Write::Message(to, ..) | Write::Waiting(to, _) => *to != mallory.address(),
                _ => false,
            })
            .count()
    };
    assert!(waiting(&world) > 0);
    world.run_for(Duration::from_secs(3 * 86_400));
    assert_eq!(waiting(&world), 0, "{}", world.describe());
    assert!(world.has_open_ledger(BOB, ledger.id));
}
