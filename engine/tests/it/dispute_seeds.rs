//! One of three nodes turns villain at a random moment: it falls silent for good, and may show
//! something old on chain. Whatever it does, the two others end with what they are owed.

use std::time::Duration;

use engine::input::Request;
use engine::ledger::Ledger;
use engine::payment::PaymentChannel;
use engine::policy::{Policy, StaleAnswer};
use engine::step::ArchivedChannel;
use engine::testing::{Climate, ContractCall, Party, Setup, World, fixtures};
use engine::types::{Amount, Asset, ChannelId, ObjectiveId};

const NAMES: [&str; 3] = ["alice", "irene", "bob"];
const PURSE: u64 = fixtures::PURSE;
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);
/// Longer than all patience and challenges that can follow one another.
const END: Duration = Duration::from_secs(24 * 3_600);

/// What the villain has to show.
#[derive(Default)]
struct Evidence {
    ledgers: Vec<Ledger>,
    payments: Vec<PaymentChannel>,
}

impl Evidence {
    fn collect(&mut self, world: &World, villain: Party) {
        for id in world.ledger_ids(villain) {
            self.ledgers.extend(world.ledger(villain, id).cloned());
        }
        for id in world.payment_ids(villain) {
            self.payments.extend(world.payment(villain, id).cloned());
        }
    }

    /// Some old challenge, if chance wills it and there is one.
    fn cheat(&self, world: &mut World, villain: Party) -> Option<ContractCall> {
        let signer = fixtures::key(NAMES[villain.0]);
        let ledger = world.random().chance(60);
        let challenge = if ledger && !self.ledgers.is_empty() {
            world.random().pick(&self.ledgers).challenge(&signer)
        } else if !self.payments.is_empty() {
            world.random().pick(&self.payments).challenge(None, &signer)
        } else {
            None
        };
        challenge.map(ContractCall::Challenge)
    }
}

/// A request for the asset and with the shortest challenges that policy allows.
fn adapt(request: Request, of: Asset) -> Request {
    match request {
        Request::OpenLedger { peer, mine, theirs, random, .. } => {
            Request::OpenLedger { peer, asset: of, mine, theirs, challenge_duration: 3_600, random }
        }
        Request::OpenPayment { payee, relays, capacity, random, .. } => Request::OpenPayment {
            payee,
            relays,
            asset: of,
            capacity,
            challenge_duration: 3_600,
            random,
        },
        other => other,
    }
}

struct Story {
    world: World,
    asset: Asset,
    villain: Party,
    evidence: Evidence,
    left: ChannelId,
    right: ChannelId,
    payments: Vec<ChannelId>,
}

impl Story {
    fn begin(seed: u64) -> Self {
        let mut setup = Setup::new(seed).climate(Climate::ROUGH);
        let asset = if seed.is_multiple_of(2) { Asset::NATIVE } else { fixtures::TOKEN };
        for name in NAMES {
            let answer =
                if seed.is_multiple_of(5) { StaleAnswer::Checkpoint } else { StaleAnswer::Exit };
            let policy = Policy { patience: PATIENCE, stale_answer: answer, ..fixtures::policy() };
            setup = setup.node(name, policy);
        }
        let mut world = setup.build();
        let villain = Party(usize::try_from(world.random().below(3)).unwrap());
        let [left, right] = [(Party(0), Party(1)), (Party(1), Party(2))].map(|(one, other)| {
            let leads = world.random().chance(50);
            let (leader, follower) = if leads { (one, other) } else { (other, one) };
            let request = adapt(world.ledger_request(follower, 100, 100), asset);
            let id = world.start(leader, request).channel();
            world.run_until(|world| {
                world.has_open_ledger(leader, id) && world.has_open_ledger(follower, id)
            });
            id
        });
        let (evidence, payments) = (Evidence::default(), Vec::new());
        Self { world, asset, villain, evidence, left, right, payments }
    }

