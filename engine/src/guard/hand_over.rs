//! The client's side: which state goes to which tower, and when.
//!
//! A newer state is put into the outbox by the same step that makes it, so that no crash can lie
//! between the two. While a tower has not answered a hand-over, the channel's next one waits: a
//! channel that pays a thousand times a second costs one message per round trip, and always the
//! newest state goes.

use std::collections::BTreeSet;

use super::{
    Guard, GuardReceipt, GuardView, Guarding, MAX_TOWERS, Rank, Terms, Tower, TowerRefusal,
    TowerView,
};
use crate::draft::Draft;
use crate::effect::{Offence, Response, Update};
use crate::error::RequestError;
use crate::payment::Role;
use crate::types::{Address, Amount, ChannelId, TurnNumber};
use crate::wire::{self, MAX_MESSAGE_BYTES, Message};

/// Hands over what this step has made newer. Nothing is signed or even looked at without a tower.
pub(crate) fn hand_over(draft: &mut Draft<'_>) {
    let towers = serving(draft);
    if towers.is_empty() {
        return;
    }
    for channel in draft.changed_channels() {
        if draft.is_known(channel) {
            offer(draft, channel, &towers);
        } else {
            release(draft, channel, &towers);
        }
    }
}

fn serving(draft: &Draft<'_>) -> Vec<Address> {
    let is_serving = |(address, tower)| matches!(tower, Tower::Serving(_)).then_some(address);
    draft.towers().into_iter().filter_map(is_serving).collect()
}

/// Hands the newest state of a channel to those towers that lack it.
fn offer(draft: &mut Draft<'_>, channel: ChannelId, towers: &[Address]) {
    let Some(rank) = newest(draft, channel) else { return };
    let due: Vec<Address> =
        towers.iter().copied().filter(|tower| is_due(draft, *tower, channel, rank)).collect();
    if due.is_empty() {
        return;
    }
    // Signed once, whatever the number of towers.
    let Some(guard) = guard(draft, channel) else { return };
    let state = guard.state_hash();
    let message = Message::Guard { guard: Box::new(guard) };
    let bytes = wire::encode(&message).len();
    for tower in due {
        let receipt = draft.guarding(tower, channel).and_then(|old| old.receipt);
        let mut row = Guarding { sent: rank, state, answered: false, receipt, refused: None };
        if bytes > MAX_MESSAGE_BYTES {
            let short = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
            let refusal =
                TowerRefusal::TooLarge { bytes: short(bytes), max: short(MAX_MESSAGE_BYTES) };
            (row.answered, row.refused) = (true, Some(refusal));
        } else {
            draft.send(tower, &message);
        }
        draft.set_guarding(tower, channel, Some(row));
    }
}

fn is_due(draft: &Draft<'_>, tower: Address, channel: ChannelId, rank: Rank) -> bool {
    // Whoever can be the cheater is no guard against it; and a payer that holds a redemption of
    // its payee could register it before a larger one.
    if participants(draft, channel).contains(&tower) {
        return false;
    }
    draft.guarding(tower, channel).is_none_or(|row| {
        row.answered && row.sent < rank && row.refused.is_none_or(|refusal| !refusal.is_lasting())
    })
}

fn participants<'a>(draft: &'a Draft<'_>, channel: ChannelId) -> &'a [Address] {
    let ledger = || draft.ledger(channel).map(|ledger| &ledger.fixed);
    let payment = || draft.payment(channel).map(|payment| &payment.fixed);
    ledger().or_else(payment).map_or(&[], |fixed| &fixed.participants)
}

/// How new the newest state is that this node can hand over. Of payment channels only the payee
/// can lose by an old state: it alone has something newer than what opened the channel.
fn newest(draft: &Draft<'_>, channel: ChannelId) -> Option<Rank> {
    if let Some(ledger) = draft.ledger(channel) {
        let turn = ledger.supported_turn().filter(|turn| *turn > TurnNumber::PREFUND)?;
        return Some(Rank { turn, paid: Amount::ZERO });
    }
    let payment = draft.payment(channel).filter(|payment| payment.role() == Role::Payee)?;
    let paid = draft.paid(channel)?;
    paid.voucher?;
    crate::payment::is_complete(&payment.postfund)
        .then_some(Rank { turn: TurnNumber::PAYMENT_FINAL, paid: paid.total })
}

fn guard(draft: &Draft<'_>, channel: ChannelId) -> Option<Guard> {
    if let Some(ledger) = draft.ledger(channel) {
        let (fixed, candidate) = (ledger.fixed.clone(), ledger.supported()?);
        return Some(Guard { fixed, proof: Vec::new(), candidate });
    }
    let payment = draft.payment(channel)?;
    let voucher = draft.paid(channel)?.voucher?;
    let (proof, candidate) = payment.redemption(&voucher, draft.signer)?;
    Some(Guard { fixed: payment.fixed.clone(), proof, candidate })
}

/// The channel is closed for good: the towers may forget it, and have room for another one.
fn release(draft: &mut Draft<'_>, channel: ChannelId, towers: &[Address]) {
    for tower in towers {
        if draft.guarding(*tower, channel).is_none() {
            continue;
        }
        draft.send(*tower, &Message::Unguard { channel });
        draft.set_guarding(*tower, channel, None);
        retry(draft, *tower);
    }
}

