use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libp2p::{Multiaddr, Swarm, kad, swarm::SwarmEvent};
use p2p::{
    P2pConfig, ResolveError,
    discovery::record::{AddressRecord, key_of},
};
use secp256k1::SecretKey;

use crate::support::{
    Raw, RawEvent, TCP, TestNode, address_of, config, connect, drive, keypair, raw_client, until,
    within,
};

pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn record(key: u8, location: &str, timestamp: u64) -> AddressRecord {
    record_of(key, &[location.to_owned()], timestamp)
}

fn record_of(key: u8, locations: &[String], timestamp: u64) -> AddressRecord {
    let secret = SecretKey::from_secret_bytes([key; 32]).unwrap();
    let locations = locations.iter().map(|location| location.parse().unwrap());
    AddressRecord::sign(&secret, locations, timestamp).unwrap()
}

/// A client hands a node its own record.
pub(crate) async fn put(
    client: &mut Swarm<Raw>,
    node: &TestNode,
    key: u8,
    locations: &[String],
    timestamp: u64,
) {
    let own = record_of(key, locations, timestamp);
    let key = key_of(own.address());
    let record = kad::Record { key, value: own.encode(), publisher: None, expires: None };
    let to = std::iter::once(node.handle.peer_id());
    client.behaviour_mut().kad.put_record_to(record, to, kad::Quorum::One);
    drive("an honest put", client, put_finished).await;
}

async fn published(node: &TestNode) {
    until("a publication", || node.metrics().records_published.get() > 0).await;
}

#[tokio::test]
async fn an_address_is_found_through_one_boot_peer() {
    let boot = TestNode::tcp(9).await;
    let mut bob = TestNode::with_boot(2, &boot).await;
    published(&bob).await;
    let mut alice = TestNode::with_boot(1, &boot).await;
    alice.peer_up(boot.address()).await;

    let resolved = within("a record", alice.handle.resolve(bob.address())).await.unwrap();
    assert_eq!(resolved.peer_id, bob.handle.peer_id());
    let listen: Multiaddr = bob.full_address().await.iter().take(2).collect();
    assert_eq!(resolved.addresses, [listen]);

    alice.handle.send(bob.address(), 1, &b"found"[..]).unwrap();
    let frame = bob.frame().await;
    assert_eq!((frame.from, &frame.messages[0][..]), (alice.address(), &b"found"[..]));
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 1));
    assert_eq!(boot.metrics().frames_received.get(), 0);
}

#[tokio::test]
async fn a_message_sent_before_its_receiver_exists_arrives_when_it_does() {
    let boot = TestNode::tcp(9).await;
    let mut alice = TestNode::with_boot(1, &boot).await;
    let bob_address = address_of(&keypair(2));
    alice.handle.send(bob_address, 1, &b"early"[..]).unwrap();
    until("a search in vain", || alice.metrics().searches_failed.get() > 0).await;
    let mut bob = TestNode::with_boot(2, &boot).await;
    let frame = bob.frame().await;
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob_address, 1));
}

#[tokio::test]
async fn a_receiver_that_moved_is_found_again_by_its_new_record() {
    let boot = TestNode::tcp(9).await;
    let mut alice = TestNode::with_boot(1, &boot).await;
    let mut bob = TestNode::with_boot(2, &boot).await;
    published(&bob).await;
    alice.handle.send(bob.address(), 1, &b"one"[..]).unwrap();
    let frame = bob.frame().await;
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 1));
    bob.stop().await;

    let bob_address = address_of(&keypair(2));
    alice.peer_down(bob_address).await;
    alice.handle.send(bob_address, 2, &b"two"[..]).unwrap();
    let mut bob = TestNode::with_boot(2, &boot).await;
    let frame = bob.frame().await;
    assert_eq!(frame.messages, [&b"two"[..]]);
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob_address, 2));
}

