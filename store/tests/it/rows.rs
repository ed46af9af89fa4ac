//! Every kind of row, and every variant of what is stored in one: an enum whose variants change
//! places would be read as something else.

use engine::answers::Answer;
use engine::chain::{ChainCall, ChainFact, Challenge, DebtChange, Reclaim, Urgency};
use engine::debts::Debt;
use engine::guard::{GuardReceipt, Guarding, Rank, Terms, Tower, TowerRefusal};
use engine::ledger::{
    CallState, ChannelMode, Ledger, LedgerPhase, Move, OnChain, OnChainStatus, Side, WithdrawalTurn,
};
use engine::objectives::{DeclineReason, ExitReason, Objective, ObjectiveStatus, WaitingFor};
use engine::payment::{PaymentChannel, PaymentPhase};
use engine::sending::{Sending, SendingEnd};
use engine::state::SupportedState;
use engine::step::{ArchivedChannel, Buried, Paid, Write};
use engine::types::{
    Amount, Asset, B256, BlockNumber, CallId, ChannelId, MessageId, ObjectiveId, Timestamp,
    TurnNumber,
};

use crate::fixtures::{
    channel, cursor, deposit, ended, ledger, paid, payment, peer, running, signature, withdrawal,
};

const WAITING: [WaitingFor; 13] = [
    WaitingFor::CompletePrefund,
    WaitingFor::MyTurnToFund,
    WaitingFor::CompleteFunding,
    WaitingFor::CompletePostfund,
    WaitingFor::FinalStateFromPayer,
    WaitingFor::SupportedFinalState,
    WaitingFor::DefundingOnMyLeft,
    WaitingFor::DefundingOnMyRight,
    WaitingFor::Finalization,
    WaitingFor::Withdraw,
    WaitingFor::Challenge,
    WaitingFor::ChallengeExpiry,
    WaitingFor::PaymentChannels,
];

const REASONS: [DeclineReason; 22] = [
    DeclineReason::TimedOut,
    DeclineReason::WrongDeployment,
    DeclineReason::ChallengeDuration,
    DeclineReason::Participants,
    DeclineReason::Amounts,
    DeclineReason::Deposit,
    DeclineReason::LedgerExists,
    DeclineReason::NoLedger,
    DeclineReason::InsufficientFunds,
    DeclineReason::Busy,
    DeclineReason::State,
    DeclineReason::GuaranteesRunning,
    DeclineReason::LedgerNotUsable,
    DeclineReason::BelowVouchers,
    DeclineReason::Cancelled,
    DeclineReason::Disputed,
    DeclineReason::GasReserve,
    DeclineReason::Equivocation,
    DeclineReason::UnknownAsset,
    DeclineReason::Capacity,
    DeclineReason::ChallengeAboveLedger,
    DeclineReason::Nonce,
];

const EXITS: [ExitReason; 5] = [
    ExitReason::Requested,
    ExitReason::Silent,
    ExitReason::Challenged,
    ExitReason::Cheated,
    ExitReason::Ledger(ChannelId(B256::repeat_byte(0x71))),
];

pub(crate) fn live_rows() -> Vec<Write> {
    let mut rows = vec![
        Write::Paid(channel(0x21), Some(paid(300))),
        Write::Paid(channel(0x22), Some(Paid { total: Amount::ZERO, voucher: None })),
        objective_row(ObjectiveId::DirectFund(channel(0x51))),
        objective_row(ObjectiveId::DirectDefund(channel(0x51))),
        objective_row(ObjectiveId::VirtualFund(channel(0x51))),
        objective_row(ObjectiveId::Exit(channel(0x51))),
        objective_row(ObjectiveId::VirtualDefund(channel(0x51))),
        Write::Message(peer(1), MessageId(255), Some(vec![1, 2, 3])),
        Write::Message(peer(1), MessageId(256), Some(Vec::new())),
        Write::Call(CallId(300), Some(deposit(1))),
        Write::Call(CallId(301), Some(withdrawal())),
        Write::NextCall(CallId(306)),
        Write::Cursor(cursor()),
    ];
    rows.extend(guards());
    let answer = Answer { to: peer(2), reason: DeclineReason::Nonce, until: Timestamp(307) };
    rows.push(Write::Answer(channel(0x64), Some(answer)));
    rows.push(Write::Waiting(peer(3), Some(Timestamp(309))));
    let blocked = DebtChange::Blocked { channel: Some(channel(0x66)), amount: 310_u64.into() };
    let debt = Debt::new([(BlockNumber(311), blocked)]);
    rows.push(Write::Debt(Asset(peer(4)), Some(Box::new(debt))));
    let call = ChainCall::ClaimTo { asset: Asset(peer(4)), to: peer(5) };
    let end = Some(SendingEnd::Unknown { reason: "lost".to_owned() });
    let sending = Sending { call, id: CallId(312), began: Timestamp(313), end };
    rows.push(Write::Sending(B256::repeat_byte(0x67), Some(sending)));
    let buried = Buried { channel: ArchivedChannel::Ledger(ledger()), until: BlockNumber(308) };
    rows.push(Write::Buried(channel(0x65), Some(Box::new(buried))));
    let disputes = (302..).zip(disputes());
    rows.extend(disputes.map(|(id, call)| Write::Call(CallId(id), Some(call))));
    rows.extend(ledgers().into_iter().map(|row| Write::Ledger(row.id, Some(Box::new(row)))));
    rows.extend(payments().into_iter().map(|row| Write::Payment(row.id, Some(Box::new(row)))));
    rows
}

