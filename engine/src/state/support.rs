//! Which states a contract supports, decided as the contracts decide it (contracts.md sections 3
//! and 10; `chain/contracts/README.md` lists where ours are stricter).
//!
//! Pure, so that a node knows before it pays for gas whether a challenge or an answer is taken,
//! and refuses what the contract would refuse. The checks stand in the contracts' order: the first
//! fault that they name is the one that is named here.

use std::fmt;

use alloy_primitives::b256;

use super::{Deployment, FixedPart, SupportedState, VariablePart, challenge_hash};
use crate::crypto::Signature;
use crate::outcome::{Allocation, SingleAssetExit};
use crate::types::{Address, Amount, B256, ChannelId, TurnNumber, U256};
use crate::vouchers::Voucher;

/// The contracts count signers in eight bits: more than this are never unanimous.
const MAX_PARTICIPANTS: usize = 255;

/// Largest asset type that the contracts decode.
const MAX_ASSET_TYPE: u8 = 3;

/// Half the order of the curve: of the two forms of a signature the contracts take the lower.
const HIGHEST_S: B256 = b256!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

/// Words of a redemption's app data: amount, v, r, s.
const VOUCHER_WORDS: usize = 4;

/// Why the adjudicator would refuse a state. The texts are the contracts' own, so that what a node
/// foresees reads like what the chain says; of a refusal without a text the fault is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SupportError {
    /// Contract calls with this content cannot be encoded, or are not decoded.
    #[error("state does not fit the contracts' encoding")]
    Encoding,
    /// There is no contract of this deployment at the app's address.
    #[error("no app of this deployment")]
    App,
    /// More participants than the contracts can count.
    #[error("more than 255 participants")]
    Participants,
    /// A signature that recovers to nobody, or has a second form.
    #[error("Invalid signature")]
    Signature,
    /// The challenge is signed by somebody else.
    #[error("Challenger is not a participant")]
    Challenger,
    /// A ledger state needs no proof, and takes none.
    #[error("|proof|!=0")]
    LedgerProof,
    /// A signature is missing.
    #[error("!unanimous")]
    Unanimous,
    /// A signature is missing on a funding state of a payment channel.
    #[error("!unanimous; |proof|=0")]
    FundingUnanimous,
    /// Without a proof only the prefund and the postfund state count.
    #[error("bad candidate turnNum; |proof|=0")]
    FundingTurn,
    /// A redemption has one proof state.
    #[error("bad proof length")]
    ProofLength,
    /// The proof is not the postfund state.
    #[error("bad proof[0].turnNum; |proof|=1")]
    ProofTurn,
    /// A signature is missing on the postfund state.
    #[error("postfund !unanimous; |proof|=1")]
    PostfundUnanimous,
    /// A redemption has turn 2.
    #[error("bad candidate turnNum; |proof|=1")]
    RedemptionTurn,
    /// Nobody is there to redeem.
    #[error("no participants")]
    NoParticipants,
    /// The payee has not signed.
    #[error("redemption not signed by Bob")]
    Payee,
    /// App data that is no voucher.
    #[error("app data is no voucher")]
    AppData,
    /// Something follows the voucher: nobody could show again what does not fit a transaction.
    #[error("voucher too long")]
    LongVoucher,
    /// The voucher is not the payer's.
    #[error("invalid signature for voucher")]
    Voucher,
    /// Not exactly one asset, the same as before. The text is older than tokens.
    #[error("only native asset allowed")]
    Assets,
    /// The redemption describes the asset in another way.
    #[error("asset metadata may not change")]
    AssetMetadata,
    /// Not exactly the payer's and the payee's allocation.
    #[error("exactly two allocations required")]
    Allocations,
    /// The redemption pays somebody else.
    #[error("destinations may not change")]
    Destinations,
    /// The redemption makes another kind of allocation.
    #[error("allocation types may not change")]
    AllocationTypes,
    /// The redemption describes an allocation in another way.
    #[error("allocation metadata may not change")]
    AllocationMetadata,
    /// The voucher is worth more than the payer has in the channel.
    #[error("voucher is worth more than the payer has")]
    Overdrawn,
    /// The payer's amount is not what the voucher leaves.
    #[error("Alice not adjusted correctly")]
    PayerAmount,
    /// The payee's amount is not what the voucher is worth.
    #[error("Bob not adjusted correctly")]
    PayeeAmount,
}

