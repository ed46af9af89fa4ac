//! Makes a store with many open channels by running the engine against engines of peers, without
//! network and chain: every row is one that a node would have.

use std::collections::VecDeque;
use std::path::Path;

use alloy::providers::Provider;
use engine::chain::{Block, BlockRef, ChainCall, ChainEvent, ChainFact, ChannelLog, Receipt};
use engine::crypto::LocalSigner;
use engine::effect::{Effect, Response};
use engine::engine::Engine;
use engine::input::{Input, Request};
use engine::ports::Store;
use engine::state::Deployment;
use engine::step::{Batch, Write};
use engine::types::{
    Address, Asset, BlockNumber, ChannelId, FrameToken, ObjectiveId, RequestId, Timestamp,
};
use engine::wire;
use node::NodeSettings;
use store::FjallStore;

use crate::support::{ETHER, Network, amount};

/// As many as a policy allows in one ledger.
const PER_LEDGER: usize = 200;

/// Enough for two deposits per ledger.
const BLOCKS: u64 = 200;

/// Rows in one batch.
const ROWS: usize = 1_000;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// A node in the making.
pub(crate) struct Builder {
    settings: NodeSettings,
    node: Engine,
    peers: Vec<Engine>,
    rows: Batch,
    channels: usize,
    /// Blocks of the real chain, so that a node that starts on the store finds them there.
    blocks: VecDeque<BlockRef>,
}

impl Builder {
    pub(crate) async fn new(network: &Network, key: [u8; 32]) -> Self {
        let (settings, _) = network.settings(1);
        network.mine(BLOCKS).await;
        let head = network.anvil.rpc.get_block_number().await.expect("the chain answers");
        let mut blocks = VecDeque::new();
        for number in head - BLOCKS + 1..=head {
            let block = network.anvil.rpc.get_block_by_number(number.into()).await;
            let header = block.expect("the chain answers").expect("a block").header;
            blocks.push_back(BlockRef {
                number: BlockNumber(number),
                hash: header.hash,
                timestamp: header.timestamp,
            });
        }
        let node = engine(&settings, key);
        Self { settings, node, peers: Vec::new(), rows: Batch::default(), channels: 0, blocks }
    }

    /// Opens payment channels until there are so many, each with one payment.
    pub(crate) fn open_channels(&mut self, count: usize) {
        while self.channels < count {
            if self.channels.is_multiple_of(PER_LEDGER) {
                self.open_ledger();
            }
            let request = Request::OpenPayment {
                payee: self.peers.last().expect("a ledger").address(),
                relays: Vec::new(),
                asset: Asset::NATIVE,
                capacity: amount(1_000),
                challenge_duration: 3_600,
                random: self.channels as u32,
            };
            let channel = self.start(request).channel();
            self.exchange(Request::Pay { channel, amount: amount(1) });
            self.channels += 1;
        }
    }

    fn open_ledger(&mut self) {
        let number = self.peers.len() as u8;
        let mut key = [0xee; 32];
        key[31] = number;
        self.peers.push(engine(&self.settings, key));
        let request = Request::OpenLedger {
            peer: self.peers.last().expect("the new one").address(),
            asset: Asset::NATIVE,
            mine: amount(ETHER),
            theirs: amount(ETHER),
            challenge_duration: 3_600,
            random: u32::from(number),
        };
        self.start(request);
    }

    fn start(&mut self, request: Request) -> ObjectiveId {
        match self.exchange(request) {
            Response::Started(objective) => objective,
            other => panic!("expected an objective, got {other:?}"),
        }
    }

    /// Asks the node, and lets it and its newest peer talk until nothing is left to say.
    fn exchange(&mut self, request: Request) -> Response {
        let peer = self.peers.last_mut().expect("a peer");
        let mut inputs = VecDeque::from([(true, Input::Request(RequestId(0), request))]);
        let mut answer = None;
        while let Some((is_node, input)) = inputs.pop_front() {
            let engine = if is_node { &mut self.node } else { &mut *peer };
            let from = engine.address();
            let step = engine.handle(NOW, input);
            if is_node {
                step.writes.into_iter().for_each(|write| self.rows.push(write));
            }
            for effect in step.effects {
                match effect {
                    Effect::Send(to, id, message) => {
                        inputs.push_back((!is_node, frame(from, &message)));
                        inputs.push_back((is_node, Input::Delivered(to, id)));
                    }
                    Effect::Submit(id, call) => {
                        let block = self.blocks.pop_front().expect("enough blocks");
                        let event = deposited(block, &call);
                        inputs.push_back((is_node, Input::Chain(event.clone())));
                        inputs.push_back((!is_node, Input::Chain(event)));
                        let receipt = Receipt::Succeeded { block: block.number };
                        inputs.push_back((is_node, Input::Settled(id, receipt)));
                    }
                    Effect::Reply(_, response) => answer = Some(response.expect("taken")),
                    Effect::Report(peer, offence) => panic!("{peer} is reported: {offence:?}"),
                    Effect::Ack(..)
                    | Effect::Notify(_)
                    | Effect::Forget(..)
                    | Effect::Withdraw(_) => {}
                }
            }
        }
        answer.expect("an answer")
    }

    /// Writes what there is into a new store.
    pub(crate) fn save(&self, path: &Path) {
        let mut store = FjallStore::open(path, &store::Config::default()).expect("opens");
        let live: Vec<&Write> = self.rows.writes().filter(|write| !is_removal(write)).collect();
        for rows in live.chunks(ROWS) {
            let mut batch = Batch::default();
            rows.iter().for_each(|write| batch.push((*write).clone()));
            store.commit(&batch).expect("committed");
        }
    }
}

fn engine(settings: &NodeSettings, key: [u8; 32]) -> Engine {
    let signer = LocalSigner::new(key).expect("a key");
    let (deployment, policy): (Deployment, _) = (settings.deployment, settings.policy.clone());
    Engine::restore(deployment, policy, Box::new(signer), &Vec::<Write>::new())
}

fn frame(from: Address, message: &[u8]) -> Input {
    let envelopes = vec![wire::open(from, message).expect("a message")];
    Input::Frame { token: FrameToken(0), envelopes }
}

fn deposited(block: BlockRef, call: &ChainCall) -> ChainEvent {
    let ChainCall::Deposit { channel, asset, expected_held, amount } = call else {
        panic!("nothing is closed here");
    };
    let holdings = expected_held.checked_add(*amount).expect("no overflow");
    let channel: ChannelId = *channel;
    let fact = ChainFact::Deposited { asset: *asset, holdings };
    ChainEvent::Block(Block { block, logs: vec![ChannelLog { channel, fact }], debts: vec![] })
}

const fn is_removal(write: &Write) -> bool {
    match write {
        Write::Ledger(_, row) => row.is_none(),
        Write::Payment(_, row) => row.is_none(),
        Write::Paid(_, row) => row.is_none(),
        Write::Objective(_, row) => row.is_none(),
        Write::Message(_, _, row) => row.is_none(),
        Write::Call(_, row) => row.is_none(),
        Write::Answer(_, row) => row.is_none(),
        Write::Waiting(_, row) => row.is_none(),
        Write::Buried(_, row) => row.is_none(),
        Write::Tower(_, row) => row.is_none(),
        Write::Guard(_, _, row) => row.is_none(),
        Write::Debt(_, row) => row.is_none(),
        Write::Sending(_, row) => row.is_none(),
        Write::NextCall(_)
        | Write::Cursor(_)
        | Write::ArchivedChannel(..)
        | Write::ArchivedObjective(..) => false,
    }
}
