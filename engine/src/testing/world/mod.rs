//! A world of nodes with one clock, one network and one chain, which only a seed decides.
//!
//! ```text
//!   request ──> node ──> network ──> node        every turn: commit, check the properties,
//!                │          chain ──────┘         let the effects out, maybe pull the plug
//!                └─ MemStore: what a crash leaves
//! ```

mod fork;
mod node;
mod setup;
mod view;
mod villains;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use node::Out;
pub use node::{Crash, RecordingSigner};
use node::{Node, Owner};
pub use setup::{Climate, Setup};

use super::Random;
use super::adversaries::Ring;
use super::chain::{ChainRules, ContractCall, FakeChain, Orphans};
use super::fixtures;
use super::network::{Arrival, Incoming, Network, Weather};
use super::properties::{self, WorthCounted};
use super::safe_exit::{self, Rehearsed};
use super::store::MemStore;
use crate::apply::{Due, State};
use crate::chain::{ChainEvent, GasReport};
use crate::effect::{Offence, Response, Update};
use crate::error::RequestError;
use crate::input::{Input, Request};
use crate::state::Deployment;
use crate::types::{Address, Asset, MessageId, RequestId, Timestamp};
use crate::wire::{self, Message};

/// A node of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(pub usize);

/// Steps after which a world that should come to rest never will.
const MAX_STEPS: usize = 20_000;

/// Nodes, network, chain and clock.
pub struct World {
    now: Timestamp,
    deployment: Deployment,
    nodes: Vec<Node>,
    network: Network,
    chain: FakeChain,
    random: Random,
    climate: Climate,
    digest: u64,
    steps: u64,
    sent: u64,
    /// What may be left when the world ends; see [`World::leave_unfinished`].
    may_be_unfinished: bool,
    may_misbehave: bool,
    /// Whether a report of one honest node about another ends the world at once.
    forbids_blame: bool,
    /// What is told to a reader: every turn whose inputs or effects name this.
    watched: Option<String>,
    /// Bytes that were no message, which honest nodes never send.
    malformed: usize,
    rehearsed: Rehearsed,
    /// What the addresses that a test plays itself have heard.
    puppets: BTreeMap<Address, Vec<(Party, Message)>>,
    /// The villains among the nodes.
    ring: Option<Ring>,
}

