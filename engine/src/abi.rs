//! The structs that are hashed or signed, as the contracts declare them (contracts.md section 2).
//!
//! `chain` builds its calls from the same structs, so that the engine and the contracts cannot
//! drift apart unnoticed.

#![allow(missing_docs, reason = "the macro writes public items; contracts.md documents them")]

use alloy_sol_types::sol;

sol! {
    struct AssetMetadata {
        uint8 assetType;
        bytes metadata;
    }

    struct Allocation {
        bytes32 destination;
        uint256 amount;
        uint8 allocationType;
        bytes metadata;
    }

    struct SingleAssetExit {
        address asset;
        AssetMetadata assetMetadata;
        Allocation[] allocations;
    }

    struct Guarantee {
        bytes32 left;
        bytes32 right;
    }

    struct Signature {
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    struct VoucherAmountAndSignature {
        uint256 amount;
        Signature signature;
    }

    /// Preimage of a channel id; encode with `abi_encode_params`.
    struct ChannelIdPreimage {
        address[] participants;
        uint64 channelNonce;
        address appDefinition;
        uint48 challengeDuration;
    }

    /// Preimage of a state hash; encode with `abi_encode_params`.
    struct StatePreimage {
        bytes32 channelId;
        bytes appData;
        SingleAssetExit[] outcome;
        uint48 turnNum;
        bool isFinal;
    }

    /// Preimage of a challenge message; encode with `abi_encode_params`.
    struct ChallengePreimage {
        bytes32 stateHash;
        string purpose;
    }

    /// Preimage of a voucher hash; encode with `abi_encode_params`.
    struct VoucherPreimage {
        bytes32 channelId;
        uint256 amount;
    }

    /// Preimage of a watchtower's receipt; encode with `abi_encode_params`. No contract reads it.
    struct GuardReceiptPreimage {
        string purpose;
        uint256 chainId;
        address adjudicator;
        address client;
        bytes32 channelId;
        uint48 turnNum;
        uint256 paid;
        bytes32 stateHash;
        uint64 at;
    }

    /// Preimage of the deployment tag in a channel nonce; encode with `abi_encode_params`.
    struct DeploymentPreimage {
        uint256 chainId;
        address adjudicator;
    }
}
