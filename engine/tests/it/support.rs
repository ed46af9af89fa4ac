//! Scripts that go on whatever happens to their nodes.

use engine::input::Request;
use engine::testing::{Party, World, fixtures};
use engine::types::{Asset, ChannelId, ObjectiveId};

/// Asks a node until it is done, also when the node ends while it is asked.
pub(crate) fn insist(
    world: &mut World,
    party: Party,
    request: &Request,
    done: impl Fn(&World) -> bool,
) {
    for _ in 0..100 {
        world.run_until(|world| world.is_up(party));
        if done(world) {
            return;
        }
        match world.try_request(party, request.clone()) {
            Some(Ok(_)) => return,
            Some(Err(_)) if done(world) => return,
            // Crossing with something that ends by itself, or with a block that is not told yet.
            Some(Err(_)) => world.run_for(std::time::Duration::from_secs(5)),
            None => {}
        }
    }
    panic!("{request:?} is never done\n{}", world.describe());
}

/// The channel that a request opens.
pub(crate) fn channel_of(world: &World, party: Party, request: &Request) -> ChannelId {
    world.engine(party).fixed_part(request).unwrap().channel_id()
}

/// Opens a ledger whatever happens, and waits until both sides have it.
pub(crate) fn insist_on_ledger(
    world: &mut World,
    leader: Party,
    follower: Party,
    amounts: [u64; 2],
) -> ChannelId {
    let request = world.ledger_request(follower, amounts[0], amounts[1]);
    world.run_until(|world| world.is_up(leader));
    let id = channel_of(world, leader, &request);
    insist(world, leader, &request, |world| {
        world.objective(leader, ObjectiveId::DirectFund(id)).is_some()
    });
    world.run_until(|world| {
        world.has_open_ledger(leader, id) && world.has_open_ledger(follower, id)
    });
    id
}

/// Opens a payment channel whatever happens, and waits until everyone has it.
pub(crate) fn insist_on_payment(world: &mut World, path: &[Party], capacity: u64) -> ChannelId {
    let request = world.payment_request(path, capacity);
    world.run_until(|world| world.is_up(path[0]));
    let id = channel_of(world, path[0], &request);
    insist(world, path[0], &request, |world| {
        world.objective(path[0], ObjectiveId::VirtualFund(id)).is_some()
    });
    world.run_until(|world| path.iter().all(|party| world.has_open_payment(*party, id)));
    id
}

/// Pays until the payer's books say so.
pub(crate) fn insist_on_paying(world: &mut World, payer: Party, channel: ChannelId, total: u64) {
    world.run_until(|world| world.is_up(payer));
    let amount = engine::types::Amount::from(total)
        .checked_sub(world.paid(payer, channel))
        .expect("never paid too much");
    insist(world, payer, &Request::Pay { channel, amount }, |world| {
        world.paid(payer, channel) >= total.into()
    });
}

/// Closes a payment channel everywhere.
pub(crate) fn insist_on_closing_payment(world: &mut World, path: &[Party], id: ChannelId) {
    insist(world, path[0], &Request::ClosePayment { channel: id }, |world| {
        world.objective(path[0], ObjectiveId::VirtualDefund(id)).is_some()
    });
    world.run_until(|world| {
        path.iter().all(|party| world.is_up(*party) && world.payment(*party, id).is_none())
    });
}

/// Closes a ledger on both sides.
pub(crate) fn insist_on_closing_ledger(world: &mut World, pair: [Party; 2], id: ChannelId) {
    insist(world, pair[0], &Request::CloseLedger { ledger: id }, |world| {
        world.objective(pair[0], ObjectiveId::DirectDefund(id)).is_some()
    });
    world.run_until(|world| {
        pair.iter().all(|party| world.is_up(*party) && world.ledger(*party, id).is_none())
    });
}

/// The whole life of a payment channel over one relay, and of its ledgers. Alice pays 25 to bob.
pub(crate) fn whole_life(world: &mut World) {
    let path = [Party(0), Party(1), Party(2)];
    let [alice, irene, bob] = path;
    let left = insist_on_ledger(world, alice, irene, [100, 50]);
    let right = insist_on_ledger(world, bob, irene, [50, 100]);
    let id = insist_on_payment(world, &path, 70);
    insist_on_paying(world, alice, id, 10);
    insist_on_paying(world, alice, id, 25);
    insist_on_closing_payment(world, &path, id);
    insist_on_closing_ledger(world, [alice, irene], left);
    insist_on_closing_ledger(world, [irene, bob], right);
    world.run_until_quiet();
    for (party, expected) in
        [(alice, fixtures::PURSE - 25), (irene, fixtures::PURSE), (bob, fixtures::PURSE + 25)]
    {
        let purse = world.purse(party, Asset::NATIVE);
        assert_eq!(purse, expected.into(), "{party:?}\n{}", world.describe());
        let counters = world.counters(party);
        assert_eq!((counters.ledgers, counters.payments, counters.calls), (0, 0, 0));
    }
}
