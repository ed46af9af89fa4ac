use std::time::Instant;

use p2p::{P2p, P2pConfig, P2pError, SendError, Stopped};
use tokio_util::sync::CancellationToken;

use crate::support::{TCP, TestNode, config, within};

async fn start_error(config: P2pConfig, key: [u8; 32]) -> P2pError {
    P2p::start(config, key, CancellationToken::new()).await.expect_err("must not start")
}

#[tokio::test]
async fn wrong_settings_are_errors_at_start_that_name_the_setting() {
    let listen = vec!["/ip4/192.0.2.1/tcp/0".parse().unwrap()];
    let error = start_error(P2pConfig { listen, ..config(TCP) }, [1; 32]).await;
    assert!(error.to_string().contains("setting listen"), "{error}");

    let boot_peers = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
    let error = start_error(P2pConfig { boot_peers, ..config(TCP) }, [1; 32]).await;
    assert!(error.to_string().contains("boot_peers"), "{error}");

    assert!(matches!(start_error(config(TCP), [0; 32]).await, P2pError::SecretKey));
}

#[tokio::test]
async fn a_node_may_listen_nowhere_and_still_talk() {
    let mut bob = TestNode::tcp(2).await;
    let listen = Vec::new();
    let mut alice = TestNode::start(1, P2pConfig { listen, ..config(TCP) }).await;
    alice.meet(&bob).await;
    alice.handle.send(bob.address(), 1, &b"hello"[..]).unwrap();
    let frame = bob.frame().await;
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 1));
}

#[tokio::test]
async fn acknowledgements_given_before_the_end_still_leave() {
    let (mut alice, mut bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    alice.meet(&bob).await;
    alice.handle.send(bob.address(), 1, &b"last words"[..]).unwrap();
    let frame = bob.frame().await;
    bob.handle.ack(frame.token).unwrap();
    bob.stop().await;
    assert_eq!(alice.delivered().await, (alice_peer(&alice).await, 1));
}

/// The name of the only peer.
async fn alice_peer(alice: &TestNode) -> p2p::Address {
    alice.handle.peers().await.unwrap()[0].address
}

#[tokio::test]
async fn the_end_comes_within_its_bound_and_later_calls_say_so() {
    let (mut alice, bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    alice.handle.dial(bob.full_address().await).await.unwrap();
    // A message to nobody must not hold anything up.
    alice.handle.send(p2p::Address::ZERO, 1, &b"?"[..]).unwrap();
    alice.peer_up(bob.address()).await;
    let handle = alice.handle.clone();
    let began = Instant::now();
    alice.stop().await;
    assert!(began.elapsed() < P2p::SHUTDOWN_LIMIT);
    assert_eq!(handle.send(bob.address(), 1, &b"late"[..]), Err(SendError::Stopped(Stopped)));
    assert_eq!(handle.peers().await, Err(Stopped));
}

#[tokio::test]
async fn a_node_that_stops_listening_to_events_ends_the_network() {
    let alice = TestNode::tcp(1).await;
    drop(alice.events);
    within("the end of the task", alice.task).await.unwrap();
}
