//! What a node hands to its watchtowers, and when.

use engine::crypto::Signer;
use engine::effect::{Offence, Response, Update};
use engine::error::RequestError;
use engine::guard::{Guard, GuardReceipt, MAX_TOWERS, Rank, Terms, TowerRefusal, TowerView};
use engine::input::{Input, Request};
use engine::state::{Deployment, is_supported};
use engine::testing::adversaries::Puppet;
use engine::testing::{Party, World, fixtures};
use engine::types::{Address, Amount, ChannelId, Timestamp, TurnNumber};
use engine::wire::Message;

const TERMS: Terms = Terms { channels: 10, guard_bytes: 65_536 };

/// A tower that keeps to the rules.
struct Keeper(Puppet);

impl Keeper {
    fn new(world: &mut World, name: &str) -> Self {
        Self(Puppet::new(world, name))
    }

    fn address(&self) -> Address {
        self.0.address()
    }

    /// The guards that were handed over since this was last asked.
    fn guards(&mut self, world: &mut World) -> Vec<Guard> {
        self.0.listen(world);
        let guards = self.0.heard().into_iter().filter_map(|message| match message {
            Message::Guard { guard } => Some(*guard),
            _ => None,
        });
        guards.collect()
    }

    /// The one guard that was handed over, checked as a tower checks it.
    fn guard(&mut self, world: &mut World, client: Party) -> Guard {
        let guards = self.guards(world);
        let [guard] = guards.as_slice() else { panic!("expected one guard, got {guards:?}") };
        assert_eq!(guard.check(&fixtures::DEPLOYMENT, world.address(client)), Ok(()));
        guard.clone()
    }

    fn receipt(&self, world: &World, client: Party, guard: &Guard) -> Message {
        let receipt = GuardReceipt::sign(
            &fixtures::DEPLOYMENT,
            world.address(client),
            guard.channel(),
            guard.rank(&fixtures::DEPLOYMENT),
            guard.state_hash(),
            Timestamp(7),
            self.0.key(),
        );
        Message::Guarded { receipt: Box::new(receipt), signer: self.address() }
    }

    fn confirm(&mut self, world: &mut World, client: Party, guard: &Guard) {
        let receipt = self.receipt(world, client, guard);
        self.0.say(world, client, &receipt);
    }

    fn refuse(&mut self, world: &mut World, client: Party, guard: &Guard, reason: TowerRefusal) {
        let channel = Some(guard.channel());
        self.0.say(world, client, &Message::GuardRefused { channel, reason });
    }

    /// Is added by a node, and says that it serves.
    fn serve(&mut self, world: &mut World, client: Party) {
        add(world, client, self.address()).unwrap();
        self.0.listen(world);
        let hello = Message::TowerHello { deployment: fixtures::DEPLOYMENT };
        assert!(self.0.heard().contains(&hello));
        // Without waiting: what is handed over is for the test to see.
        world.inject(self.address(), client, &Message::TowerTerms { terms: TERMS });
    }
}

fn add(world: &mut World, party: Party, tower: Address) -> Result<Response, RequestError> {
    world.request(party, Request::AddTower { tower })
}

fn towers(world: &mut World, party: Party) -> Vec<TowerView> {
    match world.request(party, Request::ListTowers) {
        Ok(Response::Towers(views)) => views,
        other => panic!("expected towers, got {other:?}"),
    }
}

/// What the first tower has of a channel by its own word.
fn receipt(world: &mut World, party: Party, channel: ChannelId) -> Option<Rank> {
    let views = towers(world, party);
    let view = views.first()?.guards.iter().find(|guard| guard.channel == channel)?.clone();
    Some(view.guarding?.receipt?.rank)
}

const fn at(turn: u64) -> Rank {
    Rank { turn: TurnNumber(turn), paid: Amount::ZERO }
}

fn redemption(paid: u64) -> Rank {
    Rank { turn: TurnNumber::PAYMENT_FINAL, paid: paid.into() }
}

const PARTIES: [Party; 2] = [Party(0), Party(1)];

/// Alice and bob with a ledger, and bob's tower, which guards it.
fn guarded() -> (World, Keeper, ChannelId) {
    let mut world = World::calm(&["alice", "bob"]);
    let [alice, bob] = PARTIES;
    let ledger = world.open_ledger(alice, bob, 100, 100);
    let mut keeper = Keeper::new(&mut world, "keeper");
    keeper.serve(&mut world, bob);
    let guard = keeper.guard(&mut world, bob);
    assert_eq!((guard.channel(), guard.rank(&fixtures::DEPLOYMENT)), (ledger, at(1)));
    keeper.confirm(&mut world, bob, &guard);
    (world, keeper, ledger)
}

