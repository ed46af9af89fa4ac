// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IForceMoveApp} from '../src/interfaces/IForceMoveApp.sol';
import {IMultiAssetHolder} from '../src/interfaces/IMultiAssetHolder.sol';
import {NitroTest} from './support/NitroTest.sol';

/// @dev Spec sections 10.5 and 13, VirtualPaymentApp/stateIsSupported. Participants: Alice, Irene, Bob.
contract VirtualPaymentAppTest is NitroTest {
    uint256 private constant ALL = 7;
    uint256 private constant BOB_ONLY = 4;
    address private constant TOKEN = address(0xa55e7);

    IForceMoveApp private app;
    FixedPart private f;

    function setUp() public override {
        super.setUp();
        app = IForceMoveApp(vm.deployCode('VirtualPaymentApp.sol:VirtualPaymentApp'));
        f = trio(address(app));
    }

    function voucher(uint256 key, uint256 amount) private view returns (bytes memory) {
        Signature memory sig = sign(key, keccak256(abi.encode(channelIdOf(f), amount)));
        return abi.encode(amount, sig.v, sig.r, sig.s);
    }

    function postfund() private pure returns (RecoveredVariablePart memory) {
        return RecoveredVariablePart(VariablePart(split(COIN, 10, 0), '', 1, false), ALL);
    }

    function redemption() private view returns (RecoveredVariablePart memory) {
        return
            RecoveredVariablePart(VariablePart(split(COIN, 3, 7), voucher(ALICE_KEY, 7), 2, false), BOB_ONLY);
    }

    function alone() private pure returns (RecoveredVariablePart[] memory) {
        return new RecoveredVariablePart[](0);
    }

    function after_(RecoveredVariablePart memory state)
        private
        pure
        returns (RecoveredVariablePart[] memory proof)
    {
        proof = new RecoveredVariablePart[](1);
        proof[0] = state;
    }

    function accepts(RecoveredVariablePart[] memory proof, RecoveredVariablePart memory candidate)
        private
        view
    {
        (bool supported, string memory reason) = app.stateIsSupported(f, proof, candidate);
        holds(supported, 'supported');
        same(bytes(reason), '', 'reason');
    }

    function refuses(
        RecoveredVariablePart[] memory proof,
        RecoveredVariablePart memory candidate,
        string memory reason
    ) private {
        expectReason(reason);
        app.stateIsSupported(f, proof, candidate);
    }

    // Without a proof

    function unanimousAt(uint48 turnNum) private pure returns (RecoveredVariablePart memory state) {
        state = postfund();
        state.variablePart.turnNum = turnNum;
    }

    function test_accepts_unanimous_turns_zero_and_one() public view {
        accepts(alone(), unanimousAt(0));
        accepts(alone(), unanimousAt(1));
    }

    function test_refuses_later_turns_without_a_proof() public {
        refuses(alone(), unanimousAt(2), 'bad candidate turnNum; |proof|=0');
        refuses(alone(), unanimousAt(4), 'bad candidate turnNum; |proof|=0');
    }

    function test_refuses_an_early_turn_that_is_not_unanimous() public {
        RecoveredVariablePart memory state = unanimousAt(1);
        state.signedBy = 3;
        refuses(alone(), state, '!unanimous; |proof|=0');
    }

    // Redemption: one fault at a time

    function test_accepts_a_redemption() public view {
        accepts(after_(postfund()), redemption());
    }

    function test_accepts_a_redemption_that_others_signed_too() public view {
        RecoveredVariablePart memory candidate = redemption();
        candidate.signedBy = ALL;
        accepts(after_(postfund()), candidate);
    }

    function test_accepts_a_redemption_of_nothing_and_of_everything() public view {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.appData = voucher(ALICE_KEY, 0);
        candidate.variablePart.outcome = split(COIN, 10, 0);
        accepts(after_(postfund()), candidate);
        candidate.variablePart.appData = voucher(ALICE_KEY, 10);
        candidate.variablePart.outcome = split(COIN, 0, 10);
        accepts(after_(postfund()), candidate);
    }

    function test_refuses_a_proof_of_another_turn() public {
        RecoveredVariablePart memory proof = postfund();
        proof.variablePart.turnNum = 0;
        refuses(after_(proof), redemption(), 'bad proof[0].turnNum; |proof|=1');
        proof.variablePart.turnNum = 2;
        refuses(after_(proof), redemption(), 'bad proof[0].turnNum; |proof|=1');
    }

    function test_refuses_a_proof_that_is_not_unanimous() public {
        RecoveredVariablePart memory proof = postfund();
        proof.signedBy = 6;
        refuses(after_(proof), redemption(), 'postfund !unanimous; |proof|=1');
    }

    function test_refuses_a_candidate_of_another_turn() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.turnNum = 1;
        refuses(after_(postfund()), candidate, 'bad candidate turnNum; |proof|=1');
        candidate.variablePart.turnNum = 3;
        refuses(after_(postfund()), candidate, 'bad candidate turnNum; |proof|=1');
    }

    function test_refuses_a_redemption_that_bob_did_not_sign() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.signedBy = 3;
        refuses(after_(postfund()), candidate, 'redemption not signed by Bob');
    }

    function test_refuses_a_voucher_that_alice_did_not_sign() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.appData = voucher(BOB_KEY, 7);
        refuses(after_(postfund()), candidate, 'invalid signature for voucher');
    }

    /// @dev B7: what is no signature in its one form is a wrong voucher, like any other.
    function test_refuses_a_voucher_whose_signature_is_high() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.appData = abi.encode(uint256(7), uint8(27), bytes32(uint256(1)), ~bytes32(0));
        refuses(after_(postfund()), candidate, 'invalid signature for voucher');
    }

    /// @dev W11: what Bob started with is not looked at; the checklist's own cases start with 10 for each.
    function test_accepts_a_redemption_whatever_bob_started_with() public view {
        RecoveredVariablePart memory proof = postfund();
        proof.variablePart.outcome = split(COIN, 10, 10);
        accepts(after_(proof), redemption());
    }

    /// @dev The signature of a smaller voucher under a larger amount.
    function test_refuses_a_voucher_whose_amount_was_changed() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.appData[31] = 0x08;
        candidate.variablePart.outcome = split(COIN, 2, 8);
        refuses(after_(postfund()), candidate, 'invalid signature for voucher');
    }

    function test_refuses_a_voucher_of_another_channel() public {
        RecoveredVariablePart memory candidate = redemption();
        f.channelNonce += 1;
        refuses(after_(postfund()), candidate, 'invalid signature for voucher');
    }

    function test_refuses_a_voucher_signature_that_is_none() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.appData = abi.encode(uint256(7), uint8(1), bytes32(0), bytes32(0));
        refuses(after_(postfund()), candidate, 'Invalid signature');
    }

    function test_reverts_silently_on_app_data_that_is_no_voucher() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.appData = hex'07';
        revertsSilently(
            address(app), abi.encodeCall(app.stateIsSupported, (f, after_(postfund()), candidate)), 'app data'
        );
    }

    /// @dev Nobody could show again what Bob has made larger than a transaction may be, so that Alice and the
    /// intermediaries would be stuck with a redemption on record.
    function test_refuses_a_redemption_that_carries_more_than_a_voucher() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.appData = bytes.concat(candidate.variablePart.appData, hex'00');
        refuses(after_(postfund()), candidate, 'voucher too long');
    }

    function test_panics_on_a_voucher_that_alice_cannot_cover() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.appData = voucher(ALICE_KEY, 11);
        candidate.variablePart.outcome = split(COIN, 0, 11);
        expectPanic(0x11);
        app.stateIsSupported(f, after_(postfund()), candidate);
    }

    function test_refuses_when_alice_is_not_adjusted() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.outcome = split(COIN, 2, 7);
        refuses(after_(postfund()), candidate, 'Alice not adjusted correctly');
        candidate.variablePart.outcome = split(COIN, 4, 7);
        refuses(after_(postfund()), candidate, 'Alice not adjusted correctly');
    }

    function test_refuses_when_bob_is_not_adjusted() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.outcome = split(COIN, 3, 8);
        refuses(after_(postfund()), candidate, 'Bob not adjusted correctly');
        candidate.variablePart.outcome = split(COIN, 3, 6);
        refuses(after_(postfund()), candidate, 'Bob not adjusted correctly');
    }

    function test_refuses_two_proof_states() public {
        RecoveredVariablePart[] memory proof = new RecoveredVariablePart[](2);
        proof[0] = postfund();
        proof[1] = postfund();
        refuses(proof, redemption(), 'bad proof length');
    }

    // Any asset, but one, and the same

    function test_accepts_a_redemption_in_tokens() public view {
        RecoveredVariablePart memory proof = postfund();
        RecoveredVariablePart memory candidate = redemption();
        proof.variablePart.outcome = split(TOKEN, 10, 0);
        candidate.variablePart.outcome = split(TOKEN, 3, 7);
        accepts(after_(proof), candidate);
    }

    function test_refuses_to_change_the_asset() public {
        RecoveredVariablePart memory proof = postfund();
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.outcome[0].asset = TOKEN;
        refuses(after_(proof), candidate, 'only native asset allowed');
        candidate.variablePart.outcome[0].asset = COIN;
        proof.variablePart.outcome[0].asset = TOKEN;
        refuses(after_(proof), candidate, 'only native asset allowed');
    }

    function twice(ExitFormat.SingleAssetExit[] memory outcome)
        private
        pure
        returns (ExitFormat.SingleAssetExit[] memory both)
    {
        both = new ExitFormat.SingleAssetExit[](2);
        (both[0], both[1]) = (outcome[0], outcome[0]);
    }

    function test_refuses_more_or_fewer_assets_than_one() public {
        RecoveredVariablePart memory proof = postfund();
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.outcome = twice(candidate.variablePart.outcome);
        refuses(after_(proof), candidate, 'only native asset allowed');
        proof.variablePart.outcome = twice(proof.variablePart.outcome);
        refuses(after_(proof), candidate, 'only native asset allowed');
        refuses(after_(proof), redemption(), 'only native asset allowed');
        candidate.variablePart.outcome = new ExitFormat.SingleAssetExit[](0);
        refuses(after_(postfund()), candidate, 'only native asset allowed');
    }

    // W11: nothing else may change

    function test_refuses_to_change_asset_metadata() public {
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.outcome[0].assetMetadata.assetType = ExitFormat.AssetType.ERC721;
        refuses(after_(postfund()), candidate, 'asset metadata may not change');
        candidate = redemption();
        candidate.variablePart.outcome[0].assetMetadata.metadata = hex'00';
        refuses(after_(postfund()), candidate, 'asset metadata may not change');
    }

    /// @dev Bob signs alone, so he would otherwise take Alice's change as well.
    function test_refuses_to_change_destinations() public {
        for (uint256 i = 0; i < 2; ++i) {
            RecoveredVariablePart memory candidate = redemption();
            candidate.variablePart.outcome[0].allocations[i].destination = to(irene);
            refuses(after_(postfund()), candidate, 'destinations may not change');
        }
    }

    function test_refuses_to_change_allocation_types() public {
        for (uint256 i = 0; i < 2; ++i) {
            RecoveredVariablePart memory candidate = redemption();
            candidate.variablePart.outcome[0].allocations[i].allocationType = GUARANTEE;
            refuses(after_(postfund()), candidate, 'allocation types may not change');
        }
    }

    function test_refuses_to_change_allocation_metadata() public {
        for (uint256 i = 0; i < 2; ++i) {
            RecoveredVariablePart memory candidate = redemption();
            candidate.variablePart.outcome[0].allocations[i].metadata = hex'01';
            refuses(after_(postfund()), candidate, 'allocation metadata may not change');
        }
    }

    function test_refuses_other_numbers_of_allocations() public {
        ExitFormat.Allocation memory alice = simple(to(ALICE), 3);
        ExitFormat.Allocation memory bob = simple(to(BOB), 7);
        RecoveredVariablePart memory proof = postfund();
        RecoveredVariablePart memory candidate = redemption();
        candidate.variablePart.outcome[0].allocations = list(alice, bob, simple(to(irene), 1));
        refuses(after_(proof), candidate, 'exactly two allocations required');
        proof.variablePart.outcome[0].allocations = list(alice, bob, simple(to(irene), 1));
        refuses(after_(proof), candidate, 'exactly two allocations required');
        refuses(after_(proof), redemption(), 'exactly two allocations required');
        candidate.variablePart.outcome[0].allocations = list(alice);
        refuses(after_(postfund()), candidate, 'exactly two allocations required');
    }

    function testFuzz_a_redemption_conserves_value(uint64 funds, uint64 amount, uint64 alice, uint64 bob)
        public
    {
        RecoveredVariablePart memory proof = postfund();
        RecoveredVariablePart memory candidate = redemption();
        proof.variablePart.outcome = split(COIN, funds, 0);
        candidate.variablePart.appData = voucher(ALICE_KEY, amount % (uint256(funds) + 1));
        uint256 due = amount % (uint256(funds) + 1);
        candidate.variablePart.outcome = split(COIN, funds - due, due);
        accepts(after_(proof), candidate);

        vm.assume(alice != funds - due || bob != due);
        candidate.variablePart.outcome = split(COIN, alice, bob);
        vm.expectRevert();
        app.stateIsSupported(f, after_(proof), candidate);
    }

    // From voucher to money

    /// @dev The whole unhappy path: Bob challenges with his voucher, time runs out, the ledger channel that gave
    /// the guarantee is concluded, the guarantee is reclaimed, and Irene is paid for what she paid Bob.
    function test_a_voucher_is_redeemed_through_the_adjudicator() public {
        bytes32 virtualId = channelIdOf(f);
        VariablePart memory last = redemption().variablePart;
        SignedVariablePart[] memory proof = new SignedVariablePart[](1);
        proof[0] = signedByTrio(f, postfund().variablePart);
        adjudicator.challenge(f, proof, signedBy(f, last, BOB_KEY), signChallenge(BOB_KEY, f, last));
        vm.warp(NOW + DURATION);

        bytes32 ledgerId = keccak256('ledger channel');
        ExitFormat.SingleAssetExit[] memory ledger = outcomeOf(
            COIN,
            list(simple(to(ALICE), 1), simple(to(irene), 2), guarantee(virtualId, 10, to(ALICE), to(irene)))
        );
        concluded(ledgerId, ledger);
        fundWithCoin(ledgerId, 13);
        adjudicator.reclaim(
            IMultiAssetHolder.ReclaimArgs(
                ledgerId, 0, abi.encode(ledger), 0, 2, stateHashOf(f, last), abi.encode(last.outcome), 0
            )
        );
        adjudicator.transferAllAssets(
            ledgerId, outcomeOf(COIN, list(simple(to(ALICE), 4), simple(to(irene), 9))), 0
        );
        same(ALICE.balance, 4, 'Alice');
        same(irene.balance, 9, 'Irene');
        same(adjudicator.statusOf(ledgerId), 0, 'the ledger channel is done');
    }
}
