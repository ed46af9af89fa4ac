//! The tower's service over real records, without network and chain.

use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::chain::{Block, BlockRef, ChainCall, ChainEvent, ChainFact, ChannelLog, Receipt};
use engine::crypto::{LocalSigner, Signer};
use engine::guard::{Guard, GuardReceipt, Rank, TowerRefusal};
use engine::ledger::{Ledger, Side};
use engine::state::{Deployment, FixedPart, SupportedState};
use engine::types::{
    Address, Asset, B256, BlockNumber, CallId, ChannelId, MessageId, TurnNumber, U256,
};
use engine::wire::{Envelope, Message};
use tempfile::TempDir;

use super::book::Fact;
use super::rows::{RecordError, TowerError};
use super::service::{Frame, Job, Outlet, Service, Start};
use super::{Count, FOLDER, TowerSettings};

const DEPLOYMENT: Deployment = Deployment {
    chain_id: 31_337,
    adjudicator: Address::repeat_byte(0xad),
    consensus_app: Address::repeat_byte(0xca),
    payment_app: Address::repeat_byte(0xfa),
};

const KEY: [u8; 32] = [0x77; 32];
const FINALIZES_AT: u64 = 5_000;

fn key(name: u8) -> LocalSigner {
    LocalSigner::new([name; 32]).unwrap()
}

fn address(name: u8) -> Address {
    key(name).address()
}

/// A state of the ledger of two, with `leader` of 100 for the first of them.
fn guard_of([leader, follower]: [u8; 2], nonce: u32, turn: u64, mine: u64) -> Guard {
    let fixed = FixedPart {
        participants: vec![address(leader), address(follower)],
        nonce: DEPLOYMENT.nonce(nonce),
        app: DEPLOYMENT.consensus_app,
        challenge_duration: 3_600,
    };
    let (mine, theirs) = (mine.into(), (100 - mine).into());
    let mut ledger = Ledger::new(fixed.clone(), Asset::NATIVE, Side::Leader, mine, theirs);
    ledger.agreed.turn = TurnNumber(turn);
    let (state, hash) = (ledger.state(&ledger.agreed, false), ledger.agreed_hash());
    let signatures = [leader, follower].map(|name| key(name).sign(hash)).to_vec();
    Guard { fixed, proof: Vec::new(), candidate: SupportedState { state, signatures } }
}

fn guard(turn: u64) -> Guard {
    guard_of([1, 2], 7, turn, 50 - turn)
}

/// What left the tower.
#[derive(Debug, Default)]
struct Left {
    answers: Vec<(Address, Message)>,
    released: Vec<(u32, usize)>,
    events: usize,
    calls: Vec<(CallId, ChainCall)>,
    questions: Vec<ChannelId>,
}

#[derive(Clone, Default)]
struct Probe(Arc<Mutex<Left>>);

impl Outlet for Probe {
    type Token = u32;

    fn release(&mut self, to: Address, token: u32, answers: Vec<Message>, rest: Vec<Envelope>) {
        let mut left = self.0.lock().unwrap();
        left.answers.extend(answers.into_iter().map(|answer| (to, answer)));
        left.released.push((token, rest.len()));
    }

    fn pass_on(&mut self, _: ChainEvent) {
        self.0.lock().unwrap().events += 1;
    }

    fn submit(&mut self, id: CallId, call: ChainCall) {
        self.0.lock().unwrap().calls.push((id, call));
    }

    fn inquire(&mut self, channel: ChannelId) {
        self.0.lock().unwrap().questions.push(channel);
    }

    fn delivered(&mut self, _: Address, _: MessageId) {}
}

struct Tower {
    service: Option<Service<Probe>>,
    probe: Probe,
    settings: TowerSettings,
    dir: TempDir,
    height: u64,
}

impl Tower {
    fn new() -> Self {
        Self::with(TowerSettings::default())
    }

