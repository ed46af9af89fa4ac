// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IForceMoveApp} from '../src/interfaces/IForceMoveApp.sol';
import {NitroTest} from './support/NitroTest.sol';

/// @dev Spec sections 10.9 and 13, examples/SingleAssetPayments. Alice moves in even turns, Bob in odd ones.
contract SingleAssetPaymentsTest is NitroTest {
    IForceMoveApp private app;

    function setUp() public override {
        super.setUp();
        app = IForceMoveApp(vm.deployCode('SingleAssetPayments.sol:SingleAssetPayments'));
    }

    function state(uint48 turnNum, uint256 alice, uint256 bob)
        private
        pure
        returns (RecoveredVariablePart memory)
    {
        VariablePart memory v = VariablePart(split(COIN, alice, bob), '', turnNum, false);
        return RecoveredVariablePart(v, 1 << (turnNum % 2));
    }

    function after_(RecoveredVariablePart memory first)
        private
        pure
        returns (RecoveredVariablePart[] memory proof)
    {
        proof = new RecoveredVariablePart[](1);
        proof[0] = first;
    }

    function accepts(RecoveredVariablePart memory first, RecoveredVariablePart memory second) private view {
        (bool supported, string memory reason) =
            app.stateIsSupported(pair(address(app)), after_(first), second);
        holds(supported, 'supported');
        same(bytes(reason), '', 'reason');
    }

    function refuses(
        RecoveredVariablePart memory first,
        RecoveredVariablePart memory second,
        string memory reason
    ) private {
        FixedPart memory f = pair(address(app));
        expectReason(reason);
        app.stateIsSupported(f, after_(first), second);
    }

    function test_the_mover_pays_the_other() public view {
        accepts(state(5, 3, 4), state(6, 2, 5));
        accepts(state(6, 3, 4), state(7, 5, 2));
        accepts(state(6, 3, 4), state(7, 3, 4));
    }

    function test_refuses_to_take_from_the_other() public {
        refuses(state(5, 3, 4), state(6, 4, 3), 'Nonmover balance decreased');
        refuses(state(6, 3, 4), state(7, 2, 5), 'Nonmover balance decreased');
    }

    function test_refuses_to_change_the_sum() public {
        refuses(state(5, 3, 4), state(6, 3, 5), 'Total allocated cannot change');
        refuses(state(5, 3, 4), state(6, 2, 4), 'Total allocated cannot change');
    }

    function test_refuses_other_outcomes() public {
        RecoveredVariablePart memory second = state(6, 2, 5);
        second.variablePart.outcome[0].allocations[0].allocationType = GUARANTEE;
        refuses(state(5, 3, 4), second, 'not a simple allocation');
        refuses(second, state(7, 2, 5), 'not a simple allocation');
        second = state(6, 2, 5);
        second.variablePart.outcome[0].allocations[1].destination = to(irene);
        refuses(state(5, 3, 4), second, 'Destinations may not change');
        second.variablePart.outcome = outcomeOf(COIN, list(simple(to(ALICE), 7)));
        refuses(state(5, 3, 4), second, '|Allocation|!=|participants|');
        second.variablePart.outcome = new ExitFormat.SingleAssetExit[](2);
        refuses(state(5, 3, 4), second, 'outcome: Only one asset allowed');
    }

    /// @dev A step within the proof counts like the last one.
    function test_every_step_is_checked() public {
        FixedPart memory f = trio(address(app));
        RecoveredVariablePart[] memory proof = new RecoveredVariablePart[](2);
        uint256[3][3] memory amounts = [[uint256(3), 4, 5], [uint256(2), 4, 6], [uint256(2), 3, 7]];
        RecoveredVariablePart[] memory states = new RecoveredVariablePart[](3);
        for (uint48 i = 0; i < 3; ++i) {
            states[i].variablePart.turnNum = 5 + i;
            states[i].signedBy = 1 << ((5 + i) % 3);
            states[i].variablePart.outcome = outcomeOf(
                COIN,
                list(
                    simple(to(ALICE), amounts[i][0]),
                    simple(to(irene), amounts[i][1]),
                    simple(to(BOB), amounts[i][2])
                )
            );
        }
        (proof[0], proof[1]) = (states[0], states[1]);
        (bool supported,) = app.stateIsSupported(f, proof, states[2]);
        holds(supported, 'supported');
        proof[1].variablePart.outcome[0].allocations[1].amount = 3;
        proof[1].variablePart.outcome[0].allocations[2].amount = 7;
        expectReason('Nonmover balance decreased');
        app.stateIsSupported(f, proof, states[2]);
    }
}
