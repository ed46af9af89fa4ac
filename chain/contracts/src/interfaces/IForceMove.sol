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
    /// @dev Once final, a channel is final with that outcome for good, whatever is deposited and paid later.
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

    /// @notice The state of a `checkpoint`, directly before the `Checkpointed` or `ChallengeCleared` of the same call.
    /// @dev With it every state that the chain was shown can be learned from logs, with its signatures: nobody can keep
    /// a state to itself that binds others.
    event StateCheckpointed(
        bytes32 indexed channelId, SignedVariablePart[] proof, SignedVariablePart candidate
    );

    /// @notice The state of a conclusion, directly before its `Concluded`.
    /// @dev A channel that was not final before is final with this state's outcome from here on, its state hash being
    /// zero. When it was final before, this is the later final state that pays the surplus of a closed channel: the
    /// `AllocationUpdated` of this call follow, nothing is left to be paid after them, and what `reclaim` reads of the
    /// channel stays what it was.
    /// @param kept Is there a status of the channel after this call? If not, everything was paid, nothing is held, and
    /// the channel counts as never seen.
    event StateConcluded(bytes32 indexed channelId, bool kept, SignedVariablePart candidate);
}
