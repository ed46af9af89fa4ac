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

    /// @notice Credits what a channel lacks to hold `targetHeld`, and nothing when it holds that much already.
    /// @dev A stranger's deposit in between makes this one smaller rather than fail, so that nobody can keep a channel
    /// from being funded; and repeating the call is harmless. Coin that is not needed goes back to the sender.
    /// @param expectedHeld what the depositor relies on being there at least; the call fails when a reorg removed it.
    function depositUpTo(address asset, bytes32 channelId, uint256 expectedHeld, uint256 targetHeld)
        external
        payable;

    /// @notice What a payee is owed because it could not be paid when its turn came.
    function claimable(address asset, address payee) external view returns (uint256);

    /// @notice Pays a payee what it is owed; anybody may ask for it.
    function claim(address asset, address payee) external;

    /// @notice Pays what the sender is owed to another address, for payees that cannot receive it themselves.
    function claimTo(address asset, address to) external;

    /// @notice Pays the chosen allocations of one asset of a finalized channel; no indices means all.
    function transfer(
        uint256 assetIndex,
        bytes32 fromChannelId,
        bytes calldata outcomeBytes,
        bytes32 stateHash,
        uint256[] calldata indices
    ) external;

    /// @notice Replaces a guarantee in a finalized channel by the outcome of the channel it was given for.
    function reclaim(ReclaimArgs calldata reclaimArgs) external;

    event Deposited(bytes32 indexed destination, address asset, uint256 destinationHoldings);

    event AllocationUpdated(
        bytes32 indexed channelId, uint256 assetIndex, uint256 initialHoldings, uint256 finalHoldings
    );

    /// @dev The payee did not take its share, which it can claim from now on.
    event PayoutBlocked(address indexed payee, address asset, uint256 amount);

    event Claimed(address indexed payee, address asset, address to, uint256 amount);

    event Reclaimed(bytes32 indexed channelId, uint256 assetIndex);
}
