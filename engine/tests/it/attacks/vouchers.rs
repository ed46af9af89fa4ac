//! Vouchers that arrive while the chain decides. "Received" is a promise to whoever sells for it:
//! what is received is redeemed, and what cannot be redeemed with time to spare is not received.

use std::time::Duration;

use engine::effect::Update;
use engine::ledger::{Ledger, Side};
use engine::payment::PaymentChannel;
use engine::testing::adversaries::{Overspender, Puppet};
use engine::testing::fixtures::CHALLENGE_DURATION;
use engine::testing::{ContractCall, World};
use engine::types::{Amount, ChannelId};
use engine::wire::{Evidence, Message};

use super::stage::{VICTIM as BOB, assert_out, join, leave};

/// Bob, and mallory who pays him over a channel of 50.
struct Shop {
    world: World,
    mallory: Puppet,
    ledger: Ledger,
    channel: PaymentChannel,
    received: Amount,
}

impl Shop {
    fn new() -> Self {
        let mut world = World::calm(&["bob"]);
        // Mallory's part is never done.
        world.leave_unfinished();
        let mut mallory = Puppet::new(&mut world, "mallory");
        let mut ledger = mallory.lead_ledger(&mut world, BOB, 100, 0);
        let mut channel = mallory.pay_into(&mut world, BOB, &mut ledger, 50);
        let record = world.payment(BOB, channel.id).unwrap();
        (channel.prefund, channel.postfund) = (record.prefund.clone(), record.postfund.clone());
        Self { world, mallory, ledger, channel, received: Amount::ZERO }
    }

    /// Mallory shows the opening, as if nothing had been paid.
    fn challenge(&mut self) {
        let challenge = self.channel.challenge(None, self.mallory.key()).unwrap();
        self.world.call(self.mallory.address(), ContractCall::Challenge(challenge));
    }

    fn pay(&mut self, total: u64) {
        let voucher = Overspender(&self.mallory).voucher(&self.channel, total.into());
        self.world.inject(self.mallory.address(), BOB, &voucher);
        self.world.run_for(Duration::from_millis(50));
        self.count();
    }

    fn count(&mut self) {
        let id = self.channel.id;
        for update in self.world.take_updates(BOB) {
            if let Update::Received { channel, delta, .. } = update
                && channel == id
            {
                self.received = self.received.checked_add(delta).unwrap();
            }
        }
    }

    /// Waits until so much of the challenge is left, in seconds.
    fn wait_until_left(&mut self, seconds: u64) {
        let end = self.world.chain().status(self.channel.id).unwrap().finalizes_at;
        self.world.run_until_chain_time(end - seconds);
    }

    /// Bob leaves with exactly what he said that he had received.
    fn assert_bob_has_what_he_received(&mut self) {
        leave(&mut self.world, BOB);
        self.count();
        let received = i64::try_from(self.received.to_u256().to::<u64>()).unwrap();
        assert_out(&self.world, BOB, received);
    }

    fn ids(&self) -> [ChannelId; 2] {
        [self.ledger.id, self.channel.id]
    }
}

/// Mallory challenges with the opening and goes on shopping: what she pays is redeemed while there is
/// time for that, and refused from the last quarter of the challenge on.
///
/// Issue point: 3.2.
#[test]
fn a_voucher_during_a_challenge_is_redeemed_or_not_received() {
    let duration = u64::from(CHALLENGE_DURATION);
    let quarter = duration / 4;
    for (left, in_time) in [
        (duration - 600, true),
        (duration / 2, true),
        (quarter + 900, true),
        (quarter - 900, false),
        (600, false),
    ] {
        let mut s = Shop::new();
        s.challenge();
        s.world.run_until_quiet();
        s.wait_until_left(left);
        s.pay(50);
        let expected = if in_time { 50_u64 } else { 0 };
        assert_eq!(s.received, expected.into(), "with {left} seconds left");
        s.assert_bob_has_what_he_received();
    }
}

/// And after the end, until bob's own ledger is settled.
///
/// Issue point: 3.2, after finality.
#[test]
fn a_voucher_after_the_end_is_not_received() {
    let mut s = Shop::new();
    s.challenge();
    s.world.run_until_quiet();
    s.wait_until_left(0);
    s.pay(50);
    s.world.run_for(Duration::from_secs(3_600));
    s.pay(50);
    assert_eq!(s.received, Amount::ZERO);
    s.assert_bob_has_what_he_received();
}

/// A redemption is on its way, or registered: a larger voucher would need another one, which the
/// contract does not take.
///
/// Issue point: 3.2.
#[test]
fn a_voucher_after_the_redemption_is_not_received() {
    for blocks in 0..8 {
        let mut s = Shop::new();
        s.pay(20);
        s.challenge();
        for _ in 0..blocks {
            s.world.mine();
            s.world.run_for(Duration::from_millis(50));
        }
        s.pay(50);
        s.world.run_until_quiet();
        s.assert_bob_has_what_he_received();
        assert!(s.received >= 20_u64.into());
    }
}

