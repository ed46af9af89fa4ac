//! Openings by others are bounded for each and in all, leave nothing for good, and take nothing from
//! the owner.

use std::time::Duration;

use engine::chain::GasReport;
use engine::effect::Response;
use engine::error::RequestError;
use engine::input::Request;
use engine::ledger::{Ledger, Side};
use engine::objectives::DeclineReason;
use engine::payment::PaymentChannel;
use engine::policy::{Policy, gas};
use engine::state::FixedPart;
use engine::testing::adversaries::Puppet;
use engine::testing::{Party, Setup, World, fixtures};
use engine::types::{Address, Amount, Asset};
use engine::wire::Message;

const BOB: Party = Party(0);

fn setup(policy: Policy) -> (World, Puppet) {
    let mut world = Setup::new(1).node("bob", policy).node("alice", fixtures::policy()).build();
    world.leave_unfinished();
    let mallory = Puppet::new(&mut world, "mallory");
    (world, mallory)
}

fn ask(world: &mut World, puppet: &Puppet, asset: Asset, theirs: u64) -> (Ledger, Message) {
    let part = puppet.ledger_part(world, BOB);
    let random = u32::try_from(part.nonce & u64::from(u32::MAX)).unwrap();
    let nonce = fixtures::DEPLOYMENT.ledger_nonce(random, theirs > 0);
    let fixed = FixedPart { nonce, ..part };
    let (leader, follower) = (Amount::from(100_u64), Amount::from(theirs));
    let ledger = Ledger::new(fixed.clone(), asset, Side::Leader, leader, follower);
    let seal = puppet.seal(ledger.prefund_hash());
    (ledger, Message::OpenLedger { fixed, asset, leader, follower, seal })
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

fn token(number: u8) -> Asset {
    Asset(Address::repeat_byte(number))
}

#[test]
fn an_opening_that_nobody_funds_is_forgotten_soon_and_leaves_nothing() {
    let (mut world, _) = setup(fixtures::policy());
    world.run_until_quiet();
    let before = world.store(BOB).rows().len();
    for number in 0..20 {
        let mut stranger = Puppet::new(&mut world, &format!("stranger {number}"));
        let (ledger, open) = ask(&mut world, &stranger, Asset::NATIVE, 0);
        stranger.say(&mut world, BOB, &open);
        assert!(world.ledger(BOB, ledger.id).is_some());
        if number == 0 {
            world.run_for(Duration::from_secs(601));
            assert!(world.ledger(BOB, ledger.id).is_none(), "{}", world.describe());
            // For a while it does not come back either.
            stranger.say(&mut world, BOB, &open);
            assert!(world.ledger(BOB, ledger.id).is_none());
        }
    }
    world.run_for(Duration::from_secs(4 * 3_600));
    assert_eq!(world.store(BOB).rows().len(), before, "{}", world.describe());
    assert_eq!(world.store(BOB).archived_channels(), []);
}

/// Its prefund state would be worth the follower's deposit in a second life.
#[test]
fn an_id_that_is_forgotten_never_comes_back_with_a_deposit_of_ours() {
    let (mut world, mut mallory) = setup(fixtures::policy());
    let (ledger, _) = ask(&mut world, &mallory, Asset::NATIVE, 0);
    let (asset, amount) = (Asset::NATIVE, Amount::from(100_u64));
    let other = Ledger::new(ledger.fixed.clone(), asset, Side::Leader, amount, amount);
    let (fixed, seal) = (ledger.fixed, mallory.seal(other.prefund_hash()));
    let open = Message::OpenLedger { fixed, asset, leader: amount, follower: amount, seal };
    mallory.say(&mut world, BOB, &open);
    assert_eq!(refusals(&mut mallory), [DeclineReason::Nonce]);
    // One with a deposit of ours is kept for good when nothing becomes of it.
    let (ledger, open) = ask(&mut world, &mallory, Asset::NATIVE, 100);
    mallory.say(&mut world, BOB, &open);
    let objective = engine::types::ObjectiveId::DirectFund(ledger.id);
    let decline = Message::Decline { objective, reason: DeclineReason::Cancelled };
    mallory.say(&mut world, BOB, &decline);
    assert!(world.archived(BOB, ledger.id).is_some());
}

#[test]
fn a_deposit_gives_an_opening_the_time_that_deposits_take() {
    let (mut world, mut mallory) = setup(fixtures::policy());
    let (ledger, open) = ask(&mut world, &mallory, Asset::NATIVE, 0);
    mallory.say(&mut world, BOB, &open);
    mallory.deposit(&mut world, ledger.id, Amount::ZERO, 50_u64.into());
    world.run_for(Duration::from_secs(3_000));
    assert!(world.ledger(BOB, ledger.id).is_some());
    mallory.deposit(&mut world, ledger.id, 50_u64.into(), 50_u64.into());
    let seal = mallory.seal(ledger.agreed_hash());
    mallory.say(&mut world, BOB, &Message::LedgerPostfund { ledger: ledger.id, seal });
    assert!(world.has_open_ledger(BOB, ledger.id));
}

#[test]
fn one_peer_has_few_openings_and_all_peers_have_not_all() {
    let dust = (1..=9).map(|number| (token(number), Amount::ZERO)).collect();
    let policy = Policy { max_opening_ledgers: 6, dust, ..fixtures::policy() };
    let (mut world, mut mallory) = setup(policy);
    // One frame is no way around it.
    let asked: Vec<_> =
        (1..=9).map(|number| ask(&mut world, &mallory, token(number), 0).1).collect();
    let frame = asked.iter().map(engine::wire::encode).collect();
    world.inject_bytes(mallory.address(), BOB, frame);
    mallory.listen(&mut world);
    assert_eq!(world.counters(BOB).ledgers, 4);
    assert_eq!(refusals(&mut mallory), [DeclineReason::Busy; 5]);
    for number in 0..4 {
        let mut stranger = Puppet::new(&mut world, &format!("stranger {number}"));
        let (_, open) = ask(&mut world, &stranger, Asset::NATIVE, 0);
        stranger.say(&mut world, BOB, &open);
    }
    assert_eq!(world.counters(BOB).ledgers, 6);
    // The owner opens one all the same.
    world.open_ledger(BOB, Party(1), 10, 10);
}

#[test]
fn openings_by_others_use_up_no_gas_reserve() {
    let (mut world, mut mallory) = setup(fixtures::policy());
    // Enough for one ledger that a peer asks for.
    let report = GasReport { balance: Some(600_000_u64.into()), price: 1_u64.into() };
    world.report_gas(BOB, report);
    let (_, open) = ask(&mut world, &mallory, Asset::NATIVE, 0);
    mallory.say(&mut world, BOB, &open);
    assert_eq!(world.counters(BOB).ledgers, 1);
    assert_eq!(world.counters(BOB).reserve, Amount::ZERO);
    let request = world.ledger_request(Party(1), 10, 10);
    assert!(matches!(world.request(BOB, request.clone()), Ok(Response::Started(_))));
    // Its own counts from the beginning.
    assert!(world.counters(BOB).reserve > Amount::ZERO);
}

#[test]
fn one_ledger_has_few_payment_channels_that_wait_for_funds() {
    let policy = Policy {
        max_funding_payments: 8,
        max_funding_payments_per_ledger: 3,
        ..fixtures::policy()
    };
    let (mut world, mut mallory) = setup(policy);
    let mut trudy = Puppet::new(&mut world, "trudy");
    mallory.lead_ledger(&mut world, BOB, 100, 0);
    trudy.lead_ledger(&mut world, BOB, 100, 0);
    let owned = world.open_ledger(BOB, Party(1), 100, 0);
    for puppet in [&mut mallory, &mut trudy] {
        let asked: Vec<_> = (0..5).map(|_| puppet.payment(&mut world, &[BOB], 1)).collect();
        let frame = asked.iter().map(|channel| engine::wire::encode(&puppet.open_message(channel)));
        let frame = frame.collect();
        world.inject_bytes(puppet.address(), BOB, frame);
        puppet.listen(&mut world);
        assert_eq!(refusals(puppet), [DeclineReason::Busy; 2]);
    }
    assert_eq!(world.counters(BOB).payments, 6);
    // Six of eight are a peers' share; the rest is the owner's.
    assert!(world.has_open_ledger(BOB, owned));
    let id = world.begin_payment(&[BOB, Party(1)], 5);
    world.run_until(|world| world.has_open_payment(BOB, id));
}

#[test]
fn a_payment_channel_is_not_disputed_for_longer_than_its_ledgers() {
    let (mut world, mut mallory) = setup(fixtures::policy());
    mallory.lead_ledger(&mut world, BOB, 100, 0);
    let channel = mallory.payment(&mut world, &[BOB], 1);
    let challenge_duration = fixtures::CHALLENGE_DURATION + 1;
    let fixed = FixedPart { challenge_duration, ..channel.fixed };
    let channel = PaymentChannel::new(fixed, Asset::NATIVE, 1_u64.into(), 0);
    mallory.say(&mut world, BOB, &mallory.open_message(&channel));
    assert_eq!(refusals(&mut mallory), [DeclineReason::ChallengeAboveLedger]);
    let ledger = world.open_ledger(BOB, Party(1), 100, 0);
    let Request::OpenPayment { payee, relays, asset, capacity, random, .. } =
        world.payment_request(&[BOB, Party(1)], 5)
    else {
        panic!()
    };
    let request =
        Request::OpenPayment { payee, relays, asset, capacity, challenge_duration, random };
    let max = fixtures::CHALLENGE_DURATION;
    let refused = RequestError::ChallengeAboveLedger { found: challenge_duration, max, ledger };
    assert_eq!(world.request(BOB, request), Err(refused));
}

#[test]
fn a_token_that_nobody_knows_is_not_joined() {
    let (mut world, mut mallory) = setup(fixtures::policy());
    let (_, open) = ask(&mut world, &mallory, token(9), 0);
    mallory.say(&mut world, BOB, &open);
    assert_eq!(refusals(&mut mallory), [DeclineReason::UnknownAsset]);
    assert_eq!(world.counters(BOB).ledgers, 0);
    let (_, open) = ask(&mut world, &mallory, fixtures::TOKEN, 0);
    mallory.say(&mut world, BOB, &open);
    assert_eq!(world.counters(BOB).ledgers, 1);
}

#[test]
fn dust_is_kept_out_at_the_present_price_of_gas() {
    let min_capacity = [(fixtures::TOKEN, Amount::from(7_u64))].into();
    let (mut world, mut mallory) =
        setup(Policy { min_capacity, max_dust: 0, ..fixtures::policy() });
    mallory.lead_ledger(&mut world, BOB, 500_000, 0);
    world.open_ledger(BOB, Party(1), 500_000, 0);
    world.report_gas(BOB, GasReport { balance: None, price: 1_u64.into() });
    let least = Amount::from(gas::PAYMENT);
    let channel = mallory.payment(&mut world, &[BOB], gas::PAYMENT - 1);
    mallory.say(&mut world, BOB, &mallory.open_message(&channel));
    assert_eq!(refusals(&mut mallory), [DeclineReason::Capacity]);
    let request = world.payment_request(&[BOB, Party(1)], gas::PAYMENT - 1);
    let asset = Asset::NATIVE;
    let refused = RequestError::CapacityTooSmall { asset, least };
    assert_eq!(world.request(BOB, request), Err(refused));
    let id = world.begin_payment(&[BOB, Party(1)], gas::PAYMENT);
    world.run_until(|world| world.has_open_payment(BOB, id));
}

/// A few small channels hurt nobody; what fills a ledger has to be worth enforcing. Those that are
/// only asked for count, or a thousand at once would pass.
#[test]
fn a_ledger_carries_a_little_dust_and_no_more() {
    let (mut world, mut mallory) = setup(Policy { max_dust: 3, ..fixtures::policy() });
    mallory.lead_ledger(&mut world, BOB, 500_000, 0);
    world.report_gas(BOB, GasReport { balance: None, price: 1_u64.into() });
    for number in 0..5 {
        let channel = mallory.payment(&mut world, &[BOB], 1);
        mallory.say(&mut world, BOB, &mallory.open_message(&channel));
        let expected: &[_] = if number < 3 { &[] } else { &[DeclineReason::Capacity] };
        assert_eq!(refusals(&mut mallory), expected, "number {number}");
    }
    let channel = mallory.payment(&mut world, &[BOB], gas::PAYMENT);
    mallory.say(&mut world, BOB, &mallory.open_message(&channel));
    assert_eq!(refusals(&mut mallory), []);
    world.leave_unfinished();
}
