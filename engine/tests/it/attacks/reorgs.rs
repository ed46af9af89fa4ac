//! Money that a reorganisation takes back after the end: a closed channel is followed until no
//! reorganisation can reach its end, and lives again where it loses it.

use engine::chain::ChainCall;
use engine::input::Request;
use engine::step::Write;
use engine::testing::{Orphans, Party, World, fixtures};
use engine::types::{Asset, BlockNumber, ChannelId};

use super::stage::{DURATION, LONG, assert_out};

const ORPHANS: [Orphans; 3] = [Orphans::MinedAgain, Orphans::HeldBack(5), Orphans::Dropped];
const ALICE: Party = Party(0);
const BOB: Party = Party(1);

/// Alice and bob with 60 and 40, deep under everything that is replaced later.
fn ledger() -> (World, ChannelId) {
    let mut world = World::calm(&["alice", "bob"]);
    let request = Request::OpenLedger {
        peer: world.address(BOB),
        asset: Asset::NATIVE,
        mine: 60_u64.into(),
        theirs: 40_u64.into(),
        challenge_duration: DURATION,
        random: world.nonce(),
    };
    let id = world.start(ALICE, request).channel();
    world.run_until(|world| world.has_open_ledger(ALICE, id) && world.has_open_ledger(BOB, id));
    settle_down(&mut world);
    (world, id)
}

/// The same with a payment channel, above or below the ledger in the order of ids.
fn carrying(ledger_first: bool) -> (World, ChannelId, ChannelId) {
    for nonces in 0.. {
        let (mut world, id) = ledger();
        (0..nonces).for_each(|_| _ = world.nonce());
        let channel = channel(&mut world);
        if (id < channel) == ledger_first {
            return (world, id, channel);
        }
        world.leave_unfinished();
    }
    unreachable!("half of the nonces give either order")
}

fn settle_down(world: &mut World) {
    world.run_until_quiet();
    for _ in 0..10 {
        world.mine();
    }
}

/// The last block, to which the chain is taken back later.
fn mark(world: &World) -> BlockNumber {
    world.chain().head().number
}

/// Replaces everything above that block.
fn take_back(world: &mut World, mark: BlockNumber, orphans: Orphans) {
    let depth = world.chain().head().number.0 - mark.0;
    world.reorg(usize::try_from(depth).unwrap(), orphans);
}

fn archived(world: &World, party: Party, id: ChannelId) -> bool {
    world.ledger(party, id).is_none() && world.archived(party, id).is_some()
}

/// Closed channels that a node still follows.
fn followed(world: &World, party: Party) -> usize {
    let rows = world.store(party).rows();
    rows.iter().filter(|row| matches!(row, Write::Buried(_, Some(_)))).count()
}

/// The conclusion is gone, with the payout, after both have forgotten the ledger, and whatever
/// becomes of it: it is made again.
///
/// Issue point: 3.9, a close.
#[test]
fn a_close_that_is_taken_back_is_concluded_again() {
    for orphans in ORPHANS {
        let (mut world, id) = ledger();
        let before = mark(&world);
        world.close_ledger(BOB, id);
        settle_down(&mut world);
        assert!(archived(&world, ALICE, id) && archived(&world, BOB, id));
        take_back(&mut world, before, orphans);
        world.run_until_quiet();
        for party in [ALICE, BOB] {
            assert_out(&world, party, 0);
            assert!(archived(&world, party, id), "{}", world.describe());
        }
    }
}

/// The same with alice, who concluded it, away: bob does not wait for her for ever.
///
/// Issue point: 3.9, a close.
#[test]
fn a_close_that_is_taken_back_while_the_other_is_away_is_concluded_by_whoever_is_there() {
    let (mut world, id) = ledger();
    let before = mark(&world);
    world.close_ledger(BOB, id);
    settle_down(&mut world);
    world.crash(ALICE);
    take_back(&mut world, before, Orphans::Dropped);
    world.run_until_quiet();
    assert_out(&world, BOB, 0);
    assert_eq!(world.purse(ALICE, Asset::NATIVE), fixtures::PURSE.into(), "she is paid with him");
    world.restart(ALICE);
    world.run_until_quiet();
    assert!(archived(&world, ALICE, id));
}

/// The settlement of an exit is gone: whoever left settles again, with the voucher that it redeemed.
///
/// Issue point: 3.9, an exit.
#[test]
fn an_exit_whose_payout_is_taken_back_is_settled_again() {
    for orphans in ORPHANS {
        let (mut world, id) = ledger();
        let channel = channel(&mut world);
        world.pay(ALICE, channel, 12);
        settle_down(&mut world);
        world.crash(ALICE);
        world.start(BOB, Request::ExitLedger { ledger: id });
        world.run_until(|world| world.chain().is_finalized(id) && world.chain().waiting() == 0);
        let before = mark(&world);
        world.run_until(|world| world.ledger(BOB, id).is_none());
        settle_down(&mut world);
        assert!(archived(&world, BOB, id) && world.payment(BOB, channel).is_none());
        take_back(&mut world, before, orphans);
        assert!(world.chain().waiting() > 0 || !settled(&world, id) || orphans == ORPHANS[0]);
        world.run_for(LONG);
        assert_out(&world, BOB, 12);
        assert!(settled(&world, id));
        // What she began with, less what bob got and what waits for nobody.
        assert_eq!(world.purse(ALICE, Asset::NATIVE), (fixtures::PURSE - 12).into());
        world.leave_unfinished();
    }
}

