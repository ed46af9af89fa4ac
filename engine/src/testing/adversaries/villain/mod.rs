//! Does at random whatever a key holder can do.
//!
//! ```text
//!   honest node <── network <── tap <── a real node ──> tap ──> chain
//!                      ^       (mood)                            ^
//!                      └────────── words, deeds ─────────────────┘
//!                                   the library: every signature ever heard or given
//! ```
//!
//! Behind each villain is a node that does everything right, so that villains get deep into every
//! protocol. Between it and the world stands a mood, which withholds, delays or doubles what the
//! node says, keeps from it what it should hear, and lets it neither acknowledge nor use the chain.
//! Beside the node a villain says what it likes and shows on chain whatever is supported by the
//! signatures that it holds, at once or in the last second of a challenge. Villains of one ring
//! share everything, keys included: as payer and payee they stand around honest relays.

mod deeds;
mod library;
mod mood;
mod words;

use std::collections::BTreeMap;

use library::Library;
use mood::{Kind, Mood};

use crate::crypto::{LocalSigner, Signer};
use crate::state::Deployment;
use crate::testing::Random;
use crate::testing::chain::{ContractCall, FakeChain};
use crate::testing::random_world::Tally;
use crate::types::{Address, CallId, Timestamp};
use crate::wire::{self, Message};

/// Longest delay of a message, in milliseconds: longer than most patience.
const LONGEST_DELAY: u64 = 3 * 3_600_000;

/// Most answers beside a node before the next act.
const MAX_ANSWERS: u64 = 8;

/// Villains who trust each other.
#[derive(Clone)]
pub(crate) struct Ring {
    deployment: Deployment,
    random: Random,
    members: Vec<Member>,
    library: Library,
    plans: BTreeMap<(Timestamp, u64), Plan>,
    next_plan: u64,
    repented: bool,
    /// Answers beside a node that may still be given before the next act: honest nodes answer
    /// answers.
    answers: u64,
    tally: Tally,
}

#[derive(Clone)]
struct Member {
    address: Address,
    key: std::sync::Arc<LocalSigner>,
    mood: Mood,
}

/// What becomes of a message of a villain's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes its way.
    Sent,
    /// The ring keeps it, for later or for good.
    Kept,
}

/// Something that a villain does beside its node.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// A message.
    Say {
        /// Whose key speaks.
        from: Address,
        /// To whom.
        to: Address,
        /// The message.
        message: Vec<u8>,
    },
    /// A call that was kept from the chain has ended, its node hears.
    Settle {
        /// Whose call.
        sender: Address,
        /// Which.
        call: CallId,
    },
    /// A call of the contract.
    Call {
        /// Who sends it.
        sender: Address,
        /// Before all others.
        first: bool,
        /// The call.
        call: Box<ContractCall>,
    },
}

impl Ring {
    pub(crate) fn new(deployment: Deployment, keys: Vec<LocalSigner>, random: Random) -> Self {
        let members = keys.into_iter().map(|key| Member {
            address: key.address(),
            key: std::sync::Arc::new(key),
            mood: Mood::default(),
        });
        Self {
            deployment,
            random,
            members: members.collect(),
            library: Library::default(),
            plans: BTreeMap::new(),
            next_plan: 0,
            repented: false,
            answers: 0,
            tally: Tally::default(),
        }
    }

    /// True for one of them.
    pub(crate) fn has(&self, address: Address) -> bool {
        self.members.iter().any(|member| member.address == address)
    }

    /// What was counted since this was last asked.
    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// From now on the nodes of the ring do what is right.
    pub(crate) fn repent(&mut self) {
        self.repented = true;
        // What its node waits for comes all the same.
        self.plans.retain(|_, plan| matches!(plan, Plan::Settle { .. }));
        self.members.iter_mut().for_each(|member| member.mood = Mood::default());
    }

    fn member(&self, address: Address) -> Option<&Member> {
        self.members.iter().find(|member| member.address == address)
    }

