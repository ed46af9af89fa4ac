//! From a peer's bytes to an envelope with recovered signers. Pure, so that it runs on any thread:
//! the engine thread never parses hostile bytes nor recovers a signature.

use super::codec::decode;
use super::{Message, WireError};
use crate::types::Address;
use crate::vouchers::Voucher;

/// A message of an authenticated peer whose signatures have signers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The peer at the other end of the connection, and nobody else.
    pub from: Address,
    /// What it says.
    pub message: Message,
}

/// Opens one message of `from`.
///
/// # Errors
/// When the bytes are no message, or carry bytes in the place of a signature.
pub fn open(from: Address, bytes: &[u8]) -> Result<Envelope, WireError> {
    let mut message = decode(bytes)?;
    match &mut message {
        Message::Voucher { voucher, signer, .. } => {
            *signer = voucher.signature.recover(voucher.hash())?;
        }
        Message::OpenLedger { seal, .. }
        | Message::LedgerPrefund { seal, .. }
        | Message::LedgerPostfund { seal, .. }
        | Message::CloseLedger { seal, .. }
        | Message::Countersign { seal, .. }
        | Message::PaymentPostfund { seal, .. } => seal.recover()?,
        Message::Propose { seal, evidence, .. } => {
            seal.recover()?;
            evidence.recover()?;
        }
        Message::OpenPayment { payer, seal, .. } | Message::Finalize { payer, seal, .. } => {
            payer.recover()?;
            if payer.signature == seal.signature && payer.hash == seal.hash {
                *seal = *payer;
            } else {
                seal.recover()?;
            }
        }
        Message::Guarded { receipt, signer } => {
            *signer = receipt.signature.recover(receipt.hash())?;
        }
        Message::Credited { channel, total, proof: Some(signature), signer } => {
            let voucher = Voucher { channel: *channel, total: *total, signature: *signature };
            *signer = signature.recover(voucher.hash())?;
        }
        Message::Credited { proof: None, .. }
        | Message::Refuse { .. }
        | Message::RequestFinal { .. }
        | Message::Decline { .. }
        | Message::TowerHello { .. }
        | Message::TowerTerms { .. }
        // Its signatures are the tower's concern, see `Guard::check`.
        | Message::Guard { .. }
        | Message::GuardRefused { .. }
        | Message::Unguard { .. } => {}
    }
    Ok(Envelope { from, message })
}
