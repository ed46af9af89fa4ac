//! Opening, using and closing payment channels over any number of relays.

use std::time::Duration;

use engine::error::RequestError;
use engine::input::Request;
use engine::objectives::{DeclineReason, ObjectiveStatus};
use engine::payment::PaymentPhase;
use engine::policy::Policy;
use engine::testing::{Party, Setup, World, fixtures};
use engine::types::{Asset, ChannelId, ObjectiveId};

const PURSE: u64 = fixtures::PURSE;
const NAMES: [&str; 6] = ["alice", "irene", "ivan", "ingrid", "igor", "bob"];

/// A path from alice over relays to bob. The bits of `leaders` say in which hops the node on the
/// payee's side leads.
fn path(relays: usize, leaders: u32) -> (World, Vec<Party>, Vec<ChannelId>) {
    let names: Vec<&str> = NAMES[..=relays].iter().chain(&NAMES[5..]).copied().collect();
    let mut world = World::calm(&names);
    let parties: Vec<Party> = world.parties().collect();
    let mut ledgers = Vec::new();
    for (hop, pair) in parties.windows(2).enumerate() {
        let (left, right) = (pair[0], pair[1]);
        ledgers.push(if leaders >> hop & 1 == 1 {
            world.open_ledger(right, left, 100, 100)
        } else {
            world.open_ledger(left, right, 100, 100)
        });
    }
    world.run_until_quiet();
    (world, parties, ledgers)
}

/// Closes everything and looks at the money on chain: bob has what alice has not.
fn settle(world: &mut World, parties: &[Party], ledgers: &[ChannelId], paid: u64) {
    for party in parties {
        assert_eq!(world.counters(*party).payments, 0, "{}", world.describe());
    }
    for (pair, ledger) in parties.windows(2).zip(ledgers) {
        world.close_ledger(pair[0], *ledger);
    }
    let (first, last) = (parties[0], parties[parties.len() - 1]);
    for party in parties {
        let expected = match *party {
            party if party == first => PURSE - paid,
            party if party == last => PURSE + paid,
            _ => PURSE,
        };
        assert_eq!(world.purse(*party, Asset::NATIVE), expected.into(), "{party:?}");
        let counters = world.counters(*party);
        assert_eq!((counters.ledgers, counters.payments), (0, 0));
    }
}

#[test]
fn a_channel_works_over_any_number_of_relays_whoever_leads() {
    for relays in [0, 1, 2, 4] {
        let hops = relays as u32 + 1;
        for leaders in 0..(1 << hops) {
            if relays == 4 && ![0, 0b11111, 0b01010, 0b10110].contains(&leaders) {
                continue;
            }
            let (mut world, parties, ledgers) = path(relays, leaders);
            let bob = parties[relays + 1];
            let id = world.open_payment(&parties, 70);
            for (hop, ledger) in ledgers.iter().enumerate() {
                assert_eq!(world.balance(parties[hop], *ledger), 30_u64.into(), "locked");
                assert_eq!(world.balance(parties[hop + 1], *ledger), 100_u64.into(), "untouched");
            }
            world.pay(parties[0], id, 10);
            world.pay(parties[0], id, 15);
            world.run_until_quiet();
            assert_eq!(world.paid(bob, id), 25_u64.into());
            world.close_payment(parties[0], id);
            for (hop, ledger) in ledgers.iter().enumerate() {
                assert_eq!(world.balance(parties[hop], *ledger), 75_u64.into());
                assert_eq!(world.balance(parties[hop + 1], *ledger), 125_u64.into());
            }
            for party in &parties {
                assert!(world.has_completed(*party, ObjectiveId::VirtualFund(id)));
                assert!(world.has_completed(*party, ObjectiveId::VirtualDefund(id)));
                assert!(world.archived(*party, id).is_some());
            }
            settle(&mut world, &parties, &ledgers, 25);
        }
    }
}

