// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMoveApp} from '../src/interfaces/IForceMoveApp.sol';
import {NitroTest} from './support/NitroTest.sol';

/// @dev Spec sections 10.7, 10.10 and 13, the apps that exist for tests. Participants: Alice, Bob.
contract CountingAppTest is NitroTest {
    IForceMoveApp private app;

    function setUp() public override {
        super.setUp();
        app = IForceMoveApp(vm.deployCode('CountingApp.sol:CountingApp'));
    }

    function state(uint48 turnNum, uint256 counter) private pure returns (RecoveredVariablePart memory) {
        VariablePart memory v = VariablePart(split(COIN, 1, 1), abi.encode(counter), turnNum, false);
        return RecoveredVariablePart(v, 1 << (turnNum % 2));
    }

    function proof() private pure returns (RecoveredVariablePart[] memory states) {
        states = new RecoveredVariablePart[](1);
        states[0] = state(4, 7);
    }

    function refuses(RecoveredVariablePart memory candidate, string memory reason) private {
        FixedPart memory f = pair(address(app));
        expectReason(reason);
        app.stateIsSupported(f, proof(), candidate);
    }

    function test_accepts_one_more() public view {
        (bool supported, string memory reason) =
            app.stateIsSupported(pair(address(app)), proof(), state(5, 8));
        holds(supported, 'supported');
        same(bytes(reason), '', 'reason');
    }

    function test_refuses_anything_but_one_more() public {
        refuses(state(5, 7), 'Counter must be incremented');
        refuses(state(5, 9), 'Counter must be incremented');
        RecoveredVariablePart memory candidate = state(5, 8);
        candidate.variablePart.outcome = split(COIN, 1, 2);
        refuses(candidate, 'Outcome must not change');
        candidate = state(5, 8);
        candidate.signedBy = 1;
        refuses(candidate, 'Invalid signedBy');
    }

    /// @dev TrivialApp: any pair of states, signed or not.
    function testFuzz_the_trivial_app_supports_anything(uint48 turnNum, bytes calldata data, uint256 signers)
        public
    {
        IForceMoveApp trivial = IForceMoveApp(vm.deployCode('TrivialApp.sol:TrivialApp'));
        RecoveredVariablePart[] memory states = new RecoveredVariablePart[](1);
        states[0] = RecoveredVariablePart(VariablePart(split(COIN, 1, 1), data, turnNum, false), signers);
        (bool supported, string memory reason) =
            trivial.stateIsSupported(pair(address(trivial)), states, states[0]);
        holds(supported, 'supported');
        same(bytes(reason), '', 'reason');
    }

    /// @dev NullApp: no app at all fails without a reason.
    function test_no_app_reverts_silently() public {
        FixedPart memory f = pair(address(0));
        VariablePart memory v = VariablePart(split(COIN, 1, 1), '', 5, false);
        bytes memory call =
            abi.encodeCall(adjudicator.stateIsSupported, (f, noProof(), signedBy(f, v, ALICE_KEY)));
        revertsSilently(address(adjudicator), call, 'no app');
    }
}
