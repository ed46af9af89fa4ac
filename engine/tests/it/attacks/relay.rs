//! A relay between two neighbours that work together. Whatever a payment channel's end is, it must
//! be the same on both of her sides: what is paid on the right is got on the left.

use std::time::Duration;

use engine::chain::{ChainCall, Urgency};
use engine::ledger::{Change, Ledger, Pending, RefusalReason, Side};
use engine::objectives::DeclineReason;
use engine::payment::{FinalState, PaymentChannel};
use engine::state::FixedPart;
use engine::testing::adversaries::{Overspender, Puppet};
use engine::testing::{ContractCall, World, fixtures};
use engine::types::{Amount, Asset, ObjectiveId, TurnNumber};
use engine::vouchers::Voucher;
use engine::wire::{Evidence, Message, Seal};

use super::stage::{DURATION, LONG, VICTIM as IRENE, assert_out, checkpoint, join, leave};

const CAPACITY: u64 = 60;

/// Mallory --100/0--> irene --100/0--> trudy, and a payment channel of 60 over both, all of which
/// trudy is to get. Irene has signed everything; trudy keeps her postfund signature from her.
pub(super) struct Relay {
    pub(super) world: World,
    pub(super) payer: Puppet,
    pub(super) payee: Puppet,
    pub(super) left: Ledger,
    pub(super) right: Ledger,
    /// Mallory's record, with trudy's signature in it.
    pub(super) channel: PaymentChannel,
}

impl Relay {
    pub(super) fn new() -> Self {
        let mut world = World::calm(&["irene"]);
        // The cheats' part is never done.
        world.leave_unfinished();
        let mut payer = Puppet::new(&mut world, "mallory");
        let mut payee = Puppet::new(&mut world, "trudy");
        let mut left = payer.lead_ledger(&mut world, IRENE, 100, 0);
        let right = payee.follow_ledger(&mut world, IRENE, 100, 0);
        let fixed = FixedPart {
            participants: vec![payer.address(), world.address(IRENE), payee.address()],
            nonce: fixtures::DEPLOYMENT.nonce(world.nonce()),
            app: fixtures::DEPLOYMENT.payment_app,
            challenge_duration: DURATION,
        };
        let mut channel = PaymentChannel::new(fixed, Asset::NATIVE, CAPACITY.into(), 0);
        payer.say(&mut world, IRENE, &payer.open_message(&channel));
        channel.prefund = world.payment(IRENE, channel.id).unwrap().prefund.clone();
        payee.say(&mut world, IRENE, &join(&channel, &payee));
        // On the right irene leads, and has proposed.
        let Pending { turn, hash, .. } = world.ledger(IRENE, right.id).unwrap().pending[0];
        let agree = Message::Countersign { ledger: right.id, turn, seal: payee.seal(hash) };
        payee.say(&mut world, IRENE, &agree);
        channel.prefund = world.payment(IRENE, channel.id).unwrap().prefund.clone();
        let signatures = channel.prefund.iter().copied().flatten().collect();
        let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
        let change = Puppet::addition(&channel, Side::Leader);
        payer.say(&mut world, IRENE, &payer.proposal(&left, change, evidence));
        left.agreed = left.agreed.apply(&change, left.agreed.turn.next().unwrap()).unwrap();
        assert!(world.has_open_payment(IRENE, channel.id), "{}", world.describe());
        channel.postfund = world.payment(IRENE, channel.id).unwrap().postfund.clone();
        assert_eq!(channel.postfund[2], None, "trudy has kept hers back");
        for (index, puppet) in [(0, &payer), (2, &payee)] {
            channel.postfund[index] = Some(puppet.seal(channel.postfund_hash()).signature);
        }
        Self { world, payer, payee, left, right, channel }
    }

    /// Mallory makes the final state that pays everything, and irene signs it.
    fn begin_final(&mut self) {
        let payer = self.payer.seal(self.final_hash());
        let message = self.finalize(payer);
        self.payer.say(&mut self.world, IRENE, &message);
        let signed = self.world.payment(IRENE, self.channel.id).unwrap().final_state.clone();
        let signatures = signed.unwrap().signatures;
        assert!(signatures[1].is_some() && signatures[2].is_none());
    }

    /// Trudy's part of it.
    fn completion(&self) -> Message {
        self.finalize(self.payee.seal(self.final_hash()))
    }

