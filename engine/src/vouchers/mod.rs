//! Vouchers: one-message payments, each worth everything paid so far (protocol.md section 10).

use alloy_primitives::keccak256;
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::abi;
use crate::crypto::{Signature, Signer};
use crate::types::{Amount, B256, ChannelId};

/// The payer's promise that the payee may take `total` out of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The payment channel.
    pub channel: ChannelId,
    /// Everything paid so far, this payment included.
    pub total: Amount,
    /// The payer's signature.
    pub signature: Signature,
}

impl Voucher {
    /// Signs a voucher.
    #[must_use]
    pub fn sign(channel: ChannelId, total: Amount, signer: &dyn Signer) -> Self {
        Self { channel, total, signature: signer.sign(voucher_hash(channel, total)) }
    }

    /// Hash that the payer signs.
    #[must_use]
    pub fn hash(&self) -> B256 {
        voucher_hash(self.channel, self.total)
    }

    /// App data with which VirtualPaymentApp pays the voucher (contracts.md 10.5).
    #[must_use]
    pub fn redemption_data(&self) -> Vec<u8> {
        abi::VoucherAmountAndSignature {
            amount: self.total.to_u256(),
            signature: abi::Signature {
                v: self.signature.v(),
                r: self.signature.r(),
                s: self.signature.s(),
            },
        }
        .abi_encode()
    }
}

fn voucher_hash(channel: ChannelId, total: Amount) -> B256 {
    let preimage = abi::VoucherPreimage { channelId: channel.0, amount: total.to_u256() };
    keccak256(preimage.abi_encode_params())
}

/// Most payments that one voucher may list: what a peer can make this node tell of by one signature.
pub const MAX_PAYMENTS: usize = 1_024;

/// Each payment that a voucher of `total` adds to `best`, as the total that it leads to and what it
/// adds. `payments` is the payer's word, so that the sum is right whatever it says: what is not listed
/// comes first, as one, and what was credited before is left out.
pub(crate) fn added(best: Amount, total: Amount, payments: &[Amount]) -> Vec<(Amount, Amount)> {
    let sum = Amount::checked_sum(payments.iter().copied());
    let listed = sum.filter(|sum| *sum <= total && payments.len() <= MAX_PAYMENTS);
    let (before, payments) = match listed {
        Some(sum) => (total.saturating_sub(sum), payments),
        None => (total, &[][..]),
    };
    let (mut reached, mut known) = (before, best);
    let mut added = Vec::with_capacity(payments.len().saturating_add(1));
    for payment in std::iter::once(Amount::ZERO).chain(payments.iter().copied()) {
        reached = reached.checked_add(payment).unwrap_or(total);
        if reached > known {
            added.push((reached, reached.saturating_sub(known)));
            known = reached;
        }
    }
    added
}

/// Why a voucher is not taken, or cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// Nothing would be paid.
    #[error("amount is zero")]
    Zero,
    /// More than the channel has left.
    #[error("amount is more than is left: {left} of {capacity}, in wei or units of the token")]
    InsufficientFunds {
        /// What could still be paid.
        left: Amount,
        /// What the channel was opened with.
        capacity: Amount,
    },
    /// The signature is not the payer's.
    #[error("voucher is not signed by the payer of the channel")]
    WrongSigner,
}

/// The total of a payment `amount` on top of `paid`.
///
/// # Errors
/// When the amount is zero or more than is left of `capacity`.
pub fn next_total(paid: Amount, amount: Amount, capacity: Amount) -> Result<Amount, VoucherError> {
    if amount.is_zero() {
        return Err(VoucherError::Zero);
    }
    let left = capacity.saturating_sub(paid);
    paid.checked_add(amount)
        .filter(|total| *total <= capacity)
        .ok_or(VoucherError::InsufficientFunds { left, capacity })
}

/// What a received voucher adds to `best`: the new total and the difference. A voucher that is
/// not better adds nothing and is no error: it may be a repetition.
///
/// # Errors
/// When the voucher is worth more than the channel holds.
pub fn credit(best: Amount, total: Amount, capacity: Amount) -> Result<Amount, VoucherError> {
    if total > capacity {
        return Err(VoucherError::InsufficientFunds {
            left: capacity.saturating_sub(best),
            capacity,
        });
    }
    Ok(total.saturating_sub(best))
}
