// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from './INitroTypes.sol';

/// @title The rules of a channel: which states its participants can be held to
interface IForceMoveApp is INitroTypes {
    /// @notice Is `candidate`, together with `proof`, a state that the channel may be finalized with?
    /// @return (true, '') when supported, (false, reason) when not; an implementation may also revert with a reason.
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external view returns (bool, string memory);
}