impl World {
    /// The time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &FakeChain {
        &self.chain
    }

    /// The chain, to disturb it.
    pub const fn chain_mut(&mut self) -> &mut FakeChain {
        &mut self.chain
    }

    /// Random numbers of this world, for a test that decides by them.
    pub const fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// A number that stands for everything that has left any node so far.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Steps so far.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Messages that nodes have sent so far, repetitions of their outbox included.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// A fresh random number for a channel nonce.
    pub fn nonce(&mut self) -> u32 {
        u32::try_from(self.random.below(1 << 32)).unwrap_or_default()
    }

    // Faults.

    /// Changes the network from now on.
    pub const fn set_weather(&mut self, weather: Weather) {
        self.climate.weather = weather;
        self.network.set_weather(weather);
    }

    /// Changes the chain from now on.
    pub const fn set_chain_rules(&mut self, rules: ChainRules) {
        self.chain.set_rules(rules);
    }

    /// Cuts some nodes off from all others.
    pub fn partition(&mut self, island: &[Party]) {
        let island: Vec<Address> = island.iter().map(|party| self.address(*party)).collect();
        self.network.partition(&island);
    }

    /// Ends every partition.
    pub fn heal(&mut self) {
        self.network.heal();
    }

    /// Keeps everything back that a node says; it still hears the others.
    pub fn silence(&mut self, party: Party) {
        let address = self.address(party);
        self.network.silence(address, true);
    }

    /// Lets a node be heard again.
    pub fn unsilence(&mut self, party: Party) {
        let address = self.address(party);
        self.network.silence(address, false);
    }

    /// Ends a process between two turns.
    pub fn crash(&mut self, party: Party) {
        let address = self.address(party);
        self.nodes[party.0].stop();
        self.network.forget(address);
        self.chain.unfollow(address);
    }

    /// Ends a process between two turns; it starts again after that time.
    pub fn switch_off(&mut self, party: Party, downtime: Duration) {
        self.crash(party);
        self.nodes[party.0].restart_at = Some(self.now.after(downtime));
    }

    /// Takes back every [`World::crash_at`].
    pub fn disarm(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.crash_at = None);
    }

    /// Ends a process in its turn of that number; it starts again after `downtime`.
    pub fn crash_at(&mut self, party: Party, turn: u64, crash: Crash) {
        self.nodes[party.0].crash_at = Some((turn, crash));
    }

    /// Starts a process on what its store holds.
    pub fn restart(&mut self, party: Party) {
        let deployment = self.deployment;
        let node = &mut self.nodes[party.0];
        if node.driver.is_some() {
            return;
        }
        let out = node.start(deployment);
        let address = node.address();
        let cursor = node.driver.as_ref().expect("just started").engine().cursor().clone();
        self.network.reach(address);
        self.chain.follow(address, &cursor);
        self.let_out(party, out);
        self.check(party);
        self.tell_news(party);
    }

    /// Ends a process and starts it on another disk, as a restored backup does.
    pub fn restore(&mut self, party: Party, store: MemStore) {
        self.crash(party);
        self.nodes[party.0].store = store;
        self.nodes[party.0].memory.forget_payments();
        self.restart(party);
    }

    /// Replaces the newest blocks and tells everyone.
    pub fn reorg(&mut self, depth: usize, orphans: Orphans) {
        self.chain.reorg(self.now, depth, orphans);
        self.after_block();
    }

    /// Mines one block now and tells everyone.
    pub fn mine(&mut self) {
        self.chain.tick(self.now);
        self.after_block();
    }

    /// Tells one node of something that the chain says, true or not.
    pub fn tell(&mut self, party: Party, event: ChainEvent) {
        self.put(party, Input::Chain(event));
    }

    /// Tells a node what its account has and what gas costs, until it restarts.
    pub fn report_gas(&mut self, party: Party, report: GasReport) {
        if let Some(driver) = &mut self.nodes[party.0].driver {
            driver.report_gas(report);
        }
    }

    /// A call of a stranger, or of a cheat behind its node's back, mined before all others.
    pub fn front_run(&mut self, sender: Address, call: impl Into<ContractCall>) {
        self.chain.front_run(sender, call);
    }

    /// A call of a stranger, or of a cheat behind its node's back, mined in the next block.
    pub fn call(&mut self, sender: Address, call: impl Into<ContractCall>) {
        self.chain.call(sender, call);
    }

    /// A frame with one message of `from`, whose key somebody else holds as well, arrives at once.
    pub fn inject(&mut self, from: Address, to: Party, message: &Message) {
        self.inject_bytes(from, to, vec![wire::encode(message)]);
    }

    /// A frame of raw messages arrives at once.
    pub fn inject_bytes(&mut self, from: Address, to: Party, messages: Vec<Vec<u8>>) {
        let to_address = self.address(to);
        self.network.inject(self.now, from, to_address, messages);
    }

    /// The world may end with objectives or messages that nobody answers.
    pub const fn leave_unfinished(&mut self) {
        self.may_be_unfinished = true;
    }

    /// Nodes may be reported in this world: somebody in it is no honest node.
    pub const fn expect_offences(&mut self) {
        self.may_misbehave = true;
    }

    /// Prints every turn from now on that has to do with this: an id as it is printed, or a word.
    pub fn watch(&mut self, text: &str) {
        self.watched = Some(text.to_owned());
    }

    /// Nobody here speaks with the key of an honest node but that node: who reports one is wrong.
    pub const fn forbid_blame(&mut self) {
        self.may_misbehave = true;
        self.forbids_blame = true;
    }

    /// Decides when the worth of nodes is counted from now on.
    pub(super) fn count_worth(&mut self, when: WorthCounted) {
        self.nodes.iter_mut().for_each(|node| node.memory.count_worth(when));
    }

    /// An address that the test plays itself: it takes and acknowledges everything.
    pub fn add_puppet(&mut self, address: Address) {
        self.puppets.insert(address, Vec::new());
        self.network.reach(address);
        for asset in [Asset::NATIVE, fixtures::TOKEN] {
            self.chain.endow(address, asset, fixtures::PURSE.into());
        }
    }

    /// What a puppet has heard since this was last asked, and from whom.
    pub fn heard(&mut self, puppet: Address) -> Vec<(Party, Message)> {
        self.puppets.get_mut(&puppet).map(std::mem::take).unwrap_or_default()
    }

    // Running.

    /// Asks a node for something and runs its turn at once.
    ///
    /// # Errors
    /// The node's own refusal.
    ///
    /// # Panics
    /// When the node does not answer: it is down, or goes down in that turn.
    pub fn request(&mut self, party: Party, request: Request) -> Result<Response, RequestError> {
        self.try_request(party, request).expect("the node runs and answers")
    }

    /// Asks a node for something; none when it is down, or goes down before it answers.
    pub fn try_request(
        &mut self,
        party: Party,
        request: Request,
    ) -> Option<Result<Response, RequestError>> {
        self.try_requests(party, vec![request]).into_iter().next()?
    }

    /// Asks a node for several things in one turn, after what has come for it before; none where it
    /// is down, or goes down before it answers.
    pub fn try_requests(
        &mut self,
        party: Party,
        requests: Vec<Request>,
    ) -> Vec<Option<Result<Response, RequestError>>> {
        let node = &mut self.nodes[party.0];
        let ids: Vec<RequestId> =
            (node.next_request..).take(requests.len()).map(RequestId).collect();
        node.next_request += requests.len() as u64;
        if node.driver.is_none() {
            return vec![None; requests.len()];
        }
        let mut inputs = std::mem::take(&mut node.inbox);
        node.wake = None;
        inputs.extend(ids.iter().zip(requests).map(|(id, request)| Input::Request(*id, request)));
        let mut answers: BTreeMap<RequestId, _> = self
            .turn(party, inputs)
            .into_iter()
            .filter_map(|out| match out {
                Out::Reply(id, response) => Some((id, response)),
                _ => None,
            })
            .collect();
        ids.iter().map(|id| answers.remove(id)).collect()
    }

    /// Runs until nothing is going on: no message, call or block that anybody waits for.
    ///
    /// # Panics
    /// When that never happens.
    pub fn run_until_quiet(&mut self) {
        for _ in 0..MAX_STEPS {
            if self.is_quiet() {
                return;
            }
            self.step();
        }
        panic!("no rest after {MAX_STEPS} steps\n{}", self.describe());
    }

    /// Runs until the predicate holds.
    ///
    /// # Panics
    /// When it does not within a virtual day.
    pub fn run_until(&mut self, mut reached: impl FnMut(&Self) -> bool) {
        let end = self.now.after(Duration::from_secs(86_400));
        for _ in 0..MAX_STEPS {
            if reached(self) {
                return;
            }
            assert!(self.now <= end, "not reached within a day\n{}", self.describe());
            self.step();
        }
        panic!("not reached within {MAX_STEPS} steps\n{}", self.describe());
    }

    /// Runs until the newest block is of that time or later: challenges run on this clock.
    ///
    /// # Panics
    /// When that takes too many steps.
    pub fn run_until_chain_time(&mut self, timestamp: u64) {
        for _ in 0..MAX_STEPS {
            if self.chain.head().timestamp >= timestamp {
                return;
            }
            self.step();
        }
        panic!("no block of {timestamp} within {MAX_STEPS} steps\n{}", self.describe());
    }

    /// Runs for some virtual time.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while self.next_due() <= end {
            self.step();
        }
        self.now = end;
    }

    /// Goes to the next moment at which something happens, and lets it happen.
    pub fn step(&mut self) {
        self.steps += 1;
        self.now = self.now.max(self.next_due());
        self.receive();
        self.carry_out_plans();
        if self.chain.next_due(self.awaits_block()) <= self.now {
            self.chain.tick(self.now);
            self.after_block();
        }
        for index in 0..self.nodes.len() {
            let party = Party(index);
            if self.nodes[index].restart_at.is_some_and(|at| at <= self.now) {
                self.restart(party);
            }
            if self.deadline(party).is_some_and(|at| at <= self.now) {
                self.put(party, Input::Deadline);
            }
            if self.nodes[index].wake.is_some_and(|at| at <= self.now) {
                let inputs = std::mem::take(&mut self.nodes[index].inbox);
                self.nodes[index].wake = None;
                self.turn(party, inputs);
            }
        }
    }

    fn next_due(&self) -> Timestamp {
        let nodes = (0..self.nodes.len()).flat_map(|index| {
            let node = &self.nodes[index];
            [node.restart_at, node.wake, self.deadline(Party(index))]
        });
        let planned = self.ring.as_ref().and_then(Ring::next_due);
        let others =
            [self.network.next_due(), planned, Some(self.chain.next_due(self.awaits_block()))];
        nodes.chain(others).flatten().min().unwrap_or(self.now)
    }

    fn deadline(&self, party: Party) -> Option<Timestamp> {
        let node = &self.nodes[party.0];
        // A deadline that waits in the inbox already is not told again.
        if node.inbox.iter().any(|input| matches!(input, Input::Deadline)) {
            return None;
        }
        node.driver.as_ref()?.engine().next_deadline()
    }

    fn receive(&mut self) {
        for incoming in self.network.arrive(self.now) {
            match incoming {
                Incoming::Frame(arrival) if self.puppets.contains_key(&arrival.to) => {
                    self.tell_puppet(&arrival);
                }
                Incoming::Frame(arrival) => {
                    let Some(party) = self.find(arrival.to) else { continue };
                    let mut envelopes = Vec::new();
                    for message in &arrival.messages {
                        match wire::open(arrival.from, message) {
                            Ok(envelope) => envelopes.push(envelope),
                            Err(_) => self.malformed += 1,
                        }
                    }
                    self.keep_from_villain(arrival.from, arrival.to, &mut envelopes);
                    let token = arrival.token;
                    self.nodes[party.0].arrivals.insert(token, arrival);
                    self.put(party, Input::Frame { token, envelopes });
                }
                Incoming::Delivered { sender, peer, up_to, answers } => {
                    if let Some(party) = self.find(sender) {
                        if !answers.is_empty() {
                            let answers = open_answers(peer, &answers);
                            self.put(party, Input::Answered(answers));
                        }
                        self.put(party, Input::Delivered(peer, up_to));
                    }
                }
            }
        }
    }

    fn tell_puppet(&mut self, arrival: &Arrival) {
        let from = self.find(arrival.from).expect("only nodes send to puppets");
        let heard = self.puppets.entry(arrival.to).or_default();
        for message in &arrival.messages {
            let envelope = wire::open(arrival.from, message).expect("nodes send messages");
            heard.push((from, envelope.message));
        }
        self.network.acknowledge(self.now, arrival, Vec::new());
    }

    fn after_block(&mut self) {
        properties::check_chain(&self.chain);
        // Receipts and events of one block come in any order.
        let receipts_first = self.random.chance(50);
        let settlements = self.chain.settlements();
        let settle = |world: &mut Self| {
            for (sender, id, receipt) in &settlements {
                if let Some(party) = world.find(*sender) {
                    world.put(party, Input::Settled(*id, receipt.clone()));
                }
            }
        };
        if receipts_first {
            settle(self);
        }
        for index in 0..self.nodes.len() {
            self.tell_news(Party(index));
        }
        if !receipts_first {
            settle(self);
        }
    }

    fn tell_news(&mut self, party: Party) {
        for event in self.chain.news(self.address(party)) {
            self.put(party, Input::Chain(event));
        }
    }

    /// Puts an input into a node's inbox; the turn may wait for more.
    fn put(&mut self, party: Party, input: Input) {
        let wait = self.random.between(0, self.climate.turn_delay);
        let node = &mut self.nodes[party.0];
        if node.driver.is_some() {
            node.inbox.push(input);
            node.wake = Some(node.wake.unwrap_or(Timestamp(self.now.0 + wait)));
        }
    }

    fn turn(&mut self, party: Party, inputs: Vec<Input>) -> Vec<Out> {
        let heard = if self.forbids_blame { inputs.clone() } else { Vec::new() };
        let (out, ended) = self.nodes[party.0].turn(self.now, inputs);
        if self.watched.is_some() {
            self.tell_turn(party, &heard, &out, ended);
        }
        self.check_blame(party, &out, &heard);
        self.let_out(party, out.clone());
        if ended {
            self.crash(party);
            self.nodes[party.0].restart_at = Some(self.now.after(self.climate.downtime));
        } else {
            self.check(party);
        }
        out
    }

    /// Prints what of a turn names the watched text.
    fn tell_turn(&self, party: Party, heard: &[Input], out: &[Out], ended: bool) {
        let Some(text) = &self.watched else { return };
        let heads = |list: Vec<String>| -> Vec<String> {
            list.into_iter().filter(|entry| entry.contains(text)).collect()
        };
        let mut inputs: Vec<String> = Vec::new();
        for input in heard {
            match input {
                Input::Frame { envelopes, .. } => {
                    inputs.extend(envelopes.iter().map(|envelope| format!("{envelope:?}")));
                }
                other => inputs.push(format!("{other:?}")),
            }
        }
        let from = self.address(party);
        let out = out.iter().map(|out| match out {
            Out::Send(to, id, bytes) => {
                let message = wire::open(from, bytes).map(|envelope| envelope.message);
                format!("-> {to} {id:?} {message:?}")
            }
            other => format!("{other:?}"),
        });
        let (inputs, out) = (heads(inputs), heads(out.collect()));
        if !inputs.is_empty() || !out.is_empty() {
            let crash = if ended { " CRASH" } else { "" };
            println!("[{}] {:?} {}{crash}", self.steps, self.now, self.name(party));
            inputs.iter().for_each(|input| println!("    heard {input}"));
            out.iter().for_each(|out| println!("    {out}"));
        }
    }

    /// No honest node reports another.
    fn check_blame(&self, party: Party, out: &[Out], heard: &[Input]) {
        if !self.forbids_blame || self.is_villain(party) {
            return;
        }
        for out in out {
            let Out::Report(peer, offence) = out else { continue };
            let honest = self.find(*peer).filter(|peer| !self.is_villain(*peer));
            if let Some(peer) = honest {
                let (name, blamed) = (self.name(party), self.name(peer));
                panic!(
                    "{name} reports the honest {blamed}: {offence:?}\n{heard:#?}\n{}",
                    self.describe()
                );
            }
        }
    }

    fn let_out(&mut self, party: Party, out: Vec<Out>) {
        let from = self.address(party);
        for out in out {
            self.note(party, &out);
            let out = if self.is_villain(party) {
                let Some(out) = self.let_villain_out(party, out) else { continue };
                out
            } else {
                self.nodes[party.0].memory.see(from, &out);
                out
            };
            match out {
                Out::Commit | Out::Reply(..) => {}
                Out::Send(to, id, message) => {
                    self.sent += 1;
                    self.network.send(self.now, from, to, id, message);
                }
                Out::Forget(to, up_to) => self.network.drop_waiting(from, to, up_to),
                Out::Submit(id, call) => {
                    if let Some(receipt) = self.chain.submit(from, id, call) {
                        self.put(party, Input::Settled(id, receipt));
                    }
                }
                Out::Withdraw(id) => {
                    if let Some(receipt) = self.chain.withdraw(from, id) {
                        self.put(party, Input::Settled(id, receipt));
                    }
                }
                Out::Ack(token, answers) => {
                    if let Some(arrival) = self.nodes[party.0].arrivals.remove(&token) {
                        if let Some(heard) = self.puppets.get_mut(&arrival.from) {
                            let said = open_answers(from, &answers);
                            heard.extend(said.into_iter().map(|said| (party, said.message)));
                        }
                        self.network.acknowledge(self.now, &arrival, answers);
                    }
                }
                Out::Notify(update) => self.nodes[party.0].updates.push(update),
                Out::Report(peer, offence) => self.nodes[party.0].offences.push((peer, offence)),
            }
        }
    }

    /// Folds what leaves into the digest (FNV-1a).
    fn note(&mut self, party: Party, out: &Out) {
        let text = match out {
            Out::Send(to, id, message) => [&to.0[..], &id.0.to_be_bytes(), message].concat(),
            // What the application is told follows from the rest.
            Out::Notify(_) => Vec::new(),
            other => format!("{other:?}").into_bytes(),
        };
        let head = [self.now.0.to_be_bytes(), (party.0 as u64).to_be_bytes()].concat();
        for byte in head.iter().chain(&text) {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn check(&mut self, party: Party) {
        if self.is_villain(party) {
            return;
        }
        let deployment = self.deployment;
        let node = &mut self.nodes[party.0];
        let Some(driver) = &node.driver else { return };
        let engine = driver.engine();
        let (signer, store, memory) = (&node.signer, &node.store, &mut node.memory);
        let chain = &self.chain;
        properties::check_node(&node.name, deployment, engine, signer, store, chain, memory);
        let (contract, time) = (self.chain.contract(), self.chain.head().timestamp);
        let state = engine.state();
        safe_exit::check(&node.name, state, signer, contract, time, &mut self.rehearsed);
        let engines: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| node.owner == Owner::Honest)
            .filter_map(|node| Some((node.name.as_str(), node.driver.as_ref()?.engine())))
            .collect();
        properties::check_pairs(&self.nodes[party.0].name, &engines);
    }

    pub(super) fn find(&self, address: Address) -> Option<Party> {
        self.nodes.iter().position(|node| node.address() == address).map(Party)
    }

    /// True when some node goes on only with the next blocks. A villain's node may wait for a call
    /// that was kept from the chain.
    fn awaits_block(&self) -> bool {
        self.nodes.iter().filter(|node| node.owner == Owner::Honest).any(|node| {
            node.driver.as_ref().is_some_and(|driver| awaits_chain(driver.engine().state()))
        })
    }

    /// True when nothing is going on.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.network.is_quiet()
            && self.chain.is_quiet()
            && !self.awaits_block()
            && self.nodes.iter().all(|node| node.inbox.is_empty() && node.restart_at.is_none())
    }

    /// What a node has told its application since this was last asked.
    pub fn take_updates(&mut self, party: Party) -> Vec<Update> {
        std::mem::take(&mut self.nodes[party.0].updates)
    }

    /// What a node has reported about its peers since this was last asked.
    pub fn take_offences(&mut self, party: Party) -> Vec<(Address, Offence)> {
        std::mem::take(&mut self.nodes[party.0].offences)
    }

    /// Messages that wait in a node's outbox for a peer, decoded.
    #[must_use]
    pub fn outbox(&self, party: Party, to: Address) -> Vec<(MessageId, Message)> {
        let from = self.address(party);
        let rows = self.nodes[party.0].store.rows();
        rows.into_iter()
            .filter_map(|row| match row {
                crate::step::Write::Message(receiver, id, Some(bytes)) if receiver == to => {
                    let envelope = wire::open(from, &bytes).expect("own messages decode");
                    Some((id, envelope.message))
                }
                _ => None,
            })
            .collect()
    }
}

