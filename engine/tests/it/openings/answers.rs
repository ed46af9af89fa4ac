//! What was refused is not joined when the next participant asks, and refusals are remembered within
//! bounds.

use std::time::Duration;

use engine::objectives::DeclineReason;
use engine::payment::PaymentChannel;
use engine::policy::Policy;
use engine::state::FixedPart;
use engine::step::Write;
use engine::testing::adversaries::Puppet;
use engine::testing::{Party, Setup, World, fixtures};
use engine::types::Asset;
use engine::wire::Message;

const BOB: Party = Party(0);

fn setup(policy: Policy) -> (World, Puppet, Puppet) {
    let mut world = Setup::new(1).node("bob", policy).build();
    world.leave_unfinished();
    let mallory = Puppet::new(&mut world, "mallory");
    let trudy = Puppet::new(&mut world, "trudy");
    (world, mallory, trudy)
}

/// Mallory pays bob through trudy, who has no ledger with bob as yet.
fn channel(world: &mut World, mallory: &Puppet, trudy: &Puppet) -> PaymentChannel {
    let fixed = mallory.payment(world, &[BOB], 10).fixed;
    let participants = vec![mallory.address(), trudy.address(), world.address(BOB)];
    PaymentChannel::new(FixedPart { participants, ..fixed }, Asset::NATIVE, 10_u64.into(), 0)
}

fn join(mallory: &Puppet, trudy: &Puppet, channel: &PaymentChannel) -> Message {
    Message::OpenPayment {
        fixed: channel.fixed.clone(),
        asset: channel.asset,
        capacity: channel.capacity,
        payer: mallory.seal(channel.prefund_hash()),
        seal: trudy.seal(channel.prefund_hash()),
    }
}

fn refusals(puppet: &mut Puppet) -> Vec<DeclineReason> {
    let heard = puppet.heard().into_iter();
    heard
        .filter_map(|message| match message {
            Message::Decline { reason, .. } => Some(reason),
            _ => None,
        })
        .collect()
}

fn remembered(world: &World) -> usize {
    world.store(BOB).rows().iter().filter(|row| matches!(row, Write::Answer(..))).count()
}

/// The first one who asked has cancelled; a channel that is joined for the second one would wait for
/// ever.
#[test]
fn what_was_refused_is_not_joined_by_the_next_message_about_it() {
    let (mut world, mut mallory, mut trudy) = setup(fixtures::policy());
    let channel = channel(&mut world, &mallory, &trudy);
    mallory.say(&mut world, BOB, &mallory.open_message(&channel));
    assert_eq!(refusals(&mut mallory), [DeclineReason::NoLedger]);
    trudy.lead_ledger(&mut world, BOB, 100, 0);
    // Also after a restart.
    world.crash(BOB);
    world.restart(BOB);
    let join = join(&mallory, &trudy, &channel);
    trudy.say(&mut world, BOB, &join);
    assert_eq!(refusals(&mut trudy), [DeclineReason::NoLedger], "the same answer");
    assert!(world.payment(BOB, channel.id).is_none());
    world.run_for(Duration::from_secs(3 * 3_600));
    assert_eq!(remembered(&world), 0, "and forgotten when it cannot matter any more");
}

#[test]
fn what_cannot_be_remembered_is_not_said() {
    let policy = Policy { max_answers: 10, max_answers_per_stranger: 3, ..fixtures::policy() };
    let (mut world, mut mallory, trudy) = setup(policy);
    for _ in 0..8 {
        let channel = channel(&mut world, &mallory, &trudy);
        mallory.say(&mut world, BOB, &mallory.open_message(&channel));
    }
    assert_eq!(remembered(&world), 3, "no more for one stranger");
    assert_eq!(refusals(&mut mallory).len(), 3);
    // Another one has its own few, until strangers have half of all.
    for number in 0..5 {
        let mut other = Puppet::new(&mut world, &format!("stranger {number}"));
        let channel = channel(&mut world, &other, &trudy);
        let open = other.open_message(&channel);
        other.say(&mut world, BOB, &open);
    }
    assert_eq!(remembered(&world), 5);
    // Whoever has a ledger is answered all the same.
    mallory.lead_ledger(&mut world, BOB, 100, 0);
    mallory.heard();
    let channel = mallory.payment(&mut world, &[BOB], 1_000);
    mallory.say(&mut world, BOB, &mallory.open_message(&channel));
    assert_eq!(refusals(&mut mallory), [DeclineReason::InsufficientFunds]);
}