pub(crate) fn archived_rows() -> Vec<Write> {
    let mut rows = vec![
        Write::ArchivedChannel(channel(0x62), Box::new(ArchivedChannel::Ledger(ledger()))),
        Write::ArchivedChannel(
            channel(0x63),
            Box::new(ArchivedChannel::Payment(payment(), Some(paid(77)))),
        ),
    ];
    rows.extend(objectives().into_iter().map(|row| Write::ArchivedObjective(row.id, row)));
    rows
}

/// Towers that are asked and that serve, and what one of them was handed.
fn guards() -> Vec<Write> {
    let (asked, serving) = (peer(0x81), peer(0x82));
    let terms = Terms { channels: 300, guard_bytes: 65_536 };
    let sent = Rank { turn: TurnNumber(300), paid: 301_u64.into() };
    let receipt = GuardReceipt {
        chain_id: 303,
        adjudicator: peer(0x83),
        client: peer(0x84),
        channel: channel(0x71),
        rank: sent,
        state: B256::repeat_byte(0x94),
        at: Timestamp(302),
        signature: signature(4),
    };
    let guarding = Guarding {
        sent,
        state: B256::repeat_byte(0x93),
        answered: true,
        receipt: Some(receipt),
        refused: Some(TowerRefusal::Older(sent)),
    };
    vec![
        Write::Tower(asked, Some(Tower::Asked)),
        Write::Tower(serving, Some(Tower::Serving(terms))),
        Write::Guard(serving, channel(0x71), Some(Box::new(guarding))),
    ]
}

/// Every call of a dispute.
fn disputes() -> [ChainCall; 4] {
    let (fixed, state) = (ledger().fixed, ledger().final_state(TurnNumber(9)));
    let signatures = vec![signature(1), signature(2)];
    let candidate = SupportedState { state: state.clone(), signatures: signatures.clone() };
    let urgency = Urgency { deadline: Some(301), at_risk: 302_u64.into() };
    let challenge = Challenge {
        fixed: fixed.clone(),
        proof: vec![candidate.clone()],
        candidate: candidate.clone(),
        challenger: signature(3),
    };
    let reclaim = Reclaim {
        index: 2,
        target_state: B256::repeat_byte(0x91),
        target_outcome: state.outcome.clone(),
    };
    [
        ChainCall::Challenge { challenges: vec![challenge], urgency },
        ChainCall::Checkpoint { fixed: fixed.clone(), proof: Vec::new(), candidate, urgency },
        ChainCall::Settle {
            channel: fixed.channel_id(),
            outcome: state.outcome.clone(),
            state_hash: B256::repeat_byte(0x92),
            reclaims: vec![reclaim],
            urgency,
        },
        ChainCall::Conclude { fixed, state, signatures, urgency },
    ]
}

/// Ledgers with each phase, call state, withdrawal turn and challenge status, and each way out.
fn ledgers() -> Vec<Ledger> {
    let modes =
        [ChannelMode::Open, ChannelMode::Challenge { finalizes_at: 301 }, ChannelMode::Concluded];
    let mut rows = [0x71, 0x72, 0x73].map(|byte| Ledger { id: channel(byte), ..ledger() });
    let [opening, open, closing] = &mut rows;
    opening.onchain = onchain(modes[0], facts());
    opening.call = CallState::None;
    open.onchain = onchain(modes[1], Vec::new());
    open.phase = LedgerPhase::Open;
    open.me = Side::Follower;
    open.withdrawal = WithdrawalTurn::After(Timestamp(300));
    closing.onchain = onchain(modes[2], Vec::new());
    closing.phase = LedgerPhase::Closing;
    closing.call = CallState::Until(BlockNumber(300));
    closing.withdrawal = WithdrawalTurn::Due;
    let exit = |(byte, reason)| Ledger {
        id: channel(byte),
        phase: LedgerPhase::Exiting(reason),
        patience: Some(Timestamp(301)),
        refused_calls: 302,
        reclaims_at_once: Some(303),
        ..ledger()
    };
    rows.into_iter().chain((0x74..).zip(EXITS).map(exit)).collect()
}

