// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../ExitFormat.sol';
import {INitroTypes} from '../interfaces/INitroTypes.sol';

/// @title Hashes and signatures of states
/// @dev Spec sections 3 and 10.1. Every pre-image is standard ABI encoding, only the EIP-191 prefix is packed. The
/// adjudicator hashes what lies in calldata, see Canonical; the hashes here say what must come out.
library NitroUtils {
    /// @dev Half the order of secp256k1. Of the two signatures (r, s) and (r, n - s) only the low one is accepted,
    /// so nobody but the signer can make a second valid signature out of a first.
    uint256 private constant HIGHEST_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @dev A signature that is not in the one form that is accepted is not a signature by anybody.
    function isSignedBy(bytes32 hash, INitroTypes.Signature memory sig, address signer)
        internal
        pure
        returns (bool)
    {
        return uint256(sig.s) <= HIGHEST_S && recoverSigner(hash, sig) == signer;
    }

    function isClaimedSignedBy(uint256 signedBy, uint8 participantIndex) internal pure returns (bool) {
        return (signedBy >> participantIndex) & 1 == 1;
    }

    function isClaimedSignedOnlyBy(uint256 signedBy, uint8 participantIndex) internal pure returns (bool) {
        return signedBy == uint256(1) << participantIndex;
    }

    function recoverSigner(bytes32 _d, INitroTypes.Signature memory sig) internal pure returns (address) {
        return recover(prefixed(_d), sig.v, sig.r, sig.s);
    }

    /// @dev What is signed is prefixed, so that a wallet can never be tricked into signing a transaction.
    function prefixed(bytes32 _d) internal pure returns (bytes32 digest) {
        bytes32 prefix = '\x19Ethereum Signed Message:\n32';
        assembly ('memory-safe') {
            // The 28 bytes of the prefix and the hash fit into the scratch space.
            mstore(0, prefix)
            mstore(28, _d)
            digest := keccak256(0, 60)
        }
    }

    function recover(bytes32 digest, uint8 v, bytes32 r, bytes32 s) internal pure returns (address signer) {
        require(uint256(s) <= HIGHEST_S, 'Invalid signature');
        signer = ecrecover(digest, v, r, s);
        require(signer != address(0), 'Invalid signature');
    }

    /// @dev Counts the bits that are set. All 256 of them do not fit the result and panic.
    function getClaimedSignersNum(uint256 signedBy) internal pure returns (uint8) {
        uint8 count = 0;
        for (; signedBy != 0; signedBy &= signedBy - 1) {
            ++count;
        }
        return count;
    }

    /// @dev The positions of the bits that are set, lowest first.
    function getClaimedSignersIndices(uint256 signedBy) internal pure returns (uint8[] memory) {
        uint8[] memory indices = new uint8[](getClaimedSignersNum(signedBy));
        uint8 position = 0;
        for (uint256 found = 0; found < indices.length; signedBy >>= 1) {
            if (signedBy & 1 == 1) {
                indices[found++] = position;
            }
            // The last round may stand at position 255, where a checked increment would panic.
            unchecked {
                ++position;
            }
        }
        return indices;
    }

    function getChannelId(INitroTypes.FixedPart memory fixedPart) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                fixedPart.participants,
                fixedPart.channelNonce,
                fixedPart.appDefinition,
                fixedPart.challengeDuration
            )
        );
    }

    function hashState(
        bytes32 channelId,
        bytes memory appData,
        ExitFormat.SingleAssetExit[] memory outcome,
        uint48 turnNum,
        bool isFinal
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(channelId, appData, outcome, turnNum, isFinal));
    }

    function hashState(bytes32 channelId, INitroTypes.VariablePart memory vp)
        internal
        pure
        returns (bytes32)
    {
        return hashState(channelId, vp.appData, vp.outcome, vp.turnNum, vp.isFinal);
    }

    function hashOutcome(ExitFormat.SingleAssetExit[] memory outcome) internal pure returns (bytes32) {
        return keccak256(ExitFormat.encodeExit(outcome));
    }

    function bytesEqual(bytes memory left, bytes memory right) internal pure returns (bool) {
        return left.length == right.length && keccak256(left) == keccak256(right);
    }
}