/// Nodes answer with messages.
fn open_answers(from: Address, answers: &[Vec<u8>]) -> Vec<wire::Envelope> {
    let open = |answer: &Vec<u8>| wire::open(from, answer).expect("nodes answer with messages");
    answers.iter().map(open).collect()
}

/// True when a node goes on only with the next blocks, or withdraws unless its peer does.
fn awaits_chain(state: &State) -> bool {
    !state.calls.is_empty()
        || !state.awaiting_block.is_empty()
        || state.deadlines.iter().any(|(_, due)| matches!(due, Due::Withdrawal(_)))
}

/// A world ends with everything done, or its test says why not.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if !self.may_misbehave {
            assert_eq!(self.malformed, 0, "honest nodes send messages only");
            for node in &self.nodes {
                assert_eq!(node.offences, [], "{}: nobody misbehaves here", node.name);
            }
        }
        if !self.may_be_unfinished {
            assert!(self.is_quiet(), "the world is not at rest\n{}", self.describe());
            for node in &self.nodes {
                let status = node.driver.as_ref().map(|driver| driver.engine().status());
                let Some(status) = status else { continue };
                let left = (status.objectives, status.messages, status.calls);
                let name = &node.name;
                assert_eq!(left, (0, 0, 0), "{name} has something left\n{}", self.describe());
            }
        }
    }
}
