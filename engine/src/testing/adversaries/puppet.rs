//! A peer without a node: it keeps to the rules as long as its test wants.

use crate::chain::ChainCall;
use crate::crypto::{LocalSigner, Signer};
use crate::input::Request;
use crate::ledger::{Change, Guarantee, Ledger, Side};
use crate::payment::PaymentChannel;
use crate::state::FixedPart;
use crate::testing::fixtures::{self, CHALLENGE_DURATION, DEPLOYMENT};
use crate::testing::{Party, World};
use crate::types::{Address, Amount, Asset, B256, ChannelId, TurnNumber};
use crate::wire::{Evidence, Message, Seal};

/// A key, and what its owner has heard.
#[derive(Debug)]
pub struct Puppet {
    key: LocalSigner,
    heard: Vec<(Party, Message)>,
}

impl Puppet {
    /// Comes into the world. From then on nodes may be reported there.
    pub fn new(world: &mut World, name: &str) -> Self {
        let key = fixtures::key(name);
        world.add_puppet(key.address());
        world.expect_offences();
        Self { key, heard: Vec::new() }
    }

    /// Its name among the nodes.
    #[must_use]
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// Its key.
    #[must_use]
    pub const fn key(&self) -> &LocalSigner {
        &self.key
    }

    /// Signs anything.
    #[must_use]
    pub fn seal(&self, hash: B256) -> Seal {
        Seal::sign(hash, &self.key)
    }

    /// Says something, and waits until nothing more happens.
    pub fn say(&mut self, world: &mut World, to: Party, message: &Message) {
        world.inject(self.address(), to, message);
        self.listen(world);
    }

    /// Waits until nothing more happens.
    pub fn listen(&mut self, world: &mut World) {
        world.run_until_quiet();
        self.heard.extend(world.heard(self.address()));
    }

