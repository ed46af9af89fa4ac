//! The list of settings, with the words that explain each.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Section and key, such as `chain.endpoint`.
    pub key: &'static str,
    /// How it is written outside of TOML.
    pub kind: Kind,
    /// What it does, one line each.
    pub text: &'static [&'static str],
    /// What a value looks like, for settings without a default.
    pub example: Option<&'static str>,
    /// Whether a number may be zero.
    pub may_be_zero: bool,
}

/// How a setting is written in an environment variable or flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Text,
    /// A whole number.
    Number,
    /// true or false.
    Flag,
    /// Comma-separated.
    List,
    /// `10ether` for the native coin, or `asset=amount`, comma-separated.
    Deposits,
}

impl Setting {
    /// The setting of that name.
    #[must_use]
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The environment variable that sets it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("NITRO_{}", self.key.to_uppercase().replace('.', "_"))
    }

    const fn or_zero(mut self) -> Self {
        self.may_be_zero = true;
        self
    }

    /// Section and key apart.
    ///
    /// # Panics
    /// Never: every setting has a section, as a test checks.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').expect("every setting has a section")
    }
}

const fn setting(key: &'static str, kind: Kind, text: &'static [&'static str]) -> Setting {
    Setting { key, kind, text, example: None, may_be_zero: false }
}

const fn required(
    key: &'static str,
    kind: Kind,
    example: &'static str,
    text: &'static [&'static str],
) -> Setting {
    Setting { key, kind, text, example: Some(example), may_be_zero: false }
}

/// What stands above each section in the written file.
pub(super) const SECTIONS: [(&str, &str); 7] = [
    ("chain", "The chain and its contracts."),
    ("store", "How records are kept on disk."),
    ("p2p", "The network of nodes."),
    ("rpc", "The JSON-RPC server for programs on this machine."),
    ("policy", "What the node agrees to when a peer, or its own user, asks."),
    ("tower", "The watchtower: what the node guards for others."),
    ("log", "What the node writes about itself."),
];

const ADJUDICATOR: &str = "\"0x0000000000000000000000000000000000000001\"";
const CONSENSUS_APP: &str = "\"0x0000000000000000000000000000000000000002\"";
const PAYMENT_APP: &str = "\"0x0000000000000000000000000000000000000003\"";