/// Offers again what a tower had no room for.
fn retry(draft: &mut Draft<'_>, tower: Address) {
    for (channel, row) in draft.guards_of(tower) {
        if row.refused.is_some_and(|refusal| refusal.is_for_want_of_room()) {
            draft.set_guarding(tower, channel, None);
            offer(draft, channel, &[tower]);
        }
    }
}

/// Offers everything, also what was sent before and not answered.
fn offer_all(draft: &mut Draft<'_>, tower: Address) {
    for (channel, row) in draft.guards_of(tower) {
        if !row.answered || row.refused.is_some() {
            draft.set_guarding(tower, channel, None);
        }
    }
    let channels: BTreeSet<ChannelId> = draft.channels();
    for channel in channels {
        offer(draft, channel, &[tower]);
    }
}

/// The application wants a tower: it is asked first, and guards from its answer on. Asking a tower
/// again hands over whatever it has not answered.
pub(crate) fn add(draft: &mut Draft<'_>, tower: Address) -> Result<Response, RequestError> {
    if tower == draft.me() {
        return Err(RequestError::Oneself { field: "tower" });
    }
    if tower.is_zero() {
        return Err(RequestError::Participant { field: "tower", address: tower });
    }
    let known = draft.tower(tower);
    if known.is_none() && draft.towers().len() >= MAX_TOWERS {
        return Err(RequestError::TooManyTowers { max: MAX_TOWERS });
    }
    let waiting = draft.backlog(tower);
    if waiting >= draft.policy.max_backlog {
        return Err(RequestError::Backlog { peer: tower, waiting });
    }
    draft.set_tower(tower, Some(known.unwrap_or(Tower::Asked)));
    draft.send(tower, &Message::TowerHello { deployment: *draft.deployment });
    Ok(Response::Towers(vec![view(draft, tower)]))
}

/// The application does without a tower from now on, which is told to forget.
pub(crate) fn remove(draft: &mut Draft<'_>, tower: Address) -> Result<Response, RequestError> {
    draft.tower(tower).ok_or(RequestError::UnknownTower(tower))?;
    let removed = view(draft, tower);
    for (channel, _) in draft.guards_of(tower) {
        draft.send(tower, &Message::Unguard { channel });
        draft.set_guarding(tower, channel, None);
    }
    draft.set_tower(tower, None);
    Ok(Response::Towers(vec![removed]))
}

/// All towers, with what each has.
pub(crate) fn list(draft: &Draft<'_>) -> Response {
    Response::Towers(draft.towers().into_iter().map(|(tower, _)| view(draft, tower)).collect())
}

fn view(draft: &Draft<'_>, tower: Address) -> TowerView {
    let terms = match draft.tower(tower) {
        Some(Tower::Serving(terms)) => Some(terms),
        Some(Tower::Asked) | None => None,
    };
    let guards = draft.channels().into_iter().filter_map(|channel| {
        let (newest, guarding) = (newest(draft, channel), draft.guarding(tower, channel));
        let concerned = !participants(draft, channel).contains(&tower)
            && (newest.is_some() || guarding.is_some());
        concerned.then_some(GuardView { channel, newest, guarding })
    });
    TowerView { tower, terms, guards: guards.collect() }
}

/// A tower's answer to the question whether it serves.
pub(crate) fn accept_terms(draft: &mut Draft<'_>, from: Address, terms: Terms) {
    // Of a tower that was removed meanwhile, or that nobody asked.
    if draft.tower(from).is_none() {
        return;
    }
    draft.set_tower(from, Some(Tower::Serving(terms)));
    offer_all(draft, from);
    draft.notify(Update::Tower { tower: from, answer: Ok(terms) });
}

/// A tower has stored a state.
pub(crate) fn accept_receipt(
    draft: &mut Draft<'_>,
    from: Address,
    receipt: GuardReceipt,
    signer: Address,
) {
    let Some(row) = draft.guarding(from, receipt.channel) else { return };
    let ours = draft.deployment.chain_id == receipt.chain_id
        && draft.deployment.adjudicator == receipt.adjudicator
        && receipt.client == draft.me();
    if signer != from || !ours {
        return draft.report(from, Offence::BadSignature);
    }
    // A repeated answer to an earlier hand-over.
    if receipt.rank != row.sent || receipt.state != row.state {
        return;
    }
    let row = Guarding { answered: true, receipt: Some(receipt), refused: None, ..row };
    draft.set_guarding(from, receipt.channel, Some(row));
    // What became newer meanwhile.
    offer(draft, receipt.channel, &[from]);
}

/// A tower does not take a state, or, without a channel, does not serve at all.
pub(crate) fn accept_refusal(
    draft: &mut Draft<'_>,
    from: Address,
    channel: Option<ChannelId>,
    reason: TowerRefusal,
) {
    let Some(tower) = draft.tower(from) else { return };
    let Some(channel) = channel else {
        // One that has served before keeps its channels: it may do so again.
        if tower == Tower::Asked {
            draft.set_tower(from, None);
        }
        return draft.notify(Update::Tower { tower: from, answer: Err(reason) });
    };
    let Some(row) = draft.guarding(from, channel).filter(|row| !row.answered) else { return };
    let row = Guarding { answered: true, refused: Some(reason), ..row };
    draft.set_guarding(from, channel, Some(row));
    draft.notify(Update::Unguarded { tower: from, channel, reason });
    offer(draft, channel, &[from]);
}
