// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The shape of an outcome: which asset goes to whom
/// @dev Spec section 2. Struct and member names are part of the ABI that clients generate code from.
library ExitFormat {
    enum AssetType {
        Default,
        ERC721,
        ERC1155,
        Qualified
    }

    /// @dev The numbers matter: `guarantee` is 2 on chain, and an outcome carries it as a plain uint8.
    enum AllocationType {
        simple,
        withdrawHelper,
        guarantee
    }

    struct AssetMetadata {
        AssetType assetType;
        bytes metadata;
    }

    struct Allocation {
        bytes32 destination;
        uint256 amount;
        uint8 allocationType;
        bytes metadata;
    }

    /// @dev The zero address stands for the chain's own coin.
    struct SingleAssetExit {
        address asset;
        AssetMetadata assetMetadata;
        Allocation[] allocations;
    }

    function encodeExit(SingleAssetExit[] memory exit) internal pure returns (bytes memory) {
        return abi.encode(exit);
    }
}