/// All of the exit is gone, challenges included: it is begun again. Where the ledger's id is below the
/// channel's, the ledger once brought the channel along as if nothing of it was gone, and its
/// settlement was refused for ever.
///
/// Issue point: 3.9, an exit.
#[test]
fn an_exit_that_is_taken_back_to_its_beginning_is_made_again() {
    for (orphans, ledger_first) in ORPHANS.into_iter().flat_map(|how| [(how, true), (how, false)]) {
        let (mut world, id, channel) = carrying(ledger_first);
        world.pay(ALICE, channel, 12);
        settle_down(&mut world);
        world.crash(ALICE);
        let before = mark(&world);
        world.start(BOB, Request::ExitLedger { ledger: id });
        world.run_until(|world| world.ledger(BOB, id).is_none());
        take_back(&mut world, before, orphans);
        world.run_for(LONG);
        assert_out(&world, BOB, 12);
        assert!(settled(&world, id));
        world.leave_unfinished();
    }
}

/// What lives again after a restart as well: that a channel is followed is stored.
///
/// Issue point: 3.9.
#[test]
fn a_node_that_was_away_hears_that_its_payout_is_gone() {
    for crashed in [ALICE, BOB] {
        let (mut world, id) = ledger();
        let before = mark(&world);
        world.close_ledger(ALICE, id);
        settle_down(&mut world);
        world.crash(crashed);
        take_back(&mut world, before, Orphans::Dropped);
        world.restart(crashed);
        world.run_until_quiet();
        for party in [ALICE, BOB] {
            assert_out(&world, party, 0);
        }
    }
}

/// Alice's deposit is taken back while both give the opening up: nothing is there, so both forget the
/// ledger. Then the deposit is mined again. Whoever has forgotten a ledger goes on listening.
///
/// Issue point: 3.9, a deposit.
#[test]
fn a_deposit_that_is_mined_again_after_the_ledger_was_forgotten_comes_back() {
    let mut world = World::calm(&["alice", "bob"]);
    for _ in 0..10 {
        world.mine();
    }
    let request = Request::OpenLedger {
        peer: world.address(BOB),
        asset: Asset::NATIVE,
        mine: 60_u64.into(),
        theirs: 40_u64.into(),
        challenge_duration: DURATION,
        random: world.nonce(),
    };
    let before = mark(&world);
    let objective = world.start(ALICE, request);
    let id = objective.channel();
    let held = |world: &World, party| {
        world.ledger(party, id).is_some_and(|ledger| ledger.status().holdings == 60_u64.into())
    };
    world.run_until(|world| held(world, BOB));
    // Bob's own deposit is not made while he is away.
    world.crash(BOB);
    world.run_until(|world| held(world, ALICE));
    assert!(world.request(ALICE, Request::Cancel { objective }).is_ok());
    take_back(&mut world, before, Orphans::HeldBack(30));
    world.run_until(|world| !held(world, ALICE));
    world.restart(BOB);
    world.run_until(|world| archived(world, ALICE, id) && archived(world, BOB, id));
    for _ in 0..40 {
        world.mine();
    }
    world.run_for(LONG);
    for party in [ALICE, BOB] {
        assert_out(&world, party, 0);
    }
}

/// No reorganisation reaches deeper than that, and nothing is kept for ever.
///
/// Issue point: 3.9, and 3.10: every record is bounded and expires.
#[test]
fn a_closed_channel_is_forgotten_once_its_end_is_buried() {
    let (mut world, id) = ledger();
    let channel = channel(&mut world);
    settle_down(&mut world);
    world.close_payment(ALICE, channel);
    world.close_ledger(BOB, id);
    settle_down(&mut world);
    for party in [ALICE, BOB] {
        assert_eq!(followed(&world, party), 1, "the payment channel never was on chain");
    }
    for _ in 0..200 {
        world.mine();
    }
    assert_eq!(followed(&world, ALICE), 1);
    for _ in 0..60 {
        world.mine();
    }
    world.run_until_quiet();
    for party in [ALICE, BOB] {
        assert_eq!(followed(&world, party), 0);
        assert!(archived(&world, party, id), "the archive keeps it");
    }
}

fn channel(world: &mut World) -> ChannelId {
    let request = Request::OpenPayment {
        payee: world.address(BOB),
        relays: Vec::new(),
        asset: Asset::NATIVE,
        capacity: 30_u64.into(),
        challenge_duration: DURATION,
        random: world.nonce(),
    };
    let id = world.start(ALICE, request).channel();
    world.run_until(|world| [ALICE, BOB].iter().all(|party| world.has_open_payment(*party, id)));
    id
}

fn settled(world: &World, id: ChannelId) -> bool {
    let successes = world.chain().successes();
    successes
        .iter()
        .any(|(_, call)| matches!(call, ChainCall::Settle { channel, .. } if *channel == id))
}
