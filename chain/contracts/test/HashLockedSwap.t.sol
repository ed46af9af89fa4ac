// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IForceMoveApp} from '../src/interfaces/IForceMoveApp.sol';
import {NitroTest} from './support/NitroTest.sol';

/// @dev Spec sections 10.8 and 13, examples/HashLockedSwap. Bob fixes the hash in turn 3, Alice unlocks in turn 4.
contract HashLockedSwapTest is NitroTest {
    IForceMoveApp private app;
    bytes private constant SECRET = 'the pre-image';

    function setUp() public override {
        super.setUp();
        app = IForceMoveApp(vm.deployCode('HashLockedSwap.sol:HashLockedSwap'));
    }

    struct AppData {
        bytes32 h;
        bytes preImage;
    }

    function locked() private pure returns (RecoveredVariablePart[] memory proof) {
        proof = new RecoveredVariablePart[](1);
        bytes memory data = abi.encode(AppData(sha256(SECRET), ''));
        proof[0] = RecoveredVariablePart(VariablePart(split(COIN, 3, 4), data, 3, false), 2);
    }

    function unlocked(bytes memory preImage) private pure returns (RecoveredVariablePart memory) {
        bytes memory data = abi.encode(AppData(0, preImage));
        return RecoveredVariablePart(VariablePart(split(COIN, 4, 3), data, 4, false), 1);
    }

    function refuses(
        RecoveredVariablePart[] memory proof,
        RecoveredVariablePart memory candidate,
        string memory reason
    ) private {
        FixedPart memory f = pair(address(app));
        expectReason(reason);
        app.stateIsSupported(f, proof, candidate);
    }

    function test_accepts_the_right_preimage() public view {
        (bool supported, string memory reason) =
            app.stateIsSupported(pair(address(app)), locked(), unlocked(SECRET));
        holds(supported, 'supported');
        same(bytes(reason), '', 'reason');
    }

    function test_refuses_the_wrong_preimage() public {
        refuses(locked(), unlocked('another'), 'incorrect preimage');
    }

    function test_refuses_other_turns_and_proofs() public {
        refuses(new RecoveredVariablePart[](0), unlocked(SECRET), 'proof.length!=1');
        RecoveredVariablePart memory candidate = unlocked(SECRET);
        candidate.variablePart.turnNum = 6;
        refuses(locked(), candidate, 'latest turn number != 4');
        candidate = unlocked(SECRET);
        candidate.signedBy = 2;
        refuses(locked(), candidate, 'Invalid signedBy');
    }

    function test_refuses_any_other_outcome() public {
        RecoveredVariablePart memory candidate = unlocked(SECRET);
        candidate.variablePart.outcome[0].allocations[1].destination = to(irene);
        refuses(locked(), candidate, 'destinations may not change');
        candidate.variablePart.outcome = split(COIN, 3, 4);
        refuses(locked(), candidate, 'amounts must be permuted');
        candidate.variablePart.outcome = split(COIN, 4, 4);
        refuses(locked(), candidate, 'amounts must be permuted');
        candidate.variablePart.outcome = outcomeOf(COIN, list(simple(to(ALICE), 4)));
        refuses(locked(), candidate, 'allocation.length != 2');
        RecoveredVariablePart[] memory proof = locked();
        proof[0].variablePart.outcome = candidate.variablePart.outcome;
        refuses(proof, unlocked(SECRET), 'allocation.length != 2');
    }
}
