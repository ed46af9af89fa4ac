// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Holding the assets of all channels and paying them out
/// @dev Spec sections 5 and 9.
///
/// The chain stores hashes, and the logs say what they are of. Two outcomes belong to a finalized channel: the final
/// one, which never changes and is what `reclaim` needs of a target, and what of it is left to be paid, which is what
/// `transfer`, `transferAllAssets`, `settle` and `reclaim` need of the channel they pay. Whoever applies the following
/// in the order of the logs knows both:
///
/// 1. `ChallengeRegistered` (once its `finalizesAt` has come and no `ChallengeRegistered`, `ChallengeCleared` or
///    `StateConcluded` of the channel came in between) and `StateConcluded` give the final outcome, and with it the
///    first one that is left to be paid. When the channel was final already, as many `AllocationUpdated` as the
///    state's outcome has assets follow and change neither. When `kept` is false, there is no final outcome any more
///    after that many.
/// 2. `Reclaimed(channelId, a)`: if the log directly before it is a `GuaranteeReclaimed` of that channel, then the
///    allocation `indexOfTargetInSource` of asset `a` leaves the outcome, and the first other allocation whose
///    destination is its `left` grows by `toLeft`, the first one whose destination is its `right` by `toRight`. If not,
///    then that allocation is the asset's only guarantee, and the amounts are those of the first two allocations of
///    the only asset in its target's final outcome.
/// 3. `AllocationUpdated(channelId, a, initialHoldings, finalHoldings)`: if the log directly before it is an
///    `AllocationsPaid` of that channel, then its `amounts` are taken off the allocations of asset `a`, one by one. If
///    not, let an allocation's share be its amount, or what the allocations before it leave of `initialHoldings` when
///    that is less, and the paid total be `initialHoldings - finalHoldings`. When the total is the sum of the shares of
///    all allocations that are not guarantees, each of them was paid its share; else the first one whose share is the
///    total was, and nobody when the total is zero.
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

    /// @notice As many deposits of one asset in one call: entry by entry the same as `deposit`.
    /// @dev Tokens are taken from the sender once, for all entries together, and before any of them is credited. Coin must
    /// be the sum of the amounts.
    function depositBatch(
        address asset,
        bytes32[] calldata channelIds,
        uint256[] calldata expectedHelds,
        uint256[] calldata amounts
    ) external payable;

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

    /// @notice Which guarantee was reclaimed and for whom, directly before the `Reclaimed` of the same reclaim.
    /// @dev Left out when the guarantee is its asset's only one and its target's outcome has only one asset: then there is
    /// nothing to be said, by the second rule above.
    /// @param indexOfTargetInSource Counts in the outcome as the logs before this one left it.
    event GuaranteeReclaimed(
        bytes32 indexed channelId,
        bytes32 indexed targetChannelId,
        uint256 assetIndex,
        uint256 indexOfTargetInSource,
        uint256 toLeft,
        uint256 toRight
    );

    /// @notice What each allocation of an asset was paid by `transfer`, directly before its `AllocationUpdated`.
    /// @dev Left out when it follows from the `AllocationUpdated`, by the third rule above.
    event AllocationsPaid(bytes32 indexed channelId, uint256 assetIndex, uint256[] amounts);
}