    fn finalize(&self, seal: Seal) -> Message {
        let (channel, paid) = (self.channel.id, CAPACITY.into());
        Message::Finalize { channel, paid, payer: self.payer.seal(self.final_hash()), seal }
    }

    fn final_hash(&self) -> engine::types::B256 {
        self.channel.final_hash(CAPACITY.into())
    }

    /// Mallory shows the opening on chain, which pays nothing.
    fn challenge_opening(&mut self) {
        let challenge = self.channel.challenge(None, self.payer.key()).unwrap();
        self.world.call(self.payer.address(), ContractCall::Challenge(challenge));
    }

    /// Trudy shows a voucher, with the signature on the opening that irene never saw.
    pub(super) fn redeem(&mut self, total: u64) {
        let voucher = Voucher::sign(self.channel.id, total.into(), self.payer.key());
        let hers = PaymentChannel { me: 2, ..self.channel.clone() };
        let challenge = hers.challenge(Some(&voucher), self.payee.key()).unwrap();
        self.world.call(self.payee.address(), ContractCall::Challenge(challenge));
    }

    /// Trudy agrees to what pays her, and refuses everything else.
    fn answer(&mut self) {
        let ledger = self.right.id;
        let record = self.world.ledger(IRENE, ledger);
        for pending in record.map(|record| record.pending.clone()).unwrap_or_default() {
            let Pending { turn, change, hash, .. } = pending;
            let seal = self.payee.seal(hash);
            let message = match change {
                Change::Remove { left_amount, .. } if left_amount < CAPACITY.into() => {
                    Message::Countersign { ledger, turn, seal }
                }
                _ => Message::Refuse { ledger, turn, reason: RefusalReason::NotExpected },
            };
            self.payee.say(&mut self.world, IRENE, &message);
        }
    }

    /// Mallory takes everything back on the left, without any proof. True when irene agrees.
    fn take_back_left(&mut self) -> bool {
        let change = Change::Remove { target: self.channel.id, left_amount: CAPACITY.into() };
        let proposal = self.payer.proposal(&self.left, change, Evidence::default());
        self.payer.heard();
        self.payer.say(&mut self.world, IRENE, &proposal);
        let agreed = |message: &Message| matches!(message, Message::Countersign { .. });
        let agreed = self.payer.heard().iter().any(agreed);
        let turn = self.left.agreed.turn.next().unwrap();
        if agreed {
            self.left.agreed = self.left.agreed.apply(&change, turn).unwrap();
        } else {
            // The next proposal needs a turn of its own.
            self.left.agreed.turn = turn;
        }
        agreed
    }

    /// Irene leaves whatever ledgers are left. She is paid on the left what she paid on the right.
    pub(super) fn assert_irene_breaks_even(&mut self) {
        leave(&mut self.world, IRENE);
        assert_out(&self.world, IRENE, 0);
    }
}

/// Trudy completes the final state after the chain has decided that nothing is paid, and mallory has
/// taken everything back by that. What is final on chain outranks every signature.
///
/// Issue point: 3.1, the first way.
#[test]
fn a_final_state_completed_after_the_chain_has_decided_binds_nobody() {
    let mut s = Relay::new();
    s.begin_final();
    s.challenge_opening();
    s.world.run_for(Duration::from_secs(2 * u64::from(DURATION)));
    assert!(s.world.chain().is_finalized(s.channel.id));
    assert!(s.take_back_left(), "as the chain has decided");
    let completion = s.completion();
    for _ in 0..3 {
        s.payee.say(&mut s.world, IRENE, &completion);
        s.answer();
    }
    let right = s.world.ledger(IRENE, s.right.id).unwrap();
    assert_eq!(right.agreed.follower, Amount::ZERO, "trudy is paid nothing");
    s.assert_irene_breaks_even();
}