/// A purchase every half hour, around and through the challenge: at whatever moment each
/// arrives, what is received is what is redeemed.
///
/// Issue point: 3.2.
#[test]
fn shopping_through_a_challenge_costs_the_payer_what_it_buys() {
    for start in [0, 1, 2, 5, 40, 70] {
        let mut s = Shop::new();
        s.challenge();
        s.world.run_for(Duration::from_secs(start * 900));
        for total in 1..=50 {
            s.pay(total);
            s.world.run_for(Duration::from_secs(1_800));
        }
        s.assert_bob_has_what_he_received();
        let ids = s.ids();
        assert!(ids.iter().all(|id| s.world.archived(BOB, *id).is_some()));
    }
}

/// Mallory pays bob over trudy, who works with her and keeps her signatures back: on the opening, and
/// on mallory's final state, which pays the voucher as long as nobody needs it.
///
/// Issue point: 3.2, received is what can still be redeemed.
#[test]
fn a_voucher_under_a_final_state_that_not_all_sign_is_not_received() {
    for completes in [false, true] {
        let mut world = World::calm(&["bob"]);
        world.leave_unfinished();
        let mut mallory = Puppet::new(&mut world, "mallory");
        let mut trudy = Puppet::new(&mut world, "trudy");
        let ledger = trudy.lead_ledger(&mut world, BOB, 100, 0);
        let mut channel = mallory.payment(&mut world, &[BOB], 50);
        channel.fixed.participants.insert(1, trudy.address());
        let mut channel = PaymentChannel::new(channel.fixed, channel.asset, channel.capacity, 0);
        mallory.say(&mut world, BOB, &mallory.open_message(&channel));
        channel.prefund = world.payment(BOB, channel.id).unwrap().prefund.clone();
        trudy.say(&mut world, BOB, &join(&channel, &trudy));
        channel.prefund = world.payment(BOB, channel.id).unwrap().prefund.clone();
        let signatures = channel.prefund.iter().copied().flatten().collect();
        let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
        let change = Puppet::addition(&channel, Side::Leader);
        trudy.say(&mut world, BOB, &trudy.proposal(&ledger, change, evidence));
        let seal = mallory.seal(channel.postfund_hash());
        mallory.say(&mut world, BOB, &Message::PaymentPostfund { channel: channel.id, seal });
        let paid = Amount::from(40_u64);
        let payer = mallory.seal(channel.final_hash(paid));
        let finalize = |seal| Message::Finalize { channel: channel.id, paid, payer, seal };
        mallory.say(&mut world, BOB, &finalize(payer));
        let voucher = Overspender(&mallory).voucher(&channel, paid);
        mallory.say(&mut world, BOB, &voucher);
        assert_eq!(world.paid(BOB, channel.id), Amount::ZERO, "trudy has signed nothing");
        if completes {
            trudy.say(&mut world, BOB, &finalize(trudy.seal(channel.final_hash(paid))));
            assert_eq!(world.paid(BOB, channel.id), paid);
        }
        leave(&mut world, BOB);
        assert_out(&world, BOB, if completes { 40 } else { 0 });
    }
}

/// The relay tells the payee alone that it gives the channel up. The payer sees it open and pays: it
/// has done nothing wrong, and what it paid is redeemed.
///
/// Issue point: 3.11, blame goes to who did it.
#[test]
fn a_voucher_for_what_a_relay_gave_up_behind_the_payers_back_is_no_offence() {
    let mut world = World::calm(&["bob", "carol"]);
    world.leave_unfinished();
    let carol = engine::testing::Party(1);
    let mut trudy = Puppet::new(&mut world, "trudy");
    let right = trudy.lead_ledger(&mut world, BOB, 100, 0);
    let left = trudy.follow_ledger(&mut world, carol, 100, 0);
    let request = engine::input::Request::OpenPayment {
        payee: world.address(BOB),
        relays: vec![trudy.address()],
        asset: engine::types::Asset::NATIVE,
        capacity: 50_u64.into(),
        challenge_duration: CHALLENGE_DURATION,
        random: world.nonce(),
    };
    let id = world.start(carol, request).channel();
    trudy.listen(&mut world);
    for party in [BOB, carol] {
        let mut channel = world.payment(carol, id).unwrap().clone();
        channel.prefund.resize(3, None);
        trudy.say(&mut world, party, &join(&channel, &trudy));
    }
    let pending = world.ledger(carol, left.id).unwrap().pending[0].clone();
    let seal = trudy.seal(pending.hash);
    let agree = Message::Countersign { ledger: left.id, turn: pending.turn, seal };
    trudy.say(&mut world, carol, &agree);
    let channel = world.payment(carol, id).unwrap().clone();
    let signatures = channel.prefund.iter().copied().flatten().collect();
    let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
    let change = Puppet::addition(&channel, Side::Leader);
    trudy.say(&mut world, BOB, &trudy.proposal(&right, change, evidence));
    let objective = engine::types::ObjectiveId::VirtualFund(id);
    let reason = engine::objectives::DeclineReason::Cancelled;
    trudy.say(&mut world, BOB, &Message::Decline { objective, reason });
    let seal = trudy.seal(channel.postfund_hash());
    trudy.say(&mut world, carol, &Message::PaymentPostfund { channel: id, seal });
    assert!(world.has_open_payment(carol, id), "{}", world.describe());
    world.pay(carol, id, 20);
    world.run_until_quiet();
    assert_eq!(world.offences(BOB), []);
    for party in [BOB, carol] {
        leave(&mut world, party);
    }
}
