//! What a voucher signs, and how it is shown to the payment app.

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolValue;
use engine::abi;
use engine::crypto::Signer;
use engine::types::Amount;

use super::loader::{amount, family, hex, signature, word};

pub(super) const CHECKS: &[fn()] =
    &[vouchers_are_signed, redemptions_carry_the_voucher_in_the_app_data];

/// What the payer of a channel signs for a total of `amount`.
pub(super) fn voucher_preimage(channel: B256, amount: Amount) -> Vec<u8> {
    abi::VoucherPreimage { channelId: channel, amount: amount.to_u256() }.abi_encode_params()
}

#[test]
fn vouchers_are_signed() {
    for vector in family("voucher.sign.") {
        let preimage =
            voucher_preimage(word(vector.input("channelId")), amount(vector.input("amount")));
        assert_eq!(preimage, hex(vector.expected("abiEncoded")), "{}", vector.name);
        let hash = keccak256(preimage);
        assert_eq!(hash, word(vector.expected("hash")), "{}", vector.name);
        let signed = vector.signer().sign(hash);
        assert_eq!(signed, signature(vector.expected("signature")), "{}", vector.name);
        assert_eq!(signed.recover(hash), Ok(vector.signer().address()), "{}", vector.name);
    }
}

#[test]
fn redemptions_carry_the_voucher_in_the_app_data() {
    for vector in family("voucher.redemptionAppData.") {
        let signed = signature(vector.input("signature"));
        let redemption = abi::VoucherAmountAndSignature {
            amount: amount(vector.input("amount")).to_u256(),
            signature: abi::Signature { v: signed.v(), r: signed.r(), s: signed.s() },
        };
        assert_eq!(redemption.abi_encode(), hex(vector.expected("appData")), "{}", vector.name);
    }
}