    fn with(settings: TowerSettings) -> Self {
        let (dir, probe) = (tempfile::tempdir().unwrap(), Probe::default());
        let mut tower = Self { service: None, probe, settings, dir, height: 0 };
        tower.restart();
        tower
    }

    fn open(&self, key: [u8; 32]) -> Result<Service<Probe>, TowerError> {
        let start = Start {
            folder: &self.dir.path().join(FOLDER),
            deployment: DEPLOYMENT,
            settings: self.settings.clone(),
            key: &key,
            signer: LocalSigner::new(KEY).unwrap(),
        };
        Service::open(start, self.probe.clone())
    }

    fn restart(&mut self) {
        self.service = None;
        self.service = Some(self.open(KEY).unwrap());
    }

    fn run(&mut self, job: Job<u32>) -> Left {
        *self.probe.0.lock().unwrap() = Left::default();
        assert!(self.service.as_mut().unwrap().turn([job].into_iter()).unwrap());
        std::mem::take(&mut *self.probe.0.lock().unwrap())
    }

    fn hear(&mut self, from: u8, messages: Vec<Message>) -> Left {
        let from = address(from);
        let envelopes = messages.into_iter().map(|message| Envelope { from, message }).collect();
        let frame = Frame::split(from, 9, envelopes, &DEPLOYMENT);
        let Ok(frame) = frame else { panic!("something is for the tower") };
        self.run(Job::Frame(frame))
    }

    /// Hands a guard over and returns the answer.
    fn hand(&mut self, from: u8, guard: &Guard) -> Result<GuardReceipt, TowerRefusal> {
        let left = self.hear(from, vec![Message::Guard { guard: Box::new(guard.clone()) }]);
        assert_eq!(left.released, [(9, 0)]);
        match left.answers.as_slice() {
            [(to, Message::Guarded { receipt, .. })] if *to == address(from) => Ok(**receipt),
            [(to, Message::GuardRefused { channel, reason })] if *to == address(from) => {
                assert_eq!(*channel, Some(guard.channel()));
                Err(*reason)
            }
            other => panic!("expected one answer, got {other:?}"),
        }
    }

    fn block(&mut self, logs: Vec<ChannelLog>) -> Left {
        self.height += 1;
        let event = ChainEvent::Block(Block { block: block(self.height), logs, debts: vec![] });
        let left = self.run(Job::Chain(event));
        assert_eq!(left.events, 1, "every event goes on");
        left
    }

    fn challenge(&mut self, stale: &Guard) -> Left {
        self.block(vec![challenged(stale)])
    }

    fn count(&mut self) -> Count {
        let (reply, count) = tokio::sync::oneshot::channel();
        self.run(Job::Count(reply));
        count.blocking_recv().unwrap()
    }
}

fn block(number: u64) -> BlockRef {
    let hash = B256::from(U256::from(number));
    BlockRef { number: BlockNumber(number), hash, timestamp: 1_000 + number }
}

fn challenged(stale: &Guard) -> ChannelLog {
    let candidate = Box::new(stale.candidate.clone());
    let fact =
        ChainFact::ChallengeRegistered { finalizes_at: FINALIZES_AT, proof: vec![], candidate };
    ChannelLog { channel: stale.channel(), fact }
}

fn cleared(guard: &Guard) -> ChannelLog {
    let fact = ChainFact::ChallengeCleared { turn: guard.candidate.state.turn };
    ChannelLog { channel: guard.channel(), fact }
}

const fn rank(turn: u64) -> Rank {
    Rank { turn: TurnNumber(turn), paid: engine::types::Amount::ZERO }
}

/// The one call that left, which must show `guard`.
fn checkpoint(left: &Left, guard: &Guard) -> CallId {
    let [(id, call)] = left.calls.as_slice() else { panic!("expected a call, got {left:?}") };
    assert_eq!(*call, guard.clone().checkpoint(FINALIZES_AT));
    assert_eq!(call.urgency().deadline, Some(FINALIZES_AT));
    assert_eq!(call.urgency().at_risk, 100_u64.into());
    *id
}

