//! Peers that send what no honest node sends. They speak the network's own protocol with a key of
//! their own; what they say is dropped and counted, and the node goes on paying.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::crypto::{LocalSigner, Signature, Signer};
use engine::input::Request;
use engine::ledger::{Change, Guarantee, Ledger, RefusalReason, Side};
use engine::objectives::{DeclineReason, ObjectiveStatus};
use engine::payment::{PaymentChannel, PaymentPhase};
use engine::state::FixedPart;
use engine::types::{Address, Amount, Asset, B256, ChannelId, ObjectiveId, TurnNumber};
use engine::vouchers::Voucher;
use engine::wire::{self, Evidence, MAX_MESSAGE_BYTES, Message, Seal};
use p2p::{Event, P2p, P2pConfig, P2pHandle};
use serde_json::json;
use tokio::io;
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::served::{Served, connect};
use crate::support::route::{CAPACITY, DEPOSIT, check_balances, check_ledgers, settled};
use crate::support::{LIMIT, Network, TestNode, amount, start_all};

/// Somebody on the network without a node.
struct Client {
    p2p: P2pHandle,
    events: mpsc::Receiver<Event>,
    signer: LocalSigner,
    next: u64,
    heard: Vec<Message>,
    _stop: DropGuard,
}

impl Client {
    /// Joins with a key of its own.
    async fn stranger() -> Self {
        Self::join([0x66; 32]).await
    }

    async fn join(key: [u8; 32]) -> Self {
        let stop = CancellationToken::new();
        let config = P2pConfig {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")],
            ..P2pConfig::default()
        };
        let (p2p, events, _) = P2p::start(config, key, stop.clone()).await.expect("joins");
        let signer = LocalSigner::new(key).expect("a key");
        Self { p2p, events, signer, next: 1, heard: Vec::new(), _stop: stop.drop_guard() }
    }

    /// Something that happens on the network; whatever a node says is taken and remembered.
    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(LIMIT, self.events.recv()).await;
        let event = event.expect("something happens").expect("the network runs");
        if let Event::Frame { from, token, messages } = event {
            for bytes in messages {
                self.heard.push(wire::open(from, &bytes).expect("nodes send messages").message);
            }
            self.p2p.ack(token).expect("the network runs");
            return Event::PeerUp(from);
        }
        event
    }

    /// Hands bytes to a node as one frame; returns at once.
    async fn throw(&mut self, node: &TestNode, messages: Vec<Vec<u8>>) {
        self.p2p.dial(node.dial_address().await).await.expect("the node is there");
        let mut queue = Vec::new();
        for bytes in messages {
            queue.push((self.next, bytes.into()));
            self.next += 1;
        }
        self.p2p.send_all(node.address, queue).expect("the frame is taken");
    }

    /// Says something to a node and waits until the node has dealt with it.
    async fn say(&mut self, node: &TestNode, messages: &[Message]) {
        self.throw(node, messages.iter().map(wire::encode).collect()).await;
        let last = self.next - 1;
        loop {
            if let Event::Delivered { up_to, .. } = self.event().await
                && up_to >= last
            {
                return;
            }
        }
    }

    /// The first message of a kind, once it has come.
    async fn hears<T>(&mut self, pick: impl Fn(&Message) -> Option<T>) -> T {
        loop {
            if let Some(found) = self.heard.iter().find_map(&pick) {
                return found;
            }
            self.event().await;
        }
    }

    fn seal(&self, hash: B256) -> Seal {
        Seal::sign(hash, &self.signer)
    }
}

/// The random part of nonces, so that a test can name what it opens.
const RANDOM: u32 = 5;

/// The fixed part of a channel that a node opens with [`RANDOM`].
fn fixed_part(network: &Network, app: Address, participants: [Address; 2]) -> FixedPart {
    FixedPart {
        participants: participants.to_vec(),
        nonce: network.deployed.deployment.nonce(RANDOM),
        app,
        challenge_duration: 3_600,
    }
}

fn wish_for_ledger(peer: Address, theirs: u128) -> Request {
    Request::OpenLedger {
        peer,
        asset: Asset::NATIVE,
        mine: amount(DEPOSIT),
        theirs: amount(theirs),
        challenge_duration: 3_600,
        random: RANDOM,
    }
}

fn wish_for_channel(payee: Address) -> Request {
    Request::OpenPayment {
        payee,
        relays: Vec::new(),
        asset: Asset::NATIVE,
        capacity: amount(CAPACITY),
        challenge_duration: 3_600,
        random: RANDOM,
    }
}