/// Trudy says that she will not open the channel, and redeems: she gave mallory the signature that
/// irene never saw. That somebody declines proves nothing while irene's own word is out.
///
/// Issue point: 3.1, the second way.
#[test]
fn a_payee_that_declines_and_redeems_is_paid_by_the_left_side() {
    let mut s = Relay::new();
    let (objective, reason) = (ObjectiveId::VirtualFund(s.channel.id), DeclineReason::TimedOut);
    s.payee.say(&mut s.world, IRENE, &Message::Decline { objective, reason });
    s.answer();
    assert!(!s.take_back_left(), "trudy may still redeem");
    s.redeem(CAPACITY);
    assert!(!s.take_back_left(), "the chain decides");
    s.world.run_for(Duration::from_secs(2 * u64::from(DURATION)));
    assert!(s.world.chain().is_finalized(s.channel.id));
    s.answer();
    assert!(!s.take_back_left(), "the chain has decided otherwise");
    s.assert_irene_breaks_even();
}

/// As before, but trudy gives her guarantee back first: then nothing is owed on the right, and the
/// left may go as well. Her redemption is worth nothing to her any more.
///
/// Issue point: 3.1, what must stay possible.
#[test]
fn a_payee_that_gives_its_guarantee_back_redeems_nothing() {
    let mut s = Relay::new();
    let (objective, reason) = (ObjectiveId::VirtualFund(s.channel.id), DeclineReason::TimedOut);
    s.payee.say(&mut s.world, IRENE, &Message::Decline { objective, reason });
    let Pending { turn, hash, .. } = s.world.ledger(IRENE, s.right.id).unwrap().pending[0];
    let agree = Message::Countersign { ledger: s.right.id, turn, seal: s.payee.seal(hash) };
    s.payee.say(&mut s.world, IRENE, &agree);
    assert!(s.take_back_left());
    s.redeem(CAPACITY);
    s.world.run_for(LONG);
    s.assert_irene_breaks_even();
}

/// Trudy completes the final state half a second before the challenge with the opening runs out:
/// irene's conclusion comes too late. Until it is confirmed the final state binds nobody.
///
/// Issue point: 3.1, the third way.
#[test]
fn a_final_state_completed_in_the_last_second_binds_nobody_before_it_is_concluded() {
    let mut s = Relay::new();
    s.begin_final();
    s.challenge_opening();
    s.world.run_until_quiet();
    let end = s.world.chain().status(s.channel.id).unwrap().finalizes_at;
    let wait = end * 1_000 - 500 - s.world.now().0;
    s.world.run_for(Duration::from_millis(wait));
    // The last block before the end.
    s.world.mine();
    s.world.inject(s.payee.address(), IRENE, &s.completion());
    s.world.run_for(Duration::from_millis(50));
    assert_eq!(s.world.ledger(IRENE, s.right.id).unwrap().pending, [], "nothing is given away");
    s.answer();
    s.world.run_for(Duration::from_secs(60));
    let refusals = s.world.chain().refusals(s.world.address(IRENE));
    assert_eq!(refusals, ["Channel finalized."], "her conclusion came too late");
    assert!(s.take_back_left(), "as the chain has decided");
    s.answer();
    s.assert_irene_breaks_even();
}

/// The same with time to spare: the conclusion is mined before the challenge runs out, and only then
/// is anything given away.
///
/// Issue point: 3.1, what must stay possible.
#[test]
fn a_final_state_completed_in_time_is_concluded_and_then_carried_out() {
    let mut s = Relay::new();
    s.begin_final();
    s.challenge_opening();
    s.world.run_until_quiet();
    s.world.inject(s.payee.address(), IRENE, &s.completion());
    s.world.run_for(Duration::from_millis(50));
    assert_eq!(s.world.ledger(IRENE, s.right.id).unwrap().pending, [], "nothing is given away");
    s.world.run_until_quiet();
    assert!(s.world.chain().is_finalized(s.channel.id));
    assert!(!s.take_back_left());
    s.answer();
    s.assert_irene_breaks_even();
}

