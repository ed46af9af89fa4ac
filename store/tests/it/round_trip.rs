//! Two engines live on this store as they would in memory, through restarts.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use engine::chain::{Block, BlockRef, ChainCall, ChainEvent, ChainFact, ChannelLog, Receipt};
use engine::crypto::Signer;
use engine::driver::Driver;
use engine::effect::{Offence, Response, Update};
use engine::error::RequestError;
use engine::input::{Input, Request};
use engine::ports::{Application, Chain, Store, StoreError, Transport};
use engine::state::SupportedState;
use engine::step::{ArchivedChannel, Batch, Write};
use engine::testing::MemStore;
use engine::testing::fixtures::{CHALLENGE_DURATION, DEPLOYMENT, key, policy};
use engine::types::{
    Address, Amount, Asset, B256, BlockNumber, CallId, ChannelId, FrameToken, MessageId,
    ObjectiveId, RequestId, Timestamp, U256,
};
use engine::wire;
use store::FjallStore;

use crate::fixtures::{by_row, open};

/// Does everything twice and sees to it that nobody could tell the two apart.
struct Twin {
    disk: FjallStore,
    memory: MemStore,
}

impl Store for Twin {
    fn load(&mut self) -> Result<Vec<Write>, StoreError> {
        let rows = self.disk.load()?;
        assert_eq!(by_row(rows.clone()), by_row(self.memory.load()?));
        Ok(rows)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.memory.commit(batch)?;
        self.disk.commit(batch)
    }

    fn is_archived(&self, channel: ChannelId) -> Result<bool, StoreError> {
        let archived = self.disk.is_archived(channel)?;
        assert_eq!(archived, self.memory.is_archived(channel)?);
        Ok(archived)
    }
}

enum Out {
    Send(Address, MessageId, Vec<u8>),
    Submit(CallId, ChainCall),
    Reply(Result<Response, RequestError>),
}

#[derive(Clone, Default)]
struct Ports(Rc<RefCell<Vec<Out>>>);

impl Ports {
    fn push(&self, out: Out) {
        self.0.borrow_mut().push(out);
    }
}

impl Transport for Ports {
    fn send(&mut self, to: Address, id: MessageId, message: Vec<u8>) {
        self.push(Out::Send(to, id, message));
    }

    /// A frame is acknowledged as soon as its turn is over, see [`Pair::deliver`].
    fn acknowledge(&mut self, _: FrameToken, _: Vec<Vec<u8>>) {}
    fn forget(&mut self, _: Address, _: MessageId) {}

    fn report(&mut self, peer: Address, offence: Offence) {
        panic!("{peer} misbehaves: {offence:?}");
    }
}

impl Chain for Ports {
    fn submit(&mut self, id: CallId, call: ChainCall) {
        self.push(Out::Submit(id, call));
    }

    fn withdraw(&mut self, _: CallId) {}
}

impl Application for Ports {
    fn reply(&mut self, _: RequestId, response: Result<Response, RequestError>) {
        self.push(Out::Reply(response));
    }

    fn notify(&mut self, _: Update) {}
}

type Node = Driver<Twin, Ports, Ports, Ports>;

const NAMES: [&str; 2] = ["alice", "bob"];
const ALICE: usize = 0;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

struct Pair<'a> {
    folder: &'a Path,
    memories: [MemStore; 2],
    ports: [Ports; 2],
    nodes: Vec<Node>,
    blocks: u64,
    held: Amount,
    replies: Vec<Result<Response, RequestError>>,
}

impl<'a> Pair<'a> {
    fn new(folder: &'a Path) -> Self {
        let mut pair = Self {
            folder,
            memories: [MemStore::new(), MemStore::new()],
            ports: [Ports::default(), Ports::default()],
            nodes: Vec::new(),
            blocks: 0,
            held: Amount::ZERO,
            replies: Vec::new(),
        };
        pair.restart();
        pair
    }

    fn restart(&mut self) {
        self.nodes.clear();
        for (index, name) in NAMES.into_iter().enumerate() {
            let disk = open(&self.folder.join(name));
            let store = Twin { disk, memory: self.memories[index].clone() };
            let ports = || self.ports[index].clone();
            let signer = Box::new(key(name));
            let (transport, chain, application) = (ports(), ports(), ports());
            let node =
                Driver::start(DEPLOYMENT, policy(), signer, store, transport, chain, application);
            self.nodes.push(node.unwrap());
        }
    }

    fn request(&mut self, request: Request) -> Response {
        self.turn(ALICE, Input::Request(RequestId(1), request));
        self.run();
        self.replies.pop().unwrap().unwrap()
    }