    /// What it has heard since this was last asked.
    pub fn heard(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.heard).into_iter().map(|(_, message)| message).collect()
    }

    /// The fixed part of a ledger that it leads.
    pub fn ledger_part(&self, world: &mut World, follower: Party) -> FixedPart {
        FixedPart {
            participants: vec![self.address(), world.address(follower)],
            nonce: DEPLOYMENT.ledger_nonce(world.nonce(), true),
            app: DEPLOYMENT.consensus_app,
            challenge_duration: CHALLENGE_DURATION,
        }
    }

    /// Opens a ledger with a node as an honest leader does, and returns its own record of it.
    ///
    /// # Panics
    /// When the node does not take part.
    pub fn lead_ledger(
        &mut self,
        world: &mut World,
        follower: Party,
        mine: u64,
        theirs: u64,
    ) -> Ledger {
        let fixed = self.ledger_part(world, follower);
        let (leader, theirs): (Amount, Amount) = (mine.into(), theirs.into());
        let asset = Asset::NATIVE;
        let ledger = Ledger::new(fixed.clone(), asset, Side::Leader, leader, theirs);
        let seal = self.seal(ledger.prefund_hash());
        let open = Message::OpenLedger { fixed, asset, leader, follower: theirs, seal };
        self.say(world, follower, &open);
        self.deposit(world, ledger.id, Amount::ZERO, leader);
        self.finish_ledger(world, follower, ledger)
    }

    /// Takes part in a ledger that a node opens, as an honest follower does.
    ///
    /// # Panics
    /// When the node does not open it.
    pub fn follow_ledger(
        &mut self,
        world: &mut World,
        leader: Party,
        theirs: u64,
        mine: u64,
    ) -> Ledger {
        let request = Request::OpenLedger {
            peer: self.address(),
            asset: Asset::NATIVE,
            mine: theirs.into(),
            theirs: mine.into(),
            challenge_duration: CHALLENGE_DURATION,
            random: world.nonce(),
        };
        let id = world.start(leader, request).channel();
        let record = world.ledger(leader, id).expect("just begun").clone();
        let ledger = Ledger { me: Side::Follower, ..record };
        let seal = self.seal(ledger.prefund_hash());
        self.say(world, leader, &Message::LedgerPrefund { ledger: id, seal });
        self.deposit(world, id, theirs.into(), mine.into());
        self.finish_ledger(world, leader, ledger)
    }

    fn finish_ledger(&mut self, world: &mut World, peer: Party, ledger: Ledger) -> Ledger {
        let seal = self.seal(ledger.agreed_hash());
        self.say(world, peer, &Message::LedgerPostfund { ledger: ledger.id, seal });
        assert!(world.has_open_ledger(peer, ledger.id), "{}", world.describe());
        self.heard();
        ledger
    }

    /// Deposits, if there is anything to deposit, and waits until everyone has seen it.
    pub fn deposit(
        &mut self,
        world: &mut World,
        channel: ChannelId,
        expected_held: Amount,
        amount: Amount,
    ) {
        if !amount.is_zero() {
            let asset = Asset::NATIVE;
            let call = ChainCall::Deposit { channel, asset, expected_held, amount };
            world.front_run(self.address(), call);
        }
        self.listen(world);
    }

    /// A payment channel of its own making, with itself as the payer.
    pub fn payment(&self, world: &mut World, others: &[Party], capacity: u64) -> PaymentChannel {
        let others = others.iter().map(|party| world.address(*party));
        let fixed = FixedPart {
            participants: [self.address()].into_iter().chain(others).collect(),
            nonce: DEPLOYMENT.nonce(world.nonce()),
            app: DEPLOYMENT.payment_app,
            challenge_duration: CHALLENGE_DURATION,
        };
        PaymentChannel::new(fixed, Asset::NATIVE, capacity.into(), 0)
    }

    /// The payer's request for that channel.
    #[must_use]
    pub fn open_message(&self, channel: &PaymentChannel) -> Message {
        let seal = self.seal(channel.prefund_hash());
        Message::OpenPayment {
            fixed: channel.fixed.clone(),
            asset: channel.asset,
            capacity: channel.capacity,
            payer: seal,
            seal,
        }
    }

    /// A proposal in a ledger that it leads: signed, and built on what is agreed.
    ///
    /// # Panics
    /// When the change does not apply.
    #[must_use]
    pub fn proposal(&self, ledger: &Ledger, change: Change, evidence: Evidence) -> Message {
        let turn = ledger.agreed.turn.next().expect("a turn below 2^48");
        let next = ledger.agreed.apply(&change, turn).expect("a change that applies");
        self.raw_proposal(ledger, turn, change, ledger.state_hash(&next, false), evidence)
    }

    /// A proposal with any hash in it.
    #[must_use]
    pub fn raw_proposal(
        &self,
        ledger: &Ledger,
        turn: TurnNumber,
        change: Change,
        hash: B256,
        evidence: Evidence,
    ) -> Message {
        let (ledger, parent) = (ledger.id, ledger.agreed.turn);
        Message::Propose { ledger, turn, parent, change, seal: self.seal(hash), evidence }
    }

    /// The addition that everyone expects in the ledger on the payer's side.
    #[must_use]
    pub fn addition(channel: &PaymentChannel, left: Side) -> Change {
        let guarantee = Guarantee { amount: channel.capacity, left };
        Change::Add { target: channel.id, guarantee, left_deposit: channel.capacity }
    }

    /// Opens a payment channel to one node as an honest payer does, over a ledger that it leads.
    /// Its record of the ledger follows.
    ///
    /// # Panics
    /// When the node does not take part.
    pub fn pay_into(
        &mut self,
        world: &mut World,
        payee: Party,
        ledger: &mut Ledger,
        capacity: u64,
    ) -> PaymentChannel {
        let channel = self.payment(world, &[payee], capacity);
        self.say(world, payee, &self.open_message(&channel));
        let record = world.payment(payee, channel.id).expect("the payee takes part").clone();
        let signatures: Vec<_> = record.prefund.iter().copied().flatten().collect();
        let evidence = Evidence::new(channel.prefund_hash(), signatures, Vec::new());
        let change = Self::addition(&channel, Side::Leader);
        self.say(world, payee, &self.proposal(ledger, change, evidence));
        let turn = ledger.agreed.turn.next().expect("a turn below 2^48");
        ledger.agreed = ledger.agreed.apply(&change, turn).expect("a change that applies");
        let seal = self.seal(channel.postfund_hash());
        self.say(world, payee, &Message::PaymentPostfund { channel: channel.id, seal });
        assert!(world.has_open_payment(payee, channel.id), "{}", world.describe());
        self.heard();
        channel
    }
}
