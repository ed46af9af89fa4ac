// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from '../../interfaces/INitroTypes.sol';
import {NitroUtils} from '../NitroUtils.sol';

/// @title A state counts when everybody signed it
/// @dev Spec section 10.2.
library Consensus {
    function requireConsensus(
        INitroTypes.FixedPart calldata fixedPart,
        INitroTypes.RecoveredVariablePart[] calldata proof,
        INitroTypes.RecoveredVariablePart calldata candidate
    ) internal pure {
        require(proof.length == 0, '|proof|!=0');
        require(
            NitroUtils.getClaimedSignersNum(candidate.signedBy) == fixedPart.participants.length, '!unanimous'
        );
    }
}
