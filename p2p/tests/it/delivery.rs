use p2p::{Address, Bytes, Event, P2pConfig, SendError, messages::MAX_MESSAGE_BYTES};

use crate::support::{QUIC, TCP, TestNode, config, until, within};

#[tokio::test]
async fn a_frame_is_answered_in_its_acknowledgement() {
    let (mut alice, mut bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    alice.meet(&bob).await;
    alice.handle.send(bob.address(), 7, &b"may I"[..]).unwrap();
    let frame = bob.frame().await;
    let answers = vec![Bytes::from_static(b"no"), Bytes::from_static(b"never")];
    bob.handle.answer(frame.token, answers.clone()).unwrap();
    assert_eq!(alice.answered().await, (bob.address(), answers));
    assert_eq!(alice.delivered().await, (bob.address(), 7));
}

async fn delivers_both_ways(listen: &str) {
    let mut alice = TestNode::start(1, config(listen)).await;
    let mut bob = TestNode::start(2, config(listen)).await;
    alice.meet(&bob).await;

    alice.handle.send(bob.address(), 7, &b"hello"[..]).unwrap();
    let frame = bob.frame().await;
    assert_eq!(frame.from, alice.address());
    assert_eq!(frame.messages, [&b"hello"[..]]);
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 7));

    // Bob was never told where Alice is: the connection that she made carries his words too.
    bob.handle.send(alice.address(), 1, &b"hi"[..]).unwrap();
    let frame = alice.frame().await;
    assert_eq!((frame.from, frame.messages), (bob.address(), vec![Bytes::from_static(b"hi")]));
    alice.handle.ack(frame.token).unwrap();
    assert_eq!(bob.delivered().await, (alice.address(), 1));
}

#[tokio::test]
async fn delivers_both_ways_over_tcp() {
    delivers_both_ways(TCP).await;
}

#[tokio::test]
async fn delivers_both_ways_over_quic() {
    delivers_both_ways(QUIC).await;
}

#[tokio::test]
async fn nothing_counts_as_delivered_before_the_receiver_says_so() {
    let (mut alice, mut bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    alice.meet(&bob).await;
    alice.handle.send(bob.address(), 1, &b"one"[..]).unwrap();
    let first = bob.frame().await;
    alice.handle.send(bob.address(), 2, &b"two"[..]).unwrap();

    // A message in the other direction makes a full round trip meanwhile.
    bob.handle.send(alice.address(), 1, &b"wait"[..]).unwrap();
    let wait = alice.frame().await;
    alice.handle.ack(wait.token).unwrap();
    assert_eq!(bob.delivered().await, (alice.address(), 1));
    let info = alice.handle.peers().await.unwrap().remove(0);
    assert_eq!((info.address, info.queued, info.in_flight), (bob.address(), 2, 1));

    bob.handle.ack(first.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 1));
    let second = bob.frame().await;
    assert_eq!(second.messages, [&b"two"[..]]);
    bob.handle.ack(second.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 2));
}

#[tokio::test]
async fn a_refused_frame_is_reported_and_does_not_block_the_next() {
    let (mut alice, mut bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    alice.meet(&bob).await;
    alice.handle.send(bob.address(), 1, &b"nonsense"[..]).unwrap();
    let nonsense = bob.frame().await;
    alice.handle.send(bob.address(), 2, &b"sense"[..]).unwrap();
    bob.handle.reject(nonsense.token, 42).unwrap();
    let refused = Event::Refused { to: bob.address(), up_to: 1, reason: 42 };
    assert_eq!(alice.next_word().await, refused);
    let sense = bob.frame().await;
    assert_eq!(sense.messages, [&b"sense"[..]]);
    bob.handle.ack(sense.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 2));
    assert_eq!(alice.metrics().messages_refused.get(), 1);
    assert_eq!(bob.metrics().frames_rejected.get(), 1);
}

