// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Holding the assets of all channels and paying them out
/// @dev Spec sections 5 and 9.
interface IMultiAssetHolder {
    /// @dev `source` is the channel that gave the guarantee, `target` the finalized channel it was given for.
    struct ReclaimArgs {
        bytes32 sourceChannelId;
        bytes32 sourceStateHash;
        bytes sourceOutcomeBytes;
        uint256 sourceAssetIndex;
        uint256 indexOfTargetInSource;
        bytes32 targetStateHash;
        bytes targetOutcomeBytes;
        uint256 targetAssetIndex;
    }

    /// @notice Credits `amount` of `asset`, taken from the sender, to a channel.
    /// @param expectedHeld what the depositor relies on being there already; the call fails when a reorg removed it.
    function deposit(address asset, bytes32 destination, uint256 expectedHeld, uint256 amount)
        external
        payable;

    /// @notice Pays the chosen allocations of one asset of a finalized channel; no indices means all.
    function transfer(
        uint256 assetIndex,
        bytes32 fromChannelId,
        bytes memory outcomeBytes,
        bytes32 stateHash,
        uint256[] memory indices
    ) external;

    /// @notice Replaces a guarantee in a finalized channel by the outcome of the channel it was given for.
    function reclaim(ReclaimArgs memory reclaimArgs) external;

    event Deposited(bytes32 indexed destination, address asset, uint256 destinationHoldings);

    event AllocationUpdated(
        bytes32 indexed channelId, uint256 assetIndex, uint256 initialHoldings, uint256 finalHoldings
    );

    event Reclaimed(bytes32 indexed channelId, uint256 assetIndex);
}
