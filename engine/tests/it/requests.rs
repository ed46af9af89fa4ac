//! Requests that make no sense: each is refused by name, and nothing changes (gap C2).

use engine::error::RequestError;
use engine::input::Request;
use engine::policy::Policy;
use engine::testing::{Party, Setup, World, fixtures};
use engine::types::{Address, Amount, Asset, B256, ChannelId, ObjectiveId, U256};
use engine::vouchers::{Voucher, VoucherError};

const DURATION: u32 = fixtures::CHALLENGE_DURATION;

/// Asks, and checks that the refusal is the expected one and that nothing has changed.
fn refuse(world: &mut World, party: Party, request: Request, expected: RequestError) {
    let (rows, commits) = (world.store(party).rows(), world.store(party).commits());
    world.take_updates(party);
    let answer = world.request(party, request.clone());
    assert_eq!(answer, Err(expected), "{request:?}");
    assert_eq!(world.store(party).rows(), rows, "{request:?}");
    assert_eq!(world.store(party).commits(), commits, "nothing was written for {request:?}");
    assert_eq!(world.take_updates(party), [], "{request:?}");
}

fn ledger(peer: Address, mine: Amount, theirs: Amount, challenge_duration: u32) -> Request {
    let asset = Asset::NATIVE;
    Request::OpenLedger { peer, asset, mine, theirs, challenge_duration, random: 77 }
}

fn payment(payee: Address, relays: Vec<Address>, capacity: u64, duration: u32) -> Request {
    Request::OpenPayment {
        payee,
        relays,
        asset: Asset::NATIVE,
        capacity: capacity.into(),
        challenge_duration: duration,
        random: 78,
    }
}

#[test]
fn a_ledger_request_is_checked_before_anything_is_signed() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let (me, peer) = (world.address(alice), world.address(bob));
    world.run_until_quiet();
    let (five, max) = (Amount::from(5_u64), Amount::from(U256::MAX));
    let duration = |found| RequestError::ChallengeDuration { found, min: 3_600, max: 2_592_000 };
    let cases = [
        (ledger(me, five, five, DURATION), RequestError::Oneself { field: "peer" }),
        (
            ledger(Address::ZERO, five, five, DURATION),
            RequestError::Participant { field: "peer", address: Address::ZERO },
        ),
        (ledger(peer, max, five, DURATION), RequestError::Overflow { field: "amount" }),
        (
            ledger(peer, Amount::ZERO, Amount::ZERO, DURATION),
            RequestError::ZeroAmount { field: "amount" },
        ),
        (ledger(peer, five, five, 0), duration(0)),
        (ledger(peer, five, five, 3_599), duration(3_599)),
        (ledger(peer, five, five, u32::MAX), duration(u32::MAX)),
    ];
    for (request, expected) in cases {
        refuse(&mut world, alice, request, expected);
    }
    let id = world.open_ledger(alice, bob, 10, 10);
    world.run_until_quiet();
    let exists = RequestError::LedgerExists { peer, ledger: id };
    refuse(&mut world, alice, ledger(peer, five, five, DURATION), exists);
}

