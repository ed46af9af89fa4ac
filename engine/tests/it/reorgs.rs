//! The chain takes back what it said.

use engine::chain::{BlockRef, ChainEvent};
use engine::input::Request;
use engine::ledger::LedgerPhase;
use engine::testing::{ChainRules, Orphans, Party, World, fixtures};
use engine::types::{Asset, ChannelId, ObjectiveId};

const PURSE: u64 = fixtures::PURSE;
const ORPHANS: [Orphans; 3] = [Orphans::MinedAgain, Orphans::HeldBack(3), Orphans::Dropped];

fn two() -> (World, Party, Party) {
    (World::calm(&["alice", "bob"]), Party(0), Party(1))
}

fn held(world: &World, id: ChannelId) -> engine::types::Amount {
    world.chain().held(Asset::NATIVE, id)
}

fn assert_closed(world: &World) {
    for party in world.parties() {
        assert_eq!(world.purse(party, Asset::NATIVE), PURSE.into(), "{}", world.describe());
        assert_eq!(world.counters(party).ledgers, 0);
    }
}

#[test]
fn a_deposit_that_leaves_the_chain_unconfirmed_was_never_told() {
    for orphans in [Orphans::MinedAgain, Orphans::HeldBack(3)] {
        for depth in [1, 2] {
            let (mut world, alice, bob) = two();
            let id = world.begin_ledger(alice, bob, 60, 40);
            world.run_until(|world| !held(world, id).is_zero());
            world.reorg(depth, orphans);
            world.run_until_quiet();
            assert!(world.has_open_ledger(alice, id) && world.has_open_ledger(bob, id));
            assert_eq!(held(&world, id), 100_u64.into());
            assert_eq!(world.chain().reverts(), []);
            world.close_ledger(alice, id);
            assert_closed(&world);
        }
    }
}

/// Deeper than the confirmations, at every moment of the opening: the deposits are made again
/// where they are gone, and never twice.
#[test]
fn a_confirmed_deposit_that_is_gone_is_made_again() {
    for orphans in ORPHANS {
        for block in 1..14 {
            let (mut world, alice, bob) = two();
            let id = world.begin_ledger(alice, bob, 60, 40);
            world.run_until(|world| world.chain().head().number.0 >= block);
            world.reorg(6, orphans);
            world.run_until_quiet();
            let usable =
                |party| world.ledger(party, id).is_some_and(engine::ledger::Ledger::is_usable);
            if held(&world, id) < 100_u64.into() {
                assert_eq!(orphans, Orphans::Dropped, "{}", world.describe());
                assert!(!usable(alice) && !usable(bob), "an unfunded ledger carries nothing");
                continue;
            }
            assert_eq!(held(&world, id), 100_u64.into(), "{orphans:?} at block {block}");
            assert!(usable(alice) && usable(bob), "{}", world.describe());
            world.close_ledger(bob, id);
            assert_closed(&world);
        }
    }
}

/// The leader's deposit is taken back after the follower has relied on it: the follower's own
/// deposit names what it expects, and does not go through without it.
#[test]
fn a_follower_never_deposits_into_an_emptied_ledger() {
    let (mut world, alice, bob) = two();
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until(|world| world.ledger(bob, id).is_some_and(|l| !l.status().holdings.is_zero()));
    assert_eq!(world.chain().waiting(), 1, "bob's deposit waits");
    let depth = usize::try_from(world.chain().head().number.0).unwrap();
    world.reorg(depth, Orphans::HeldBack(30));
    world.run_until(|world| {
        !world.chain().reverts().is_empty() || held(world, id) == 100_u64.into()
    });
    let (address, reverts) = (world.address(bob), world.chain().reverts());
    assert!(reverts.iter().all(|(sender, _)| *sender == address));
    assert!(world.purse(bob, Asset::NATIVE) == PURSE.into() || held(&world, id) == 100_u64.into());
    world.run_until_quiet();
    assert!(world.has_open_ledger(alice, id) && world.has_open_ledger(bob, id));
    world.close_ledger(alice, id);
    assert_closed(&world);
}