#[test]
fn a_receipt_tells_what_was_stored_and_is_signed_by_the_tower() {
    let mut tower = Tower::new();
    let receipt = tower.hand(1, &guard(3)).unwrap();
    assert_eq!(
        receipt.signature.recover(receipt.hash()),
        Ok(LocalSigner::new(KEY).unwrap().address())
    );
    assert_eq!((receipt.chain_id, receipt.adjudicator), (31_337, DEPLOYMENT.adjudicator));
    assert_eq!((receipt.client, receipt.channel), (address(1), guard(3).channel()));
    assert_eq!((receipt.rank, receipt.state), (rank(3), guard(3).state_hash()));
    assert_eq!(tower.count(), Count { clients: 1, channels: 1 });
    // The same again is the same again.
    assert_eq!(tower.hand(1, &guard(3)).unwrap().rank, rank(3));
    assert_eq!(tower.count(), Count { clients: 1, channels: 1 });
}

#[test]
fn an_older_state_never_takes_the_place_of_a_newer_one() {
    let mut tower = Tower::new();
    tower.hand(1, &guard(3)).unwrap();
    tower.hand(1, &guard(5)).unwrap();
    assert_eq!(tower.hand(1, &guard(4)), Err(TowerRefusal::Older(rank(5))));
    assert_eq!(tower.hand(2, &guard(4)), Err(TowerRefusal::Older(rank(5))), "nor the peer's");
    tower.restart();
    assert_eq!(tower.hand(1, &guard(4)), Err(TowerRefusal::Older(rank(5))));
    checkpoint(&tower.challenge(&guard(4)), &guard(5));
}

#[test]
fn only_a_stale_challenge_is_answered_and_only_once() {
    let mut tower = Tower::new();
    tower.hand(1, &guard(5)).unwrap();
    assert_eq!(tower.challenge(&guard(5)).calls, [], "the newest state");
    assert_eq!(tower.challenge(&guard(6)).calls, [], "a newer one");
    assert_eq!(tower.challenge(&guard_of([1, 3], 8, 1, 10)).calls, [], "somebody else's channel");
    let left = tower.challenge(&guard(2));
    let id = checkpoint(&left, &guard(5));
    assert_eq!(tower.challenge(&guard(3)).calls, [], "the answer is on its way");
    assert_eq!(tower.block(vec![]).calls, []);
    let block = BlockNumber(tower.height + 1);
    assert_eq!(tower.run(Job::Settled(id, Receipt::Succeeded { block })).calls, []);
    assert_eq!(tower.block(vec![cleared(&guard(5))]).calls, []);
    assert_eq!(tower.block(vec![]).calls, []);
}

#[test]
fn an_answer_that_was_not_taken_is_looked_into_and_given_again() {
    let mut tower = Tower::new();
    tower.hand(1, &guard(5)).unwrap();
    let id = checkpoint(&tower.challenge(&guard(2)), &guard(5));
    let reason = "out of gas".to_owned();
    let left = tower.run(Job::Settled(id, Receipt::Reverted { reason }));
    assert_eq!((left.calls.len(), left.questions), (0, vec![guard(5).channel()]));
    let fact = Fact::Challenged { turn: TurnNumber(2), finalizes_at: FINALIZES_AT };
    assert_eq!(tower.run(Job::Told(guard(5).channel(), fact)).calls, [], "not in the same block");
    let second = checkpoint(&tower.block(vec![]), &guard(5));
    assert!(second > id);
}

#[test]
fn a_challenge_that_ran_before_the_hand_over_is_answered() {
    let mut tower = Tower::new();
    let left = tower.hear(1, vec![Message::Guard { guard: Box::new(guard(5)) }]);
    assert_eq!(left.questions, [guard(5).channel()]);
    let fact = Fact::Challenged { turn: TurnNumber(2), finalizes_at: FINALIZES_AT };
    checkpoint(&tower.run(Job::Told(guard(5).channel(), fact)), &guard(5));
}

