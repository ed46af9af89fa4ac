//! Payouts that a payee or a token refuses: the adjudicator owes them, the node knows it and has them
//! paid once that is possible, and nobody makes it spend gas or memory for debts that are none.

use std::time::Duration;

use engine::chain::{Block, BlockRef, ChainCall, ChainEvent, DebtChange, DebtLog, GasReport};
use engine::debts::{DebtStatus, DebtView};
use engine::effect::{Response, Update};
use engine::input::Request;
use engine::policy::gas;
use engine::testing::{Orphans, Party, World};
use engine::types::{Address, Amount, Asset, BlockNumber, ChannelId};

const ALICE: Party = Party(0);
const BOB: Party = Party(1);
const TOKEN: Asset = Asset(Address::repeat_byte(0x77));
const HOUR: Duration = Duration::from_secs(3_600);

/// Rich enough for everything, at a price of gas.
fn report(price: u64) -> GasReport {
    GasReport { balance: Some(1_000_000_000_000_u64.into()), price: price.into() }
}

/// Alice's payout of 100 from a ledger with bob is refused.
fn blocked() -> (World, ChannelId) {
    let mut world = World::calm(&["alice", "bob"]);
    let ledger = world.open_ledger(ALICE, BOB, 100, 50);
    let alice = world.address(ALICE);
    world.chain_mut().block_payee(alice);
    world.request(ALICE, Request::CloseLedger { ledger }).unwrap();
    world.run_until_quiet();
    (world, ledger)
}

fn debts(world: &mut World, party: Party) -> Vec<DebtView> {
    match world.request(party, Request::ListDebts) {
        Ok(Response::Debts(debts)) => debts,
        other => panic!("{other:?}"),
    }
}

fn unblock(world: &mut World) {
    let alice = world.address(ALICE);
    world.chain_mut().unblock_payee(alice);
}

fn claims(world: &World) -> usize {
    let chain = world.chain();
    let all = chain.successes().into_iter().chain(chain.reverts());
    all.filter(|(_, call)| matches!(call, ChainCall::Claim { .. })).count()
}

/// A block above what a node has applied, with these debts.
fn tell(world: &mut World, party: Party, debts: Vec<DebtLog>) {
    let head = world.engine(party).cursor().head().unwrap();
    let number = BlockNumber(head.number.0 + 1);
    let block = BlockRef { number, hash: [9; 32].into(), timestamp: head.timestamp };
    world.tell(party, ChainEvent::Block(Block { block, logs: vec![], debts }));
    world.run_for(Duration::from_secs(1));
}

fn owes(payee: Address, asset: Asset, amount: u64) -> DebtLog {
    let change = DebtChange::Blocked { channel: None, amount: amount.into() };
    DebtLog { payee, asset, change }
}

/// It was reported as paid, and nothing knew of the rest.
#[test]
fn a_payout_that_is_refused_is_a_debt_until_it_can_be_claimed() {
    let (mut world, ledger) = blocked();
    let [debt] = &debts(&mut world, ALICE)[..] else { panic!("{}", world.describe()) };
    assert_eq!((debt.asset, debt.owed), (Asset::NATIVE, 100_u64.into()));
    assert_eq!(debt.channels.get(&ledger), Some(&100_u64.into()), "whose payout it was");
    assert_eq!(debts(&mut world, BOB), [], "he is paid");
    let told = world.take_updates(ALICE);
    assert!(
        told.iter()
            .any(|update| matches!(update, Update::Debt(debt) if debt.owed == 100_u64.into()))
    );
    assert_eq!(claims(&world), 0, "what gas costs is not known yet");

    world.report_gas(ALICE, report(0));
    world.run_for(6 * HOUR);
    let tried = claims(&world);
    assert!((2..=8).contains(&tried), "refused again and again, more and more seldom: {tried}");
    world.crash(ALICE);
    world.restart(ALICE);
    world.report_gas(ALICE, report(0));
    unblock(&mut world);
    world.run_until(|world| world.chain().claimable(world.address(ALICE), Asset::NATIVE).is_zero());
    world.run_until_quiet();
    assert_eq!(debts(&mut world, ALICE), []);
    assert_eq!(world.purse(ALICE, Asset::NATIVE), world.purse(BOB, Asset::NATIVE));
    let done = claims(&world);
    world.run_for(48 * HOUR);
    assert_eq!(claims(&world), done, "what is paid is not claimed again");
}

