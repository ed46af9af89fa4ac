//! Many calls at once, and few places for them.

use chain::ChainConfig;
use engine::chain::{ChainCall, Receipt, Urgency};
use engine::types::{Amount, CallId};

use crate::support::{Service, World, settlement, within};

/// Places of an account in the pools of nodes.
const PLACES: usize = 16;

/// Far beyond the blocks of these tests.
const DEADLINE: u64 = 1_000_000_000_000;

/// Calls that run out, each for a channel of its own.
fn submit(world: &World, service: &Service, calls: usize) {
    for nonce in 1..=calls as u64 {
        let (_, conclude, _) = settlement(&world.deployed.deployment, nonce);
        let ChainCall::Conclude { fixed, state, signatures, .. } = conclude else {
            panic!("not a conclusion")
        };
        let urgency = Urgency { deadline: Some(DEADLINE), at_risk: Amount::from(nonce) };
        let call = ChainCall::Conclude { fixed, state, signatures, urgency };
        service.handle.submit(CallId(nonce), call).unwrap();
    }
}

async fn all_succeed(service: &mut Service, calls: usize) {
    for id in 1..=calls as u64 {
        assert!(matches!(service.until_settled(id).await, Receipt::Succeeded { .. }), "{id}");
    }
}

#[tokio::test]
async fn hundreds_of_deadlines_do_not_wait_for_confirmations() {
    const CALLS: usize = 300;
    let world = World::new().await;
    // None of them is confirmed before the last one is mined.
    let config = ChainConfig { confirmations: 100, ..world.config() };
    let mut service = Service::start(config).await;
    let account = service.handle.account();
    world.hold_transactions().await;
    submit(&world, &service, CALLS);
    let mut sent = 0;
    while sent < CALLS {
        // As many more as the last block has mined, and no more.
        sent = CALLS.min(sent + PLACES);
        service.until_in_flight(sent).await;
        assert_eq!(service.handle.status().calls.waiting, CALLS - sent);
        world.mine(1).await;
    }
    assert_eq!(world.mined_nonce(account).await, CALLS as u64);
    assert_eq!(service.settlements, 0);
    world.mine(100).await;
    all_succeed(&mut service, CALLS).await;
}

#[tokio::test]
async fn reorganised_crowd_takes_its_places_back() {
    const CALLS: usize = 40;
    let world = World::new().await;
    world.mine(5).await;
    let config = ChainConfig { confirmations: 4, ..world.config() };
    let mut service = Service::start(config).await;
    let account = service.handle.account();
    world.hold_transactions().await;
    submit(&world, &service, CALLS);
    service.until_in_flight(PLACES).await;
    world.mine(1).await;
    service.until_in_flight(2 * PLACES).await;
    world.reorganise(1).await;
    assert_eq!(world.mined_nonce(account).await, 0);
    within("the rest", async {
        while world.mined_nonce(account).await < CALLS as u64 {
            world.mine(1).await;
        }
    })
    .await;
    world.mine(4).await;
    all_succeed(&mut service, CALLS).await;
    assert_eq!(world.mined_nonce(account).await, CALLS as u64, "each is mined once");
}
