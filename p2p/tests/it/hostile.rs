use libp2p::{
    Multiaddr,
    identity::Keypair,
    swarm::{SwarmEvent, dial_opts::DialOpts},
};
use p2p::{P2pConfig, messages::MAX_FRAME_BYTES};

use crate::support::{
    TCP, TestNode, address_of, config, connect, drive, keypair, next_response, raw_client, request,
    until,
};

/// version, one message of one byte
const VALID: &[u8] = b"\x01\x01\x01x";
const COMMITTED: &[u8] = &[1, 0, 0];
const BUSY: &[u8] = &[1, 1, 0];

async fn still_works(bob: &mut TestNode) {
    let mut alice = TestNode::tcp(1).await;
    alice.meet(bob).await;
    alice.handle.send(bob.address(), 1, &b"still there?"[..]).unwrap();
    let frame = bob.frame().await;
    assert_eq!(frame.from, alice.address());
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 1));
}

#[tokio::test]
async fn frames_that_break_the_format_are_refused_counted_and_never_heard() {
    let mut bob = TestNode::tcp(2).await;
    let mut mallory = raw_client(keypair(66));
    let id = connect(&mut mallory, &bob).await;
    let mut oversize = vec![1, 1];
    oversize.resize(MAX_FRAME_BYTES + 1, 1);
    let attempts: [(Vec<u8>, u8); 8] = [
        (oversize, 1),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 2),
        (vec![], 3),
        (b"\x01\x00".to_vec(), 4),
        (b"\x01\xff\xff\x7f".to_vec(), 4),
        (b"\x01\x01\x00\x00".to_vec(), 5),
        (b"\x01\x01\x81\x00x".to_vec(), 6),
        (b"\x01\x01\x01xy".to_vec(), 7),
    ];
    let count = attempts.len() as u64;
    for (bytes, reason) in attempts {
        assert_eq!(request(&mut mallory, id, bytes).await, Some(vec![1, 2, reason]));
    }
    assert_eq!(bob.metrics().frames_malformed.get(), count);
    assert_eq!(bob.metrics().frames_received.get(), 0);
    still_works(&mut bob).await;
}

#[tokio::test]
async fn a_peer_that_keeps_sending_garbage_is_blocked() {
    let mut bob = TestNode::tcp(2).await;
    let mut mallory = raw_client(keypair(66));
    let mallory_address = address_of(&keypair(66));
    let id = connect(&mut mallory, &bob).await;
    bob.peer_up(mallory_address).await;
    for _ in 0..20 {
        mallory.behaviour_mut().frames.send_request(&id, vec![0]);
        next_response(&mut mallory).await;
        if bob.metrics().peers_blocked.get() > 0 {
            break;
        }
    }
    bob.peer_down(mallory_address).await;
    assert_eq!(bob.metrics().peers_blocked.get(), 1);
    assert_eq!(bob.metrics().frames_malformed.get(), 10);

    // The door stays shut: whatever the client sees, the node hears of no peer.
    let denied = bob.metrics().connections_denied.get();
    mallory.dial(DialOpts::from(bob.full_address().await)).unwrap();
    drive("a closed door", &mut mallory, |event| match event {
        SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } => {
            Some(())
        }
        _ => None,
    })
    .await;
    until("a denied connection", || bob.metrics().connections_denied.get() > denied).await;
    still_works(&mut bob).await;
}

