//! One node of the world: the real driver over ports that write down what leaves.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use crate::chain::ChainCall;
use crate::crypto::{LocalSigner, Signature, Signer};
use crate::driver::Driver;
use crate::effect::{Offence, Response, Update};
use crate::error::RequestError;
use crate::input::Input;
use crate::policy::Policy;
use crate::ports::{Application, Chain, Store, StoreError, Transport};
use crate::state::Deployment;
use crate::step::{Batch, Write};
use crate::testing::fixtures;
use crate::testing::network::Arrival;
use crate::testing::properties::Memory;
use crate::testing::store::{MemStore, Power};
use crate::types::{Address, B256, CallId, ChannelId, FrameToken, MessageId, RequestId, Timestamp};

/// What a turn let out, in the order in which it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    Commit,
    Send(Address, MessageId, Vec<u8>),
    Submit(CallId, ChainCall),
    Withdraw(CallId),
    Forget(Address, MessageId),
    Ack(FrameToken, Vec<Vec<u8>>),
    Reply(RequestId, Result<Response, RequestError>),
    Notify(Update),
    Report(Address, Offence),
}

/// Where the ports of one process write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<Out>>>);

impl Trace {
    fn push(&self, out: Out) {
        self.0.borrow_mut().push(out);
    }

    pub(super) fn take(&self) -> Vec<Out> {
        self.0.take()
    }
}

impl Transport for Trace {
    fn send(&mut self, to: Address, id: MessageId, message: Vec<u8>) {
        self.push(Out::Send(to, id, message));
    }

    fn forget(&mut self, to: Address, up_to: MessageId) {
        self.push(Out::Forget(to, up_to));
    }

    fn acknowledge(&mut self, token: FrameToken, answers: Vec<Vec<u8>>) {
        self.push(Out::Ack(token, answers));
    }

    fn report(&mut self, peer: Address, offence: Offence) {
        self.push(Out::Report(peer, offence));
    }
}

impl Chain for Trace {
    fn submit(&mut self, id: CallId, call: ChainCall) {
        self.push(Out::Submit(id, call));
    }

    fn withdraw(&mut self, id: CallId) {
        self.push(Out::Withdraw(id));
    }
}

impl Application for Trace {
    fn reply(&mut self, id: RequestId, response: Result<Response, RequestError>) {
        self.push(Out::Reply(id, response));
    }

    fn notify(&mut self, update: Update) {
        self.push(Out::Notify(update));
    }
}

/// A store that writes down when a commit is durable.
#[derive(Debug)]
pub(crate) struct TracedStore {
    inner: MemStore,
    trace: Trace,
}

impl Store for TracedStore {
    fn load(&mut self) -> Result<Vec<Write>, StoreError> {
        self.inner.load()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.inner.commit(batch)?;
        self.trace.push(Out::Commit);
        Ok(())
    }

    fn is_archived(&self, channel: ChannelId) -> Result<bool, StoreError> {
        self.inner.is_archived(channel)
    }
}

/// A signer that never forgets what it has signed, whatever the node forgets.
#[derive(Clone, Debug)]
pub struct RecordingSigner {
    key: Arc<LocalSigner>,
    signed: Arc<Mutex<BTreeSet<B256>>>,
}

impl RecordingSigner {
    pub(super) fn new(key: LocalSigner) -> Self {
        Self { key: Arc::new(key), signed: Arc::default() }
    }

    /// The same key with the same past, from here on apart.
    fn copy(&self) -> Self {
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { key: self.key.clone(), signed: Arc::new(Mutex::new(signed)) }
    }

    /// True when this key has signed the hash, in whichever life of its node.
    #[must_use]
    pub fn has_signed(&self, hash: B256) -> bool {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }
}

impl Signer for RecordingSigner {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn sign(&self, hash: B256) -> Signature {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner).insert(hash);
        self.key.sign(hash)
    }
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crash {
    /// Before the batch is durable: the turn never was.
    BeforeCommit,
    /// Once the batch is durable, before anything leaves.
    AfterCommit,
    /// After so many effects have left.
    Dispatching(usize),
}

/// Whose will a node carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Somebody whose node only ever does what it should.
    Honest,
    /// Somebody who stands between the node and the world.
    Villain,
}

pub(super) type NodeDriver = Driver<TracedStore, Trace, Trace, Trace>;

