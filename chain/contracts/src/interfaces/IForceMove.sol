// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from './INitroTypes.sol';

/// @title Deciding which state of a channel counts
/// @dev Spec sections 5 and 7.
interface IForceMove is INitroTypes {
    /// @dev The arguments of one `challenge`.
    struct Challenge {
        FixedPart fixedPart;
        SignedVariablePart[] proof;
        SignedVariablePart candidate;
        Signature challengerSig;
    }

    /// @notice Starts the clock: unless somebody shows a newer state in time, `candidate` becomes final.
    function challenge(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate,
        Signature calldata challengerSig
    ) external;

    /// @notice Starts the clock of several channels at once, as a ledger channel and the channels it guarantees need.
    /// @dev A channel that is finalized, or that the chain knows a state of which is as new, is passed over: nobody can
    /// stop the other challenges by being faster with one of them. Anything that is wrong reverts all of it.
    function challengeAll(Challenge[] calldata challenges) external;

    /// @notice Records a supported state, so that no older one can be used; clears a running challenge.
    function checkpoint(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) external;

    /// @notice Finalizes the channel at once with a final state that everyone signed.
    function conclude(FixedPart calldata fixedPart, SignedVariablePart calldata candidate) external;

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