/// A mere checkpoint of the opening is a record as well: somebody may go on from there at any time,
/// so that a final state binds nobody before it is concluded, and a decline nobody at all.
///
/// Issue point: 3.1, whatever has a record on chain is released by its resolution only.
#[test]
fn what_has_a_record_on_chain_is_released_by_its_resolution_only() {
    for declines in [false, true] {
        let mut s = Relay::new();
        s.begin_final();
        let opening = s.channel.challenge(None, s.payer.key()).unwrap().candidate;
        assert_eq!(opening.state.turn, TurnNumber::POSTFUND);
        let shown = checkpoint(&s.channel.fixed, Vec::new(), opening);
        s.world.call(s.payer.address(), shown);
        s.world.run_until_quiet();
        if declines {
            let objective = ObjectiveId::VirtualFund(s.channel.id);
            let reason = DeclineReason::TimedOut;
            s.payee.say(&mut s.world, IRENE, &Message::Decline { objective, reason });
            s.answer();
            assert!(!s.take_back_left());
            s.redeem(CAPACITY);
        } else {
            s.world.inject(s.payee.address(), IRENE, &s.completion());
            s.world.run_for(Duration::from_millis(50));
            assert_eq!(s.world.ledger(IRENE, s.right.id).unwrap().pending, []);
            assert!(!s.take_back_left());
            s.world.run_until_quiet();
            assert!(s.world.chain().is_finalized(s.channel.id), "irene has concluded it");
        }
        s.answer();
        s.assert_irene_breaks_even();
    }
}

/// The final state is shown on chain by the cheats themselves, and its conclusion taken back by a
/// reorganisation: what was carried out meanwhile is concluded again.
///
/// Issue point: 3.1 and 3.9.
#[test]
fn a_conclusion_that_a_reorganisation_takes_back_is_made_again() {
    let mut s = Relay::new();
    s.begin_final();
    let completion = s.completion();
    let known = s.world.payment(IRENE, s.channel.id).unwrap();
    let mut state: FinalState = known.final_state.clone().unwrap();
    state.signatures[2] = Some(s.payee.seal(s.final_hash()).signature);
    let concluded = PaymentChannel { final_state: Some(state), ..s.channel.clone() };
    let conclusion: ChainCall = concluded.conclusion(Urgency::default()).unwrap();
    for _ in 0..20 {
        s.world.mine();
    }
    s.world.call(s.payee.address(), conclusion);
    s.world.run_until_quiet();
    assert!(s.world.chain().is_finalized(s.channel.id));
    s.answer();
    s.world.reorg(12, engine::testing::Orphans::Dropped);
    s.challenge_opening();
    s.payee.say(&mut s.world, IRENE, &completion);
    assert!(!s.take_back_left());
    s.assert_irene_breaks_even();
}

/// Mallory pays bob through irene, and makes a final state of less than that, which only irene gets
/// to see. She signs and passes on what she cannot judge: bob holds it against mallory alone.
///
/// Issue point: 3.11, blame goes to who signed.
#[test]
fn a_final_state_below_the_vouchers_is_held_against_the_payer_not_the_relay() {
    let mut world = World::calm(&["irene", "bob"]);
    world.leave_unfinished();
    let bob = engine::testing::Party(1);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.lead_ledger(&mut world, IRENE, 100, 0);
    world.open_ledger(IRENE, bob, 100, 0);
    world.run_until_quiet();
    let channel = mallory.payment(&mut world, &[IRENE, bob], CAPACITY);
    for party in [IRENE, bob] {
        mallory.say(&mut world, party, &mallory.open_message(&channel));
    }
    let record = world.payment(bob, channel.id).unwrap();
    let signatures = record.prefund.iter().copied().flatten().collect();
    let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
    let change = Puppet::addition(&channel, Side::Leader);
    mallory.say(&mut world, IRENE, &mallory.proposal(&ledger, change, evidence));
    let seal = mallory.seal(channel.postfund_hash());
    for party in [IRENE, bob] {
        mallory.say(&mut world, party, &Message::PaymentPostfund { channel: channel.id, seal });
    }
    assert!(world.has_open_payment(bob, channel.id), "{}", world.describe());
    mallory.say(&mut world, bob, &Overspender(&mallory).voucher(&channel, 40_u64.into()));
    assert_eq!(world.paid(bob, channel.id), 40_u64.into());
    for paid in [39_u64, 38] {
        let paid = Amount::from(paid);
        let payer = mallory.seal(channel.final_hash(paid));
        let message = Message::Finalize { channel: channel.id, paid, payer, seal: payer };
        mallory.say(&mut world, IRENE, &message);
    }
    world.run_until_quiet();
    let blamed: Vec<_> = world.offences(bob).iter().map(|(peer, _)| *peer).collect();
    assert_eq!(blamed, [mallory.address()]);
    world.run_for(LONG);
    leave(&mut world, bob);
    leave(&mut world, IRENE);
    assert_out(&world, bob, 40);
    assert_out(&world, IRENE, 0);
}