#[test]
fn a_newer_state_that_comes_during_a_challenge_answers_it() {
    let mut tower = Tower::new();
    tower.hand(1, &guard(2)).unwrap();
    assert_eq!(tower.challenge(&guard(2)).calls, []);
    let left = tower.hear(1, vec![Message::Guard { guard: Box::new(guard(4)) }]);
    checkpoint(&left, &guard(4));
}

#[test]
fn a_final_channel_is_left_alone() {
    let mut tower = Tower::new();
    tower.hand(1, &guard(5)).unwrap();
    let fact = Fact::Challenged { turn: TurnNumber(2), finalizes_at: 1 };
    tower.block(vec![]);
    assert_eq!(tower.run(Job::Told(guard(5).channel(), fact)).calls, []);
    let concluded = ChainFact::Concluded { finalizes_at: 1 };
    let log = ChannelLog { channel: guard(5).channel(), fact: concluded };
    assert_eq!(tower.block(vec![challenged(&guard(2)), log]).calls, []);
}

#[test]
fn a_reorganisation_that_takes_the_answer_back_is_answered_again() {
    let mut tower = Tower::new();
    tower.hand(1, &guard(5)).unwrap();
    let id = checkpoint(&tower.challenge(&guard(2)), &guard(5));
    tower.run(Job::Settled(id, Receipt::Succeeded { block: BlockNumber(2) }));
    assert_eq!(tower.block(vec![cleared(&guard(5))]).calls, []);
    let event = ChainEvent::Reorg { ancestor: block(1), blocks: Vec::new() };
    checkpoint(&tower.run(Job::Chain(event)), &guard(5));
    // One that takes the challenge back as well is no reason for an answer.
    let mut tower = Tower::new();
    tower.hand(1, &guard(5)).unwrap();
    tower.block(vec![]);
    tower.challenge(&guard(2));
    let event = ChainEvent::Reorg { ancestor: block(1), blocks: Vec::new() };
    assert_eq!(tower.run(Job::Chain(event)).calls, []);
}

#[test]
fn a_restart_loses_no_record_and_offers_the_same_call_again() {
    let mut tower = Tower::new();
    tower.hand(1, &guard(5)).unwrap();
    let id = checkpoint(&tower.challenge(&guard(2)), &guard(5));
    *tower.probe.0.lock().unwrap() = Left::default();
    tower.restart();
    let left = std::mem::take(&mut *tower.probe.0.lock().unwrap());
    assert_eq!(checkpoint(&left, &guard(5)), id);
    assert_eq!(left.questions, [guard(5).channel()], "what was missed is asked");
    tower.run(Job::Settled(id, Receipt::Succeeded { block: BlockNumber(1) }));
    tower.restart();
    let left = std::mem::take(&mut *tower.probe.0.lock().unwrap());
    assert_eq!(left.calls, []);
    assert_eq!(tower.count(), Count { clients: 1, channels: 1 });
}