#[test]
fn a_payment_channel_request_is_checked_before_anything_is_signed() {
    let policy = Policy { max_participants: 4, ..fixtures::policy() };
    let mut world = Setup::new(1).node("alice", policy).nodes(&["irene", "bob"]).build();
    let [alice, irene, bob] = [0, 1, 2].map(Party);
    let [me, relay, payee] = [alice, irene, bob].map(|party| world.address(party));
    let hop = world.open_ledger(alice, irene, 100, 100);
    world.run_until_quiet();
    let other = Address::repeat_byte;
    let participant = |field, address| RequestError::Participant { field, address };
    let cases = [
        (payment(me, vec![relay], 5, DURATION), RequestError::Oneself { field: "payee" }),
        (payment(payee, vec![me], 5, DURATION), RequestError::Oneself { field: "relays" }),
        (payment(payee, vec![relay, relay], 5, DURATION), participant("relays", relay)),
        (payment(relay, vec![relay], 5, DURATION), participant("payee", relay)),
        (
            payment(payee, vec![relay, Address::ZERO], 5, DURATION),
            participant("relays", Address::ZERO),
        ),
        (
            payment(payee, vec![relay, other(1), other(2)], 5, DURATION),
            RequestError::TooManyParticipants { found: 5, max: 4 },
        ),
        (payment(payee, vec![relay], 0, DURATION), RequestError::ZeroAmount { field: "amount" }),
        (
            payment(payee, vec![relay], 5, 0),
            RequestError::ChallengeDuration { found: 0, min: 3_600, max: 2_592_000 },
        ),
        (
            payment(payee, vec![other(9)], 5, DURATION),
            RequestError::NoLedger { field: "relays", peer: other(9), asset: Asset::NATIVE },
        ),
        // No relay and no ledger: an index panic in the reference.
        (
            payment(payee, Vec::new(), 5, DURATION),
            RequestError::NoLedger { field: "payee", peer: payee, asset: Asset::NATIVE },
        ),
        (
            payment(payee, vec![relay], 101, DURATION),
            RequestError::InsufficientFunds {
                ledger: hop,
                available: 100_u64.into(),
                needed: 101_u64.into(),
            },
        ),
    ];
    for (request, expected) in cases {
        refuse(&mut world, alice, request, expected);
    }
}

#[test]
fn channels_and_objectives_that_nobody_knows_are_named() {
    let mut world = World::calm(&["alice", "bob"]);
    let alice = Party(0);
    world.run_until_quiet();
    let id = ChannelId(B256::repeat_byte(7));
    let amount = Amount::from(1_u64);
    let voucher = Voucher::sign(id, amount, &fixtures::key("bob"));
    let signer = world.address(Party(1));
    let (ledger, channel) = (RequestError::UnknownLedger(id), RequestError::UnknownPayment(id));
    let objective = ObjectiveId::VirtualFund(id);
    let cases = [
        (Request::CloseLedger { ledger: id }, ledger),
        (Request::GetLedger(id), ledger),
        (Request::ListPayments { ledger: Some(id) }, ledger),
        (Request::ClosePayment { channel: id }, channel),
        (Request::Pay { channel: id, amount }, channel),
        (Request::CreateVoucher { channel: id, amount }, channel),
        (Request::ReceiveVoucher { voucher, signer }, channel),
        (Request::GetPayment(id), channel),
        (Request::Cancel { objective }, RequestError::UnknownObjective(objective)),
        (Request::GetObjective(objective), RequestError::UnknownObjective(objective)),
    ];
    for (request, expected) in cases {
        refuse(&mut world, alice, request, expected);
    }
}

