//! Binds channels to one chain and one adjudicator.

use alloy_primitives::keccak256;
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::abi;
use crate::types::{Address, U256};

/// The contracts of one chain that a node signs for.
///
/// The hash formats carry no chain id, so a state could be replayed on another chain or
/// adjudicator (gap S14). The high 32 bits of every channel nonce therefore name the deployment,
/// and nothing is signed for a channel with another tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// NitroAdjudicator.
    pub adjudicator: Address,
    /// ConsensusApp, the app of every ledger channel.
    pub consensus_app: Address,
    /// VirtualPaymentApp, the app of every payment channel.
    pub payment_app: Address,
}

impl Deployment {
    /// First four bytes of `keccak256(abi.encode(chainId, adjudicator))`.
    #[must_use]
    pub fn tag(&self) -> u32 {
        let preimage = abi::DeploymentPreimage {
            chainId: U256::from(self.chain_id),
            adjudicator: self.adjudicator,
        };
        let hash = keccak256(preimage.abi_encode_params());
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    /// A channel nonce of this deployment with `random` in its low half.
    #[must_use]
    pub fn nonce(&self, random: u32) -> u64 {
        (u64::from(self.tag()) << 32) | u64::from(random)
    }

    /// A ledger nonce. Its last byte says whether the follower deposits.
    ///
    /// An opening in which the follower deposits nothing and which nobody funds is forgotten, or
    /// strangers could fill the archive with them. Its prefund state is signed for good all the
    /// same; with it the leader could take what the follower deposits in a later ledger of the same
    /// id and other terms. So an id under which the follower deposits is never one of those that are
    /// forgotten.
    #[must_use]
    pub fn ledger_nonce(&self, random: u32, follower_deposits: bool) -> u64 {
        let last = random.to_be_bytes()[3];
        let wanted = match (follower_deposits, last) {
            (true, _) => Self::DEPOSITS,
            (false, Self::DEPOSITS) => !Self::DEPOSITS,
            (false, other) => other,
        };
        self.nonce((random & !0xff) | u32::from(wanted))
    }

    /// True for the nonce of a ledger in which the follower may deposit.
    #[must_use]
    pub const fn may_deposit(nonce: u64) -> bool {
        nonce.to_be_bytes()[7] == Self::DEPOSITS
    }

    const DEPOSITS: u8 = 0xd0;

    /// True when the nonce carries this deployment's tag.
    #[must_use]
    pub fn owns(&self, nonce: u64) -> bool {
        nonce >> 32 == u64::from(self.tag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Deployment {
        Deployment {
            chain_id: 0x7a69,
            adjudicator: Address::repeat_byte(0xad),
            consensus_app: Address::repeat_byte(0xca),
            payment_app: Address::repeat_byte(0xfa),
        }
    }

    #[test]
    fn the_tag_begins_the_hash_of_chain_and_adjudicator() {
        let mut words = [0; 64];
        words[30..32].copy_from_slice(&[0x7a, 0x69]);
        words[44..].fill(0xad);
        assert_eq!(deployment().tag().to_be_bytes(), keccak256(words)[..4]);
    }

    #[test]
    fn a_ledger_nonce_says_whether_the_follower_deposits() {
        for random in [0, 1, 0xd0, 0xabcd_efd0, u32::MAX] {
            for deposits in [false, true] {
                let nonce = deployment().ledger_nonce(random, deposits);
                assert!(deployment().owns(nonce));
                assert_eq!(Deployment::may_deposit(nonce), deposits);
            }
        }
    }

    #[test]
    fn owns_its_own_nonces_only() {
        let ours = deployment();
        let other_chain = Deployment { chain_id: 1, ..ours };
        let other_adjudicator = Deployment { adjudicator: Address::ZERO, ..ours };
        for random in [0, 1, u32::MAX] {
            let nonce = ours.nonce(random);
            assert!(ours.owns(nonce));
            assert!(!other_chain.owns(nonce));
            assert!(!other_adjudicator.owns(nonce));
            assert_eq!(nonce & u64::from(u32::MAX), u64::from(random));
        }
    }
}
