//! What attacks have in common: who is attacked, what a cheat shows on chain, and how it ends.

use std::time::Duration;

use engine::chain::{ChainCall, Urgency};
use engine::crypto::{LocalSigner, Signature, Signer as _};
use engine::input::Request;
use engine::ledger::{Balances, Ledger, Pending, RefusalReason, Side};
use engine::payment::PaymentChannel;
use engine::state::{FixedPart, SupportedState, challenge_hash};
use engine::testing::adversaries::Puppet;
use engine::testing::{ContractCall, Party, World, fixtures};
use engine::types::{Amount, Asset, ChannelId};
use engine::wire::{Message, Seal};

/// The node that is attacked, in scenes with one node.
pub(super) const VICTIM: Party = Party(0);

/// Seconds that the challenge of a payment channel runs here.
pub(super) const DURATION: u32 = 3_600;

/// Longer than a node's patience and the challenges that follow it.
pub(super) const LONG: Duration = Duration::from_secs(5 * 86_400);

/// Leaves every ledger that is left, and waits until nothing more can come.
pub(super) fn leave(world: &mut World, party: Party) {
    for ledger in world.ledger_ids(party) {
        // Refused where it has come to that already.
        let _ = world.request(party, Request::ExitLedger { ledger });
    }
    world.run_for(LONG);
}

/// The node has everything out, that much more than it began with, and nothing left to do.
pub(super) fn assert_out(world: &World, party: Party, gain: i64) {
    let expected = i64::try_from(fixtures::PURSE).unwrap() + gain;
    let expected = Amount::from(u64::try_from(expected).unwrap());
    let purse = world.purse(party, Asset::NATIVE);
    let refusals = world.chain().refusals(world.address(party));
    assert_eq!(purse, expected, "refused: {refusals:?}\n{}", world.describe());
    let counters = world.counters(party);
    let left = (counters.ledgers, counters.payments, counters.objectives, counters.calls);
    assert_eq!(left, (0, 0, 0, 0), "{}", world.describe());
}

/// How many calls of a node the contract has refused.
pub(super) fn refused(world: &World, party: Party) -> usize {
    world.chain().refusals(world.address(party)).len()
}

/// A state of a ledger, signed by the victim and by the cheat.
pub(super) fn signed(
    ledger: &Ledger,
    balances: &Balances,
    victims: Signature,
    cheat: &Puppet,
) -> SupportedState {
    let state = ledger.state(balances, false);
    let mut signatures = vec![victims; 2];
    let cheats = if ledger.participant(Side::Leader) == cheat.address() { 0 } else { 1 };
    signatures[cheats] = cheat.key().sign(state.hash(ledger.id));
    SupportedState { state, signatures }
}

/// Shows a state without a challenge.
pub(super) fn checkpoint(
    fixed: &FixedPart,
    proof: Vec<SupportedState>,
    candidate: SupportedState,
) -> ChainCall {
    let (fixed, urgency) = (fixed.clone(), Urgency::default());
    ChainCall::Checkpoint { fixed, proof, candidate, urgency }
}

/// Shows a state that ends the channel unless it is answered.
pub(super) fn challenge(
    fixed: &FixedPart,
    candidate: SupportedState,
    by: &LocalSigner,
) -> ContractCall {
    let hash = candidate.state.hash(fixed.channel_id());
    let challenger = by.sign(challenge_hash(hash));
    let (fixed, proof) = (fixed.clone(), Vec::new());
    ContractCall::Challenge(engine::chain::Challenge { fixed, proof, candidate, challenger })
}

/// Says that it takes part in a payment channel that somebody else pays.
pub(super) fn join(channel: &PaymentChannel, payee: &Puppet) -> Message {
    let hash = channel.prefund_hash();
    Message::OpenPayment {
        fixed: channel.fixed.clone(),
        asset: channel.asset,
        capacity: channel.capacity,
        payer: Seal::new(hash, channel.prefund[0].unwrap(), channel.payer()),
        seal: payee.seal(hash),
    }
}

/// Alice leads a ledger with mallory, all 100 of it hers, and has proposed to lock 90 of it for a
/// payment channel to mallory, who has not answered.
pub(super) struct Proposal {
    pub(super) world: World,
    pub(super) mallory: Puppet,
    pub(super) ledger: Ledger,
    pub(super) channel: PaymentChannel,
    pub(super) pending: Pending,
}

impl Proposal {
    pub(super) fn new() -> Self {
        let mut world = World::calm(&["alice"]);
        // Mallory's part is never done.
        world.leave_unfinished();
        let mut mallory = Puppet::new(&mut world, "mallory");
        let ledger = mallory.follow_ledger(&mut world, VICTIM, 100, 0);
        let id = begin(&mut world, &mallory, 90);
        mallory.listen(&mut world);
        let channel = world.payment(VICTIM, id).unwrap().clone();
        mallory.say(&mut world, VICTIM, &join(&channel, &mallory));
        let channel = world.payment(VICTIM, id).unwrap().clone();
        let pending = world.ledger(VICTIM, ledger.id).unwrap().pending[0].clone();
        Self { world, mallory, ledger, channel, pending }
    }

    pub(super) fn refuse(&mut self) {
        let (ledger, turn) = (self.ledger.id, self.pending.turn);
        let reason = RefusalReason::NotExpected;
        self.mallory.say(&mut self.world, VICTIM, &Message::Refuse { ledger, turn, reason });
    }

    /// Mallory's signature, as an answer.
    pub(super) fn countersignature(&self) -> Message {
        let Pending { turn, hash, .. } = self.pending;
        Message::Countersign { ledger: self.ledger.id, turn, seal: self.mallory.seal(hash) }
    }

    /// What alice has proposed, with both signatures.
    pub(super) fn supported(&self) -> SupportedState {
        let next = self.ledger.agreed.apply(&self.pending.change, self.pending.turn).unwrap();
        signed(&self.ledger, &next, self.pending.signature, &self.mallory)
    }

    pub(super) fn call(&mut self, call: impl Into<ContractCall>) {
        self.world.call(self.mallory.address(), call);
        self.world.run_until_quiet();
        self.assert_shown();
    }

    /// The attack is what it claims to be: the contract took all of it.
    fn assert_shown(&self) {
        assert_eq!(self.world.chain().refusals(self.mallory.address()), [""; 0]);
    }
}

/// Alice asks for a payment channel to a puppet that she shares a ledger with.
pub(super) fn begin(world: &mut World, payee: &Puppet, capacity: u64) -> ChannelId {
    let request = Request::OpenPayment {
        payee: payee.address(),
        relays: Vec::new(),
        asset: Asset::NATIVE,
        capacity: capacity.into(),
        challenge_duration: DURATION,
        random: world.nonce(),
    };
    world.start(VICTIM, request).channel()
}
