// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title What the chain remembers about a channel
/// @dev Spec section 4.
interface IStatusManager {
    enum ChannelMode {
        Open,
        Challenge,
        Finalized
    }

    struct ChannelData {
        uint48 turnNumRecord;
        uint48 finalizesAt;
        bytes32 stateHash;
        bytes32 outcomeHash;
    }
}
