//! Partners in channels, who must find each other with nobody's help.

use p2p::{Address, Bytes, Event, P2pConfig};

use crate::support::{TCP, TestNode, config, within};

/// Makes two nodes partners of each other.
fn pair(one: &TestNode, two: &TestNode) {
    one.handle.set_partners([two.address()].into()).unwrap();
    two.handle.set_partners([one.address()].into()).unwrap();
}

/// The next record of a partner.
async fn located(node: &mut TestNode, peer: Address) -> Bytes {
    loop {
        match node.next().await {
            Event::Located { peer: of, record } if of == peer => return record,
            _ => {}
        }
    }
}

/// A node that comes back under its old key, knowing of a partner only what it had put away.
async fn restarted(key: u8, config: P2pConfig, partner: Address, record: &Bytes) -> TestNode {
    let node = TestNode::start(key, config).await;
    node.handle.remember(partner, record.clone()).unwrap();
    node.handle.set_partners([partner].into()).unwrap();
    node
}

async fn at_old_place(node: &TestNode) -> P2pConfig {
    let listen = vec![node.full_address().await.iter().take(2).collect()];
    P2pConfig { listen, ..config(TCP) }
}

#[tokio::test]
async fn restarted_partners_find_each_other_without_a_first_contact() {
    let boot = TestNode::tcp(9).await;
    let mut alice = TestNode::with_boot(1, &boot).await;
    let mut bob = TestNode::with_boot(2, &boot).await;
    pair(&alice, &bob);
    let at_bob = located(&mut alice, bob.address()).await;
    let at_alice = located(&mut bob, alice.address()).await;
    let (alice_address, bob_address) = (alice.address(), bob.address());
    let (alice_place, bob_place) = (at_old_place(&alice).await, at_old_place(&bob).await);
    boot.stop().await;
    alice.stop().await;
    bob.stop().await;

    // Nobody sends anything: partners want to be reachable before there is something to say.
    let mut alice = restarted(1, alice_place, bob_address, &at_bob).await;
    let mut bob = restarted(2, bob_place, alice_address, &at_alice).await;
    alice.peer_up(bob_address).await;
    bob.peer_up(alice_address).await;
}

#[tokio::test]
async fn a_partner_at_a_new_address_says_so_and_is_found_there_again() {
    let (mut relay, mut payer) = (TestNode::tcp(9).await, TestNode::tcp(1).await);
    payer.handle.dial(relay.full_address().await).await.unwrap();
    pair(&relay, &payer);
    let first = located(&mut payer, relay.address()).await;
    let at_payer = located(&mut relay, payer.address()).await;
    let (relay_address, payer_address) = (relay.address(), payer.address());
    relay.stop().await;
    payer.peer_down(relay_address).await;

    let mut relay = restarted(9, config(TCP), payer_address, &at_payer).await;
    payer.peer_up(relay_address).await;
    let second = located(&mut payer, relay_address).await;
    assert_ne!(first, second);
    let payer_place = at_old_place(&payer).await;
    payer.stop().await;
    relay.peer_down(payer_address).await;

    // Of the relay's two records the newer one counts, in whichever order they come.
    let payer = restarted(1, payer_place, relay_address, &second).await;
    payer.handle.remember(relay_address, first).unwrap();
    let known = payer.handle.resolve(relay_address).await.unwrap();
    let listen = relay.full_address().await.iter().take(2).collect();
    assert_eq!(known.addresses, [listen]);
    relay.peer_up(payer_address).await;
}

#[tokio::test]
async fn records_of_strangers_are_nobodys_business_and_foreign_ones_are_ignored() {
    let mut alice = TestNode::tcp(1).await;
    let (bob, carol) = (TestNode::tcp(2).await, TestNode::tcp(3).await);
    alice.handle.set_partners([bob.address()].into()).unwrap();
    carol.handle.dial(alice.full_address().await).await.unwrap();
    bob.handle.dial(alice.full_address().await).await.unwrap();
    let record = within("a record of the partner", async {
        loop {
            match alice.next().await {
                Event::Located { peer, record } if peer == bob.address() => break record,
                Event::Located { peer, .. } => panic!("{peer} is a stranger"),
                _ => {}
            }
        }
    })
    .await;
    let dave = TestNode::tcp(4).await;
    dave.handle.remember(carol.address(), record).unwrap();
    dave.handle.remember(bob.address(), &b"no record"[..]).unwrap();
    dave.handle.set_partners([bob.address(), carol.address()].into()).unwrap();
    assert!(dave.handle.peers().await.unwrap().is_empty());
}