/// Decides whether the channel's app supports the candidate.
///
/// # Errors
/// When the contract would refuse it, and why.
pub fn is_supported(
    deployment: &Deployment,
    fixed: &FixedPart,
    proof: &[SupportedState],
    candidate: &SupportedState,
) -> Result<(), SupportError> {
    let channel = fixed.channel_id();
    proof.iter().chain([candidate]).try_for_each(|signed| check_encoding(&signed.state))?;
    let recover = |state| signed_by(fixed, channel, state);
    let proof_signers = proof.iter().map(recover).collect::<Result<Vec<_>, _>>()?;
    let signers = recover(candidate)?;
    if fixed.app == deployment.consensus_app {
        return ledger_supports(proof, &signers);
    }
    if fixed.app != deployment.payment_app {
        return Err(SupportError::App);
    }
    let turn = candidate.state.turn;
    match (proof, proof_signers.as_slice()) {
        ([], _) if !signers.is_unanimous() => Err(SupportError::FundingUnanimous),
        ([], _) if turn > TurnNumber::POSTFUND => Err(SupportError::FundingTurn),
        ([], _) => Ok(()),
        ([postfund], [all]) => {
            redemption_supports(fixed, channel, &postfund.state, all, &candidate.state, &signers)
        }
        _ => Err(SupportError::ProofLength),
    }
}

/// Decides whether a participant has signed that it challenges with this state.
///
/// # Errors
/// When the contract would refuse the challenge, and why.
pub fn is_challenged_by_participant(
    fixed: &FixedPart,
    state_hash: B256,
    challenger: &Signature,
) -> Result<Address, SupportError> {
    let signer = recover(challenger, challenge_hash(state_hash))?;
    fixed.index_of(signer).map(|_| signer).ok_or(SupportError::Challenger)
}

/// Decides whether every participant has signed the state, as `conclude` asks for.
///
/// # Errors
/// When the contract would refuse it, and why.
pub fn is_unanimous(fixed: &FixedPart, state: &SupportedState) -> Result<(), SupportError> {
    check_encoding(&state.state)?;
    let signers = signed_by(fixed, fixed.channel_id(), state)?;
    // Nobody is not everybody: such a channel would belong to whoever concludes it first.
    let anybody = !fixed.participants.is_empty();
    if anybody && signers.is_unanimous() { Ok(()) } else { Err(SupportError::Unanimous) }
}

/// Which participants have signed a state: the contracts' bit field.
#[derive(Clone, PartialEq, Eq)]
struct SignedBy(Vec<bool>);

impl SignedBy {
    fn is_unanimous(&self) -> bool {
        self.0.iter().all(|signed| *signed)
    }

    fn by_last(&self) -> Option<bool> {
        self.0.last().copied()
    }
}

impl fmt::Debug for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// A stranger's signature counts for nothing, a repeated one counts once, and one of a signer who
/// is listed twice counts in every position.
fn signed_by(
    fixed: &FixedPart,
    channel: ChannelId,
    signed: &SupportedState,
) -> Result<SignedBy, SupportError> {
    if fixed.participants.len() > MAX_PARTICIPANTS {
        return Err(SupportError::Participants);
    }
    let hash = signed.state.hash(channel);
    let signers = signed.signatures.iter().map(|signature| recover(signature, hash));
    let signers = signers.collect::<Result<Vec<_>, _>>()?;
    Ok(SignedBy(fixed.participants.iter().map(|one| signers.contains(one)).collect()))
}

fn recover(signature: &Signature, hash: B256) -> Result<Address, SupportError> {
    signature.recover(hash).map_err(|_| SupportError::Signature)
}