#[test]
fn what_is_refused_changes_nothing() {
    let clients = [1, 2, 3, 4].map(address).into();
    let settings = TowerSettings { clients, max_clients: 2, max_channels: 2, max_guard_bytes: 600 };
    let mut tower = Tower::with(settings);
    for nonce in [1, 2] {
        tower.hand(1, &guard_of([1, 5], nonce, 1, 10)).unwrap();
    }
    assert_eq!(tower.hand(1, &guard_of([1, 5], 3, 1, 10)), Err(TowerRefusal::Quota(2)));
    assert_eq!(tower.hand(5, &guard_of([1, 5], 1, 2, 10)), Err(TowerRefusal::NotListed));
    tower.hand(2, &guard_of([2, 5], 4, 1, 10)).unwrap();
    assert_eq!(tower.hand(3, &guard_of([3, 5], 5, 1, 10)), Err(TowerRefusal::Full));
    assert_eq!(tower.hand(3, &guard_of([1, 5], 6, 1, 10)), Err(TowerRefusal::NotParticipant));
    let mut large = guard_of([2, 5], 4, 2, 10);
    large.candidate.state.app_data.0.resize(600, 0);
    let hash = large.state_hash();
    large.candidate.signatures = [2, 5].map(|name| key(name).sign(hash)).to_vec();
    assert!(matches!(tower.hand(2, &large), Err(TowerRefusal::TooLarge { max: 600, .. })));
    let mut unsigned = guard_of([2, 5], 4, 2, 10);
    unsigned.candidate.signatures.pop();
    assert_eq!(tower.hand(2, &unsigned), Err(TowerRefusal::Unsupported));
    assert_eq!(tower.count(), Count { clients: 2, channels: 3 });
    checkpoint(&tower.challenge(&guard_of([2, 5], 4, 0, 10)), &guard_of([2, 5], 4, 1, 10));
    // A newer state of a channel that is there needs no more room.
    tower.hand(1, &guard_of([1, 5], 1, 2, 10)).unwrap();
    // Room that is given back is room.
    let channel = guard_of([1, 5], 1, 2, 10).channel();
    tower.hear(1, vec![Message::Unguard { channel }]);
    tower.hand(1, &guard_of([1, 5], 3, 1, 10)).unwrap();
}

#[test]
fn only_its_own_client_releases_a_channel() {
    let mut tower = Tower::new();
    tower.hand(1, &guard(3)).unwrap();
    tower.hand(2, &guard(4)).unwrap();
    let channel = guard(3).channel();
    for stranger in [2, 3, 2] {
        tower.hear(stranger, vec![Message::Unguard { channel }]);
    }
    assert_eq!(tower.count(), Count { clients: 1, channels: 1 });
    tower.restart();
    checkpoint(&tower.challenge(&guard(3)), &guard(4));
    tower.hear(1, vec![Message::Unguard { channel }]);
    assert_eq!(tower.count(), Count::default());
    assert_eq!(tower.challenge(&guard(2)).calls, []);
}

#[test]
fn a_tower_of_another_deployment_says_which_it_guards() {
    let mut tower = Tower::new();
    let hello = |deployment| vec![Message::TowerHello { deployment }];
    let left = tower.hear(1, hello(DEPLOYMENT));
    let terms = TowerSettings::default().terms();
    assert_eq!(left.answers, [(address(1), Message::TowerTerms { terms })]);
    let other = Deployment { adjudicator: Address::repeat_byte(1), ..DEPLOYMENT };
    let reason = TowerRefusal::WrongDeployment(DEPLOYMENT);
    let left = tower.hear(1, hello(other));
    let refusal = Message::GuardRefused { channel: None, reason };
    assert_eq!(left.answers, [(address(1), refusal)]);
    let mut foreign = guard(3);
    foreign.fixed.nonce = other.nonce(7);
    assert_eq!(tower.hand(1, &foreign), Err(reason));
}

#[test]
fn what_is_not_for_the_tower_goes_on() {
    let mut tower = Tower::new();
    let channel = guard(1).channel();
    let messages = vec![
        Message::RequestFinal { channel },
        Message::Guard { guard: Box::new(guard(1)) },
        Message::RequestFinal { channel },
    ];
    assert_eq!(tower.hear(1, messages).released, [(9, 2)]);
    let from = address(1);
    let other = vec![Envelope { from, message: Message::RequestFinal { channel } }];
    assert!(Frame::split(from, 9, other, &DEPLOYMENT).is_err());
}

fn files(path: &Path) -> Vec<Vec<u8>> {
    std::fs::read_dir(path)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path) } else { vec![std::fs::read(path).unwrap()] }
        })
        .collect()
}