#[test]
fn a_new_tower_gets_every_channel_and_its_receipt_is_kept() {
    let (mut world, _, ledger) = guarded();
    assert_eq!(receipt(&mut world, PARTIES[1], ledger), Some(at(1)));
    let updates = world.take_updates(PARTIES[1]);
    assert!(updates.iter().any(|update| matches!(update, Update::Tower { answer: Ok(TERMS), .. })));
    assert_eq!(towers(&mut world, PARTIES[0]), [], "alice has none");
}

#[test]
fn a_newer_state_is_handed_over_by_the_step_that_makes_it() {
    let (mut world, keeper, ledger) = guarded();
    let [alice, bob] = PARTIES;
    world.begin_payment(&PARTIES, 30);
    world.run_until(|world| {
        world.ledger(bob, ledger).is_some_and(|ledger| ledger.agreed.turn > TurnNumber(1))
    });
    let handed = world.outbox(bob, keeper.address());
    let [(_, Message::Guard { guard })] = handed.as_slice() else { panic!("{handed:?}") };
    assert_eq!(guard.candidate, world.ledger(bob, ledger).unwrap().supported().unwrap());
    assert_eq!(world.outbox(alice, keeper.address()), [], "alice has no tower");
    world.run_until_quiet();
}

#[test]
fn a_payee_hands_over_its_best_voucher_and_one_at_a_time() {
    let (mut world, mut keeper, ledger) = guarded();
    let [alice, bob] = PARTIES;
    let channel = world.open_payment(&PARTIES, 50);
    let guard = keeper.guard(&mut world, bob);
    assert_eq!(guard.channel(), ledger, "there is nothing to lose in the payment channel yet");
    keeper.confirm(&mut world, bob, &guard);

    world.pay(alice, channel, 5);
    let first = keeper.guard(&mut world, bob);
    assert_eq!((first.channel(), first.rank(&fixtures::DEPLOYMENT)), (channel, redemption(5)));
    assert_eq!(first.total(), 50_u64.into());
    for _ in 0..3 {
        world.pay(alice, channel, 5);
    }
    assert_eq!(keeper.guards(&mut world), [], "the first one is not answered yet");
    keeper.confirm(&mut world, bob, &first);
    let newest = keeper.guard(&mut world, bob);
    assert_eq!(newest.rank(&fixtures::DEPLOYMENT), redemption(20), "the newest goes");
    let Guard { fixed, proof, candidate } = &newest;
    assert_eq!(is_supported(&fixtures::DEPLOYMENT, fixed, proof, candidate), Ok(()));
    assert_eq!(receipt(&mut world, bob, channel), Some(redemption(5)));
    keeper.confirm(&mut world, bob, &newest);
    assert_eq!(receipt(&mut world, bob, channel), Some(redemption(20)));
    assert_eq!(keeper.guards(&mut world), []);
}

#[test]
fn a_restart_forgets_no_tower_and_no_receipt() {
    let (mut world, mut keeper, ledger) = guarded();
    let [alice, bob] = PARTIES;
    let channel = world.open_payment(&PARTIES, 50);
    world.crash(bob);
    world.restart(bob);
    let guard = keeper.guard(&mut world, bob);
    assert_eq!(guard.channel(), ledger);
    assert_eq!(receipt(&mut world, bob, ledger), Some(at(1)));
    world.crash(bob);
    world.restart(bob);
    keeper.confirm(&mut world, bob, &guard);
    assert_eq!(receipt(&mut world, bob, ledger), Some(guard.rank(&fixtures::DEPLOYMENT)));
    world.pay(alice, channel, 5);
    assert_eq!(keeper.guard(&mut world, bob).channel(), channel);
}

#[test]
fn a_closed_channel_is_released() {
    let (mut world, mut keeper, ledger) = guarded();
    world.close_ledger(PARTIES[0], ledger);
    keeper.0.listen(&mut world);
    assert!(keeper.0.heard().contains(&Message::Unguard { channel: ledger }));
    assert_eq!(towers(&mut world, PARTIES[1])[0].guards, []);
    assert_eq!(world.engine(PARTIES[1]).next_deadline(), None);
}

#[test]
fn a_removed_tower_is_told_and_gets_nothing_more() {
    let (mut world, mut keeper, ledger) = guarded();
    let [alice, bob] = PARTIES;
    let tower = keeper.address();
    let request = Request::RemoveTower { tower };
    assert!(matches!(world.request(bob, request.clone()), Ok(Response::Towers(_))));
    keeper.0.listen(&mut world);
    assert!(keeper.0.heard().contains(&Message::Unguard { channel: ledger }));
    assert_eq!(world.request(bob, request), Err(RequestError::UnknownTower(tower)));
    let channel = world.open_payment(&PARTIES, 50);
    world.pay(alice, channel, 5);
    assert_eq!(keeper.guards(&mut world), []);
    assert_eq!(towers(&mut world, bob), []);
}

