//! Where a stranger's word makes a node connect to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use libp2p::multiaddr::Protocol;
use p2p::{Address, P2pConfig};
use tokio::net::TcpListener;

use crate::{
    discovery::{now_ms, put},
    support::{TCP, TestNode, address_of, config, connect, keypair, raw_client, until},
};

/// Something on this machine that is no business of strangers, and how often it was connected to.
async fn database() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, visits)
}

/// A stranger hands `node` a record that names the database, by number and by name.
async fn named_by_a_stranger(node: &TestNode, port: u16) -> Address {
    let mut mallory = raw_client(keypair(66));
    connect(&mut mallory, node).await;
    let places = [format!("/ip4/127.0.0.1/tcp/{port}"), format!("/dns4/localhost/tcp/{port}")];
    put(&mut mallory, node, 66, &places, now_ms()).await;
    until("an accepted record", || node.metrics().records_accepted.get() == 1).await;
    address_of(&keypair(66))
}

/// As a node on the public network is configured.
fn public() -> P2pConfig {
    P2pConfig {
        external_addresses: vec!["/ip4/45.33.32.1/tcp/3005".parse().unwrap()],
        ..config(TCP)
    }
}

#[tokio::test]
async fn a_strangers_record_leads_a_public_node_to_no_place_that_is_not_public() {
    let node = TestNode::start(1, public()).await;
    let (port, visits) = database().await;
    let mallory = named_by_a_stranger(&node, port).await;
    // Any answer to somebody who has gone makes the node look for it.
    node.handle.send(mallory, 1, &b"where are you?"[..]).unwrap();
    until("searches in vain", || node.metrics().searches_failed.get() >= 2).await;
    assert!(node.metrics().dials_refused.get() >= 4, "the number and the name, twice each");
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_operator_may_let_strangers_name_private_places_and_lives_among_them_at_home() {
    for config in [P2pConfig { dial_private: true, ..public() }, config(TCP)] {
        let node = TestNode::start(1, config).await;
        let (port, visits) = database().await;
        let mallory = named_by_a_stranger(&node, port).await;
        node.handle.send(mallory, 1, &b"where are you?"[..]).unwrap();
        until("a dial", || visits.load(Ordering::SeqCst) > 0).await;
        assert_eq!(node.metrics().dials_refused.get(), 0);
    }
}

#[tokio::test]
async fn what_the_operator_names_is_dialled_wherever_it_is() {
    let (mut node, mut friend) = (TestNode::start(1, public()).await, TestNode::tcp(2).await);
    node.meet(&friend).await;
    node.handle.send(friend.address(), 1, &b"hello"[..]).unwrap();
    let frame = friend.frame().await;
    friend.handle.ack(frame.token).unwrap();
    assert_eq!(node.delivered().await, (friend.address(), 1));
}

#[tokio::test]
async fn nodes_of_one_machine_that_listen_everywhere_find_each_other() {
    let everywhere = || config("/ip4/0.0.0.0/tcp/0");
    let boot = TestNode::start(9, everywhere()).await;
    let boot_peers = vec![boot.full_address().await];
    let known = || P2pConfig { boot_peers: boot_peers.clone(), ..everywhere() };
    let mut bob = TestNode::start(2, known()).await;
    until("a publication", || bob.metrics().records_published.get() > 0).await;
    let mut alice = TestNode::start(1, known()).await;
    alice.handle.send(bob.address(), 1, &b"hello"[..]).unwrap();
    let frame = bob.frame().await;
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 1));
}

#[tokio::test]
async fn a_port_that_is_in_use_at_another_address_keeps_nobody_from_dialling() {
    let (mut alice, mut bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    let port = alice.full_address().await.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let _other = TcpListener::bind(("127.0.3.1", port.unwrap())).await.unwrap();
    alice.meet(&bob).await;
    alice.handle.send(bob.address(), 1, &b"hello"[..]).unwrap();
    let frame = bob.frame().await;
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 1));
}
