// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Reverting with a reason, from one place
/// @dev Clients know the reasons as strings. The compiler writes out the making of the string wherever a condition is
/// checked, which would be a thousand bytes more.
library Demand {
    /// @dev The same as `require`, for reasons of at most 32 characters.
    function that(bool condition, bytes32 reason) internal pure {
        if (!condition) {
            _refuse(reason, 0);
        }
    }

    /// @dev Finds the length by calling itself: of a function that does, the compiler makes no copy for each reason.
    function _refuse(bytes32 reason, uint256 length) private pure {
        assembly ('memory-safe') {
            if iszero(byte(length, reason)) {
                let data := mload(0x40)
                mstore(data, shl(224, 0x08c379a0))
                mstore(add(data, 0x04), 0x20)
                mstore(add(data, 0x24), length)
                mstore(add(data, 0x44), reason)
                revert(data, 0x64)
            }
        }
        unchecked {
            _refuse(reason, length + 1);
        }
    }

    /// @dev Reverts as the compiler does: 0x11 for a number that does not fit, 0x32 for an index that does not exist.
    function panic(uint256 code) internal pure {
        assembly ('memory-safe') {
            mstore(0, shl(224, 0x4e487b71))
            mstore(4, code)
            revert(0, 0x24)
        }
    }
}