#[test]
fn a_claim_that_a_reorganisation_takes_back_is_made_again() {
    let (mut world, _) = blocked();
    unblock(&mut world);
    world.report_gas(ALICE, report(0));
    world.run_until(|world| world.chain().claimable(world.address(ALICE), Asset::NATIVE).is_zero());
    let claimed = world.chain().head().number.0;
    world.run_until_quiet();
    assert_eq!(debts(&mut world, ALICE), []);
    let depth = world.chain().head().number.0 - claimed + 1;
    world.reorg(usize::try_from(depth).unwrap(), Orphans::Dropped);
    world
        .run_until(|world| !world.chain().claimable(world.address(ALICE), Asset::NATIVE).is_zero());
    world.run_until(|world| world.chain().claimable(world.address(ALICE), Asset::NATIVE).is_zero());
    world.run_until_quiet();
    assert_eq!(debts(&mut world, ALICE), [], "{}", world.describe());
}

#[test]
fn what_a_claim_would_not_bring_in_is_left_and_said() {
    let (mut world, _) = blocked();
    unblock(&mut world);
    world.report_gas(ALICE, report(1));
    world.run_for(HOUR);
    assert_eq!(debts(&mut world, ALICE)[0].status, DebtStatus::NotWorth);
    let poor = GasReport { balance: Some((gas::CLAIM - 1).into()), price: Amount::ZERO };
    world.report_gas(ALICE, GasReport { balance: None, ..poor });
    world.run_for(HOUR);
    assert_eq!(debts(&mut world, ALICE)[0].status, DebtStatus::ShortOfCoin);
    assert_eq!(claims(&world), 0);
}

/// Anybody can make the adjudicator owe anything in a token of its own.
#[test]
fn a_strangers_token_makes_no_row_and_no_transaction() {
    let mut world = World::calm(&["alice", "bob"]);
    world.report_gas(ALICE, report(0));
    world.mine();
    world.run_until_quiet();
    let alice = world.address(ALICE);
    let strange = (0..=255).map(|byte| owes(alice, Asset(Address::repeat_byte(byte | 1)), 1_000));
    let rows = world.rows(ALICE);
    tell(&mut world, ALICE, strange.collect());
    assert_eq!((debts(&mut world, ALICE), world.rows(ALICE)), (vec![], rows));
    assert_eq!(claims(&world), 0);
}

#[test]
fn a_debt_to_somebody_else_is_nobodys_business() {
    let (mut world, _) = blocked();
    let before = debts(&mut world, ALICE);
    let foreign = DebtChange::Claimed { to: Address::ZERO, amount: 100_u64.into() };
    let foreign = DebtLog { payee: world.address(BOB), asset: Asset::NATIVE, change: foreign };
    tell(&mut world, ALICE, vec![foreign, owes(Address::ZERO, Asset::NATIVE, 7)]);
    assert_eq!(debts(&mut world, ALICE), before);
}

/// A peer may open a ledger in a token that only it knows, and let it refuse the payout.
#[test]
fn a_token_that_the_policy_does_not_name_is_shown_and_not_claimed() {
    let mut world = World::calm(&["alice", "bob"]);
    let Request::OpenLedger { peer, mine, theirs, challenge_duration, random, .. } =
        world.ledger_request(BOB, 100, 50)
    else {
        panic!()
    };
    let open = Request::OpenLedger { peer, asset: TOKEN, mine, theirs, challenge_duration, random };
    world.request(ALICE, open).unwrap();
    world.report_gas(ALICE, report(0));
    let alice = world.address(ALICE);
    tell(&mut world, ALICE, vec![owes(alice, TOKEN, 5)]);
    let [debt] = &debts(&mut world, ALICE)[..] else { panic!("{}", world.describe()) };
    assert_eq!((debt.owed, debt.status), (5_u64.into(), DebtStatus::UnknownAsset));
    assert_eq!(claims(&world), 0);
}