#[test]
fn a_channel_in_another_phase_says_so() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let ledger = world.begin_ledger(alice, bob, 100, 100);
    let not_usable = RequestError::LedgerNotUsable(ledger);
    refuse(&mut world, alice, Request::CloseLedger { ledger }, not_usable);
    let payee = world.address(bob);
    refuse(&mut world, alice, payment(payee, Vec::new(), 5, DURATION), not_usable);
    world.run_until_quiet();

    let id = world.begin_payment(&[alice, bob], 50);
    let amount = Amount::from(1_u64);
    let not_open = RequestError::NotOpen(id);
    refuse(&mut world, alice, Request::Pay { channel: id, amount }, not_open);
    refuse(&mut world, alice, Request::ClosePayment { channel: id }, not_open);
    let voucher = Voucher::sign(id, amount, &fixtures::key("alice"));
    let receive = Request::ReceiveVoucher { voucher, signer: world.address(alice) };
    world.run_until(|world| world.payment(bob, id).is_some());
    refuse(&mut world, bob, receive.clone(), not_open);
    world.run_until_quiet();

    refuse(&mut world, bob, Request::Pay { channel: id, amount }, RequestError::NotPayer(id));
    refuse(&mut world, alice, receive, RequestError::NotPayee(id));
    let running = RequestError::GuaranteesRunning { ledger, count: 1 };
    refuse(&mut world, alice, Request::CloseLedger { ledger }, running);
    let left = Amount::from(50_u64);
    let short = VoucherError::InsufficientFunds { left, capacity: left };
    let pay = Request::Pay { channel: id, amount: 51_u64.into() };
    refuse(&mut world, alice, pay, RequestError::Voucher(short));
    let objective = ObjectiveId::VirtualFund(id);
    let unknown = RequestError::UnknownObjective(objective);
    refuse(&mut world, alice, Request::Cancel { objective }, unknown);

    world.partition(&[bob]);
    let objective = world.start(alice, Request::ClosePayment { channel: id });
    let closing = RequestError::AlreadyClosing(id);
    refuse(&mut world, alice, Request::ClosePayment { channel: id }, closing);
    let stuck = RequestError::NotCancellable(objective);
    refuse(&mut world, alice, Request::Cancel { objective }, stuck);
    world.heal();
    world.run_until_quiet();
    let objective = world.start(alice, Request::CloseLedger { ledger });
    let closing = RequestError::AlreadyClosing(ledger);
    refuse(&mut world, alice, Request::CloseLedger { ledger }, closing);
    let stuck = RequestError::NotCancellable(objective);
    refuse(&mut world, alice, Request::Cancel { objective }, stuck);
    world.run_until_quiet();
}

/// The driver asks the archive: a nonce whose channel is closed does not come back (threat A4).
#[test]
fn the_id_of_a_closed_channel_is_taken() {
    let mut world = World::calm(&["alice", "bob"]);
    let (alice, bob) = (Party(0), Party(1));
    let request = world.ledger_request(bob, 60, 40);
    let id = world.start(alice, request.clone()).channel();
    world.run_until_quiet();
    world.close_ledger(alice, id);
    refuse(&mut world, alice, request.clone(), RequestError::ChannelIdTaken(id));
    world.crash(alice);
    world.restart(alice);
    world.run_until_quiet();
    refuse(&mut world, alice, request, RequestError::ChannelIdTaken(id));

    world.open_ledger(alice, bob, 60, 40);
    let request = world.payment_request(&[alice, bob], 10);
    let id = world.start(alice, request.clone()).channel();
    refuse(&mut world, alice, request.clone(), RequestError::ChannelIdTaken(id));
    world.run_until_quiet();
    world.close_payment(bob, id);
    refuse(&mut world, alice, request, RequestError::ChannelIdTaken(id));
}

#[test]
fn a_node_with_too_much_to_do_says_so() {
    let policy = Policy { max_backlog: 2, max_funding_payments: 1, ..fixtures::policy() };
    let mut world = Setup::new(1).node("alice", policy).nodes(&["bob"]).build();
    let (alice, bob) = (Party(0), Party(1));
    world.open_ledger(alice, bob, 100, 100);
    let id = world.open_payment(&[alice, bob], 50);
    world.run_until_quiet();
    world.partition(&[bob]);
    let pay = Request::Pay { channel: id, amount: 1_u64.into() };
    world.pay(alice, id, 1);
    world.pay(alice, id, 1);
    let peer = world.address(bob);
    let backlog = RequestError::Backlog { peer, waiting: 2 };
    refuse(&mut world, alice, pay, backlog);
    let request = world.payment_request(&[alice, bob], 10);
    refuse(&mut world, alice, request, backlog);
    world.heal();
    world.run_until_quiet();
    let begun = world.begin_payment(&[alice, bob], 10);
    let request = world.payment_request(&[alice, bob], 10);
    refuse(&mut world, alice, request, RequestError::Busy);
    world.run_until_quiet();
    assert!(world.has_open_payment(alice, begun));
}
