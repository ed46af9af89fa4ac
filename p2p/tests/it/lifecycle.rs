use std::time::Instant;

use p2p::{DialFailure, Multiaddr, P2p, P2pConfig, P2pError, SendError, Stopped};
use tokio_util::sync::CancellationToken;

use crate::support::{TCP, TestNode, config, until, within};

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
async fn an_address_that_nobody_could_use_is_an_error_at_start_that_names_it() {
    let own = TestNode::tcp(2).await.handle.peer_id();
    for (address, why) in [
        ("/ip4/198.51.100.1/tcp/0".to_owned(), "port 0"),
        ("/ip4/198.51.100.1/tcp/3005/ws".to_owned(), "/tcp/<port>"),
        ("/ip4/198.51.100.1".to_owned(), "/tcp/<port>"),
        ("/ip4/0.0.0.0/tcp/3005".to_owned(), "no host"),
        ("/memory/5".to_owned(), "/dns"),
        (format!("/dns4/{}/tcp/3005", "a".repeat(200)), "128 bytes"),
        (format!("/ip4/198.51.100.1/tcp/3005/p2p/{own}"), "another node"),
    ] {
        let external_addresses = vec![address.parse().unwrap()];
        let error = start_error(P2pConfig { external_addresses, ..config(TCP) }, [1; 32]).await;
        let text = error.to_string();
        assert!(text.contains(&address) && text.contains("external_addresses"), "{text}");
        assert!(text.contains(why), "{text}");
    }
    let external_addresses =
        (1..10).map(|port| format!("/ip4/198.51.100.1/tcp/{port}").parse().unwrap()).collect();
    let error = start_error(P2pConfig { external_addresses, ..config(TCP) }, [1; 32]).await;
    assert!(error.to_string().contains("tcp/9 cannot be used"), "{error}");

    let boot: Multiaddr = format!("/ip4/198.51.100.1/tcp/3005/ws/p2p/{own}").parse().unwrap();
    let error = start_error(P2pConfig { boot_peers: vec![boot], ..config(TCP) }, [1; 32]).await;
    assert!(error.to_string().contains("/ws") && error.to_string().contains("boot_peers"));
    let peer: Multiaddr = format!("/ip4/198.51.100.1/tcp/0/p2p/{own}").parse().unwrap();
    let error = start_error(P2pConfig { peers: vec![peer], ..config(TCP) }, [1; 32]).await;
    assert!(error.to_string().contains("setting peers"), "{error}");

    let node = TestNode::tcp(1).await;
    let full: Multiaddr = format!("/ip4/198.51.100.1/tcp/3005/ws/p2p/{own}").parse().unwrap();
    let refused = |failure| matches!(failure, Err(DialFailure::Address { .. }));
    assert!(refused(node.handle.add_peer(full.clone())));
    assert!(refused(node.handle.dial(full).await));
}

#[tokio::test]
async fn an_external_address_with_the_nodes_own_id_is_announced_without_it() {
    let boot = TestNode::tcp(9).await;
    let own = TestNode::tcp(2).await.handle.peer_id();
    let external: Multiaddr = format!("/ip4/198.51.100.1/tcp/3005/p2p/{own}").parse().unwrap();
    let boot_peers = vec![boot.full_address().await];
    let announcing =
        P2pConfig { external_addresses: vec![external.clone()], boot_peers, ..config(TCP) };
    let bob = TestNode::start(2, announcing).await;
    until("a publication", || bob.metrics().records_published.get() > 0).await;
    let mut alice = TestNode::with_boot(1, &boot).await;
    alice.peer_up(boot.address()).await;
    let resolved = within("a record", alice.handle.resolve(bob.address())).await.unwrap();
    assert_eq!(resolved.addresses, [external.iter().take(2).collect()]);
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