#[test]
fn an_open_ledger_without_its_deposit_carries_nothing_until_it_is_back() {
    let (mut world, alice, bob) = two();
    let id = world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    let depth = usize::try_from(world.chain().head().number.0).unwrap();
    world.reorg(depth, Orphans::HeldBack(20));
    world.run_until(|world| {
        [alice, bob].iter().all(|party| !world.ledger(*party, id).unwrap().is_usable())
    });
    assert_eq!(world.ledger(alice, id).unwrap().phase, LedgerPhase::Open);
    for (payer, payee) in [(alice, bob), (bob, alice)] {
        let request = world.payment_request(&[payer, payee], 10);
        let refused = world.request(payer, request);
        assert_eq!(refused, Err(engine::error::RequestError::LedgerNotUsable(id)));
    }
    world.run_until_quiet();
    let channel = world.open_payment(&[alice, bob], 10);
    world.close_payment(alice, channel);
    world.close_ledger(alice, id);
    assert_closed(&world);
}

#[test]
fn a_withdrawal_that_leaves_the_chain_unconfirmed_is_waited_for() {
    for orphans in [Orphans::MinedAgain, Orphans::HeldBack(4)] {
        for depth in [1, 2] {
            let (mut world, alice, bob) = two();
            let id = world.open_ledger(alice, bob, 60, 40);
            world.run_until_quiet();
            world.start(bob, Request::CloseLedger { ledger: id });
            world.run_until(|world| held(world, id).is_zero());
            world.reorg(depth, orphans);
            assert!(world.ledger(alice, id).is_some(), "not forgotten before it is confirmed");
            world.run_until_quiet();
            assert_closed(&world);
            assert!(world.has_completed(alice, ObjectiveId::DirectDefund(id)));
        }
    }
}

#[test]
fn a_node_that_was_away_hears_of_a_reorg_below_its_cursor() {
    let (mut world, alice, bob) = two();
    let id = world.begin_ledger(alice, bob, 60, 40);
    world.run_until(|world| world.ledger(bob, id).is_some_and(|l| !l.status().holdings.is_zero()));
    world.crash(bob);
    let cursor = world.chain().head();
    world.reorg(6, Orphans::MinedAgain);
    for _ in 0..10 {
        world.mine();
    }
    assert!(world.chain().head().number > cursor.number);
    world.restart(bob);
    world.run_until_quiet();
    assert!(world.has_open_ledger(alice, id) && world.has_open_ledger(bob, id));
    world.close_ledger(alice, id);
    assert_closed(&world);
}

#[test]
fn a_reorg_deeper_than_the_cursor_remembers_is_taken() {
    let (mut world, alice, bob) = two();
    let id = world.open_ledger(alice, bob, 60, 40);
    for _ in 0..100 {
        world.mine();
    }
    world.run_until_quiet();
    world.reorg(90, Orphans::MinedAgain);
    world.run_until_quiet();
    assert_eq!(held(&world, id), 100_u64.into());
    world.close_ledger(bob, id);
    assert_closed(&world);
}

/// The same facts told block by block, in one reorg, and with blocks repeated.
#[test]
fn repeated_blocks_change_nothing() {
    let (mut world, alice, bob) = two();
    let id = world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    let before = world.ledger(alice, id).cloned();
    world.tell(
        alice,
        ChainEvent::Reorg {
            ancestor: *world.engine(alice).cursor().recent.last().unwrap(),
            blocks: Vec::new(),
        },
    );
    world.tell(
        alice,
        ChainEvent::Block(engine::chain::Block {
            block: BlockRef::default(),
            debts: vec![],
            logs: vec![engine::chain::ChannelLog {
                channel: id,
                fact: engine::chain::ChainFact::Concluded { finalizes_at: 1 },
            }],
        }),
    );
    world.run_until_quiet();
    assert_eq!(world.ledger(alice, id).cloned(), before);
}

#[test]
fn calls_that_stay_unmined_for_long_are_waited_for() {
    let (mut world, alice, bob) = two();
    world.set_chain_rules(ChainRules { max_wait: 40, ..ChainRules::CALM });
    let id = world.open_ledger(alice, bob, 60, 40);
    world.run_until_quiet();
    world.start(alice, Request::CloseLedger { ledger: id });
    world.chain_mut().hold_back(50);
    world.run_until_quiet();
    assert_closed(&world);
}