/// All hops are agreed at the same time, so the time does not grow with the path.
#[test]
fn opening_takes_as_long_over_four_relays_as_over_one() {
    let mut times = Vec::new();
    for relays in [1, 2, 4] {
        let (mut world, parties, _) = path(relays, 0);
        let begin = world.now();
        world.open_payment(&parties, 10);
        times.push(world.now().0 - begin.0);
        world.run_until_quiet();
    }
    assert_eq!(times, [times[0]; 3], "milliseconds at 10 ms per way");
    assert!(times[0] <= 60, "at most six ways: {} ms", times[0]);
}

#[test]
fn any_participant_can_close() {
    for relays in [0, 1, 2] {
        for closer in 0..relays + 2 {
            let (mut world, parties, ledgers) = path(relays, closer as u32);
            let id = world.open_payment(&parties, 50);
            world.pay(parties[0], id, 20);
            world.run_until_quiet();
            world.close_payment(parties[closer], id);
            for party in &parties {
                assert!(world.has_completed(*party, ObjectiveId::VirtualDefund(id)));
            }
            settle(&mut world, &parties, &ledgers, 20);
        }
    }
}

#[test]
fn all_participants_can_close_at_once() {
    let (mut world, parties, ledgers) = path(2, 0b010);
    let id = world.open_payment(&parties, 50);
    world.pay(parties[0], id, 50);
    for party in parties.iter().rev() {
        world.start(*party, Request::ClosePayment { channel: id });
    }
    world.run_until_quiet();
    for party in &parties {
        assert!(world.has_completed(*party, ObjectiveId::VirtualDefund(id)));
    }
    settle(&mut world, &parties, &ledgers, 50);
}

#[test]
fn a_channel_closes_without_any_payment_and_with_all_of_it_paid() {
    for paid in [0, 70] {
        let (mut world, parties, ledgers) = path(1, 0);
        let id = world.open_payment(&parties, 70);
        if paid > 0 {
            world.pay(parties[0], id, paid);
        }
        world.close_payment(parties[0], id);
        settle(&mut world, &parties, &ledgers, paid);
    }
}

#[test]
fn many_channels_in_both_directions_share_the_ledgers() {
    let (mut world, parties, ledgers) = path(1, 0b01);
    let back: Vec<Party> = parties.iter().rev().copied().collect();
    let mut channels = Vec::new();
    for index in 0..12 {
        let (path, paid) = if index % 2 == 0 { (&parties, 2) } else { (&back, 5) };
        channels.push((path.clone(), world.begin_payment(path, 10), paid));
    }
    world.run_until_quiet();
    for (path, id, paid) in &channels {
        assert!(path.iter().all(|party| world.has_open_payment(*party, *id)));
        world.pay(path[0], *id, *paid);
    }
    world.run_until_quiet();
    for (path, id, _) in &channels {
        world.start(path[0], Request::ClosePayment { channel: *id });
    }
    world.run_until_quiet();
    // Six times two one way, six times five the other.
    assert_eq!(world.balance(parties[0], ledgers[0]), 118_u64.into());
    for (pair, ledger) in parties.windows(2).zip(&ledgers) {
        world.close_ledger(pair[1], *ledger);
    }
    assert_eq!(world.purse(parties[0], Asset::NATIVE), (PURSE + 18).into());
    assert_eq!(world.purse(parties[1], Asset::NATIVE), PURSE.into());
    assert_eq!(world.purse(parties[2], Asset::NATIVE), (PURSE - 18).into());
}