#[test]
fn a_tower_that_refuses_to_serve_is_no_tower_afterwards() {
    let mut world = World::calm(&["alice", "bob"]);
    let [alice, bob] = PARTIES;
    world.open_ledger(alice, bob, 100, 100);
    let mut keeper = Keeper::new(&mut world, "keeper");
    add(&mut world, bob, keeper.address()).unwrap();
    let other = Deployment { chain_id: 1, ..fixtures::DEPLOYMENT };
    let reason = TowerRefusal::WrongDeployment(other);
    keeper.0.say(&mut world, bob, &Message::GuardRefused { channel: None, reason });
    let tower = keeper.address();
    assert!(world.take_updates(bob).contains(&Update::Tower { tower, answer: Err(reason) }));
    assert_eq!(towers(&mut world, bob), []);
    assert_eq!(keeper.guards(&mut world), []);
    // Terms that nobody asks for any more change nothing.
    keeper.0.say(&mut world, bob, &Message::TowerTerms { terms: TERMS });
    assert_eq!(towers(&mut world, bob), []);
}

#[test]
fn a_node_without_a_tower_service_says_so() {
    let (mut world, _, _) = guarded();
    let [alice, bob] = PARTIES;
    let tower = world.address(alice);
    add(&mut world, bob, tower).unwrap();
    world.run_until_quiet();
    let answer = Err(TowerRefusal::NotServing);
    assert!(world.take_updates(bob).contains(&Update::Tower { tower, answer }));
    assert_eq!(towers(&mut world, bob).len(), 1, "only the other one");
}

#[test]
fn a_full_tower_is_asked_again_when_another_channel_is_gone() {
    let mut world = World::calm(&["alice", "bob", "irene"]);
    let [alice, bob, irene] = [Party(0), Party(1), Party(2)];
    let first = world.open_ledger(alice, bob, 100, 100);
    let mut keeper = Keeper::new(&mut world, "keeper");
    keeper.serve(&mut world, bob);
    let guard = keeper.guard(&mut world, bob);
    keeper.confirm(&mut world, bob, &guard);
    let second = world.open_ledger(irene, bob, 100, 100);
    let guard = keeper.guard(&mut world, bob);
    assert_eq!(guard.channel(), second);
    let (tower, reason) = (keeper.address(), TowerRefusal::Quota(1));
    keeper.refuse(&mut world, bob, &guard, reason);
    let unguarded = Update::Unguarded { tower, channel: second, reason };
    assert!(world.take_updates(bob).contains(&unguarded));
    // Newer states would be refused as well.
    world.open_payment(&[irene, bob], 50);
    assert_eq!(keeper.guards(&mut world), []);
    world.close_ledger(bob, first);
    let guard = keeper.guard(&mut world, bob);
    assert_eq!(guard.channel(), second);
    assert!(guard.rank(&fixtures::DEPLOYMENT) > at(1));
    // Asking again tries again, too.
    keeper.refuse(&mut world, bob, &guard, reason);
    keeper.serve(&mut world, bob);
    assert_eq!(keeper.guard(&mut world, bob), guard);
}

#[test]
fn only_the_towers_own_word_about_what_was_sent_is_a_receipt() {
    let (mut world, mut keeper, ledger) = guarded();
    let [_, bob] = PARTIES;
    world.begin_payment(&PARTIES, 30);
    let guard = keeper.guard(&mut world, bob);
    let (client, rank) = (world.address(bob), guard.rank(&fixtures::DEPLOYMENT));
    let (state, key) = (guard.state_hash(), keeper.0.key());
    let sign = |deployment: Deployment, client, rank, state, name: &str| {
        let (at, other) = (Timestamp(9), fixtures::key(name));
        let signer: &dyn Signer = if name == "keeper" { key } else { &other };
        GuardReceipt::sign(&deployment, client, ledger, rank, state, at, signer)
    };
    let ours = fixtures::DEPLOYMENT;
    let forged = [
        sign(ours, client, rank, state, "mallory"),
        sign(Deployment { chain_id: 1, ..ours }, client, rank, state, "keeper"),
        sign(ours, keeper.address(), rank, state, "keeper"),
    ];
    let others =
        [sign(ours, client, at(9), state, "keeper"), sign(ours, client, rank, ledger.0, "keeper")];
    for receipt in forged {
        let message = Message::Guarded { receipt: Box::new(receipt), signer: Address::ZERO };
        keeper.0.say(&mut world, bob, &message);
        assert_eq!(world.take_offences(bob), [(keeper.address(), Offence::BadSignature)]);
    }
    for receipt in others {
        let message = Message::Guarded { receipt: Box::new(receipt), signer: Address::ZERO };
        keeper.0.say(&mut world, bob, &message);
    }
    assert_eq!(receipt(&mut world, bob, ledger), Some(at(1)));
    keeper.confirm(&mut world, bob, &guard);
    assert_eq!(receipt(&mut world, bob, ledger), Some(rank));
}