/// Two nodes with a ledger and a channel from the first to the second that has paid 100.
async fn paying(network: &Network) -> ([TestNode; 2], ChannelId, ChannelId) {
    let nodes = network.nodes::<2>().await;
    let ledger = nodes[0].begin(wish_for_ledger(nodes[1].address, DEPOSIT)).await;
    settled(&nodes, ledger).await;
    let channel = nodes[0].begin(wish_for_channel(nodes[1].address)).await;
    settled(&nodes, channel).await;
    let channel = channel.channel();
    nodes[0].pay(channel, 100).await;
    (nodes, ledger.channel(), channel)
}

/// The two go on, close, and have what is theirs.
async fn goes_on(network: &Network, nodes: &[TestNode], ledger: ChannelId, channel: ChannelId) {
    nodes[0].pay(channel, 23).await;
    assert_eq!(nodes[1].payment(channel).await.paid, amount(123));
    let closing = nodes[0].begin_close_payment(channel).await;
    settled(nodes, closing).await;
    check_ledgers(nodes, &[ledger], 123).await;
    let closing = nodes[1].begin_close_ledger(ledger).await;
    settled(nodes, closing).await;
    check_balances(network, nodes, Asset::NATIVE, &[DEPOSIT - 123, DEPOSIT + 123]).await;
}