#[tokio::test]
async fn the_node_can_have_a_peer_blocked() {
    let (mut alice, mut bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    let name = alice.handle.dial(bob.full_address().await).await.unwrap();
    assert_eq!(name, bob.address());
    bob.peer_up(alice.address()).await;
    bob.handle.report(alice.address(), 60).unwrap();
    bob.handle.report(alice.address(), 60).unwrap();
    bob.peer_down(alice.address()).await;
    alice.peer_down(bob.address()).await;
    assert_eq!(bob.metrics().peers_blocked.get(), 1);
}

#[tokio::test]
async fn a_peer_gets_one_frame_at_a_time_to_the_node() {
    let mut bob = TestNode::tcp(2).await;
    let mut mallory = raw_client(keypair(66));
    let id = connect(&mut mallory, &bob).await;
    mallory.behaviour_mut().frames.send_request(&id, VALID.to_vec());
    mallory.behaviour_mut().frames.send_request(&id, VALID.to_vec());
    assert_eq!(next_response(&mut mallory).await.as_deref(), Some(BUSY));
    let frame = bob.frame().await;
    assert_eq!(frame.from, address_of(&keypair(66)));
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(next_response(&mut mallory).await.as_deref(), Some(COMMITTED));
    assert_eq!(bob.metrics().frames_received.get(), 1);
    assert_eq!(bob.metrics().frames_busy.get(), 1);
}

#[tokio::test]
async fn a_peer_whose_key_is_no_ethereum_key_is_shown_the_door() {
    let mut bob = TestNode::tcp(2).await;
    let mut nameless = raw_client(Keypair::generate_ed25519());
    let id = connect(&mut nameless, &bob).await;
    nameless.behaviour_mut().frames.send_request(&id, VALID.to_vec());
    assert_eq!(next_response(&mut nameless).await, None);
    assert_eq!(bob.metrics().peers_nameless.get(), 1);
    assert_eq!(bob.metrics().frames_received.get(), 0);
    still_works(&mut bob).await;
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_failure_and_the_message_stays() {
    let mut alice = TestNode::tcp(1).await;
    let mut mallory = raw_client(keypair(66));
    let mallory_address = address_of(&keypair(66));
    connect(&mut mallory, &alice).await;
    alice.peer_up(mallory_address).await;
    alice.handle.send(mallory_address, 1, &b"pay"[..]).unwrap();
    for answer in [&b""[..], b"\x01\x00\x07", b"\x01\x00\x00\x00", b"yes", COMMITTED] {
        use libp2p::request_response::{Event, Message};
        let (request, channel) = drive("a request", &mut mallory, |event| match event {
            SwarmEvent::Behaviour(crate::support::RawEvent::Frames(Event::Message {
                message: Message::Request { request, channel, .. },
                ..
            })) => Some((request, channel)),
            _ => None,
        })
        .await;
        assert_eq!(request, b"\x01\x01\x03pay");
        mallory.behaviour_mut().frames.send_response(channel, answer.to_vec()).unwrap();
    }
    tokio::spawn(async move {
        loop {
            futures::StreamExt::select_next_some(&mut mallory).await;
        }
    });
    assert_eq!(alice.delivered().await, (mallory_address, 1));
    assert_eq!(alice.metrics().frames_failed.get(), 4);
}

#[tokio::test]
async fn strangers_cannot_take_every_connection() {
    let limited = P2pConfig { max_connections: 4, ..config(TCP) };
    let mut bob = TestNode::start(2, limited).await;
    let mut strangers = Vec::new();
    for key in 100..103 {
        let stranger = TestNode::tcp(key).await;
        stranger.handle.dial(bob.full_address().await).await.unwrap();
        bob.peer_up(stranger.address()).await;
        strangers.push(stranger);
    }
    // Three of four places are taken by people who came on their own; nobody else may.
    let late = TestNode::tcp(103).await;
    late.meet(&bob).await;
    late.handle.send(bob.address(), 1, &b"me too"[..]).unwrap();
    until("a denied connection", || bob.metrics().connections_denied.get() > 0).await;
    assert_eq!(bob.metrics().frames_received.get(), 0);

    // The fourth is for those whom Bob wants to reach.
    let mut friend = TestNode::tcp(3).await;
    bob.meet(&friend).await;
    bob.handle.send(friend.address(), 1, &b"hello"[..]).unwrap();
    let frame = friend.frame().await;
    assert_eq!(frame.from, bob.address());
}

#[tokio::test]
async fn one_peer_cannot_hold_more_than_its_share_of_connections() {
    let mut bob = TestNode::tcp(2).await;
    let target: Multiaddr = bob.full_address().await;
    let mut mallory = raw_client(keypair(66));
    for _ in 0..6 {
        let options = DialOpts::peer_id(bob.handle.peer_id())
            .condition(libp2p::swarm::dial_opts::PeerCondition::Always)
            .addresses(vec![target.clone()])
            .build();
        mallory.dial(options).unwrap();
    }
    let mut settled = 0;
    drive("the end of six dials", &mut mallory, |event| {
        settled += usize::from(matches!(
            event,
            SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. }
        ));
        (settled == 3).then_some(())
    })
    .await;
    bob.peer_up(address_of(&keypair(66))).await;
    assert_eq!(bob.metrics().connections_denied.get(), 3);
}
