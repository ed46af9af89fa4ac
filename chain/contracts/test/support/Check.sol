// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Vm} from './Vm.sol';

/// @dev Comparisons that say what was compared, and the test machine.
abstract contract Check {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    error Differs(string what, string found, string expected);

    function same(uint256 found, uint256 expected, string memory what) internal pure {
        if (found != expected) revert Differs(what, vm.toString(found), vm.toString(expected));
    }

    function same(bytes32 found, bytes32 expected, string memory what) internal pure {
        if (found != expected) revert Differs(what, vm.toString(found), vm.toString(expected));
    }

    function same(address found, address expected, string memory what) internal pure {
        if (found != expected) revert Differs(what, vm.toString(found), vm.toString(expected));
    }

    function same(bytes memory found, bytes memory expected, string memory what) internal pure {
        if (keccak256(found) != keccak256(expected)) {
            revert Differs(what, vm.toString(found), vm.toString(expected));
        }
    }

    function holds(bool condition, string memory what) internal pure {
        if (!condition) revert Differs(what, 'false', 'true');
    }

    function expectReason(string memory reason) internal {
        vm.expectRevert(abi.encodeWithSignature('Error(string)', reason));
    }

    function expectPanic(uint256 code) internal {
        vm.expectRevert(abi.encodeWithSignature('Panic(uint256)', code));
    }

    /// @dev Calls and demands a revert that says nothing, as malformed encodings and missing code give.
    function revertsSilently(address target, bytes memory data, string memory what) internal {
        (bool success, bytes memory answer) = target.call(data);
        holds(!success, string.concat(what, ': reverts'));
        same(answer, '', string.concat(what, ': revert data'));
    }
}