/// More is asked for than there is, at the same moment: some channels open, the rest is declined,
/// and everything that was locked for those comes back.
#[test]
fn channels_that_compete_for_one_ledger_do_not_block_each_other() {
    for leaders in 0..4 {
        let (mut world, parties, ledgers) = path(1, leaders);
        // Alice has enough for all of them on her ledger, irene on hers has not.
        let first = world.open_payment(&parties[1..], 45);
        let ids: Vec<ChannelId> = (0..3).map(|_| world.begin_payment(&parties, 30)).collect();
        world.run_until_quiet();
        let open = ids.iter().filter(|id| world.has_open_payment(parties[0], **id)).count();
        assert!(open <= 1, "55 are left for channels of 30");
        for id in &ids {
            let ended = world.has_completed(parties[0], ObjectiveId::VirtualFund(*id))
                || world.has_declined(parties[0], ObjectiveId::VirtualFund(*id));
            assert!(ended, "{}", world.describe());
        }
        let locked = 30 * open as u64;
        assert_eq!(world.balance(parties[0], ledgers[0]), (100 - locked).into());
        assert_eq!(world.balance(parties[1], ledgers[1]), (55 - locked).into());
        for id in ids {
            if world.has_open_payment(parties[0], id) {
                world.start(parties[0], Request::ClosePayment { channel: id });
            }
        }
        world.close_payment(parties[1], first);
        settle(&mut world, &parties, &ledgers, 0);
    }
}

#[test]
fn a_channel_that_a_relay_cannot_afford_is_declined() {
    let (mut world, parties, ledgers) = path(1, 0);
    let first = world.open_payment(&parties[1..], 60);
    let id = world.begin_payment(&parties, 50);
    world.run_until_quiet();
    for party in [parties[0], parties[2]] {
        let status = world.status(party, ObjectiveId::VirtualFund(id));
        let declined = matches!(
            status,
            Some(ObjectiveStatus::Declined { reason: DeclineReason::InsufficientFunds, .. })
        );
        assert!(declined || status.is_none(), "{status:?}");
    }
    assert!(world.has_declined(parties[0], ObjectiveId::VirtualFund(id)));
    assert_eq!(world.balance(parties[0], ledgers[0]), 100_u64.into());
    world.close_payment(parties[1], first);
    settle(&mut world, &parties, &ledgers, 0);
}

#[test]
fn a_path_without_a_ledger_is_declined() {
    let mut world = World::calm(&["alice", "irene", "bob"]);
    let (alice, irene, bob) = (Party(0), Party(1), Party(2));
    world.open_ledger(alice, irene, 100, 100);
    let id = world.begin_payment(&[alice, irene, bob], 50);
    world.run_until_quiet();
    assert!(world.has_declined(alice, ObjectiveId::VirtualFund(id)));
    assert_eq!(world.counters(bob).payments + world.counters(irene).payments, 0);
}

/// Whoever is silent, and whenever: what was locked is free again, everywhere.
///
/// A relay that gave up before its ledgers were funded signed no final state, and the others, which
/// had signed that theirs are, waited for it without end.
#[test]
fn a_silent_participant_unwinds_the_channel() {
    for silent in [1, 2, 3] {
        for steps in 0..8 {
            let (mut world, parties, ledgers) = path(2, 0b010);
            let id = world.begin_payment(&parties, 50);
            for _ in 0..steps {
                world.step();
            }
            world.partition(&[parties[silent]]);
            // The opening is given up after a minute, the closing after ten more.
            world.run_for(Duration::from_secs(700));
            let opened = parties.iter().any(|party| world.has_open_payment(*party, id));
            for party in &parties {
                assert_eq!(world.counters(*party).objectives, 0, "{}", world.describe());
            }
            world.heal();
            world.run_until_quiet();
            if world.payment(parties[0], id).is_some() {
                assert!(opened, "silent {silent} after {steps}\n{}", world.describe());
                world.close_payment(parties[0], id);
            }
            settle(&mut world, &parties, &ledgers, 0);
        }
    }
}

