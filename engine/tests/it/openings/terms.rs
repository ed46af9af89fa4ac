//! Capacity and asset are no part of a channel's id: a payer can sign two of them. Whoever passes on
//! what the payer has signed is not blamed for it.

use engine::effect::Offence;
use engine::objectives::{DeclineReason, ObjectiveStatus};
use engine::payment::PaymentChannel;
use engine::state::FixedPart;
use engine::testing::adversaries::Puppet;
use engine::testing::{Party, World, fixtures};
use engine::types::{Asset, ObjectiveId};

#[test]
fn a_payer_that_asks_two_for_different_terms_is_the_one_who_is_reported() {
    for (asset, capacity) in [(Asset::NATIVE, 20_u64), (fixtures::TOKEN, 10)] {
        let mut world = World::calm(&["ivan", "bob"]);
        let (ivan, bob) = (Party(0), Party(1));
        let mut mallory = Puppet::new(&mut world, "mallory");
        let left = mallory.lead_ledger(&mut world, ivan, 100, 0);
        let right = world.open_ledger(ivan, bob, 100, 100);
        let request = world.ledger_request(bob, 100, 100);
        if let engine::input::Request::OpenLedger {
            peer,
            mine,
            theirs,
            challenge_duration,
            random,
            ..
        } = request
        {
            let asset = fixtures::TOKEN;
            world.start(
                ivan,
                engine::input::Request::OpenLedger {
                    peer,
                    asset,
                    mine,
                    theirs,
                    challenge_duration,
                    random,
                },
            );
        }
        world.run_until_quiet();
        let fixed = mallory.payment(&mut world, &[ivan, bob], 10).fixed;
        let make = |asset, capacity: u64| {
            PaymentChannel::new(FixedPart { ..fixed.clone() }, asset, capacity.into(), 0)
        };
        let (one, other) = (make(Asset::NATIVE, 10), make(asset, capacity));
        assert_eq!(one.id, other.id);
        world.inject(mallory.address(), ivan, &mallory.open_message(&one));
        world.inject(mallory.address(), bob, &mallory.open_message(&other));
        mallory.listen(&mut world);
        let equivocation = (mallory.address(), Offence::Equivocation);
        for party in [ivan, bob] {
            let offences = world.take_offences(party);
            assert!(!offences.is_empty(), "{}", world.describe());
            assert!(offences.iter().all(|offence| *offence == equivocation), "{offences:?}");
            assert!(world.payment(party, one.id).is_none(), "{}", world.describe());
            let status = world.status(party, ObjectiveId::VirtualFund(one.id));
            let reason = DeclineReason::Equivocation;
            assert!(
                matches!(status, Some(ObjectiveStatus::Declined { reason: r, .. }) if r == reason),
                "{status:?}"
            );
        }
        for (party, ledger) in [(ivan, left.id), (ivan, right), (bob, right)] {
            let ledger = world.ledger(party, ledger).unwrap();
            assert!(ledger.agreed.guarantees.is_empty() && ledger.pending.is_empty());
        }
    }
}