fn check_encoding(state: &VariablePart) -> Result<(), SupportError> {
    let types = state.outcome.0.iter().all(|exit| exit.asset_type <= MAX_ASSET_TYPE);
    if types && state.turn <= TurnNumber::MAX { Ok(()) } else { Err(SupportError::Encoding) }
}

/// ConsensusApp: everyone has signed, whatever the turn.
fn ledger_supports(proof: &[SupportedState], signers: &SignedBy) -> Result<(), SupportError> {
    if !proof.is_empty() {
        return Err(SupportError::LedgerProof);
    }
    if signers.is_unanimous() { Ok(()) } else { Err(SupportError::Unanimous) }
}

/// VirtualPaymentApp: the payee alone redeems the payer's voucher on top of the postfund state.
fn redemption_supports(
    fixed: &FixedPart,
    channel: ChannelId,
    postfund: &VariablePart,
    postfund_signers: &SignedBy,
    redemption: &VariablePart,
    redemption_signers: &SignedBy,
) -> Result<(), SupportError> {
    if postfund.turn != TurnNumber::POSTFUND {
        return Err(SupportError::ProofTurn);
    }
    if !postfund_signers.is_unanimous() {
        return Err(SupportError::PostfundUnanimous);
    }
    if redemption.turn != TurnNumber::PAYMENT_FINAL {
        return Err(SupportError::RedemptionTurn);
    }
    let payer = *fixed.participants.first().ok_or(SupportError::NoParticipants)?;
    if !redemption_signers.by_last().ok_or(SupportError::NoParticipants)? {
        return Err(SupportError::Payee);
    }
    if redemption.app_data.0.len() > VOUCHER_WORDS * 32 {
        return Err(SupportError::LongVoucher);
    }
    let voucher = decode_voucher(channel, &redemption.app_data.0).ok_or(SupportError::AppData)?;
    // The twin with high s is refused like a stranger's signature, anything else that recovers to
    // nobody as what it is.
    if voucher.signature.s() > HIGHEST_S || recover(&voucher.signature, voucher.hash())? != payer {
        return Err(SupportError::Voucher);
    }
    let ([old], [new]) = (postfund.outcome.0.as_slice(), redemption.outcome.0.as_slice()) else {
        return Err(SupportError::Assets);
    };
    check_adjusted(old, new, voucher.total)
}

/// The four words that the contract decodes.
fn decode_voucher(channel: ChannelId, data: &[u8]) -> Option<Voucher> {
    let (words, _) = data.as_chunks::<32>();
    let [amount, v, r, s] = *words.first_chunk::<VOUCHER_WORDS>()?;
    let (high, low) = v.split_at_checked(31)?;
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    let signature = [&r[..], &s[..], low].concat();
    Some(Voucher {
        channel,
        total: Amount::from(U256::from_be_bytes(amount)),
        signature: Signature(signature.try_into().ok()?),
    })
}

/// The payee signs alone, so nothing but the two amounts may change (weakness W11).
fn check_adjusted(
    old: &SingleAssetExit,
    new: &SingleAssetExit,
    paid: Amount,
) -> Result<(), SupportError> {
    if new.asset != old.asset {
        return Err(SupportError::Assets);
    }
    if new.asset_type != old.asset_type || new.metadata != old.metadata {
        return Err(SupportError::AssetMetadata);
    }
    let (allocations, others) = (old.allocations.as_slice(), new.allocations.as_slice());
    let ([old_payer, old_payee], [payer, payee]) = (allocations, others) else {
        return Err(SupportError::Allocations);
    };
    check_same_but_amount(old_payer, payer)?;
    check_same_but_amount(old_payee, payee)?;
    let left = old_payer.amount.checked_sub(paid).ok_or(SupportError::Overdrawn)?;
    if payer.amount != left {
        return Err(SupportError::PayerAmount);
    }
    // What the payee had before is not looked at; ours begin with nothing.
    if payee.amount == paid { Ok(()) } else { Err(SupportError::PayeeAmount) }
}