/// Every setting, in the order of the written file.
pub const SETTINGS: &[Setting] = &[
    setting(
        "chain.endpoint",
        Kind::Text,
        &["RPC endpoint: http(s):// is polled, ws(s):// is told of new blocks and polled."],
    ),
    setting(
        "chain.more_endpoints",
        Kind::List,
        &[
            "Endpoints of other providers that take over in this order when the first one fails,",
            "and that are asked whether it tells the truth: a majority of those that answer must",
            "agree. [\"https://one.example\", \"wss://other.example/key\"]",
        ],
    ),
    setting(
        "chain.quorum",
        Kind::Number,
        &[
            "Endpoints that must agree on a block even where fewer answer. 2 or more stops the",
            "node rather than trust a single endpoint.",
        ],
    ),
    setting(
        "chain.max_lag",
        Kind::Number,
        &["Blocks that the endpoint in use may be behind the others."],
    ).or_zero(),
    setting(
        "chain.stall_after_secs",
        Kind::Number,
        &[
            "Seconds that an endpoint's newest block may stay the same while others move on. One that",
            "does not answer is waited for for a few seconds, unless `quorum` demands it.",
        ],
    ),
    required("chain.chain_id", Kind::Number, "31337", &["EIP-155 chain id. Has no default."]),
    required(
        "chain.adjudicator",
        Kind::Text,
        ADJUDICATOR,
        &["NitroAdjudicator, as printed by `nitro deploy`. Has no default."],
    ),
    required(
        "chain.consensus_app",
        Kind::Text,
        CONSENSUS_APP,
        &["ConsensusApp, the app of ledger channels. Has no default."],
    ),
    required(
        "chain.payment_app",
        Kind::Text,
        PAYMENT_APP,
        &["VirtualPaymentApp, the app of payment channels. Has no default."],
    ),
    setting(
        "chain.confirmations",
        Kind::Number,
        &[
            "Blocks on top of a block before it counts. 0 is for development chains only:",
            "a block that is taken back would have counted.",
        ],
    ).or_zero(),
    setting(
        "chain.start_block",
        Kind::Number,
        &["First block to read at the very first start: the block of the adjudicator."],
    ).or_zero(),
    setting(
        "chain.poll_interval_ms",
        Kind::Number,
        &["Milliseconds between two looks at the newest block."],
    ),
    setting(
        "chain.max_range",
        Kind::Number,
        &["Most blocks in one request for logs; halved by itself where a provider serves less."],
    ),
    setting(
        "chain.max_fee_per_gas",
        Kind::Text,
        &["Most that is ever offered per gas. Above it transactions wait."],
    ),
    setting(
        "chain.bump_percent",
        Kind::Number,
        &["How much more a replaced transaction offers, in per cent; 10 or more."],
    ),
    setting(
        "chain.bump_after_secs",
        Kind::Number,
        &["Seconds before a transaction that is not mined is replaced."],
    ),
    setting(
        "chain.account",
        Kind::Text,
        &[
            "Account that pays deposits and fees: \"own\", that of the chain key, or \"channel\", that of the",
            "channel key, which is paid what channels pay out, so that one account is enough. Change it",
            "only while no transaction is on its way.",
        ],
    ),
    required(
        "chain.payout_address",
        Kind::Text,
        "\"0x0000000000000000000000000000000000000004\"",
        &[
            "Where to send on what channels pay out, which arrives at the account of the channel key.",
            "The node sends on all that this account has, the native coin and tokens that the policy",
            "names, whenever the fee is a hundredth of it at most; the fee is paid by that account. Left",
            "out, it stays there until `nitro send`.",
        ],
    ),
    setting(
        "chain.deadline_max_fee_per_gas",
        Kind::Text,
        &[
            "Most that is ever offered per gas for what runs out, such as the answer to a stale",
            "challenge: coming too late costs what the channel holds.",
        ],
    ),
    setting(
        "chain.deadline_margin_secs",
        Kind::Number,
        &["Seconds before the deadline at which that is offered at the latest."],
    ),
    setting(
        "store.rollback",
        Kind::Text,
        &[
            "What to do when the store has lost its newest records: \"refuse\" to start, or \"accept\"",
            "the loss, for one start (--set store.rollback=accept). Accept it only when no peer can hold",
            "a newer state: what was signed since then would be signed otherwise, which costs money.",
            "What was there before is kept in the store's folder, in before-rollback-1 and so on.",
        ],
    ),
    required(
        "store.witness",
        Kind::Text,
        "\"/another/disk/commits\"",
        &[
            "File that tells the number of the newest commit; in the store's folder when left out. On",
            "another disk it also notices that the whole folder was replaced by an older copy.",
        ],
    ),
    setting(
        "store.witness_commits",
        Kind::Number,
        &["Commits after which that file is synced at the latest."],
    ),
    setting(
        "store.witness_millis",
        Kind::Number,
        &["Milliseconds after which the next commit syncs that file."],
    )
    .or_zero(),
    setting("store.cache_bytes", Kind::Number, &["Blocks of the disk kept in memory."]),
    setting(
        "store.memtable_bytes",
        Kind::Number,
        &["New rows of one kind that are gathered before they are sorted into a file."],
    ),
    setting(
        "store.journal_bytes",
        Kind::Number,
        &["Journal that is kept at most, which a start replays; 64 MiB or more."],
    ),
    setting(
        "p2p.listen",
        Kind::List,
        &["Where to listen for peers; port 0 lets the system choose, [] listens nowhere."],
    ),
    setting(
        "p2p.external_addresses",
        Kind::List,
        &["Addresses under which others reach this node, where they differ from listen."],
    ),
    setting(
        "p2p.boot_peers",
        Kind::List,
        &["First contacts, each ending in /p2p/PEER_ID; retried for ever."],
    ),
    setting(
        "p2p.peers",
        Kind::List,
        &["Peers known in advance, each ending in /p2p/PEER_ID; dialled when needed."],
    ),
    setting(
        "p2p.dial_private",
        Kind::Flag,
        &[
            "Dial addresses that are not public (loopback, private networks) also when strangers name",
            "them. A node whose own addresses are all of one such kind dials that kind anyway.",
        ],
    ),
    setting(
        "p2p.max_connections",
        Kind::Number,
        &["Connections held in all; partners in channels and peers named here always find room."],
    ),
    setting(
        "p2p.max_connections_per_host",
        Kind::Number,
        &[
            "Connections that strangers at one host may make; twice as many from one IPv4 /24 or IPv6 /48.",
        ],
    ),
    setting("p2p.max_connections_per_peer", Kind::Number, &["Connections held with one peer."]),
    setting(
        "p2p.max_pending_connections",
        Kind::Number,
        &["Handshakes in progress, for each direction."],
    ),
    setting(
        "p2p.response_timeout_ms",
        Kind::Number,
        &["Milliseconds that a peer may take to store a message before it is sent again."],
    ),
    setting("p2p.retry_base_ms", Kind::Number, &["First wait before a message is sent again."]),
    setting("p2p.retry_max_ms", Kind::Number, &["Longest wait before a message is sent again."]),
    setting("p2p.search_base_ms", Kind::Number, &["First wait before a new search for a peer."]),
    setting("p2p.search_max_ms", Kind::Number, &["Longest wait before a new search for a peer."]),
    setting(
        "p2p.stranger_patience_secs",
        Kind::Number,
        &["How long messages wait for a peer without a channel before they are dropped."],
    ),
    setting(
        "p2p.republish_secs",
        Kind::Number,
        &["How often this node's address record is published again."],
    ),
    setting(
        "p2p.idle_timeout_secs",
        Kind::Number,
        &["How long a connection without any traffic is kept."],
    ),
    setting(
        "rpc.listen",
        Kind::Text,
        &[
            "Where to listen for programs: a loopback address. Other addresses are refused;",
            "use a tunnel such as ssh -L to reach the node from elsewhere.",
        ],
    ),
    setting(
        "rpc.max_connections",
        Kind::Number,
        &[
            "Connections at once, over the port and over the socket file each. Calls that wait take",
            "half of them at most.",
        ],
    ),
    setting("rpc.max_request_bytes", Kind::Number, &["Largest request or batch."]),
    setting("rpc.max_response_bytes", Kind::Number, &["Largest answer."]),
    setting("rpc.max_batch", Kind::Number, &["Requests in one batch."]),
    setting("rpc.max_subscriptions", Kind::Number, &["Subscriptions of one connection."]),
    setting(
        "rpc.max_queue",
        Kind::Number,
        &["Messages that wait for one connection; a slow subscriber misses what comes then."],
    ),
    setting(
        "rpc.allowed_origins",
        Kind::List,
        &["Origins of web pages that may connect, such as \"http://localhost:3000\"."],
    ),
    setting(
        "policy.challenge_duration_secs",
        Kind::Number,
        &["Challenge duration of channels opened here, where the request names none."],
    ),
    setting(
        "policy.min_challenge_duration_secs",
        Kind::Number,
        &["Shortest challenge duration: too short, and a stale state cannot be answered."],
    ),
    setting(
        "policy.max_challenge_duration_secs",
        Kind::Number,
        &["Longest challenge duration: too long, and a silent peer locks funds for ever."],
    ),
    setting(
        "policy.max_peer_deposit",
        Kind::Deposits,
        &[
            "Most that this node deposits in a ledger channel that a peer opens, by asset:",
            "{ native = \"10ether\", 0xTOKEN = \"5000\" }. An asset that is not listed is",
            "deposited only when the user of this node asks.",
        ],
    ),
    setting(
        "policy.max_participants",
        Kind::Number,
        &["Participants of a payment channel, payer and payee included."],
    ),
    setting("policy.max_guarantees", Kind::Number, &["Payment channels over one ledger channel."]),
    setting(
        "policy.max_opening_ledgers",
        Kind::Number,
        &["Ledger channels that peers may have half open."],
    ),
    setting(
        "policy.max_opening_ledgers_per_peer",
        Kind::Number,
        &["Ledger channels that one peer may have half open."],
    ),
    setting(
        "policy.max_funding_payments",
        Kind::Number,
        &["Payment channels that may be waiting for funds; a quarter is kept for your own."],
    ),
    setting(
        "policy.max_funding_payments_per_ledger",
        Kind::Number,
        &["Payment channels that one peer may have waiting for funds over one ledger channel."],
    ),
    setting(
        "policy.min_capacity",
        Kind::Deposits,
        &[
            "Least capacity of a payment channel, by asset, as in max_peer_deposit. What is smaller",
            "is neither opened nor joined. The native coin has the next setting where it is not listed.",
        ],
    ),
    setting(
        "policy.min_capacity_percent",
        Kind::Number,
        &[
            "Least capacity of a payment channel of the native coin, in percent of what enforcing one",
            "costs at the present price of gas; 0 for none. Counts over ledger channels that carry as",
            "many as the next setting says.",
        ],
    ).or_zero(),
    setting(
        "policy.max_dust",
        Kind::Number,
        &["Payment channels over one ledger channel among which any may be smaller than that."],
    ).or_zero(),
    setting("policy.max_answers", Kind::Number, &["Refusals that are remembered for two hours."]),
    setting(
        "policy.max_answers_per_peer",
        Kind::Number,
        &["Refusals that are remembered for one peer with a ledger channel."],
    ),
    setting(
        "policy.max_answers_per_stranger",
        Kind::Number,
        &["Refusals that are remembered for one peer without a ledger channel."],
    ).or_zero(),
    setting("policy.max_backlog", Kind::Number, &["Messages that may wait for one peer."]),
    setting(
        "policy.max_strangers",
        Kind::Number,
        &["Peers without a ledger channel for whom messages may wait, for twice patience_secs."],
    ).or_zero(),
    setting(
        "policy.max_stranger_backlog",
        Kind::Number,
        &["Messages that may wait for one of them because others ask for something."],
    ).or_zero(),
    setting(
        "policy.ledger_funding_timeout_secs",
        Kind::Number,
        &["Opening a ledger channel is given up after this time."],
    ),
    setting(
        "policy.ledger_deposit_timeout_secs",
        Kind::Number,
        &["A ledger channel that a peer opens is given up after this time if nobody deposits."],
    ),
    setting(
        "policy.payment_funding_timeout_secs",
        Kind::Number,
        &["Opening a payment channel is given up after this time."],
    ),
    setting(
        "policy.closing_timeout_secs",
        Kind::Number,
        &["Closing is reported as not answered after this time."],
    ),
    setting(
        "policy.withdrawal_delay_secs",
        Kind::Number,
        &["How long the payout is left to the side that opened the ledger channel."],
    ).or_zero(),
    setting(
        "policy.patience_secs",
        Kind::Number,
        &[
            "Seconds that peers may leave a closing unfinished before the channel is enforced on",
            "chain without them, which costs two transactions and the challenge duration.",
        ],
    ),
    setting(
        "policy.stale_answer",
        Kind::Text,
        &[
            "How an old state of a ledger channel on chain is answered. \"exit\" ends the ledger",
            "with its newest state; \"checkpoint\" shows the newer state and keeps the ledger, for",
            "peers who are trusted and have lost their records.",
        ],
    ),
    setting(
        "policy.dust",
        Kind::Deposits,
        &[
            "Amounts that are not worth a transaction, by asset, and are left behind:",
            "{ native = \"10gwei\", 0xTOKEN = \"5000\" }. The native coin is besides compared",
            "with what the gas costs.",
        ],
    ),
    setting(
        "tower.serve",
        Kind::Flag,
        &[
            "Whether this node is a watchtower for others: it holds the newest state of their",
            "channels and answers stale challenges, for which its chain account pays the gas.",
        ],
    ),
    setting(
        "tower.clients",
        Kind::List,
        &["Addresses of the nodes that may hand over channels; everyone when empty."],
    ),
    setting("tower.max_clients", Kind::Number, &["Clients at once."]),
    setting("tower.max_channels", Kind::Number, &["Channels of one client."]),
    setting(
        "tower.max_guard_bytes",
        Kind::Number,
        &["Bytes held for one channel; a ledger with 200 guarantees needs 27000."],
    ),
    setting(
        "log.level",
        Kind::Text,
        &["error, warn, info, debug or trace; or by module, such as \"info,p2p=debug\"."],
    ),
    setting("log.format", Kind::Text, &["\"text\" for people, \"json\" for programs."]),
];