#[tokio::test]
async fn nobody_can_plant_a_record_for_the_address_of_another() {
    let boot = TestNode::tcp(9).await;
    let mut mallory = raw_client(keypair(66));
    connect(&mut mallory, &boot).await;
    let boot_id = boot.handle.peer_id();
    let victim = address_of(&keypair(2));

    let own = record(66, "/ip4/10.6.6.6/tcp/66", now_ms());
    let genuine = record(2, "/ip4/10.0.0.2/tcp/2", now_ms());
    let mut forged = genuine.encode();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let attempts = [
        (key_of(victim), own.encode(), "his own record under the key of the victim"),
        (key_of(victim), forged, "a record of the victim with another signature"),
        (key_of(victim), genuine.encode(), "a genuine record that its owner did not put"),
        (kad::RecordKey::new(&b"/pk/anything"), vec![1, 2, 3], "a key of no address"),
    ];
    for (index, (key, value, what)) in attempts.into_iter().enumerate() {
        let record = kad::Record { key, value, publisher: None, expires: None };
        let kad = &mut mallory.behaviour_mut().kad;
        kad.put_record_to(record, std::iter::once(boot_id), kad::Quorum::One);
        drive(what, &mut mallory, put_finished).await;
        let refused = index as u64 + 1;
        until(what, || boot.metrics().records_refused.get() == refused).await;
    }
    assert_eq!(boot.metrics().records_accepted.get(), 0);

    // His own record under his own key is welcome.
    put(&mut mallory, &boot, 66, &["/ip4/10.6.6.6/tcp/66".to_owned()], now_ms()).await;
    until("an accepted record", || boot.metrics().records_accepted.get() == 1).await;

    let mut alice = TestNode::with_boot(1, &boot).await;
    alice.peer_up(boot.address()).await;
    let resolved = within("an answer", alice.handle.resolve(victim)).await;
    assert_eq!(resolved, Err(ResolveError::NotFound));
}

fn put_finished(event: SwarmEvent<RawEvent>) -> Option<()> {
    match event {
        SwarmEvent::Behaviour(RawEvent::Kad(kad::Event::OutboundQueryProgressed {
            result: kad::QueryResult::PutRecord(_),
            ..
        })) => Some(()),
        _ => None,
    }
}

#[tokio::test]
async fn a_table_that_lies_is_not_believed() {
    let mut liar = raw_client(keypair(66));
    let liar_address = address_of(&keypair(66));
    liar.listen_on(TCP.parse().unwrap()).unwrap();
    let location = drive("a listener", &mut liar, |event| match event {
        SwarmEvent::NewListenAddr { address, .. } => Some(address),
        _ => None,
    })
    .await;
    let victim = address_of(&keypair(2));
    let own = record(66, &location.to_string(), now_ms());
    let lie =
        kad::Record { key: key_of(victim), value: own.encode(), publisher: None, expires: None };
    // Stored locally at the liar, who has nobody else to tell.
    let _ = liar.behaviour_mut().kad.put_record(lie, kad::Quorum::One);
    let boot = location.with(libp2p::multiaddr::Protocol::P2p(*liar.local_peer_id()));
    tokio::spawn(async move {
        loop {
            futures::StreamExt::select_next_some(&mut liar).await;
        }
    });

    let boot_peers = vec![boot];
    let mut alice = TestNode::start(1, P2pConfig { boot_peers, ..config(TCP) }).await;
    alice.peer_up(liar_address).await;
    alice.handle.send(victim, 1, &b"secret"[..]).unwrap();
    until("a refused record", || alice.metrics().records_refused.get() > 0).await;
    assert_eq!(alice.metrics().records_accepted.get(), 0);
    assert_eq!(alice.metrics().frames_sent.get(), 0);
    let peers = alice.handle.peers().await.unwrap();
    assert!(peers.iter().any(|peer| peer.address == liar_address && peer.offences > 0));
    assert!(peers.iter().any(|peer| peer.address == victim && peer.addresses.is_empty()));
}

#[tokio::test]
async fn an_unreachable_boot_peer_is_retried_and_never_fatal() {
    let boot = TestNode::tcp(9).await;
    let full = boot.full_address().await;
    boot.stop().await;

    let boot_peers = vec![full.clone()];
    let mut alice = TestNode::start(1, P2pConfig { boot_peers, ..config(TCP) }).await;
    until("failed dials", || alice.metrics().searches_failed.get() >= 2).await;

    let listen = vec![full.iter().take(2).collect()];
    let boot = TestNode::start(9, P2pConfig { listen, ..config(TCP) }).await;
    alice.peer_up(boot.address()).await;
    published(&alice).await;
    let info = alice.handle.peers().await.unwrap().remove(0);
    assert!(info.boot && info.connected && info.address == boot.address());
}

#[tokio::test]
async fn a_boot_peer_that_forgot_everything_is_told_again() {
    let boot = TestNode::tcp(9).await;
    let full = boot.full_address().await;
    let bob = TestNode::with_boot(2, &boot).await;
    published(&bob).await;
    boot.stop().await;

    let listen = vec![full.iter().take(2).collect()];
    let boot = TestNode::start(9, P2pConfig { listen, ..config(TCP) }).await;
    let mut alice = TestNode::with_boot(1, &boot).await;
    alice.peer_up(boot.address()).await;
    within("the record of bob", async {
        while alice.handle.resolve(bob.address()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
