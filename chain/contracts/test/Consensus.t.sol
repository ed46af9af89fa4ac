// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMoveApp} from '../src/interfaces/IForceMoveApp.sol';
import {NitroTest} from './support/NitroTest.sol';

/// @dev Spec sections 10.2, 10.4 and 13, libraries/Consensus and ConsensusApp. The app adds nothing to the library.
contract ConsensusTest is NitroTest {
    IForceMoveApp private app;

    function setUp() public override {
        super.setUp();
        app = IForceMoveApp(vm.deployCode('ConsensusApp.sol:ConsensusApp'));
    }

    function state(uint48 turnNum, uint256 signers) private pure returns (RecoveredVariablePart memory) {
        return RecoveredVariablePart(VariablePart(split(COIN, 1, 1), '', turnNum, false), signers);
    }

    function accepts(RecoveredVariablePart memory candidate) private view {
        (bool supported, string memory reason) =
            app.stateIsSupported(trio(address(app)), new RecoveredVariablePart[](0), candidate);
        holds(supported, 'supported');
        same(bytes(reason), '', 'reason');
    }

    function refuses(uint256 proofLength, RecoveredVariablePart memory candidate, string memory reason)
        private
    {
        RecoveredVariablePart[] memory proof = new RecoveredVariablePart[](proofLength);
        FixedPart memory f = trio(address(app));
        expectReason(reason);
        app.stateIsSupported(f, proof, candidate);
    }

    function test_accepts_any_turn_that_everyone_signed() public view {
        accepts(state(0, 7));
        accepts(state(2, 7));
        accepts(state(type(uint48).max, 7));
    }

    function test_refuses_a_missing_signature() public {
        refuses(0, state(0, 3), '!unanimous');
        refuses(0, state(0, 6), '!unanimous');
        refuses(0, state(0, 5), '!unanimous');
    }

    function test_refuses_no_signature() public {
        refuses(0, state(0, 0), '!unanimous');
    }

    function test_refuses_a_proof() public {
        refuses(1, state(0, 7), '|proof|!=0');
    }

    /// @dev The adjudicator returns the app's answer and its reverts, with signatures recovered.
    function test_is_asked_through_the_adjudicator() public {
        FixedPart memory f = pair(address(app));
        VariablePart memory v = VariablePart(split(COIN, 1, 1), '', 3, false);
        SignedVariablePart memory both = signedBy(f, v, ALICE_KEY, BOB_KEY);
        SignedVariablePart memory alone = signedBy(f, v, ALICE_KEY);
        (bool supported, string memory reason) = adjudicator.stateIsSupported(f, noProof(), both);
        holds(supported, 'supported');
        same(bytes(reason), '', 'reason');
        expectReason('!unanimous');
        adjudicator.stateIsSupported(f, noProof(), alone);
    }
}