#[test]
fn the_files_tell_nothing_of_what_is_held() {
    let mut tower = Tower::new();
    let held = guard(5);
    tower.hand(1, &held).unwrap();
    tower.challenge(&guard(2));
    tower.service = None;
    let secrets = [
        address(1).to_vec(),
        address(2).to_vec(),
        held.candidate.signatures[0].0.to_vec(),
        held.state_hash().to_vec(),
        KEY.to_vec(),
    ];
    let channel = held.channel();
    let files = files(tower.dir.path());
    let holds = |part: &[u8]| files.iter().any(|file| file.windows(part.len()).any(|w| w == part));
    assert!(holds(channel.0.as_slice()), "channel ids are the keys");
    for secret in secrets {
        assert!(!holds(&secret), "{}", hex::encode(&secret));
    }
}

#[test]
fn a_record_takes_the_same_space_however_often_it_is_replaced() {
    let mut tower = Tower::new();
    let size = |tower: &Tower| -> usize {
        let rows = tower.service.as_ref().unwrap().rows();
        rows.sizes().into_iter().sum()
    };
    tower.hand(1, &guard_of([1, 2], 7, 1, 50)).unwrap();
    let first = size(&tower);
    for turn in 2..50 {
        tower.hand(1, &guard_of([1, 2], 7, turn, 50)).unwrap();
    }
    assert_eq!(size(&tower), first);
}

#[test]
fn a_damaged_record_is_reported_and_never_shown() {
    let mut tower = Tower::new();
    let (one, two) = (guard(5), guard_of([1, 3], 8, 5, 10));
    tower.hand(1, &one).unwrap();
    tower.hand(1, &two).unwrap();
    let swap = |tower: &Tower, change: &dyn Fn(&mut Vec<u8>)| {
        tower.service.as_ref().unwrap().rows().tamper(one.channel(), change);
    };
    swap(&tower, &|row| *row.last_mut().unwrap() ^= 1);
    let row = tower.service.as_ref().unwrap().book().row(one.channel()).unwrap().clone();
    let found = tower.service.as_ref().unwrap().rows().guard(one.channel(), &row);
    assert!(matches!(found, Err(RecordError::Seal(_))));
    assert_eq!(tower.challenge(&guard(2)).calls, [], "nothing to show");
    checkpoint(&tower.challenge(&guard_of([1, 3], 8, 1, 10)), &two);
    // The owner's next state repairs it.
    swap(&tower, &Vec::clear);
    tower.hand(1, &guard(6)).unwrap();
    let row = tower.service.as_ref().unwrap().book().row(one.channel()).unwrap().clone();
    assert_eq!(tower.service.as_ref().unwrap().rows().guard(one.channel(), &row), Ok(guard(6)));
}

#[test]
fn a_damaged_index_row_does_not_stop_the_others() {
    let mut tower = Tower::new();
    let (one, two) = (guard(5), guard_of([1, 3], 8, 5, 10));
    tower.hand(1, &one).unwrap();
    tower.hand(1, &two).unwrap();
    let rows = tower.service.as_ref().unwrap().rows();
    rows.tamper_index(one.channel(), &|row| row.truncate(20));
    tower.restart();
    assert_eq!(tower.count(), Count { clients: 1, channels: 1 });
    checkpoint(&tower.challenge(&guard_of([1, 3], 8, 1, 10)), &two);
    tower.hand(1, &guard(6)).unwrap();
    assert_eq!(tower.count(), Count { clients: 1, channels: 2 });
}

#[test]
fn records_do_not_open_with_another_key() {
    let mut tower = Tower::new();
    tower.hand(1, &guard(5)).unwrap();
    tower.service = None;
    assert!(matches!(tower.open([9; 32]), Err(TowerError::OtherKey(_))));
    tower.restart();
    assert_eq!(tower.count().channels, 1);
}

#[test]
fn one_folder_serves_one_tower() {
    let tower = Tower::new();
    assert!(matches!(tower.open(KEY), Err(TowerError::Database { .. })));
}
