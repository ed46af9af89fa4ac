//! A channel id comes once, whatever one frame holds.

use engine::ledger::{Change, Ledger, Side};
use engine::objectives::DeclineReason;
use engine::testing::adversaries::{Overspender, Puppet};
use engine::testing::{Party, World};
use engine::types::{Amount, Asset, ObjectiveId};
use engine::wire::{self, Evidence, Message};

const BOB: Party = Party(0);

fn world() -> (World, Puppet) {
    let mut world = World::calm(&["bob"]);
    world.leave_unfinished();
    let mallory = Puppet::new(&mut world, "mallory");
    (world, mallory)
}

fn unfunded(world: &mut World, mallory: &Puppet) -> (Ledger, Message, Message) {
    let fixed = mallory.ledger_part(world, BOB);
    let (asset, leader) = (Asset::NATIVE, Amount::from(100_u64));
    let ledger = Ledger::new(fixed.clone(), asset, Side::Leader, leader, Amount::ZERO);
    let seal = mallory.seal(ledger.prefund_hash());
    let open = Message::OpenLedger { fixed, asset, leader, follower: Amount::ZERO, seal };
    let objective = ObjectiveId::DirectFund(ledger.id);
    let decline = Message::Decline { objective, reason: DeclineReason::Cancelled };
    (ledger, open, decline)
}

fn frame(world: &mut World, mallory: &Puppet, messages: &[&Message]) {
    let bytes = messages.iter().map(|message| wire::encode(message)).collect();
    world.inject_bytes(mallory.address(), BOB, bytes);
    world.run_until_quiet();
}

/// The driver asks the archive before the frame is handled, and what the frame itself closes was
/// not there yet.
#[test]
fn a_ledger_is_not_opened_again_by_the_frame_that_closes_it() {
    let (mut world, mallory) = world();
    let (ledger, open, decline) = unfunded(&mut world, &mallory);
    frame(&mut world, &mallory, &[&open, &decline, &open]);
    assert!(world.ledger(BOB, ledger.id).is_none());
    // Nor by frames that follow, in the same turn or in a later one.
    world.inject(mallory.address(), BOB, &open);
    world.inject(mallory.address(), BOB, &open);
    world.run_until_quiet();
    assert!(world.ledger(BOB, ledger.id).is_none());
}

/// With its old final state a payment channel that came back would be closed again: what was paid in
/// its second life would be lost.
#[test]
fn a_payment_channel_is_not_opened_again_by_the_frame_that_closes_it() {
    let (mut world, mut mallory) = world();
    let mut ledger = mallory.lead_ledger(&mut world, BOB, 200, 0);
    let channel = mallory.pay_into(&mut world, BOB, &mut ledger, 50);
    let paid = Amount::from(1_u64);
    mallory.say(&mut world, BOB, &Overspender(&mallory).voucher(&channel, paid));
    let payer = mallory.seal(channel.final_hash(paid));
    let finalize = Message::Finalize { channel: channel.id, paid, payer, seal: payer };
    mallory.say(&mut world, BOB, &finalize);
    let record = world.payment(BOB, channel.id).unwrap().final_state.clone().unwrap();
    let signatures = record.signatures.into_iter().flatten().collect();
    let evidence = Evidence::new(channel.final_hash(paid), signatures, Vec::new());
    let remove = Change::Remove { target: channel.id, left_amount: 49_u64.into() };
    let removal = mallory.proposal(&ledger, remove, evidence);
    frame(&mut world, &mallory, &[&removal, &mallory.open_message(&channel)]);
    assert!(world.payment(BOB, channel.id).is_none());
    assert!(world.archived(BOB, channel.id).is_some());
}

/// One step ends a ledger and opens another with the same peer: the index by peer belongs to the
/// new one, in whichever order the two rows are applied, and as a restart would have it.
#[test]
fn a_new_ledger_is_found_although_an_old_one_ends_in_the_same_frame() {
    for old_is_larger in [false, true] {
        let (mut world, mut mallory) = world();
        let mut ledgers = [unfunded(&mut world, &mallory), unfunded(&mut world, &mallory)];
        ledgers.sort_by_key(|(ledger, ..)| ledger.id);
        if old_is_larger {
            ledgers.reverse();
        }
        let [(old, open_old, decline), (new, open_new, _)] = ledgers;
        assert_eq!(old.id > new.id, old_is_larger);
        mallory.say(&mut world, BOB, &open_old);
        frame(&mut world, &mallory, &[&decline, &open_new]);
        mallory.deposit(&mut world, new.id, Amount::ZERO, 100_u64.into());
        let seal = mallory.seal(new.agreed_hash());
        mallory.say(&mut world, BOB, &Message::LedgerPostfund { ledger: new.id, seal });
        assert!(world.has_open_ledger(BOB, new.id));
        // Found by its peer.
        mallory.pay_into(&mut world, BOB, &mut { new }, 10);
    }
}
