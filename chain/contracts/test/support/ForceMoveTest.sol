// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../../src/ExitFormat.sol';
import {NitroTest} from './NitroTest.sol';

/// @dev A channel of three that take turns; `stateAt(t)` is signed by participant t mod 3 and counts t.
abstract contract ForceMoveTest is NitroTest {
    FixedPart internal fixedPart;
    bytes32 internal channelId;

    function setUp() public virtual override {
        super.setUp();
        fixedPart = trio(vm.deployCode('CountingApp.sol:CountingApp'));
        channelId = channelIdOf(fixedPart);
    }

    function variablePartAt(uint48 turnNum) internal view returns (VariablePart memory) {
        ExitFormat.Allocation[] memory allocations = list(
            simple(to(ALICE), 3),
            simple(to(irene), 4),
            guarantee(keccak256('target'), 5, to(ALICE), to(irene))
        );
        return VariablePart(outcomeOf(COIN, allocations), abi.encode(uint256(turnNum)), turnNum, false);
    }

    function keyOf(uint48 turnNum) internal pure returns (uint256) {
        uint48 mover = turnNum % 3;
        return mover == 0 ? ALICE_KEY : mover == 1 ? IRENE_KEY : BOB_KEY;
    }

    function stateAt(uint48 turnNum) internal view returns (SignedVariablePart memory) {
        return signedBy(fixedPart, variablePartAt(turnNum), keyOf(turnNum));
    }

    /// @dev The two states before `turnNum`.
    function proofFor(uint48 turnNum) internal view returns (SignedVariablePart[] memory proof) {
        proof = new SignedVariablePart[](2);
        proof[0] = stateAt(turnNum - 2);
        proof[1] = stateAt(turnNum - 1);
    }

    /// @dev A candidate whose counter is not the one that follows.
    function miscountedAt(uint48 turnNum) internal view returns (SignedVariablePart memory) {
        VariablePart memory v = variablePartAt(turnNum);
        v.appData = abi.encode(uint256(turnNum) + 1);
        return signedBy(fixedPart, v, keyOf(turnNum));
    }

    /// @dev A challenge registered at `turnNum` that runs for `secondsLeft` more, or ended that long ago.
    function challengedAt(uint48 turnNum, int48 secondsLeft) internal view returns (bytes32) {
        VariablePart memory v = variablePartAt(turnNum);
        uint48 finalizesAt = uint48(int48(NOW) + secondsLeft);
        return statusWord(turnNum, finalizesAt, stateHashOf(fixedPart, v), outcomeHashOf(v.outcome));
    }
}
