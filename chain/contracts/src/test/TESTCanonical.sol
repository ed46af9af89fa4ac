// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../ExitFormat.sol';
import {INitroTypes} from '../interfaces/INitroTypes.sol';
import {Canonical} from '../libraries/Canonical.sol';
import {NitroUtils} from '../libraries/NitroUtils.sol';

/// @title Canonical as a contract, beside what the compiler makes of the same calldata, for tests
contract TESTCanonical is INitroTypes {
    function channelId(FixedPart calldata fixedPart) external pure returns (bytes32 fast, bytes32 plain) {
        return (Canonical.channelId(fixedPart), NitroUtils.getChannelId(fixedPart));
    }

    function hashState(bytes32 id, SignedVariablePart calldata signed)
        external
        pure
        returns (bytes32 fast, bytes32 plain)
    {
        Canonical.signedEnd(signed);
        return (Canonical.hashState(id, signed), NitroUtils.hashState(id, signed.variablePart));
    }

    function hashOutcome(SignedVariablePart calldata signed)
        external
        pure
        returns (bytes32 fast, bytes32 plain)
    {
        Canonical.signedEnd(signed);
        return (Canonical.hashOutcome(signed), NitroUtils.hashOutcome(signed.variablePart.outcome));
    }

    function load(ExitFormat.SingleAssetExit[] calldata outcome)
        external
        pure
        returns (bytes32 fast, bytes32 plain, ExitFormat.SingleAssetExit[] memory loaded)
    {
        uint256 copy;
        uint256 size;
        (copy, size, fast) = Canonical.load(outcome);
        plain = NitroUtils.hashOutcome(outcome);
        loaded = _decode(copy, size);
    }

    function _decode(uint256 copy, uint256 size) private pure returns (ExitFormat.SingleAssetExit[] memory) {
        bytes memory encoded = new bytes(size);
        for (uint256 i = 0; i < size; i += 32) {
            assembly ('memory-safe') {
                mstore(add(add(encoded, 0x20), i), mload(add(sub(copy, 0x20), i)))
            }
        }
        return abi.decode(encoded, (ExitFormat.SingleAssetExit[]));
    }

    /// @dev The position behind the states, counted from the first byte of the arguments.
    function proofEnd(SignedVariablePart[] calldata proof) external pure returns (uint256) {
        return Canonical.proofEnd(proof) - 4;
    }
}