#[test]
fn a_channel_is_cancelled_by_any_participant_at_any_moment() {
    for canceller in 0..4 {
        for steps in 0..7 {
            let (mut world, parties, ledgers) = path(2, 0b101);
            let id = world.begin_payment(&parties, 50);
            for _ in 0..steps {
                world.step();
            }
            let objective = ObjectiveId::VirtualFund(id);
            let _ = world.request(parties[canceller], Request::Cancel { objective });
            world.run_until_quiet();
            world.run_for(Duration::from_secs(700));
            world.run_until_quiet();
            if world.payment(parties[0], id).is_some() {
                assert!(world.has_open_payment(parties[0], id), "{}", world.describe());
                world.close_payment(parties[0], id);
            }
            settle(&mut world, &parties, &ledgers, 0);
        }
    }
}

#[test]
fn a_relay_takes_so_many_guarantees() {
    let policy = Policy { max_guarantees: 2, ..fixtures::policy() };
    let mut world = Setup::new(1).nodes(&["alice"]).node("irene", policy).nodes(&["bob"]).build();
    let parties: Vec<Party> = world.parties().collect();
    world.open_ledger(parties[0], parties[1], 100, 100);
    world.open_ledger(parties[1], parties[2], 100, 100);
    let ids: Vec<ChannelId> = (0..3).map(|_| world.begin_payment(&parties, 10)).collect();
    world.run_until_quiet();
    let open = ids.iter().filter(|id| world.has_open_payment(parties[0], **id)).count();
    assert_eq!(open, 2);
}

#[test]
fn a_closing_ledger_carries_no_new_channel() {
    let (mut world, parties, ledgers) = path(1, 0);
    world.partition(&parties[..1]);
    world.start(parties[1], Request::CloseLedger { ledger: ledgers[0] });
    let request = world.payment_request(&parties[1..], 10);
    world.request(parties[1], request).unwrap();
    world.heal();
    let id = world.begin_payment(&parties, 10);
    world.run_until_quiet();
    assert!(world.has_declined(parties[0], ObjectiveId::VirtualFund(id)));
    let request = world.payment_request(&parties, 10);
    let (peer, asset) = (world.address(parties[1]), Asset::NATIVE);
    let refused = world.request(parties[0], request);
    assert_eq!(refused, Err(RequestError::NoLedger { field: "relays", peer, asset }));
}

#[test]
fn a_channel_stays_usable_while_a_relay_is_down() {
    let (mut world, parties, ledgers) = path(1, 0);
    let id = world.open_payment(&parties, 50);
    world.run_until_quiet();
    world.crash(parties[1]);
    world.pay(parties[0], id, 50);
    world.run_until_quiet();
    assert_eq!(world.paid(parties[2], id), 50_u64.into());
    world.start(parties[2], Request::ClosePayment { channel: id });
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.payment(parties[0], id).unwrap().phase, PaymentPhase::Closing);
    world.restart(parties[1]);
    world.run_until_quiet();
    settle(&mut world, &parties, &ledgers, 50);
}

/// The payer closes what it thinks may be open, while another's ledger is not funded yet: that one
/// dropped the final state and signed it later, when some signatures on it were lost for good.
#[test]
fn a_channel_that_the_payer_gives_up_in_rough_weather_unwinds() {
    for seed in 0..60 {
        eprintln!("seed {seed}");
        let mut world = World::rough(seed, &NAMES[..4]);
        let parties: Vec<Party> = world.parties().collect();
        let ledgers: Vec<ChannelId> = parties
            .windows(2)
            .map(|pair| {
                world.open_ledger(pair[seed as usize % 2], pair[1 - seed as usize % 2], 100, 100)
            })
            .collect();
        world.run_until_quiet();
        let id = world.begin_payment(&parties, 50);
        world.run_until(|world| {
            world.payment(parties[0], id).is_none_or(|channel| channel.postfund_signed())
        });
        let objective = ObjectiveId::VirtualFund(id);
        let _ = world.request(parties[0], Request::Cancel { objective });
        world.run_until_quiet();
        world.run_for(Duration::from_secs(700));
        world.run_until_quiet();
        if world.has_open_payment(parties[0], id) {
            world.close_payment(parties[0], id);
        }
        settle(&mut world, &parties, &ledgers, 0);
    }
}
