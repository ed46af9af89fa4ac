//! Many who want in, and those who must get in all the same.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use libp2p::{Multiaddr, multiaddr::Protocol};
use p2p::{Address, P2pConfig};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::support::{TCP, TestNode, config, until};

/// Where nodes of a test come from.
const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// A host in another block than that.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);
/// Sooner than the first silent connections could be given up, were they waited for.
const SOON: Duration = Duration::from_secs(8);

fn socket_of(address: &Multiaddr) -> SocketAddr {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) => (ip, port).into(),
        other => panic!("no TCP address: {other:?}"),
    }
}

async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// Connects without a word, a hundred times a second, and holds what it gets.
fn flood(from: Ipv4Addr, to: SocketAddr) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut held = JoinSet::new();
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        loop {
            pace.tick().await;
            if let Ok(mut stream) = connect_from(from, to).await {
                // Ends when the other side has had enough.
                held.spawn(
                    async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await },
                );
            }
            while held.try_join_next().is_some() {}
        }
    })
}

/// A way to `to` on which everybody comes from `from`; its own address.
async fn detour(from: Ipv4Addr, to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            if let Ok(mut there) = connect_from(from, to).await {
                tokio::spawn(
                    async move { tokio::io::copy_bidirectional(&mut here, &mut there).await },
                );
            }
        }
    });
    address
}

fn meet_at(node: &TestNode, other: &TestNode, at: SocketAddr) {
    let full = Multiaddr::from(at.ip())
        .with(Protocol::Tcp(at.port()))
        .with(Protocol::P2p(other.handle.peer_id()));
    node.handle.add_peer(full).unwrap();
}

/// A node says something to another, which hears it.
async fn is_heard(node: &mut TestNode, other: &mut TestNode) {
    node.handle.send(other.address(), 1, &b"let me in"[..]).unwrap();
    let frame = other.frame().await;
    assert_eq!(frame.from, node.address());
    other.handle.ack(frame.token).unwrap();
    assert_eq!(node.delivered().await, (other.address(), 1));
}

fn partners<const N: usize>(nodes: [&TestNode; N]) -> HashSet<Address> {
    nodes.map(TestNode::address).into()
}

#[tokio::test]
async fn silent_connections_shut_out_neither_a_newcomer_nor_a_partner_at_the_same_address() {
    let limited = P2pConfig { max_pending_connections: 64, ..config(TCP) };
    let mut relay = TestNode::start(9, limited).await;
    let (mut partner, mut newcomer) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    relay.handle.set_partners(partners([&partner])).unwrap();
    let door = socket_of(&relay.full_address().await);
    // The partner's own address and another block; every one of them holds what it gets.
    let floods = [flood(HOME, door), flood(Ipv4Addr::new(127, 0, 1, 7), door)];
    until("a full house", || relay.metrics().handshakes_dismissed.get() > 64).await;

    let way = detour(ELSEWHERE, door).await;
    let both_are_heard = async {
        meet_at(&newcomer, &relay, way);
        is_heard(&mut newcomer, &mut relay).await;
        partner.meet(&relay).await;
        is_heard(&mut partner, &mut relay).await;
    };
    tokio::time::timeout(SOON, both_are_heard).await.expect("both get in during the flood");
    floods.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn keys_of_one_host_take_no_more_than_its_share_and_nothing_of_a_partners() {
    let limited = P2pConfig { max_connections_per_host: 2, ..config(TCP) };
    let mut relay = TestNode::start(9, limited).await;
    let mut strangers = Vec::new();
    for key in 100..102 {
        let stranger = TestNode::tcp(key).await;
        stranger.handle.dial(relay.full_address().await).await.unwrap();
        relay.peer_up(stranger.address()).await;
        strangers.push(stranger);
    }
    let third = TestNode::tcp(102).await;
    third.meet(&relay).await;
    third.handle.send(relay.address(), 1, &b"me too"[..]).unwrap();
    until("a denied connection", || relay.metrics().connections_denied.get() > 0).await;
    assert_eq!(relay.metrics().frames_received.get(), 0);

    let (mut partner, mut newcomer) = (TestNode::tcp(1).await, TestNode::tcp(2).await);
    relay.handle.set_partners(partners([&partner])).unwrap();
    let way = detour(ELSEWHERE, socket_of(&relay.full_address().await)).await;
    meet_at(&newcomer, &relay, way);
    is_heard(&mut newcomer, &mut relay).await;
    partner.meet(&relay).await;
    is_heard(&mut partner, &mut relay).await;

    // A partner no longer is a stranger like the others.
    relay.handle.set_partners(partners([])).unwrap();
    let address = partner.address();
    partner.stop().await;
    relay.peer_down(address).await;
    let denied = relay.metrics().connections_denied.get();
    let former = TestNode::tcp(1).await;
    former.meet(&relay).await;
    former.handle.send(relay.address(), 2, &b"me?"[..]).unwrap();
    until("a denied connection", || relay.metrics().connections_denied.get() > denied).await;
    drop(strangers);
}