fn opening(fixed: &FixedPart, seal: Seal, payer: Seal) -> Message {
    let capacity = amount(CAPACITY);
    Message::OpenPayment { fixed: fixed.clone(), asset: Asset::NATIVE, capacity, payer, seal }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_dropped_and_counted_until_its_sender_is_blocked() {
    let network = Network::start().await;
    let (nodes, ledger, channel) = paying(&network).await;
    let mut stranger = Client::stranger().await;
    let unsigned = Seal::new(B256::ZERO, Signature([0; 65]), stranger.signer.address());
    let garbage = [
        vec![0],
        vec![1, 0xff, 0xff, 0xff],
        vec![1; MAX_MESSAGE_BYTES + 1],
        wire::encode(&Message::CloseLedger { ledger, turn: TurnNumber(9), seal: unsigned }),
    ];
    let before = nodes[1].handle().intake().malformed.load(Ordering::Relaxed);
    let mut thrown = 0;
    for bytes in garbage.iter().cycle().take(20) {
        stranger.throw(&nodes[1], vec![bytes.clone()]).await;
        thrown += 1;
        let last = stranger.next - 1;
        let blocked = loop {
            match stranger.event().await {
                Event::Delivered { up_to, .. } if up_to >= last => break false,
                Event::PeerDown(_) => break true,
                _ => {}
            }
        };
        if blocked {
            break;
        }
    }
    // Each costs 20 points, and at 100 it is over; one or two points may fade meanwhile.
    assert!((5..=7).contains(&thrown), "{thrown} were taken");
    let handle = nodes[1].handle();
    assert_eq!(handle.intake().malformed.load(Ordering::Relaxed), before + thrown);
    assert_eq!(handle.p2p().metrics().peers_blocked.get(), 1);
    goes_on(&network, &nodes, ledger, channel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_says_about_the_channels_of_others_changes_nothing() {
    let network = Network::start().await;
    let (nodes, ledger, channel) = paying(&network).await;
    let [alice, bob] = &nodes;
    let mut stranger = Client::stranger().await;
    // A voucher that leaked, for more than Bob has got so far.
    let alices = LocalSigner::new(alice.settings.channel_key.0).expect("a key");
    let leaked = Voucher::sign(channel, amount(4_000), &alices);
    let forged = Voucher::sign(channel, amount(4_500), &stranger.signer);
    let signer = stranger.signer.address();
    let deployment = network.deployed.deployment;
    let foreign = |app| FixedPart {
        nonce: deployment.nonce(RANDOM + 1),
        ..fixed_part(&network, app, [alice.address, bob.address])
    };
    let seal = stranger.seal(B256::repeat_byte(1));
    let guarantee = Guarantee { amount: amount(CAPACITY), left: Side::Leader };
    let add = Change::Add {
        target: ChannelId(B256::repeat_byte(2)),
        guarantee,
        left_deposit: amount(CAPACITY),
    };
    let remove = Change::Remove { target: channel, left_amount: amount(CAPACITY) };
    let propose = |change| Message::Propose {
        ledger,
        turn: TurnNumber(3),
        parent: TurnNumber(2),
        change,
        seal,
        evidence: Evidence::default(),
    };
    let (turn, reason) = (TurnNumber(3), DeclineReason::Cancelled);
    let decline = |objective| Message::Decline { objective, reason };
    let lies = [
        Message::Voucher { voucher: leaked, payments: Vec::new(), signer: alice.address },
        Message::Voucher { voucher: forged, payments: Vec::new(), signer },
        Message::OpenLedger {
            fixed: foreign(deployment.consensus_app),
            asset: Asset::NATIVE,
            leader: amount(1),
            follower: amount(1),
            seal,
        },
        Message::LedgerPrefund { ledger, seal },
        Message::LedgerPostfund { ledger, seal },
        Message::CloseLedger { ledger, turn, seal },
        propose(add),
        propose(remove),
        Message::Countersign { ledger, turn, seal },
        Message::Refuse { ledger, turn, reason: RefusalReason::Invalid },
        opening(&foreign(deployment.payment_app), seal, seal),
        Message::PaymentPostfund { channel, seal },
        Message::RequestFinal { channel },
        Message::Finalize { channel, paid: Amount::ZERO, payer: seal, seal },
        decline(ObjectiveId::DirectFund(ledger)),
        decline(ObjectiveId::DirectDefund(ledger)),
        decline(ObjectiveId::VirtualFund(channel)),
        decline(ObjectiveId::VirtualDefund(channel)),
    ];
    for node in &nodes {
        let handle = node.handle();
        let (ledger_before, channel_before) =
            (node.ledger(ledger).await, node.payment(channel).await);
        let messages = handle.intake().messages.load(Ordering::Relaxed);
        let offences = handle.p2p().metrics().offences.get();
        stranger.say(node, &lies).await;
        let taken = handle.intake().messages.load(Ordering::Relaxed) - messages;
        assert_eq!(taken, lies.len() as u64);
        assert!(handle.p2p().metrics().offences.get() > offences);
        assert_eq!(node.ledger(ledger).await, ledger_before);
        assert_eq!(node.payment(channel).await, channel_before);
        let running = node.ask(Request::ListObjectives).await;
        assert_eq!(running, engine::effect::Response::Objectives(Vec::new()));
    }
    assert!(stranger.heard.is_empty(), "a stranger gets no answer: {:?}", stranger.heard);
    goes_on(&network, &nodes, ledger, channel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_repeats_and_takes_back_what_it_signed_changes_nothing() {
    let network = Network::start().await;
    let (mut nodes, ledger, channel) = paying(&network).await;
    // From here on somebody has Alice's key and not her node.
    nodes[0].stop().await;
    let mut alice = Client::join(nodes[0].settings.channel_key.0).await;
    let bob = &nodes[1];
    let (ledger_before, channel_before) = (bob.ledger(ledger).await, bob.payment(channel).await);

    let (both, deployment) = ([nodes[0].address, bob.address], network.deployed.deployment);
    let fixed = fixed_part(&network, deployment.payment_app, both);
    let model = PaymentChannel::new(fixed.clone(), Asset::NATIVE, amount(CAPACITY), 0);
    assert_eq!(model.id, channel);
    let prefund = alice.seal(model.prefund_hash());
    let of_ledger = fixed_part(&network, deployment.consensus_app, both);
    let random = u32::try_from(of_ledger.nonce & u64::from(u32::MAX)).unwrap();
    let of_ledger = FixedPart { nonce: deployment.ledger_nonce(random, true), ..of_ledger };
    let deposit = amount(DEPOSIT);
    let book = Ledger::new(of_ledger.clone(), Asset::NATIVE, Side::Leader, deposit, deposit);
    assert_eq!(book.id, ledger);
    let voucher = |total: u128| Voucher::sign(channel, amount(total), &alice.signer);
    let send = |voucher| Message::Voucher {
        voucher,
        payments: Vec::new(),
        signer: alice.signer.address(),
    };
    let finalize = |paid: u128| {
        let seal = alice.seal(model.final_hash(amount(paid)));
        Message::Finalize { channel, paid: amount(paid), payer: seal, seal }
    };
    let seal = alice.seal(B256::repeat_byte(1));
    let newer = TurnNumber(ledger_before.turn.0 + 1);
    let remove = Change::Remove { target: channel, left_amount: amount(CAPACITY) };
    let words = [
        Message::OpenLedger {
            fixed: of_ledger,
            asset: Asset::NATIVE,
            leader: deposit,
            follower: deposit,
            seal: alice.seal(book.prefund_hash()),
        },
        Message::LedgerPostfund { ledger, seal: alice.seal(book.agreed_hash()) },
        opening(&fixed, prefund, prefund),
        Message::PaymentPostfund { channel, seal: alice.seal(model.postfund_hash()) },
        send(voucher(100)),
        send(voucher(100)),
        send(voucher(40)),
        send(voucher(CAPACITY + 1)),
        // More than there is.
        finalize(CAPACITY + 1),
        // A close without the channel, and its guarantee back without a final state.
        Message::CloseLedger { ledger, turn: newer, seal },
        Message::Propose {
            ledger,
            turn: newer,
            parent: ledger_before.turn,
            change: remove,
            seal,
            evidence: Evidence::default(),
        },
        Message::Decline {
            objective: ObjectiveId::VirtualFund(channel),
            reason: DeclineReason::Cancelled,
        },
    ];
    alice.say(bob, &words).await;
    assert_eq!(bob.ledger(ledger).await, ledger_before);
    assert_eq!(bob.payment(channel).await, channel_before);
    assert_eq!(bob.payment(channel).await.phase, Some(PaymentPhase::Open));
    alice.hears(|message| matches!(message, Message::Refuse { .. }).then_some(())).await;
    assert!(bob.handle().p2p().metrics().offences.get() > 0);

    drop(alice);
    nodes[0].resume().await;
    goes_on(&network, &nodes, ledger, channel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_falls_silent_holds_up_nobody_else() {
    let network = Network::start().await;
    let mut settings: Vec<_> = (1..=2).map(|index| network.settings(index)).collect();
    settings[0].0.policy.payment_funding_timeout = Duration::from_secs(2);
    let nodes = start_all(settings).await;
    let [alice, bob] = &nodes[..] else { unreachable!("two were started") };
    let mut mallory = Client::stranger().await;
    mallory.p2p.dial(alice.dial_address().await).await.expect("Alice is there");
    let both = [alice.address, mallory.signer.address()];
    let deployment = network.deployed.deployment;
    let fixed = fixed_part(&network, deployment.consensus_app, both);
    let book = Ledger::new(fixed, Asset::NATIVE, Side::Follower, amount(DEPOSIT), Amount::ZERO);
    let ledger = book.id;
    let begun = alice.begin(wish_for_ledger(both[1], 0)).await;
    let seal = mallory.seal(book.prefund_hash());
    mallory.say(alice, &[Message::LedgerPrefund { ledger, seal }]).await;
    let funded =
        |message: &Message| matches!(message, Message::LedgerPostfund { .. }).then_some(());
    mallory.hears(funded).await;
    let seal = mallory.seal(book.agreed_hash());
    mallory.say(alice, &[Message::LedgerPostfund { ledger, seal }]).await;
    alice.completed(begun).await;

    // Mallory wants the channel, and then does not answer the proposal that pays for it.
    let begun = alice.begin(wish_for_channel(both[1])).await;
    let fixed = fixed_part(&network, deployment.payment_app, both);
    let model = PaymentChannel::new(fixed.clone(), Asset::NATIVE, amount(CAPACITY), 1);
    let payer = mallory
        .hears(|message| match message {
            Message::OpenPayment { payer, .. } => Some(*payer),
            _ => None,
        })
        .await;
    let seal = mallory.seal(model.prefund_hash());
    mallory.say(alice, &[opening(&fixed, seal, payer)]).await;
    let proposal = |message: &Message, wanted: fn(&Change) -> bool| match message {
        Message::Propose { turn, change, seal, .. } if wanted(change) => Some((*turn, seal.hash)),
        _ => None,
    };
    let (turn, hash) = mallory
        .hears(|message| proposal(message, |change| matches!(change, Change::Add { .. })))
        .await;
    let ended = alice.done(begun).await.status;
    let late = DeclineReason::TimedOut;
    assert_eq!(ended, ObjectiveStatus::Declined { by: alice.address, reason: late });
    let view = alice.ledger(ledger).await;
    assert_eq!((view.mine, view.locked), (amount(DEPOSIT), Amount::ZERO));

    // Others are paid meanwhile.
    let with_bob = alice.open_ledger(bob, Asset::NATIVE, DEPOSIT, DEPOSIT).await;
    let channel = alice.open_payment(&[bob], Asset::NATIVE, CAPACITY).await;
    alice.pay(channel, 123).await;

    // Mallory agrees too late, and then gives up as well: Alice asks for her money back.
    let (seal, objective) = (mallory.seal(hash), begun);
    let agreed = Message::Countersign { ledger, turn, seal };
    mallory.say(alice, &[agreed, Message::Decline { objective, reason: late }]).await;
    let removal =
        |message: &Message| proposal(message, |change| matches!(change, Change::Remove { .. }));
    let (turn, hash) = mallory.hears(removal).await;
    assert_eq!(alice.ledger(ledger).await.locked, amount(CAPACITY));
    let seal = mallory.seal(hash);
    mallory.say(alice, &[Message::Countersign { ledger, turn, seal }]).await;
    let view = alice.ledger(ledger).await;
    assert_eq!((view.mine, view.locked), (amount(DEPOSIT), Amount::ZERO));

    let closing = alice.begin_close_ledger(ledger).await;
    let last = |message: &Message| match message {
        Message::CloseLedger { turn, seal, .. } => Some((*turn, seal.hash)),
        _ => None,
    };
    let (turn, hash) = mallory.hears(last).await;
    let seal = mallory.seal(hash);
    mallory.say(alice, &[Message::CloseLedger { ledger, turn, seal }]).await;
    alice.completed(closing).await;
    assert_eq!(network.balance(Asset::NATIVE, alice.address, alice).await, amount(DEPOSIT));

    let closing = bob.begin_close_payment(channel).await;
    settled(&nodes, closing).await;
    check_ledgers(&nodes, &[with_bob], 123).await;
}

/// Connects without a word, a hundred times a second, and holds what it gets.
fn silent_connections(to: SocketAddr) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut held = JoinSet::new();
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        loop {
            pace.tick().await;
            let socket = TcpSocket::new_v4().expect("a socket");
            // From another block of addresses than the honest ones.
            socket.bind(([127, 0, 1, 7], 0).into()).expect("an address");
            if let Ok(mut stream) = socket.connect(to).await {
                // Ends when the other side has had enough.
                held.spawn(async move { io::copy(&mut stream, &mut io::sink()).await });
            }
            while held.try_join_next().is_some() {}
        }
    })
}

/// Ledgers that a stranger asks for, each as it should be asked for, without a coin behind it.
fn wishes(stranger: &Client, network: &Network, node: &TestNode, count: u32) -> Vec<Vec<u8>> {
    let deployment = network.deployed.deployment;
    let ask = |random| {
        let participants = [stranger.signer.address(), node.address];
        let fixed = fixed_part(network, deployment.consensus_app, participants);
        let fixed = FixedPart { nonce: deployment.nonce(random), ..fixed };
        let (asset, leader, follower) = (Asset::NATIVE, amount(DEPOSIT), Amount::ZERO);
        let ledger = Ledger::new(fixed.clone(), asset, Side::Leader, leader, follower);
        let seal = stranger.seal(ledger.prefund_hash());
        wire::encode(&Message::OpenLedger { fixed, asset, leader, follower, seal })
    };
    (0..count).map(ask).collect()
}

/// Openings, connections to the port of the network and to that of the RPC, and the records of as many
/// strangers as there are, all at once: partners pay and close, the owner is answered, and a newcomer
/// is let in and gets a ledger.
#[tokio::test(flavor = "multi_thread")]
async fn floods_of_strangers_are_noticed_by_nobody() {
    const STRANGERS: u8 = 6;
    const WISHES: u32 = 200;
    let network = Network::start().await;
    let (nodes, ledger, channel) = paying(&network).await;
    let bob = &nodes[1];
    let served = Served::start(bob.handle()).await;

    let mut strangers = Vec::new();
    for index in 0..STRANGERS {
        let mut stranger = Client::join([0x70 + index; 32]).await;
        let wishes = wishes(&stranger, &network, bob, WISHES);
        stranger.throw(bob, wishes).await;
        strangers.push(stranger);
    }
    let address = bob.dial_address().await.to_string();
    let parts: Vec<&str> = address.split('/').collect();
    let door = format!("{}:{}", parts[2], parts[4]).parse().expect("an address with a TCP port");
    let floods = [door, served.address()].map(silent_connections);
    let handle = bob.handle();
    let is_full = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while handle.p2p().metrics().handshakes_dismissed.get() == 0 {
            looks.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, is_full).await.expect("the house is full");

    served.ok("nitro_status", json!({})).await;
    connect(served.address()).await;
    let newcomer = network.node(3, &[bob]).await;
    newcomer.open_ledger(bob, Asset::NATIVE, DEPOSIT, 0).await;
    goes_on(&network, &nodes, ledger, channel).await;
    floods.iter().for_each(JoinHandle::abort);
    drop(strangers);
}
