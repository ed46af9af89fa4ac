// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from '../interfaces/INitroTypes.sol';
import {NitroUtils} from '../libraries/NitroUtils.sol';

/// @title NitroUtils as a contract, for tests
/// @dev Spec section 11.
contract TESTNitroUtils is INitroTypes {
    function recoverSigner(bytes32 _d, Signature memory sig) public pure returns (address) {
        return NitroUtils.recoverSigner(_d, sig);
    }

    function isClaimedSignedBy(uint256 signedBy, uint8 participantIndex) public pure returns (bool) {
        return NitroUtils.isClaimedSignedBy(signedBy, participantIndex);
    }

    function isClaimedSignedOnlyBy(uint256 signedBy, uint8 participantIndex) public pure returns (bool) {
        return NitroUtils.isClaimedSignedOnlyBy(signedBy, participantIndex);
    }

    function getClaimedSignersNum(uint256 signedBy) public pure returns (uint8) {
        return NitroUtils.getClaimedSignersNum(signedBy);
    }

    function getClaimedSignersIndices(uint256 signedBy) public pure returns (uint8[] memory) {
        return NitroUtils.getClaimedSignersIndices(signedBy);
    }
}