fn check_same_but_amount(old: &Allocation, new: &Allocation) -> Result<(), SupportError> {
    if new.destination != old.destination {
        return Err(SupportError::Destinations);
    }
    if new.kind != old.kind {
        return Err(SupportError::AllocationTypes);
    }
    if new.metadata == old.metadata { Ok(()) } else { Err(SupportError::AllocationMetadata) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{LocalSigner, Signer};
    use crate::outcome::{AllocationKind, Outcome};
    use crate::types::{Asset, Bytes};

    const DEPLOYMENT: Deployment = Deployment {
        chain_id: 1,
        adjudicator: Address::repeat_byte(0xad),
        consensus_app: Address::repeat_byte(0xca),
        payment_app: Address::repeat_byte(0xfa),
    };

    const CAPACITY: u64 = 50;

    /// What a payee might do to a redemption.
    type Fault = fn(&mut SingleAssetExit);

    fn key(name: u8) -> LocalSigner {
        LocalSigner::new([name; 32]).unwrap()
    }

    fn channel(app: Address) -> FixedPart {
        FixedPart {
            participants: [1, 2, 3].map(|name| key(name).address()).to_vec(),
            nonce: 7,
            app,
            challenge_duration: 60,
        }
    }

    fn state(turn: u64, paid: u64) -> VariablePart {
        let to =
            |name: u8, amount: u64| Allocation::simple(key(name).address().into(), amount.into());
        let allocations = vec![to(1, CAPACITY.checked_sub(paid).unwrap()), to(3, paid)];
        VariablePart {
            outcome: Outcome::single(Asset::NATIVE, allocations),
            app_data: Bytes::default(),
            turn: TurnNumber(turn),
            is_final: false,
        }
    }

    fn sign(fixed: &FixedPart, state: VariablePart, names: &[u8]) -> SupportedState {
        let hash = state.hash(fixed.channel_id());
        let signatures = names.iter().map(|name| key(*name).sign(hash)).collect();
        SupportedState { state, signatures }
    }

    fn postfund(fixed: &FixedPart) -> SupportedState {
        sign(fixed, state(1, 0), &[1, 2, 3])
    }

    /// The state in which the payee takes a voucher that `payer` has signed.
    fn redemption(fixed: &FixedPart, paid: u64, payer: u8) -> VariablePart {
        let voucher = Voucher::sign(fixed.channel_id(), paid.into(), &key(payer));
        VariablePart { app_data: Bytes(voucher.redemption_data()), ..state(2, paid) }
    }

    /// What becomes of a redemption of 20 once it is changed and signed by the payee.
    fn redeem(change: impl FnOnce(&mut VariablePart)) -> Result<(), SupportError> {
        let fixed = channel(DEPLOYMENT.payment_app);
        let mut state = redemption(&fixed, 20, 1);
        change(&mut state);
        is_supported(&DEPLOYMENT, &fixed, &[postfund(&fixed)], &sign(&fixed, state, &[3]))
    }

    #[test]
    fn a_ledger_state_counts_when_everyone_has_signed_it() {
        let fixed = channel(DEPLOYMENT.consensus_app);
        let check = |turn, names: &[u8]| {
            is_supported(&DEPLOYMENT, &fixed, &[], &sign(&fixed, state(turn, 0), names))
        };
        assert_eq!(check(0, &[1, 2, 3]), Ok(()));
        assert_eq!(check(TurnNumber::MAX.0, &[3, 1, 2]), Ok(()));
        assert_eq!(check(5, &[1, 2, 3, 9, 1]), Ok(()), "strangers and repetitions do no harm");
        assert_eq!(check(5, &[1, 3]), Err(SupportError::Unanimous));
        assert_eq!(check(5, &[1, 3, 3]), Err(SupportError::Unanimous));
        assert_eq!(check(5, &[]), Err(SupportError::Unanimous));
        assert_eq!(check(TurnNumber::MAX.0 + 1, &[1, 2, 3]), Err(SupportError::Encoding));
    }

    #[test]
    fn a_ledger_state_takes_no_proof() {
        let fixed = channel(DEPLOYMENT.consensus_app);
        let signed = sign(&fixed, state(5, 0), &[1, 2, 3]);
        let found = is_supported(&DEPLOYMENT, &fixed, std::slice::from_ref(&signed), &signed);
        assert_eq!(found, Err(SupportError::LedgerProof));
    }

    #[test]
    fn one_signature_counts_in_every_position_of_its_signer() {
        let mut fixed = channel(DEPLOYMENT.consensus_app);
        fixed.participants[2] = fixed.participants[0];
        let check = |names: &[u8]| {
            is_supported(&DEPLOYMENT, &fixed, &[], &sign(&fixed, state(5, 0), names))
        };
        assert_eq!(check(&[1, 2]), Ok(()));
        assert_eq!(check(&[1]), Err(SupportError::Unanimous));
    }

    #[test]
    fn another_app_supports_nothing() {
        let fixed = channel(Address::ZERO);
        let found = is_supported(&DEPLOYMENT, &fixed, &[], &postfund(&fixed));
        assert_eq!(found, Err(SupportError::App));
    }

    #[test]
    fn one_bad_signature_spoils_everything() {
        let fixed = channel(DEPLOYMENT.payment_app);
        let good = postfund(&fixed);
        let mut bad = good.clone();
        bad.signatures.push(Signature([0; 65]));
        for (proof, candidate) in [(vec![], &bad), (vec![bad.clone()], &good)] {
            let found = is_supported(&DEPLOYMENT, &fixed, &proof, candidate);
            assert_eq!(found, Err(SupportError::Signature));
        }
    }

    #[test]
    fn a_payment_channel_counts_once_its_funding_states_are_signed() {
        let fixed = channel(DEPLOYMENT.payment_app);
        let check = |turn, names: &[u8]| {
            is_supported(&DEPLOYMENT, &fixed, &[], &sign(&fixed, state(turn, 0), names))
        };
        assert_eq!(check(0, &[1, 2, 3]), Ok(()));
        assert_eq!(check(1, &[1, 2, 3]), Ok(()));
        assert_eq!(check(2, &[1, 2, 3]), Err(SupportError::FundingTurn));
        assert_eq!(check(1, &[1, 3]), Err(SupportError::FundingUnanimous));
    }

    #[test]
    fn the_payee_redeems_a_voucher_alone() {
        assert_eq!(redeem(|_| {}), Ok(()));
        let fixed = channel(DEPLOYMENT.payment_app);
        let check = |proof: &[SupportedState], candidate: &SupportedState| {
            is_supported(&DEPLOYMENT, &fixed, proof, candidate)
        };
        let (proof, state) = ([postfund(&fixed)], redemption(&fixed, 20, 1));
        let others = sign(&fixed, state.clone(), &[1, 2]);
        assert_eq!(check(&proof, &others), Err(SupportError::Payee));
        let forged = sign(&fixed, redemption(&fixed, 20, 3), &[3]);
        assert_eq!(check(&proof, &forged), Err(SupportError::Voucher));
        let signed = sign(&fixed, state, &[3]);
        let twice = [proof[0].clone(), proof[0].clone()];
        assert_eq!(check(&twice, &signed), Err(SupportError::ProofLength));
        let prefund = sign(&fixed, super::tests::state(0, 0), &[1, 2, 3]);
        assert_eq!(check(&[prefund], &signed), Err(SupportError::ProofTurn));
        let half = sign(&fixed, super::tests::state(1, 0), &[1, 3]);
        assert_eq!(check(&[half], &signed), Err(SupportError::PostfundUnanimous));
    }

    #[test]
    fn a_redemption_changes_nothing_but_the_amounts() {
        let refused = |change: fn(&mut VariablePart)| redeem(change).unwrap_err();
        assert_eq!(refused(|state| state.turn = TurnNumber(3)), SupportError::RedemptionTurn);
        let exit: fn(&mut VariablePart) -> &mut SingleAssetExit = |state| &mut state.outcome.0[0];
        let faults: [(Fault, SupportError); 10] = [
            (|exit| exit.asset = Asset(Address::repeat_byte(1)), SupportError::Assets),
            (|exit| exit.asset_type = 1, SupportError::AssetMetadata),
            (|exit| exit.asset_type = 4, SupportError::Encoding),
            (|exit| exit.metadata.0.push(1), SupportError::AssetMetadata),
            (|exit| exit.allocations.truncate(1), SupportError::Allocations),
            (
                |exit| exit.allocations[0].destination = exit.allocations[1].destination,
                SupportError::Destinations,
            ),
            (
                |exit| exit.allocations[1].kind = AllocationKind::GUARANTEE,
                SupportError::AllocationTypes,
            ),
            (|exit| exit.allocations[1].metadata.0.push(1), SupportError::AllocationMetadata),
            (|exit| exit.allocations[0].amount = 29_u64.into(), SupportError::PayerAmount),
            (|exit| exit.allocations[1].amount = 21_u64.into(), SupportError::PayeeAmount),
        ];
        for (fault, error) in faults {
            assert_eq!(redeem(|state| fault(exit(state))), Err(error));
        }
        assert_eq!(refused(|state| state.outcome.0.clear()), SupportError::Assets);
    }

    #[test]
    fn nobody_redeems_more_than_the_channel_holds() {
        let fixed = channel(DEPLOYMENT.payment_app);
        let voucher = Voucher::sign(fixed.channel_id(), (CAPACITY + 1).into(), &key(1));
        let found = redeem(|state| state.app_data = Bytes(voucher.redemption_data()));
        assert_eq!(found, Err(SupportError::Overdrawn));
    }

    #[test]
    fn app_data_is_four_words_and_nothing_follows_them() {
        let length = |length: usize| redeem(|state| state.app_data.0.resize(length, 0));
        assert_eq!(length(127), Err(SupportError::AppData));
        assert_eq!(length(0), Err(SupportError::AppData));
        assert_eq!(length(129), Err(SupportError::LongVoucher));
        assert_eq!(redeem(|state| state.app_data.0[32] = 1), Err(SupportError::AppData));
        assert_eq!(redeem(|state| state.app_data.0[63] = 29), Err(SupportError::Signature));
    }

    #[test]
    fn a_challenge_is_signed_by_a_participant_for_itself() {
        let fixed = channel(DEPLOYMENT.consensus_app);
        let hash = state(5, 0).hash(fixed.channel_id());
        let check = |signature| is_challenged_by_participant(&fixed, hash, &signature);
        assert_eq!(check(key(2).sign(challenge_hash(hash))), Ok(key(2).address()));
        assert_eq!(check(key(9).sign(challenge_hash(hash))), Err(SupportError::Challenger));
        // The signature on the state itself is none on the challenge.
        assert_eq!(check(key(2).sign(hash)), Err(SupportError::Challenger));
        assert_eq!(check(Signature([0; 65])), Err(SupportError::Signature));
    }

    #[test]
    fn a_channel_of_nobody_is_challenged_by_nobody_and_never_concluded() {
        let fixed = FixedPart { participants: Vec::new(), ..channel(DEPLOYMENT.consensus_app) };
        let unsigned = sign(&fixed, state(0, 0), &[]);
        assert_eq!(is_supported(&DEPLOYMENT, &fixed, &[], &unsigned), Ok(()));
        assert_eq!(is_unanimous(&fixed, &unsigned), Err(SupportError::Unanimous));
        let fixed = FixedPart { app: DEPLOYMENT.payment_app, ..fixed };
        let (proof, state) = (sign(&fixed, state(1, 0), &[]), redemption(&fixed, 20, 1));
        let found = is_supported(&DEPLOYMENT, &fixed, &[proof], &sign(&fixed, state, &[]));
        assert_eq!(found, Err(SupportError::NoParticipants));
    }

    #[test]
    fn more_participants_than_a_byte_counts_are_never_unanimous() {
        let mut fixed = channel(DEPLOYMENT.consensus_app);
        fixed.participants.resize(256, Address::ZERO);
        let found = is_supported(&DEPLOYMENT, &fixed, &[], &sign(&fixed, state(0, 0), &[1]));
        assert_eq!(found, Err(SupportError::Participants));
    }
}
