//! A world in which somebody will have to leave alone.

use std::time::Duration;

use engine::input::Request;
use engine::ledger::Ledger;
use engine::payment::PaymentChannel;
use engine::policy::Policy;
use engine::testing::{Climate, ContractCall, Party, Setup, World, fixtures};
use engine::types::{Amount, Asset, ChannelId, ObjectiveId};

/// Coin and token.
pub(super) const ASSETS: [Asset; 2] = [Asset::NATIVE, fixtures::TOKEN];

/// Seconds that every challenge runs.
const DURATION: u32 = 3_600;

/// How long nodes wait for silent peers.
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);

/// Longer than all waits that can follow one another.
pub(super) const END: Duration = Duration::from_secs(12 * 3_600);

/// Enough for messages and blocks, and too little for anybody to lose patience.
pub(super) const SOON: Duration = Duration::from_secs(60);

pub(super) struct Scene {
    pub(super) world: World,
    names: Vec<&'static str>,
    asset: Asset,
}

impl Scene {
    /// Nothing goes wrong but what the test does.
    pub(super) fn calm(names: &[&'static str], asset: Asset) -> Self {
        Self::new(1, Climate::CALM, names, asset)
    }

    /// Frames are lost, calls wait and fail, blocks are replaced.
    pub(super) fn rough(seed: u64, names: &[&'static str], asset: Asset) -> Self {
        Self::new(seed, Climate::ROUGH, names, asset)
    }

    fn new(seed: u64, climate: Climate, names: &[&'static str], asset: Asset) -> Self {
        let mut setup = Setup::new(seed).climate(climate);
        for name in names {
            setup = setup.node(name, Policy { patience: PATIENCE, ..fixtures::policy() });
        }
        let mut world = setup.build();
        // Whoever is left behind has something left to do.
        world.leave_unfinished();
        Self { world, names: names.to_vec(), asset }
    }

    pub(super) fn parties(&self) -> Vec<Party> {
        self.world.parties().collect()
    }

    /// Asks for a ledger, without waiting.
    pub(super) fn begin_ledger(
        &mut self,
        leader: Party,
        follower: Party,
        mine: [u64; 2],
    ) -> ChannelId {
        let request = match self.world.ledger_request(follower, mine[0], mine[1]) {
            Request::OpenLedger { peer, mine, theirs, random, .. } => Request::OpenLedger {
                peer,
                asset: self.asset,
                mine,
                theirs,
                challenge_duration: DURATION,
                random,
            },
            other => panic!("{other:?} asks for no ledger"),
        };
        self.world.start(leader, request).channel()
    }

    pub(super) fn ledger(&mut self, leader: Party, follower: Party, mine: [u64; 2]) -> ChannelId {
        let id = self.begin_ledger(leader, follower, mine);
        self.world.run_until(|world| {
            [leader, follower].into_iter().all(|party| world.has_open_ledger(party, id))
        });
        id
    }

    /// Puts what has happened so far below any block that is replaced later.
    pub(super) fn settle_down(&mut self) {
        self.world.run_until_quiet();
        for _ in 0..10 {
            self.world.mine();
        }
    }

    /// Asks for a payment channel, without waiting.
    pub(super) fn begin_payment(&mut self, path: &[Party], capacity: u64) -> ChannelId {
        let request = match self.world.payment_request(path, capacity) {
            Request::OpenPayment { payee, relays, capacity, random, .. } => Request::OpenPayment {
                payee,
                relays,
                asset: self.asset,
                capacity,
                challenge_duration: DURATION,
                random,
            },
            other => panic!("{other:?} asks for no payment channel"),
        };
        self.world.start(path[0], request).channel()
    }

    pub(super) fn payment(&mut self, path: &[Party], capacity: u64) -> ChannelId {
        let id = self.begin_payment(path, capacity);
        self.world.run_until(|world| path.iter().all(|party| world.has_open_payment(*party, id)));
        id
    }

    /// Pays, and waits until the payee has it.
    pub(super) fn pay(&mut self, path: &[Party], channel: ChannelId, amount: u64) {
        self.world.pay(path[0], channel, amount);
        let (payer, payee) = (path[0], path[path.len() - 1]);
        let total = self.world.paid(payer, channel);
        self.world.run_until(|world| world.paid(payee, channel) == total);
    }

    /// Asks to leave a ledger; refused where it has come to that already.
    pub(super) fn exit_ledger(&mut self, party: Party, ledger: ChannelId) {
        let _ = self.world.try_request(party, Request::ExitLedger { ledger });
    }

    pub(super) fn exit_payment(&mut self, party: Party, channel: ChannelId) {
        let _ = self.world.try_request(party, Request::ExitPayment { channel });
    }

    pub(super) fn end(&mut self) {
        self.world.run_for(END);
    }

    /// What the node of a cheat remembers.
    pub(super) fn ledger_record(&self, party: Party, id: ChannelId) -> Ledger {
        self.world.ledger(party, id).expect("a ledger that is not closed").clone()
    }

    pub(super) fn payment_record(&self, party: Party, id: ChannelId) -> PaymentChannel {
        self.world.payment(party, id).expect("a channel that is not closed").clone()
    }

    /// The cheat's node is off, for it would defend what it agreed to, and its owner calls.
    pub(super) fn cheat(&mut self, party: Party, call: impl Into<ContractCall>) {
        self.world.crash(party);
        let sender = self.world.address(party);
        self.world.call(sender, call);
    }

    /// Shows an old state of a ledger on chain.
    pub(super) fn challenge_ledger(&mut self, cheat: Party, old: &Ledger) {
        let challenge = old.challenge(&fixtures::key(self.names[cheat.0])).unwrap();
        self.cheat(cheat, ContractCall::Challenge(challenge));
    }

    /// Shows an old state of a payment channel on chain.
    pub(super) fn challenge_payment(&mut self, cheat: Party, old: &PaymentChannel) {
        let challenge = old.challenge(None, &fixtures::key(self.names[cheat.0])).unwrap();
        self.cheat(cheat, ContractCall::Challenge(challenge));
    }

    /// What a node has outside of channels, less what it began with.
    pub(super) fn gain(&self, party: Party) -> i64 {
        let purse = self.world.purse(party, self.asset).to_u256().to::<u64>();
        i64::try_from(purse).unwrap() - i64::try_from(fixtures::PURSE).unwrap()
    }

    /// The same with the free balances of ledgers that live on.
    pub(super) fn worth(&self, party: Party) -> i64 {
        let ledgers = self.world.ledger_ids(party);
        let free = Amount::checked_sum(
            ledgers
                .into_iter()
                .filter(|id| self.world.ledger(party, *id).unwrap().has_opened())
                .map(|id| self.world.balance(party, id)),
        );
        self.gain(party) + i64::try_from(free.unwrap().to_u256().to::<u64>()).unwrap()
    }

    /// Everybody has exactly this more or less than before, and the channel is done.
    pub(super) fn assert_gains(&self, gains: &[i64]) {
        let found: Vec<i64> = self.parties().into_iter().map(|party| self.gain(party)).collect();
        assert_eq!(found, gains, "{}", self.world.describe());
    }

    /// Nothing is left of the channel at these nodes nor on chain.
    pub(super) fn assert_done(&self, id: ChannelId, parties: &[Party]) {
        for party in parties {
            let live =
                self.world.ledger(*party, id).is_some() || self.world.payment(*party, id).is_some();
            assert!(!live, "{} has {id:?}\n{}", self.names[party.0], self.world.describe());
        }
        assert!(self.world.chain().held(self.asset, id).is_zero(), "{}", self.world.describe());
    }

    pub(super) fn assert_completed(&self, party: Party, id: ChannelId) {
        let done = self.world.has_completed(party, ObjectiveId::Exit(id));
        assert!(done, "{}", self.world.describe());
    }
}