    fn act(&mut self) {
        let path = [Party(0), Party(1), Party(2)];
        let moment = Duration::from_millis(self.world.random().below(4_000));
        match self.world.random().below(4) {
            0 => {
                let request = adapt(self.world.payment_request(&path, 20), self.asset);
                if let Ok(engine::effect::Response::Started(id)) =
                    self.world.request(path[0], request)
                {
                    self.payments.push(id.channel());
                }
            }
            1 | 2 => {
                if let Some(id) = self.pick() {
                    let amount = Amount::from(self.world.random().between(1, 9));
                    let _ = self.world.request(path[0], Request::Pay { channel: id, amount });
                }
            }
            _ => {
                if let Some(channel) = self.pick() {
                    let by = path[usize::try_from(self.world.random().below(3)).unwrap()];
                    let _ = self.world.request(by, Request::ClosePayment { channel });
                }
            }
        }
        self.world.run_for(moment);
        self.evidence.collect(&self.world, self.villain);
    }

    fn pick(&mut self) -> Option<ChannelId> {
        if self.payments.is_empty() {
            return None;
        }
        Some(*self.world.random().pick(&self.payments))
    }

    /// What an honest node is owed: what it brought, less what it paid, plus what it was paid.
    fn bound(&self, party: Party) -> Amount {
        let paid = self.payments.iter().map(|id| match self.world.archived(party, *id) {
            Some(ArchivedChannel::Payment(_, paid)) => paid.map_or(Amount::ZERO, |paid| paid.total),
            _ => self.world.paid(party, *id),
        });
        let paid = Amount::checked_sum(paid).unwrap();
        let purse = Amount::from(PURSE);
        match party.0 {
            0 => purse.checked_sub(paid).unwrap(),
            1 => purse,
            _ => purse.checked_add(paid).unwrap(),
        }
    }

    fn finish(&mut self) {
        let villain = self.villain;
        // Somewhere in the middle of whatever runs.
        for _ in 0..self.world.random().below(200) {
            self.world.step();
        }
        self.world.run_until(|world| world.is_up(villain));
        self.evidence.collect(&self.world, villain);
        let honest: Vec<Party> = self.world.parties().filter(|party| *party != villain).collect();
        // Vouchers count from the moment that the payee has them, whatever becomes of its records.
        self.world.crash(villain);
        self.world.run_for(Duration::from_secs(10));
        let bounds: Vec<Amount> = honest.iter().map(|party| self.bound(*party)).collect();
        if let Some(cheat) = self.evidence.cheat(&mut self.world, villain) {
            let sender = self.world.address(villain);
            self.world.call(sender, cheat);
        }
        // Some owners lose patience themselves.
        for party in &honest {
            if self.world.random().chance(30) {
                let ledger = if party.0 == 0 { self.left } else { self.right };
                let _ = self.world.try_request(*party, Request::ExitLedger { ledger });
            }
        }
        for id in self.payments.clone() {
            let by = *self.world.random().pick(&honest);
            let _ = self.world.try_request(by, Request::ClosePayment { channel: id });
        }
        self.world.run_for(END);
        for (party, bound) in honest.iter().zip(bounds) {
            self.assert_safe(*party, bound);
        }
        self.world.leave_unfinished();
    }

    fn assert_safe(&self, party: Party, bound: Amount) {
        let world = &self.world;
        let mut worth = vec![world.purse(party, self.asset)];
        for id in world.ledger_ids(party) {
            let ledger = world.ledger(party, id).unwrap();
            assert!(
                ledger.agreed.guarantees.is_empty(),
                "{} still locks money in {id:?}\n{}",
                NAMES[party.0],
                world.describe()
            );
            worth.push(world.balance(party, id));
        }
        let worth = Amount::checked_sum(worth).unwrap();
        let text = format!("{} has {worth} of {bound}\n{}", NAMES[party.0], world.describe());
        assert!(worth >= bound, "{text}");
        let open = |id: &ChannelId| world.objective(party, ObjectiveId::Exit(*id)).is_some();
        assert!(!world.ledger_ids(party).iter().any(open), "{text}");
        assert!(world.payment_ids(party).is_empty(), "{text}");
    }
}

fn run(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        // The seed to replay is the last one printed.
        eprintln!("seed {seed}");
        let mut story = Story::begin(seed);
        for _ in 0..story.world.random().between(2, 12) {
            story.act();
        }
        story.finish();
    }
}

#[test]
fn whoever_turns_villain_the_others_get_what_they_are_owed() {
    run(0..40);
}

#[test]
fn whoever_turns_villain_the_others_get_what_they_are_owed_again() {
    run(1_000..1_040);
}
