// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from './INitroTypes.sol';

/// @title Deciding which state of a channel counts
/// @dev Spec sections 5 and 7.
interface IForceMove is INitroTypes {
    /// @notice Starts the clock: unless somebody shows a newer state in time, `candidate` becomes final.
    function challenge(
        FixedPart memory fixedPart,
        SignedVariablePart[] memory proof,
        SignedVariablePart memory candidate,
        Signature memory challengerSig
    ) external;

    /// @notice Records a supported state, so that no older one can be used; clears a running challenge.
    function checkpoint(
        FixedPart memory fixedPart,
        SignedVariablePart[] memory proof,
        SignedVariablePart memory candidate
    ) external;

    /// @notice Finalizes the channel at once with a final state that everyone signed.
    function conclude(FixedPart memory fixedPart, SignedVariablePart memory candidate) external;

    event ChallengeRegistered(
        bytes32 indexed channelId,
        uint48 finalizesAt,
        SignedVariablePart[] proof,
        SignedVariablePart candidate
    );

    event ChallengeCleared(bytes32 indexed channelId, uint48 newTurnNumRecord);

    event Checkpointed(bytes32 indexed channelId, uint48 newTurnNumRecord);

    event Concluded(bytes32 indexed channelId, uint48 finalizesAt);
}