#[test]
fn no_channel_is_handed_to_its_own_counterparty() {
    let mut world = World::calm(&["bob"]);
    let mut mallory = Puppet::new(&mut world, "mallory");
    let ledger = mallory.lead_ledger(&mut world, Party(0), 100, 100);
    world.leave_unfinished();
    add(&mut world, Party(0), mallory.address()).unwrap();
    mallory.say(&mut world, Party(0), &Message::TowerTerms { terms: TERMS });
    let handed = mallory.heard();
    assert!(!handed.iter().any(|message| matches!(message, Message::Guard { .. })), "{handed:?}");
    assert_eq!(towers(&mut world, Party(0))[0].guards, []);
    assert!(world.has_open_ledger(Party(0), ledger.id));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let (mut world, keeper, _) = guarded();
    let [_, bob] = PARTIES;
    let me = world.address(bob);
    // Towers that never answer.
    world.leave_unfinished();
    assert_eq!(add(&mut world, bob, me), Err(RequestError::Oneself { field: "tower" }));
    let zero = RequestError::Participant { field: "tower", address: Address::ZERO };
    assert_eq!(add(&mut world, bob, Address::ZERO), Err(zero));
    for index in 1..MAX_TOWERS {
        let tower = Address::repeat_byte(u8::try_from(index).unwrap());
        world.add_puppet(tower);
        add(&mut world, bob, tower).unwrap();
    }
    let tower = Address::repeat_byte(0xee);
    let refusal = RequestError::TooManyTowers { max: MAX_TOWERS };
    assert_eq!(add(&mut world, bob, tower), Err(refusal));
    // One that is there already may be asked again.
    assert!(add(&mut world, bob, keeper.address()).is_ok());
}

#[test]
fn a_tower_takes_only_what_the_adjudicator_would_take() {
    let (mut world, mut keeper, _) = guarded();
    let [alice, bob] = PARTIES;
    let channel = world.open_payment(&PARTIES, 50);
    let ledger = keeper.guard(&mut world, bob);
    keeper.confirm(&mut world, bob, &ledger);
    world.pay(alice, channel, 5);
    let redemption = keeper.guard(&mut world, bob);
    let ours = fixtures::DEPLOYMENT;
    let (client, payer) = (world.address(bob), world.address(alice));
    let check = |guard: &Guard| guard.check(&ours, client);

    assert_eq!(ledger.check(&ours, payer), Ok(()), "either participant may hand it over");
    assert_eq!(ledger.check(&ours, keeper.address()), Err(TowerRefusal::NotParticipant));
    let other = Deployment { chain_id: 1, ..ours };
    assert_eq!(ledger.check(&other, client), Err(TowerRefusal::WrongDeployment(other)));
    let spoil = |from: &Guard, change: &dyn Fn(&mut Guard)| {
        let mut guard = from.clone();
        change(&mut guard);
        check(&guard)
    };
    let unsupported = Err(TowerRefusal::Unsupported);
    assert_eq!(spoil(&ledger, &|guard| guard.candidate.signatures.truncate(1)), unsupported);
    assert_eq!(spoil(&ledger, &|guard| guard.candidate.state.turn.0 += 1), unsupported);
    let prefund = spoil(&ledger, &|guard| guard.candidate.state.turn = TurnNumber::PREFUND);
    assert_eq!(prefund, Err(TowerRefusal::Prefund));
    let many = |guard: &mut Guard| {
        let signature = guard.candidate.signatures[0];
        guard.candidate.signatures.resize(3, signature);
    };
    assert_eq!(spoil(&ledger, &many), unsupported, "no more signatures than participants");
    assert_eq!(spoil(&redemption, &|guard| guard.proof.clear()), unsupported);
    let raised = |guard: &mut Guard| {
        guard.candidate.state.outcome.0[0].allocations[1].amount = 6_u64.into();
    };
    assert_eq!(spoil(&redemption, &raised), unsupported);
}

#[test]
fn the_answers_of_another_service_go_through_the_outbox() {
    let (world, keeper, ledger) = guarded();
    let message = Message::Unguard { channel: ledger };
    let input = Input::Answer(keeper.address(), Box::new(message));
    let step = world.engine(PARTIES[0]).decide(Timestamp(0), input);
    assert_eq!((step.writes.len(), step.effects.len()), (1, 1));
}