    /// The node of a villain says something.
    pub(crate) fn says(
        &mut self,
        now: Timestamp,
        from: Address,
        to: Address,
        bytes: &[u8],
    ) -> Fate {
        let Ok(envelope) = wire::open(from, bytes) else { return Fate::Sent };
        self.library.learn(from, to, &envelope.message, bytes);
        // They keep nothing from each other.
        if self.repented || self.has(to) {
            return Fate::Sent;
        }
        let kind = Kind::of(&envelope.message);
        let Some(mood) = self.member(from).map(|member| member.mood.clone()) else {
            return Fate::Sent;
        };
        if mood.withholds(kind, to) {
            self.tally.count("messages withheld");
            if self.random.chance(mood.late) {
                self.say_later(now, from, to, bytes.to_vec());
            }
            return Fate::Kept;
        }
        if self.random.chance(mood.late) {
            self.say_later(now, from, to, bytes.to_vec());
            return Fate::Kept;
        }
        if self.random.chance(mood.twice) {
            self.say_later(now, from, to, bytes.to_vec());
        }
        Fate::Sent
    }

    /// Somebody says something to a villain. True when its node may hear it.
    pub(crate) fn hears(
        &mut self,
        now: Timestamp,
        from: Address,
        to: Address,
        message: &Message,
    ) -> bool {
        self.library.learn(from, to, message, &wire::encode(message));
        if self.repented || self.has(from) {
            return true;
        }
        let Some(mood) = self.member(to).map(|member| member.mood.clone()) else { return true };
        if self.answers > 0 && self.random.chance(mood.reacts) {
            self.answers -= 1;
            self.react(now, to, from, message);
        }
        let hears = !mood.deaf.contains(&Kind::of(message));
        if !hears {
            self.tally.count("messages ignored");
        }
        hears
    }

    /// The node of a villain uses the chain. True when it may; its node hears of a refusal later.
    pub(crate) fn submits(&mut self, now: Timestamp, sender: Address, call: CallId) -> bool {
        let idle = self.member(sender).is_some_and(|member| member.mood.idle_on_chain);
        if idle {
            let at = Timestamp(now.0 + self.random.between(60_000, 600_000));
            self.plan(at, Plan::Settle { sender, call });
        }
        !idle
    }

    /// True when a villain's node may acknowledge what it has heard.
    pub(crate) fn acknowledges(&self, address: Address) -> bool {
        self.member(address).is_none_or(|member| !member.mood.unsociable)
    }

    /// What a villain answers within an acknowledgement.
    pub(crate) fn answers(&mut self, from: Address, mut answers: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let reacts = self.member(from).map_or(0, |member| member.mood.reacts);
        if self.repented || !self.random.chance(reacts / 5) {
            return answers;
        }
        if self.random.chance(50) {
            answers.clear();
        }
        if let Some(answer) = self.answer_of_chance(from) {
            answers.push(wire::encode(&answer));
        }
        answers
    }

    /// One thing of chance.
    pub(crate) fn act(&mut self, now: Timestamp, chain: &FakeChain, honest: &[Address]) {
        if self.repented {
            return;
        }
        self.library.read(chain);
        self.answers = MAX_ANSWERS.min(self.answers + 2);
        let index = self.random.below(self.members.len() as u64) as usize;
        let villain = self.members[index].address;
        match self.random.below(100) {
            0..10 => self.members[index].mood = Mood::of_chance(&mut self.random, honest),
            10..33 => self.speak_of_a_ledger(now, villain),
            33..60 => self.speak_of_a_payment_channel(now, villain),
            60..72 => self.repeat(now, honest),
            72..94 => self.show(now, villain, chain),
            _ => self.invent(now, villain, honest),
        }
    }

    /// When something is planned.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.plans.first_key_value().map(|((at, _), _)| *at)
    }

    /// What is planned for now.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Plan> {
        let mut due = Vec::new();
        while let Some(entry) = self.plans.first_entry() {
            if entry.key().0 > now {
                break;
            }
            due.push(entry.remove());
        }
        due
    }

    fn plan(&mut self, at: Timestamp, plan: Plan) {
        self.plans.insert((at, self.next_plan), plan);
        self.next_plan += 1;
    }

    fn say_later(&mut self, now: Timestamp, from: Address, to: Address, message: Vec<u8>) {
        let longest = match self.random.below(3) {
            0 => LONGEST_DELAY,
            1 => 60_000,
            _ => 500,
        };
        let at = Timestamp(now.0 + self.random.below(longest));
        self.plan(at, Plan::Say { from, to, message });
    }

    /// Says something of its own making, at once.
    fn say(&mut self, now: Timestamp, from: Address, to: Address, message: &Message) {
        let bytes = wire::encode(message);
        if let Ok(envelope) = wire::open(from, &bytes) {
            self.library.learn(from, to, &envelope.message, &bytes);
        }
        self.plan(now, Plan::Say { from, to, message: bytes });
    }
}
