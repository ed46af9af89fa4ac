// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IForceMoveApp} from '../src/interfaces/IForceMoveApp.sol';
import {NitroTest} from './support/NitroTest.sol';

/// @dev Spec sections 10.6 and 13, InterestBearingApp/stateIsSupported. Alice borrowed 5000, Bob lent them; a
/// thousandth of it is earned with every block.
contract InterestBearingAppTest is NitroTest {
    uint256 private constant PRINCIPAL = 5000;
    uint256 private constant START = 100;
    IForceMoveApp private app;

    struct Funds {
        address[] asset;
        uint256[] amount;
    }

    struct InterestAppData {
        uint256 interestPerBlockDivisor;
        uint256 blocknumber;
        Funds principal;
        Funds collectedInterest;
    }

    function setUp() public override {
        super.setUp();
        app = IForceMoveApp(vm.deployCode('InterestBearingApp.sol:InterestBearingApp'));
        vm.roll(START + 1);
    }

    function terms(uint256 divisor) private pure returns (bytes memory) {
        Funds memory principal = Funds(new address[](1), indices(PRINCIPAL));
        return abi.encode(InterestAppData(divisor, START, principal, Funds(new address[](0), indices())));
    }

    function state(uint48 turnNum, uint256 alice, uint256 bob, uint256 signers)
        private
        pure
        returns (RecoveredVariablePart memory)
    {
        return RecoveredVariablePart(
            VariablePart(split(COIN, alice, bob), terms(1000), turnNum, false), signers
        );
    }

    function agreed() private pure returns (RecoveredVariablePart[] memory proof) {
        proof = new RecoveredVariablePart[](1);
        proof[0] = state(5, PRINCIPAL, 10, 3);
    }

    function claimed(uint256 interest) private pure returns (RecoveredVariablePart memory) {
        return state(6, PRINCIPAL - interest, 10 + interest, 2);
    }

    function accepts(RecoveredVariablePart[] memory proof, RecoveredVariablePart memory candidate)
        private
        view
    {
        (bool supported, string memory reason) = app.stateIsSupported(pair(address(app)), proof, candidate);
        holds(supported, 'supported');
        same(bytes(reason), '', 'reason');
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

    function test_accepts_what_everyone_signed() public view {
        accepts(new RecoveredVariablePart[](0), state(5, 1, 2, 3));
    }

    function test_refuses_what_one_signed_alone() public {
        refuses(new RecoveredVariablePart[](0), state(5, 1, 2, 2), '!unanimous');
    }

    function test_accepts_a_thousandth_for_one_block() public {
        accepts(agreed(), claimed(5));
        accepts(agreed(), claimed(0));
        vm.roll(START + 2);
        accepts(agreed(), claimed(10));
    }

    function test_refuses_two_thousandths_for_one_block() public {
        refuses(agreed(), claimed(10), 'earned<claimed');
        refuses(agreed(), claimed(6), 'earned<claimed');
    }

    function test_refuses_a_proof_that_one_signed() public {
        RecoveredVariablePart[] memory proof = agreed();
        proof[0].signedBy = 1;
        refuses(proof, claimed(5), '!unanimous');
        proof[0].signedBy = 2;
        refuses(proof, claimed(5), '!unanimous');
    }

    function test_does_not_support_two_proof_states() public view {
        RecoveredVariablePart[] memory proof = new RecoveredVariablePart[](2);
        (proof[0], proof[1]) = (agreed()[0], agreed()[0]);
        (bool supported, string memory reason) = app.stateIsSupported(pair(address(app)), proof, claimed(5));
        holds(!supported, 'not supported');
        same(bytes(reason), '|proof| > 1', 'reason');
    }

    function test_refuses_other_turns_assets_and_payees() public {
        RecoveredVariablePart memory candidate = claimed(5);
        candidate.variablePart.turnNum = 7;
        refuses(agreed(), candidate, 'turn(candidate) != turn(proof)+1');
        candidate = claimed(5);
        candidate.variablePart.outcome[0].allocations[0].destination = to(irene);
        refuses(agreed(), candidate, 'payee mismatch');
        RecoveredVariablePart[] memory proof = agreed();
        proof[0].variablePart.outcome[0].asset = address(1);
        refuses(proof, claimed(5), 'Asset mismatch');
    }

    function test_panics_without_a_divisor() public {
        RecoveredVariablePart[] memory proof = agreed();
        proof[0].variablePart.appData = terms(0);
        expectPanic(0x12);
        app.stateIsSupported(pair(address(app)), proof, claimed(5));
    }

    /// @dev W12: a claim is somebody's, and takes from nobody but the borrower.
    function test_refuses_a_claim_that_nobody_signed() public {
        RecoveredVariablePart memory candidate = claimed(5);
        candidate.signedBy = 0;
        refuses(agreed(), candidate, 'candidate not signed');
    }

    function test_refuses_to_take_from_others() public {
        ExitFormat.Allocation memory share = guarantee(keccak256('virtual'), 50, to(ALICE), to(BOB));
        RecoveredVariablePart[] memory proof = agreed();
        proof[0].variablePart.outcome =
            outcomeOf(COIN, list(simple(to(ALICE), PRINCIPAL), simple(to(BOB), 10), share));
        RecoveredVariablePart memory candidate = claimed(5);
        refuses(proof, candidate, 'number of allocations may not change');
        candidate.variablePart.outcome =
            outcomeOf(COIN, list(simple(to(ALICE), PRINCIPAL - 5), simple(to(BOB), 15), share));
        accepts(proof, candidate);
        candidate.variablePart.outcome[0].allocations[2] =
            guarantee(share.destination, 49, to(ALICE), to(BOB));
        refuses(proof, candidate, 'other allocations may not change');
        refuses(agreed(), state(6, PRINCIPAL - 5, 16, 2), 'lender takes more than is given');
    }
}
