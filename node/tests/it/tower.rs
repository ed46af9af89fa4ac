//! A watchtower on a real chain: whoever was away for a whole dispute still gets its balance.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use alloy::sol_types::SolCall;
use chain::bindings::{INitroTypes, NitroAdjudicator, fixed_part, signed_variable_part};
use engine::crypto::{LocalSigner, Signer};
use engine::effect::{Response, Update};
use engine::guard::{Terms, TowerRefusal, TowerView};
use engine::input::Request;
use engine::ledger::{Ledger, Side};
use engine::payment::PaymentChannel;
use engine::state::{Deployment, FixedPart, SupportedState, challenge_hash};
use engine::types::{Address, Amount, Asset, ChannelId, TurnNumber};
use node::tower::{TowerNode, TowerSettings};
use p2p::Multiaddr;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::cli::{Place, word};
use crate::served::Served;
use crate::support::{ETHER, LIMIT, Network, TestNode, amount};

const STEP: Duration = Duration::from_millis(50);

/// The key of the node number `index`.
fn key(index: u8) -> LocalSigner {
    LocalSigner::new([index + 1; 32]).unwrap()
}

async fn until(what: &str, probe: impl AsyncFn() -> bool) {
    let reached = async {
        while !probe().await {
            sleep(STEP).await;
        }
    };
    timeout(LIMIT, reached).await.unwrap_or_else(|_| panic!("{what} did not happen in time"));
}

/// A tower without a node, as number `index`.
async fn tower_alone(network: &Network, index: u8) -> (TowerNode, TempDir) {
    let (settings, dir) = network.settings(index);
    (start_tower(settings).await, dir)
}

async fn start_tower(settings: node::NodeSettings) -> TowerNode {
    Box::pin(TowerNode::start(settings, TowerSettings::default())).await.unwrap()
}

async fn contact(tower: &TowerNode) -> Multiaddr {
    tower.p2p().listen_addresses().await.unwrap().into_iter().next().unwrap()
}

/// Asks a tower to serve, and returns its answer.
async fn add(client: &TestNode, tower: Address) -> Result<Terms, TowerRefusal> {
    let mut updates = client.handle().updates();
    client.ask(Request::AddTower { tower }).await;
    let answer = async {
        loop {
            if let Update::Tower { tower: from, answer } = updates.recv().await.unwrap() {
                assert_eq!(from, tower);
                return answer;
            }
        }
    };
    timeout(LIMIT, answer).await.expect("the tower answers")
}

async fn towers(client: &TestNode) -> Vec<TowerView> {
    match client.ask(Request::ListTowers).await {
        Response::Towers(views) => views,
        other => panic!("expected towers, got {other:?}"),
    }
}

/// Waits until the first tower has given receipts for the newest states of `channels`.
async fn guarded(client: &TestNode, channels: &[ChannelId]) {
    until("a receipt for every channel", async || {
        let views = towers(client).await;
        channels.iter().all(|channel| {
            let guard = views[0].guards.iter().find(|guard| guard.channel == *channel);
            guard.is_some_and(|guard| {
                let receipt = guard.guarding.as_ref().and_then(|guarding| guarding.receipt);
                receipt.is_some_and(|receipt| Some(receipt.rank) == guard.newest)
            })
        })
    })
    .await;
}

/// Sends a challenge with a state that all participants have signed.
async fn challenge(
    network: &Network,
    fixed: &FixedPart,
    candidate: &SupportedState,
    challenger: &LocalSigner,
) {
    let hash = candidate.state.hash(fixed.channel_id());
    let signature = challenger.sign(challenge_hash(hash));
    let call = NitroAdjudicator::challengeCall {
        fixedPart: fixed_part(fixed),
        proof: Vec::new(),
        candidate: signed_variable_part(&candidate.state, &candidate.signatures).unwrap(),
        challengerSig: INitroTypes::Signature {
            v: signature.v(),
            r: signature.r(),
            s: signature.s(),
        },
    };
    network.transact(1, network.deployed.deployment.adjudicator, 0, call.abi_encode()).await;
}

/// Waits until the adjudicator has a newer state on record, and no challenge runs.
async fn answered(channel: ChannelId, turn: u64, chain: &chain::ChainHandle) {
    until("the tower's answer", async || {
        let status = chain.channel_status(channel).await;
        status.is_ok_and(|status| status.finalizes_at == 0 && status.turn == TurnNumber(turn))
    })
    .await;
}