#[tokio::test]
async fn many_messages_arrive_in_order_in_few_frames() {
    const COUNT: u64 = 50_000;
    let (mut alice, mut bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    alice.meet(&bob).await;
    let (sender, to) = (alice.handle.clone(), bob.address());
    let message = |id: u64| {
        let mut message = vec![0; 110];
        message[..8].copy_from_slice(&id.to_be_bytes());
        Bytes::from(message)
    };
    for id in 1..=COUNT {
        sender.send(to, id, message(id)).unwrap();
    }
    let mut next = 1;
    while next <= COUNT {
        let frame = bob.frame().await;
        for received in &frame.messages {
            assert_eq!(received, &message(next));
            next += 1;
        }
        bob.handle.ack(frame.token).unwrap();
    }
    let mut last = 0;
    while last < COUNT {
        let (from, up_to) = alice.delivered().await;
        assert!(from == to && up_to > last);
        last = up_to;
    }
    // At 111 bytes each, 256 KiB hold about 2360.
    assert!(alice.metrics().frames_sent.get() < 100);
    assert_eq!(alice.metrics().messages_sent.get(), COUNT);
}

#[tokio::test]
async fn the_largest_message_passes_and_a_larger_one_is_refused_at_once() {
    for listen in [TCP, QUIC] {
        let mut alice = TestNode::start(1, config(listen)).await;
        let mut bob = TestNode::start(2, config(listen)).await;
        alice.meet(&bob).await;
        let largest = vec![7; MAX_MESSAGE_BYTES];
        alice.handle.send(bob.address(), 1, largest.clone()).unwrap();
        let frame = bob.frame().await;
        assert_eq!(frame.messages, [largest]);
        bob.handle.ack(frame.token).unwrap();
        assert_eq!(alice.delivered().await, (bob.address(), 1));

        let size = MAX_MESSAGE_BYTES + 1;
        let refused = alice.handle.send(bob.address(), 2, vec![7; size]);
        assert_eq!(refused, Err(SendError::Size(size)));
        assert_eq!(alice.handle.send(Address::ZERO, 1, vec![]), Err(SendError::Size(0)));
        assert_eq!(alice.handle.send(alice.address(), 1, vec![7]), Err(SendError::Own));
    }
}

#[tokio::test]
async fn a_receiver_that_restarts_elsewhere_gets_what_it_had_not_committed() {
    let (mut alice, mut bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    alice.meet(&bob).await;
    for id in 1..=3 {
        alice.handle.send(bob.address(), id, vec![id as u8]).unwrap();
    }
    let mut received = bob.frame().await;
    while received.messages.last().unwrap()[0] < 3 {
        bob.handle.ack(received.token).unwrap();
        received = bob.frame().await;
    }
    let unsettled = received.messages;
    bob.stop().await;

    let mut bob = TestNode::tcp(2).await;
    alice.meet(&bob).await;
    let again = bob.frame().await;
    assert_eq!(again.messages, unsettled);
    bob.handle.ack(again.token).unwrap();
    while alice.delivered().await != (bob.address(), 3) {}
}

#[tokio::test]
async fn a_sender_that_restarts_offers_its_outbox_again() {
    let (alice, mut bob) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    alice.meet(&bob).await;
    alice.handle.send(bob.address(), 1, &b"pay"[..]).unwrap();
    let lost = bob.frame().await;
    alice.stop().await;

    let mut alice = TestNode::tcp(1).await;
    alice.meet(&bob).await;
    alice.handle.send(bob.address(), 1, &b"pay"[..]).unwrap();
    alice.handle.send(bob.address(), 1, &b"pay"[..]).unwrap();
    // The frame of the connection that is gone is committed only now; until then the one that
    // follows it is told to come again.
    alice.peer_up(bob.address()).await;
    bob.handle.ack(lost.token).unwrap();
    let again = bob.frame().await;
    assert_eq!(again.messages, [&b"pay"[..]]);
    bob.handle.ack(again.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 1));
    assert_eq!(alice.metrics().messages_repeated.get(), 1);
    assert_eq!(bob.metrics().acks_late.get(), 1);
}

#[tokio::test]
async fn an_answer_after_the_deadline_still_counts() {
    let impatient = P2pConfig { response_timeout_ms: 100, ..config(TCP) };
    let mut alice = TestNode::start(1, impatient).await;
    let mut bob = TestNode::tcp(2).await;
    alice.meet(&bob).await;
    alice.handle.send(bob.address(), 1, &b"slow"[..]).unwrap();
    let frame = bob.frame().await;
    // Her second try is told to come again, because the first one is still being worked on.
    until("a second try", || bob.metrics().frames_busy.get() > 0).await;
    bob.handle.ack(frame.token).unwrap();
    assert_eq!(alice.delivered().await, (bob.address(), 1));
    let info = alice.handle.peers().await.unwrap().remove(0);
    assert_eq!((info.queued, info.in_flight), (0, 0));
    assert_eq!(bob.metrics().frames_received.get(), 1);
}

#[tokio::test]
async fn a_stalled_node_neither_loses_frames_nor_stops_its_network() {
    let mut bob = TestNode::tcp(2).await;
    let mut senders = Vec::new();
    for key in 10..16 {
        let sender = TestNode::tcp(key).await;
        sender.meet(&bob).await;
        sender.handle.send(bob.address(), 1, vec![key]).unwrap();
        senders.push(sender);
    }
    // Bob settles nothing at first, and still answers about his state.
    let mut held = Vec::new();
    for _ in &senders {
        held.push(bob.frame().await);
    }
    let peers = within("an answer", bob.handle.peers()).await.unwrap();
    assert_eq!(peers.iter().filter(|peer| peer.connected).count(), senders.len());
    for frame in held {
        bob.handle.ack(frame.token).unwrap();
    }
    for sender in &mut senders {
        assert_eq!(sender.delivered().await, (bob.address(), 1));
    }
}

#[tokio::test]
async fn messages_to_a_stranger_who_vanished_expire_and_those_to_a_partner_stay() {
    let impatient = P2pConfig { stranger_patience_secs: 1, ..config(TCP) };
    let mut alice = TestNode::start(1, impatient).await;
    let (partner, stranger) = (Address::repeat_byte(7), Address::repeat_byte(8));
    alice.handle.set_partners([partner].into()).unwrap();
    alice.handle.send(partner, 1, &b"signed"[..]).unwrap();
    alice.handle.send(stranger, 1, &b"no"[..]).unwrap();
    alice.handle.send(stranger, 2, &b"never"[..]).unwrap();
    assert_eq!(alice.next_word().await, Event::Expired { to: stranger, up_to: 2 });
    assert_eq!(alice.metrics().messages_expired.get(), 2);
    let peers = alice.handle.peers().await.unwrap();
    let waiting: Vec<_> = peers.iter().map(|peer| (peer.address, peer.queued)).collect();
    assert_eq!(waiting, [(partner, 1)]);
}

#[tokio::test]
async fn nothing_stays_of_a_peer_whose_messages_are_forgotten() {
    let alice = TestNode::tcp(1).await;
    let stranger = Address::repeat_byte(8);
    alice.handle.send(stranger, 1, &b"no"[..]).unwrap();
    until("a search in vain", || alice.metrics().searches_failed.get() > 0).await;
    alice.handle.forget(stranger, 1).unwrap();
    assert_eq!(alice.handle.peers().await.unwrap(), []);
    let searches = alice.metrics().searches_failed.get();
    // A search that went on would end in a moment; another one shows that there was time for it.
    alice.handle.send(Address::repeat_byte(9), 1, &b"no"[..]).unwrap();
    until("searches in vain", || alice.metrics().searches_failed.get() >= searches + 3).await;
    assert_eq!(alice.handle.peers().await.unwrap().len(), 1);
}

#[tokio::test]
async fn names_without_number_are_not_all_waited_for() {
    const AWAITED: u64 = 8192;
    let mut alice = TestNode::tcp(1).await;
    for name in 1..=AWAITED + 3 {
        let stranger = Address::left_padding_from(&name.to_be_bytes());
        alice.handle.send(stranger, 1, &b"no"[..]).unwrap();
    }
    for _ in 0..3 {
        assert!(matches!(alice.next_word().await, Event::Expired { up_to: 1, .. }));
    }
    assert_eq!(alice.handle.peers().await.unwrap().len() as u64, AWAITED);
}
