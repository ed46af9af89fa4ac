//! Closes that are no closes: a final state over content that is no longer agreed.

use engine::input::Request;
use engine::ledger::LedgerPhase;
use engine::types::{ObjectiveId, TurnNumber};
use engine::wire::Message;

use super::stage::{LONG, Proposal, VICTIM, assert_out, leave, refused};

/// Conclusions that a node may try before it goes another way.
const FEW: usize = 3;

/// Mallory answers a proposal with a close of the content before it, and then agrees to it: her
/// signature on the final state is for nothing then.
fn poison() -> Proposal {
    let mut s = Proposal::new();
    let turn = TurnNumber(10);
    let seal = s.mallory.seal(s.ledger.final_state(turn).hash(s.ledger.id));
    let close = Message::CloseLedger { ledger: s.ledger.id, turn, seal };
    s.mallory.say(&mut s.world, VICTIM, &close);
    let answer = s.countersignature();
    s.world.inject(s.mallory.address(), VICTIM, &answer);
    s
}

/// Nobody asks for anything: alice loses patience.
///
/// Issue point: 3.4.
#[test]
fn a_close_before_a_countersignature_is_left_by_patience() {
    let mut s = poison();
    s.world.run_for(LONG);
    assert!(s.world.ledger(VICTIM, s.ledger.id).is_none(), "{}", s.world.describe());
    assert_out(&s.world, VICTIM, 0);
    assert!(refused(&s.world, VICTIM) <= FEW);
}

/// Her owner does.
///
/// Issue point: 3.4.
#[test]
fn a_close_before_a_countersignature_is_left_by_command() {
    let mut s = poison();
    s.world.run_until_quiet();
    let record = s.world.ledger(VICTIM, s.ledger.id).unwrap();
    assert!(record.withdrawal_call().is_none(), "nobody has signed the content of now as final");
    let started = s.world.request(VICTIM, Request::ExitLedger { ledger: s.ledger.id });
    assert!(started.is_ok(), "{started:?}");
    s.world.run_for(LONG);
    assert!(s.world.has_completed(VICTIM, ObjectiveId::Exit(s.ledger.id)));
    assert_out(&s.world, VICTIM, 0);
    assert!(refused(&s.world, VICTIM) <= FEW);
}

/// The other order: a close over what is agreed counts, and what was proposed before it does not.
///
/// Issue point: 3.4, what must stay possible.
#[test]
fn a_close_of_what_is_agreed_ends_the_ledger() {
    let mut s = Proposal::new();
    s.refuse();
    let turn = TurnNumber(10);
    let seal = s.mallory.seal(s.ledger.final_state(turn).hash(s.ledger.id));
    let close = Message::CloseLedger { ledger: s.ledger.id, turn, seal };
    s.mallory.say(&mut s.world, VICTIM, &close);
    s.world.run_for(LONG);
    leave(&mut s.world, VICTIM);
    assert_out(&s.world, VICTIM, 0);
}

/// A close over content that was never agreed is refused, and leaves the ledger open.
///
/// Issue point: 3.4, a signature is kept with what it signs.
#[test]
fn a_close_of_what_is_only_proposed_is_refused() {
    let mut s = Proposal::new();
    let next = s.ledger.agreed.apply(&s.pending.change, s.pending.turn).unwrap();
    let seal = s.mallory.seal(s.ledger.state_hash(&next, true));
    let (ledger, turn) = (s.ledger.id, s.pending.turn);
    s.mallory.say(&mut s.world, VICTIM, &Message::CloseLedger { ledger, turn, seal });
    let record = s.world.ledger(VICTIM, ledger).unwrap();
    assert_eq!((record.phase, record.closing), (LedgerPhase::Open, None));
    leave(&mut s.world, VICTIM);
    assert_out(&s.world, VICTIM, 0);
}