/// Opens a ledger under a known nonce and returns its fixed part.
async fn ledger(alice: &TestNode, bob: &TestNode, each: u128) -> FixedPart {
    let request = Request::OpenLedger {
        peer: bob.address,
        asset: Asset::NATIVE,
        mine: amount(each),
        theirs: amount(each),
        challenge_duration: 3_600,
        random: 7,
    };
    let id = alice.begin(request).await;
    alice.completed(id).await;
    bob.completed(id).await;
    FixedPart {
        participants: vec![alice.address, bob.address],
        nonce: alice.settings.deployment.ledger_nonce(7, true),
        app: alice.settings.deployment.consensus_app,
        challenge_duration: 3_600,
    }
}

/// The first state of that ledger, which both have signed when it was opened.
fn opening(fixed: &FixedPart, each: u128) -> SupportedState {
    let each = amount(each);
    let ledger = Ledger::new(fixed.clone(), Asset::NATIVE, Side::Leader, each, each);
    let hash = ledger.agreed_hash();
    let signatures = [1, 2].map(|index| key(index).sign(hash)).to_vec();
    SupportedState { state: ledger.state(&ledger.agreed, false), signatures }
}

/// Enforces a ledger and waits until its owner has everything on its own account.
async fn exit(network: &Network, node: &TestNode, ledger: ChannelId, expected: u128) {
    // A node that came back during a dispute may have begun by itself.
    let _ = node.handle().request(Request::ExitLedger { ledger }).await;
    let paid =
        async || network.balance(Asset::NATIVE, node.address, node).await == amount(expected);
    let settled = async {
        while !paid().await {
            // Challenges run out while the chain's clock runs.
            network.set("evm_increaseTime", json!([600])).await;
            network.mine(1).await;
            sleep(Duration::from_millis(200)).await;
        }
    };
    let settled = timeout(LIMIT, settled).await;
    let found = network.balance(Asset::NATIVE, node.address, node).await;
    assert!(settled.is_ok(), "{found} instead of {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_for_a_whole_dispute_keeps_its_balance() {
    let network = Network::start().await;
    let [mut alice, mut bob] = network.nodes().await;
    let fixed = ledger(&alice, &bob, 10 * ETHER).await;
    let ledger = fixed.channel_id();
    let (tower, _dir) = tower_alone(&network, 3).await;
    bob.handle().p2p().dial(contact(&tower).await).await.unwrap();
    assert!(add(&bob, tower.address()).await.is_ok());
    let channel = alice.open_payment(&[&bob], Asset::NATIVE, 5 * ETHER).await;
    alice.pay(channel, 2 * ETHER).await;
    let close = alice.begin_close_payment(channel).await;
    alice.completed(close).await;
    bob.completed(close).await;
    guarded(&bob, &[ledger]).await;
    let newest = bob.ledger(ledger).await;
    assert_eq!((newest.mine, newest.turn), (amount(12 * ETHER), TurnNumber(3)));
    // The payment channel is closed, and the tower has been told.
    until("one channel", async || tower.count().await.unwrap().channels == 1).await;

    bob.stop().await;
    alice.stop().await;
    challenge(&network, &fixed, &opening(&fixed, 10 * ETHER), &key(1)).await;
    answered(ledger, 3, tower.chain()).await;

    bob.resume().await;
    let head = network.head().await;
    bob.until_block(head).await;
    let view = bob.ledger(ledger).await;
    assert_eq!((view.mine, view.turn), (amount(12 * ETHER), TurnNumber(3)));
    assert_eq!(towers(&bob).await[0].tower, tower.address());
    exit(&network, &bob, ledger, 12 * ETHER).await;
    tower.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_that_was_away_keeps_what_it_was_paid() {
    let network = Network::start().await;
    let [mut alice, mut bob] = network.nodes().await;
    let fixed = ledger(&alice, &bob, 10 * ETHER).await;
    let ledger = fixed.channel_id();
    let (mut settings, dir) = network.settings(3);
    settings.tower = Some(TowerSettings::default());
    settings.p2p.boot_peers.push(bob.dial_address().await);
    let mut irene = TestNode::start(settings, dir).await;
    assert!(add(&bob, irene.address).await.is_ok());
    let request = Request::OpenPayment {
        payee: bob.address,
        relays: Vec::new(),
        asset: Asset::NATIVE,
        capacity: amount(5 * ETHER),
        challenge_duration: 3_600,
        random: 8,
    };
    let id = alice.begin(request).await;
    alice.completed(id).await;
    bob.completed(id).await;
    let channel = id.channel();
    for _ in 0..4 {
        alice.pay(channel, ETHER / 2).await;
    }
    guarded(&bob, &[ledger, channel]).await;
    // What the tower took outlasts a restart of it.
    irene.restart().await;
    let held = irene.handle().guarded().await.unwrap();
    assert_eq!((held.clients, held.channels), (1, 2));

    bob.stop().await;
    alice.stop().await;
    let app = network.deployed.deployment.payment_app;
    let paying = FixedPart { nonce: network.deployed.deployment.nonce(8), app, ..fixed.clone() };
    assert_eq!(paying.channel_id(), channel);
    let record = PaymentChannel::new(paying.clone(), Asset::NATIVE, amount(5 * ETHER), 0);
    challenge(&network, &paying, &postfund(&record), &key(1)).await;
    answered(channel, 2, irene.handle().chain()).await;

    bob.resume().await;
    let head = network.head().await;
    bob.until_block(head).await;
    assert_eq!(bob.payment(channel).await.paid, amount(2 * ETHER));
    exit(&network, &bob, ledger, 12 * ETHER).await;
}

/// The state that both have signed before the first payment.
fn postfund(channel: &PaymentChannel) -> SupportedState {
    use engine::outcome::{Allocation, Outcome};
    use engine::state::VariablePart;
    use engine::types::Bytes;
    let allocations = vec![
        Allocation::simple(channel.payer().into(), channel.capacity),
        Allocation::simple(channel.payee().into(), Amount::ZERO),
    ];
    let state = VariablePart {
        outcome: Outcome::single(Asset::NATIVE, allocations),
        app_data: Bytes::default(),
        turn: TurnNumber::POSTFUND,
        is_final: false,
    };
    let hash = state.hash(channel.id);
    assert_eq!(hash, channel.postfund_hash());
    let signatures = [1, 2].map(|index| key(index).sign(hash)).to_vec();
    SupportedState { state, signatures }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tower_that_comes_back_answers_what_it_missed() {
    let network = Network::start().await;
    let [mut alice, mut bob] = network.nodes().await;
    let fixed = ledger(&alice, &bob, 10 * ETHER).await;
    let ledger = fixed.channel_id();
    let (settings, _dir) = network.settings(3);
    let tower = start_tower(settings.clone()).await;
    bob.handle().p2p().dial(contact(&tower).await).await.unwrap();
    assert!(add(&bob, tower.address()).await.is_ok());
    let channel = alice.open_payment(&[&bob], Asset::NATIVE, 5 * ETHER).await;
    guarded(&bob, &[ledger]).await;
    assert_ne!(channel, ledger);
    tower.shutdown().await;
    bob.stop().await;
    alice.stop().await;
    challenge(&network, &fixed, &opening(&fixed, 10 * ETHER), &key(1)).await;
    network.mine(3).await;
    let tower = start_tower(settings).await;
    answered(ledger, 2, tower.chain()).await;
    tower.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tower_that_cannot_guard_is_refused_and_nothing_changes() {
    let network = Network::start().await;
    let bob = network.node(2, &[]).await;
    let plain = network.node(1, &[&bob]).await;
    // A tower of other contracts of the same chain.
    let other = Network { deployed: redeploy(&network).await, anvil: network.anvil };
    let (foreign, _dir) = tower_alone(&other, 3).await;
    bob.handle().p2p().dial(contact(&foreign).await).await.unwrap();
    let served = Served::start(bob.handle()).await;
    let before = served.ok("nitro_towers", json!({})).await;
    assert_eq!(before, json!([]));

    let ours = bob.settings.deployment;
    let theirs: Deployment = other.deployed.deployment;
    assert_ne!(ours.adjudicator, theirs.adjudicator);
    let stranger = "0x2222222222222222222222222222222222222222".to_owned();
    let (bob_name, plain_name) = (bob.address.to_string(), plain.address.to_string());
    let foreign_name = foreign.address().to_string();
    for (tower, code, reason, says) in [
        (stranger, 2_002, "unknown_tower", "nitro peer add"),
        (plain_name, 2_004, "tower_refused", "tower.serve"),
        (foreign_name, 2_004, "tower_refused", "choose a tower of our chain and adjudicator"),
        (bob_name, 1_014, "oneself", "oneself"),
        ("bob".to_owned(), -32_602, "malformed_address", "tower"),
    ] {
        let refused = served.refused("nitro_addTower", json!({ "tower": tower })).await;
        assert_eq!((refused.code, refused.reason.as_str()), (code, reason), "{refused:?}");
        assert_eq!(refused.field.as_deref(), Some("tower"));
        assert!(refused.message.contains(says), "{refused:?}");
        assert_eq!(served.ok("nitro_towers", json!({})).await, before);
    }
    let unknown = json!({ "tower": plain.address });
    let refused = served.refused("nitro_removeTower", unknown).await;
    assert_eq!((refused.code, refused.reason.as_str()), (1_040, "not_a_tower"));
    let guarded = served.ok("nitro_guarded", json!({})).await;
    assert_eq!(guarded, json!({ "serving": false, "clients": 0, "channels": 0 }));
    foreign.shutdown().await;
}

/// Other contracts on the same chain.
async fn redeploy(network: &Network) -> chain::Deployed {
    let key = chain::AccountKey::new(chain::testing::ACCOUNTS[0].0);
    chain::deploy(&network.anvil.url(), &key, chain::TestToken::Deploy, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_what_its_tower_holds() {
    let network = Network::start().await;
    let [alice, bob] = network.nodes().await;
    let ledger = ledger(&alice, &bob, 10 * ETHER).await.channel_id();
    let (tower, _dir) = tower_alone(&network, 3).await;
    bob.handle().p2p().dial(contact(&tower).await).await.unwrap();
    let served = Served::start(bob.handle()).await;
    let name = tower.address().to_string();
    let added = served.ok("nitro_addTower", json!({ "tower": name })).await;
    assert_eq!((&added["tower"], &added["serving"]), (&json!(name), &json!(true)));
    guarded(&bob, &[ledger]).await;
    let towers = served.ok("nitro_towers", json!({})).await;
    let guard = &towers[0]["channels"][0];
    assert_eq!(guard["status"], "guarded");
    assert_eq!((&guard["newest_turn"], &guard["receipt"]["turn"]), (&json!(1), &json!(1)));
    assert_eq!(guard["receipt"]["client"], json!(bob.address.to_string()));
    let removed = served.ok("nitro_removeTower", json!({ "tower": name })).await;
    assert_eq!(removed["tower"], json!(name));
    assert_eq!(served.ok("nitro_towers", json!({})).await, json!([]));
    until("the tower to forget", async || tower.count().await.unwrap().channels == 0).await;
    tower.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tower_is_used_from_the_command_line() {
    let network = Network::start().await;
    let place = Place::new(&network);
    for (node, key) in [("client", "k1"), ("peer", "k2"), ("tower", "k3")] {
        assert!(place.init(node, key, &[]).status.success());
    }
    let tower = place.start("tower", &["--set", "tower.serve=true"]);
    let peer = place.start("peer", &[]);
    let name = word(&tower.ready, "address").to_owned();
    let _client = place.start("client", &["--boot-peer", peer.peer_address()]);
    place.fails("client", &["tower", "add", &name], 1, &["unknown tower", "nitro peer add"]);
    place.fails("client", &["tower", "add", "0x12"], 1, &["tower: "]);
    place.text("client", &["peer", "add", tower.peer_address()]);
    assert!(place.text("client", &["tower", "add", &name]).contains("serving               yes"));

    let peer_name = word(&peer.ready, "address");
    let open = ["ledger", "open", peer_name, "--amount", "1ether", "--peer-amount", "1ether"];
    let ledger = word(&place.json("client", &open), "channel").to_owned();
    until("the receipt", async || {
        let list = place.json("client", &["tower", "list"]);
        let guard = &list[0]["channels"][0];
        guard["channel"] == ledger.as_str() && guard["status"] == "guarded"
    })
    .await;
    let list = place.text("client", &["tower", "list"]);
    assert!(list.contains(&format!("{}: guarded, holds turn", &ledger[..10])), "{list}");
    let status = place.text("tower", &["tower", "status"]);
    assert_eq!(status, "clients   1\nchannels  1\n");
    assert!(place.text("client", &["tower", "status"]).contains("is no watchtower"));
    place.text("client", &["tower", "remove", &name]);
    assert!(place.text("client", &["tower", "list"]).contains("no towers"));
    // A tower alone has a name of its own: it does not run beside the node of its folder.
    place.fails("tower", &["tower", "serve"], 1, &["in use"]);
    place.fails("tower", &["tower", "serve", "--rpc-listen", "x"], 2, &["serves no RPC"]);
}