/// The engine keeps these fields to itself; a tuple of them has the same encoding.
fn onchain(mode: ChannelMode, recent: Vec<ChainFact>) -> OnChain {
    let amounts = [1_u64, 2].map(Amount::from);
    let moves = vec![
        Move::Payout { initial: 7_u64.into(), paid: 6_u64.into(), amounts: None },
        Move::Payout { initial: 7_u64.into(), paid: 3_u64.into(), amounts: Some(amounts.to_vec()) },
        Move::Reclaim { which: None },
        Move::Reclaim { which: Some((300, amounts)) },
    ];
    let mut status = OnChainStatus::default();
    status.holdings = 5_u64.into();
    status.mode = mode;
    status.turn = TurnNumber(300);
    status.registered = Some(Box::new(ledger().final_state(TurnNumber(9))));
    status.paid_out = true;
    status.forgotten = true;
    status.moves = moves;
    let recent: Vec<_> = recent.into_iter().map(|fact| (BlockNumber(300), fact)).collect();
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec((status.clone(), recent, status), config).unwrap();
    bincode::serde::decode_from_slice(&bytes, config).unwrap().0
}

fn facts() -> Vec<ChainFact> {
    let supported = SupportedState {
        state: ledger().final_state(TurnNumber(9)),
        signatures: vec![signature(1), signature(2)],
    };
    let asset = Asset(peer(0x70));
    let amounts = [1_u64, 2].map(Amount::from);
    vec![
        ChainFact::Deposited { asset, holdings: amounts[0] },
        ChainFact::AllocationUpdated { asset_index: 0, initial: amounts[1], holdings: amounts[0] },
        ChainFact::ChallengeRegistered {
            finalizes_at: 300,
            proof: vec![supported.clone()],
            candidate: Box::new(supported.clone()),
        },
        ChainFact::ChallengeCleared { turn: TurnNumber(9) },
        ChainFact::Checkpointed { turn: TurnNumber(10) },
        ChainFact::StateCheckpointed {
            proof: vec![supported.clone()],
            candidate: Box::new(supported.clone()),
        },
        ChainFact::StateConcluded { kept: true, candidate: Box::new(supported) },
        ChainFact::Concluded { finalizes_at: 300 },
        ChainFact::GuaranteeReclaimed {
            target: channel(3),
            asset_index: 1,
            index: 300,
            to_left: amounts[0],
            to_right: amounts[1],
        },
        ChainFact::Reclaimed { asset_index: 1 },
        ChainFact::AllocationsPaid { asset_index: 1, amounts: amounts.to_vec() },
    ]
}

fn payments() -> Vec<PaymentChannel> {
    let phases = [
        PaymentPhase::Funding,
        PaymentPhase::Open,
        PaymentPhase::Closing,
        PaymentPhase::Cancelled(DeclineReason::Busy),
        PaymentPhase::Exiting(ExitReason::Cheated),
    ];
    let row = |(byte, phase)| PaymentChannel {
        id: channel(byte),
        phase,
        onchain: onchain(ChannelMode::Open, facts()),
        call: CallState::InFlight(CallId(300)),
        patience: Some(Timestamp(300)),
        ..payment()
    };
    (0x81..).zip(phases).map(row).collect()
}

fn objective_row(id: ObjectiveId) -> Write {
    Write::Objective(id, Some(running(id)))
}

fn objectives() -> Vec<Objective> {
    let waiting = WAITING.map(ObjectiveStatus::Running);
    let declined = REASONS.map(|reason| ObjectiveStatus::Declined { by: peer(2), reason });
    let statuses = waiting.into_iter().chain(declined).chain([ObjectiveStatus::Completed]);
    let row = |(number, status)| {
        let id = ObjectiveId::DirectFund(ChannelId(B256::with_last_byte(number)));
        Objective { status, ..ended(id) }
    };
    (1..).zip(statuses).map(row).collect()
}