/// A node and what the world knows about it.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) owner: Owner,
    pub(super) signer: RecordingSigner,
    pub(super) policy: Policy,
    pub(super) store: MemStore,
    pub(super) trace: Trace,
    /// None while the process does not run.
    pub(super) driver: Option<NodeDriver>,
    pub(super) inbox: Vec<Input>,
    /// When the next turn is due, while the inbox holds something.
    pub(super) wake: Option<Timestamp>,
    /// Frames that are not acknowledged yet.
    pub(super) arrivals: BTreeMap<FrameToken, Arrival>,
    /// Turns that had something to commit, over all lives.
    pub(super) turns: u64,
    /// Ends the process in its turn of that number.
    pub(super) crash_at: Option<(u64, Crash)>,
    pub(super) restart_at: Option<Timestamp>,
    pub(super) next_request: u64,
    pub(super) updates: Vec<Update>,
    pub(super) offences: Vec<(Address, Offence)>,
    pub(super) memory: Memory,
}

impl Node {
    pub(super) fn new(name: &str, key: LocalSigner, policy: Policy, owner: Owner) -> Self {
        Self {
            name: name.to_owned(),
            owner,
            signer: RecordingSigner::new(key),
            policy,
            store: MemStore::new(),
            trace: Trace::default(),
            driver: None,
            inbox: Vec::new(),
            wake: None,
            arrivals: BTreeMap::new(),
            turns: 0,
            crash_at: None,
            restart_at: None,
            next_request: 0,
            updates: Vec::new(),
            offences: Vec::new(),
            memory: Memory::default(),
        }
    }

    pub(super) fn address(&self) -> Address {
        self.signer.address()
    }

    /// The same node at the same moment, off: its disk, and what the world knows about it.
    pub(super) fn copy(&self) -> Self {
        let key = fixtures::key(&self.name);
        Self {
            store: self.store.snapshot(),
            turns: self.turns,
            next_request: self.next_request,
            memory: self.memory.clone(),
            signer: self.signer.copy(),
            ..Self::new(&self.name, key, self.policy.clone(), self.owner)
        }
    }

    /// Starts the process and returns what it offers again.
    pub(super) fn start(&mut self, deployment: Deployment) -> Vec<Out> {
        self.trace = Trace::default();
        let trace = &self.trace;
        let store = TracedStore { inner: self.store.clone(), trace: trace.clone() };
        let driver = Driver::start(
            deployment,
            self.policy.clone(),
            Box::new(self.signer.clone()),
            store,
            trace.clone(),
            trace.clone(),
            trace.clone(),
        );
        self.driver = Some(driver.expect("rows in memory are readable"));
        self.restart_at = None;
        self.trace.take()
    }

    /// Ends the process: only the disk is left.
    pub(super) fn stop(&mut self) {
        self.driver = None;
        self.inbox.clear();
        self.wake = None;
        self.arrivals.clear();
        self.store.set_power(Power::On);
    }

    /// Runs one turn. Returns what left, and whether the process has come to its end.
    pub(super) fn turn(&mut self, now: Timestamp, inputs: Vec<Input>) -> (Vec<Out>, bool) {
        let Some(driver) = self.driver.as_mut() else { return (Vec::new(), false) };
        let crash = self.crash_at.filter(|(turn, _)| *turn <= self.turns).map(|(_, crash)| crash);
        self.store.set_power(match crash {
            Some(Crash::BeforeCommit) => Power::FailsBeforeCommit,
            Some(Crash::AfterCommit) => Power::FailsAfterCommit,
            Some(Crash::Dispatching(_)) | None => Power::On,
        });
        let commits = self.store.commits();
        let result = driver.turn(now, inputs);
        let mut out = self.trace.take();
        let committed = self.store.commits() > commits;
        self.store.set_power(Power::On);
        if result.is_err() {
            assert_eq!(out, [], "{}: nothing leaves when the commit failed", self.name);
            self.turns += 1;
            self.crash_at = None;
            return (out, true);
        }
        if let Some(position) = out.iter().position(|out| *out == Out::Commit) {
            assert_eq!(position, 0, "{}: nothing leaves before it is stored", self.name);
            out.remove(0);
        }
        if !committed {
            return (out, false);
        }
        self.turns += 1;
        if let Some(Crash::Dispatching(count)) = crash {
            out.truncate(count);
            self.crash_at = None;
            return (out, true);
        }
        (out, false)
    }
}