    fn turn(&mut self, node: usize, input: Input) {
        self.nodes[node].turn(NOW, [input]).unwrap();
    }

    fn run(&mut self) {
        loop {
            let mut outs = Vec::new();
            for (node, ports) in self.ports.iter().enumerate() {
                outs.extend(ports.0.take().into_iter().map(|out| (node, out)));
            }
            if outs.is_empty() {
                return;
            }
            for (from, out) in outs {
                match out {
                    Out::Send(to, id, message) => self.deliver(from, to, id, &message),
                    Out::Submit(id, call) => self.mine(from, id, call),
                    Out::Reply(response) => self.replies.push(response),
                }
            }
        }
    }

    fn deliver(&mut self, from: usize, to: Address, id: MessageId, message: &[u8]) {
        let sender = key(NAMES[from]).address();
        let envelopes = vec![wire::open(sender, message).unwrap()];
        self.turn(1 - from, Input::Frame { token: FrameToken(id.0), envelopes });
        self.turn(from, Input::Delivered(to, id));
    }

    fn mine(&mut self, from: usize, id: CallId, call: ChainCall) {
        self.blocks += 1;
        let number = BlockNumber(self.blocks);
        let hash = B256::from(U256::from(self.blocks));
        let channel = call.channels()[0];
        let facts = match call {
            ChainCall::Deposit { asset, amount, .. } => {
                self.held = self.held.checked_add(amount).unwrap();
                vec![ChainFact::Deposited { asset, holdings: self.held }]
            }
            ChainCall::ConcludeAndTransfer { state, signatures, .. } => {
                let candidate = Box::new(SupportedState { state, signatures });
                let initial = std::mem::take(&mut self.held);
                let holdings = Amount::ZERO;
                vec![
                    ChainFact::StateConcluded { kept: false, candidate },
                    ChainFact::Concluded { finalizes_at: 1 },
                    ChainFact::AllocationUpdated { asset_index: 0, initial, holdings },
                ]
            }
            other => panic!("nobody disputes here: {other:?}"),
        };
        let logs: Vec<_> = facts.into_iter().map(|fact| ChannelLog { channel, fact }).collect();
        let block = BlockRef { number, hash, timestamp: self.blocks };
        for node in [0, 1] {
            let event = ChainEvent::Block(Block { block, logs: logs.clone(), debts: vec![] });
            self.turn(node, Input::Chain(event));
        }
        self.turn(from, Input::Settled(id, Receipt::Succeeded { block: number }));
    }
}

fn started(response: Response) -> ObjectiveId {
    match response {
        Response::Started(objective) => objective,
        other => panic!("no objective began: {other:?}"),
    }
}

#[test]
fn engines_live_on_disk_as_in_memory() {
    let place = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(place.path());
    let bob = key("bob").address();
    let opening = Request::OpenLedger {
        peer: bob,
        asset: Asset::NATIVE,
        mine: 1_000_u64.into(),
        theirs: 500_u64.into(),
        challenge_duration: CHALLENGE_DURATION,
        random: 1,
    };
    let ledger = started(pair.request(opening)).channel();
    pair.restart();
    pair.run();
    let funding = Request::OpenPayment {
        payee: bob,
        relays: Vec::new(),
        asset: Asset::NATIVE,
        capacity: 100_u64.into(),
        challenge_duration: CHALLENGE_DURATION,
        random: 2,
    };
    let channel = started(pair.request(funding)).channel();
    for amount in 1_u64..=5 {
        let paid = pair.request(Request::Pay { channel, amount: amount.into() });
        assert!(matches!(paid, Response::Paid { .. }), "{paid:?}");
        pair.restart();
        pair.run();
    }
    started(pair.request(Request::ClosePayment { channel }));
    pair.restart();
    pair.run();
    started(pair.request(Request::CloseLedger { ledger }));
    pair.restart();

    for (node, memory) in pair.nodes.iter().zip(&pair.memories) {
        let archive = node.store().disk.archive();
        let closed = archive.archived_channels(None, 10).unwrap();
        let closed: Vec<_> = closed.into_iter().map(|(_, channel)| channel).collect();
        assert_eq!(closed, memory.archived_channels());
        let Some(ArchivedChannel::Payment(_, Some(paid))) =
            archive.archived_channel(channel).unwrap()
        else {
            panic!("the payment channel is closed and archived");
        };
        assert_eq!(paid.total, 15_u64.into());
        assert!(node.store().is_archived(ledger).unwrap());
    }
}
