// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IForceMove} from '../src/interfaces/IForceMove.sol';
import {IMultiAssetHolder} from '../src/interfaces/IMultiAssetHolder.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';
import {ReentrantPayee} from './support/Payees.sol';
import {Relay} from './support/Relay.sol';
import {Vm} from './support/Vm.sol';

/// @dev What is final stays what it was: for the relay between two who work together, for everybody against a stranger
/// with one wei, and for whoever follows the logs.
contract FinalStaysFinalTest is Relay {
    function none() private pure returns (INitroAdjudicator.Reclaim[] memory) {
        return new INitroAdjudicator.Reclaim[](0);
    }

    function give(FixedPart memory f, uint256 amount) private {
        bytes32 id = channelIdOf(f);
        adjudicator.deposit{value: amount}(COIN, id, adjudicator.holdings(COIN, id), amount);
    }

    function payOut(FixedPart memory f) private {
        observe();
        bytes32 id = channelIdOf(f);
        adjudicator.transferAllAssets(id, leftOf(id), known[id].stateHash);
        observe();
    }

    function settleNow(FixedPart memory f) private {
        observe();
        settleLedger(f, 0);
        observe();
    }

    function isClosed(FixedPart memory f) private view {
        same(adjudicator.statusOf(channelIdOf(f)), 0, 'reads as deleted');
        holds(stored(channelIdOf(f)) != 0, 'is stored');
    }

    // Theft and freeze

    /// @dev Bob redeems and is paid by Irene; the 10 that an accomplice then pays through V must not make V new.
    function test_relay_is_not_robbed_by_wiping_the_status() public {
        challengeV();
        challengeB();
        vm.warp(NOW + DURATION);
        settleNow(b);
        same(BOB.balance, 20, 'Bob has 10 of his own and 10 by voucher');
        give(v, 10);
        payOut(v);
        same(BOB.balance, 30, 'Bob has the 10 of the accomplice');
        isClosed(v);

        VariablePart memory p = postfund(10);
        SignedVariablePart memory signed = signedByTrio(v, p);
        Signature memory challenger = signChallenge(ALICE_KEY, v, p);
        expectReason('Channel finalized.');
        adjudicator.challenge(v, noProof(), signed, challenger);
        expectReason('Channel finalized.');
        adjudicator.checkpoint(v, noProof(), signed);
        IForceMove.Challenge[] memory all = new IForceMove.Challenge[](1);
        all[0] = IForceMove.Challenge(v, noProof(), signed, challenger);
        adjudicator.challengeAll(all);
        isClosed(v);

        challengeA();
        vm.warp(NOW + 2 * DURATION);
        settleNow(a);
        same(ALICE.balance, 10, 'Alice has spent her capacity');
        same(irene.balance, 10 + 10 + 10, 'Irene has what she is owed');
    }

    /// @dev 1 wei that V pays out changes nothing for those who have guarantees on it.
    function test_one_wei_does_not_freeze_the_guarantees() public {
        challengeV();
        challengeA();
        challengeB();
        vm.warp(NOW + DURATION);
        give(v, 1);
        payOut(v);
        same(BOB.balance, 1, 'Bob has the wei');
        same(leftOf(channelIdOf(v))[0].allocations[1].amount, 9, 'left to Bob');
        settleNow(a);
        settleNow(b);
        same(irene.balance, 10 + 10 + 10, 'Irene');
        same(BOB.balance, 1 + 20, 'Bob');
        // The rest, and more than that, changes nothing either.
        give(v, 20);
        payOut(v);
        isClosed(v);
    }

    /// @dev Who sees the final state first can conclude and pay a wei in one step.
    function test_one_wei_before_a_conclusion_does_not_freeze_the_guarantees() public {
        challengeA();
        challengeB();
        vm.warp(NOW + DURATION);
        give(w, 1);
        adjudicator.concludeAndTransferAllAssets(w, finalOfW());
        same(ALICE.balance, 1, 'Alice has the wei');
        settleNow(a);
        settleNow(b);
        same(ALICE.balance, 1 + 10 + 2, 'Alice');
        same(irene.balance, 10 + 3 + 10 + 2, 'Irene');
        same(BOB.balance, 10 + 3, 'Bob');
    }

    /// @dev Nor does a payout by indices, in parts, or of everything at once.
    function test_payouts_by_index_do_not_freeze_the_guarantees() public {
        challengeA();
        adjudicator.conclude(w, finalOfW());
        vm.warp(NOW + DURATION);
        observe();
        bytes32 id = channelIdOf(w);
        give(w, 4);
        adjudicator.transfer(0, id, known[id].left, 0, indices(1));
        observe();
        holds(adjudicator.statusOf(id) != 0, 'something is left');
        give(w, 1);
        adjudicator.transfer(0, id, known[id].left, 0, indices());
        observe();
        same(
            adjudicator.statusOf(id),
            statusWord(0, NOW, 0, outcomeHashOf(split(COIN, 0, 0))),
            'nothing is left'
        );
        settleNow(a);
        same(ALICE.balance, 10 + 2 + 2, 'Alice');
    }

    function test_a_closed_channel_goes_on_settling_guarantees() public {
        challengeA();
        challengeB();
        give(w, 5);
        adjudicator.concludeAndTransferAllAssets(w, finalOfW());
        isClosed(w);
        vm.warp(NOW + DURATION);
        settleNow(a);
        settleNow(b);
        same(ALICE.balance, 2 + 10 + 2, 'Alice');
        same(BOB.balance, 3 + 10 + 3, 'Bob');
    }

    function test_a_closed_channel_has_nothing_to_pay() public {
        give(w, 5);
        adjudicator.concludeAndTransferAllAssets(w, finalOfW());
        observe();
        bytes32 id = channelIdOf(w);
        ExitFormat.SingleAssetExit[] memory outcome = finalOfW().variablePart.outcome;
        expectReason('Channel not finalized.');
        adjudicator.transferAllAssets(id, outcome, 0);
        expectReason('Channel not finalized.');
        adjudicator.settle(id, outcome, 0, none());
        expectReason('Channel not finalized.');
        adjudicator.transfer(0, id, abi.encode(outcome), 0, indices());
        expectReason('Channel not finalized.');
        adjudicator.reclaim(
            IMultiAssetHolder.ReclaimArgs(id, 0, abi.encode(outcome), 0, 0, 0, abi.encode(outcome), 0)
        );
        expectReason('Channel finalized.');
        adjudicator.conclude(w, finalOfW());
        expectReason('Channel finalized.');
        adjudicator.concludeAndTransferAllAssets(w, finalOfW());
    }

    // Channels that guarantee others

    function test_a_channel_with_guarantees_is_no_target() public {
        bytes32 id = keccak256('ledger');
        ExitFormat.Allocation[] memory allocations = list(
            simple(to(ALICE), 5), simple(to(irene), 1), guarantee(channelIdOf(w), 5, to(ALICE), to(irene))
        );
        concluded(id, outcomeOf(COIN, allocations));
        concluded(
            channelIdOf(a),
            outcomeOf(
                COIN, list(simple(to(ALICE), 0), simple(to(irene), 0), guarantee(id, 6, to(ALICE), to(irene)))
            )
        );
        adjudicator.conclude(w, finalOfW());
        refusesTarget(id, outcomeOf(COIN, allocations));
        // Not either when its own guarantee is used.
        bytes memory encoded = abi.encode(outcomeOf(COIN, allocations));
        bytes memory target = abi.encode(finalOfW().variablePart.outcome);
        adjudicator.reclaim(IMultiAssetHolder.ReclaimArgs(id, 0, encoded, 0, 2, 0, target, 0));
        ExitFormat.SingleAssetExit[] memory reduced =
            outcomeOf(COIN, list(simple(to(ALICE), 7), simple(to(irene), 4)));
        same(adjudicator.statusOf(id), statusWord(0, NOW, 0, outcomeHashOf(reduced)), 'reclaimed');
        refusesTarget(id, reduced);
    }

    function refusesTarget(bytes32 id, ExitFormat.SingleAssetExit[] memory outcome) private {
        ExitFormat.Allocation[] memory allocations =
            list(simple(to(ALICE), 0), simple(to(irene), 0), guarantee(id, 6, to(ALICE), to(irene)));
        INitroAdjudicator.Reclaim[] memory reclaims = new INitroAdjudicator.Reclaim[](1);
        reclaims[0] = INitroAdjudicator.Reclaim(0, 2, 0, outcome, 0);
        expectReason('target guarantees others');
        adjudicator.settle(channelIdOf(a), outcomeOf(COIN, allocations), 0, reclaims);
    }

    // Followed from logs

    /// @dev Reclaims and payouts in an order that nobody would choose.
    function test_odd_reclaims_and_payouts_are_told() public {
        challengeA();
        challengeV();
        adjudicator.conclude(w, finalOfW());
        adjudicator.conclude(u, finalOfU());
        vm.warp(NOW + DURATION);
        observe();
        bytes32 id = channelIdOf(a);
        adjudicator.transfer(0, id, known[id].left, known[id].stateHash, indices(1));
        observe();
        same(irene.balance, 10, 'Irene alone is paid');
        reclaimAt(3, channelIdOf(w));
        reclaimAt(3, channelIdOf(u));
        ExitFormat.SingleAssetExit[] memory left = leftOf(id);
        same(left[0].allocations.length, 3, 'one guarantee is left');
        same(left[0].allocations[0].amount, 10 + 2 + 1, 'Alice');
        same(left[0].allocations[1].amount, 3 + 3, 'Irene');
        adjudicator.settle(id, left, known[id].stateHash, none());
        observe();
        reclaimAt(2, channelIdOf(v));
        payOut(a);
        same(ALICE.balance, 13, 'Alice is paid');
        same(irene.balance, 26, 'Irene is paid');
        isClosed(a);
    }

    function reclaimAt(uint256 index, bytes32 target) private {
        bytes32 id = channelIdOf(a);
        adjudicator.reclaim(
            IMultiAssetHolder.ReclaimArgs(
                id,
                known[id].stateHash,
                known[id].left,
                0,
                index,
                known[target].stateHash,
                known[target].finalOutcome,
                0
            )
        );
        observe();
    }

    /// @dev Whoever keeps a countersigned state to itself and checkpoints it tells everybody, signatures included.
    function test_nobody_is_held_hostage_by_a_checkpoint() public {
        VariablePart memory s = stateOfA();
        SignedVariablePart memory signed = signedBy(a, s, ALICE_KEY, IRENE_KEY);
        vm.recordLogs();
        adjudicator.checkpoint(a, noProof(), signed);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (SignedVariablePart[] memory proof, SignedVariablePart memory told) =
            abi.decode(logs[0].data, (SignedVariablePart[], SignedVariablePart));
        same(proof.length, 0, 'proof');
        adjudicator.challenge(a, proof, told, signChallenge(ALICE_KEY, a, told.variablePart));
    }

    // Surplus

    function laterFinal(uint256 alice, uint256 irenes, uint48 turnNum)
        private
        view
        returns (SignedVariablePart memory)
    {
        ExitFormat.SingleAssetExit[] memory outcome =
            outcomeOf(COIN, list(simple(to(ALICE), alice), simple(to(irene), irenes)));
        return signedBy(u, VariablePart(outcome, '', turnNum, true), ALICE_KEY, IRENE_KEY);
    }

    function closesAndKeeps() private returns (bool kept) {
        observe();
        adjudicator.concludeAndTransferAllAssets(u, finalOfU());
        Vm.Log[] memory logs = vm.getRecordedLogs();
        follow(logs);
        (kept,) = abi.decode(logs[0].data, (bool, SignedVariablePart));
    }

    function closeWithSurplus() private {
        give(u, 4 + 9);
        holds(closesAndKeeps(), 'kept');
        same(irene.balance, 3, 'Irene');
        isClosed(u);
    }

    function test_a_later_final_state_pays_the_surplus() public {
        closeWithSurplus();
        adjudicator.concludeAndTransferAllAssets(u, laterFinal(2, 5, 8));
        same(ALICE.balance, 1 + 2, 'Alice');
        same(irene.balance, 3 + 5, 'Irene');
        same(adjudicator.holdings(COIN, channelIdOf(u)), 2, 'left over');
        isClosed(u);
    }

    function test_an_older_or_equal_final_state_pays_no_surplus() public {
        closeWithSurplus();
        for (uint48 turnNum = 6; turnNum <= 7; ++turnNum) {
            SignedVariablePart memory s = laterFinal(9, 0, turnNum);
            expectReason('Channel finalized.');
            adjudicator.concludeAndTransferAllAssets(u, s);
        }
        SignedVariablePart memory later = laterFinal(9, 0, 8);
        expectReason('Channel finalized.');
        adjudicator.conclude(u, later);
        Signature memory challenger = signChallenge(ALICE_KEY, u, later.variablePart);
        expectReason('Channel finalized.');
        adjudicator.challenge(u, noProof(), later, challenger);
        later.variablePart.isFinal = false;
        expectReason('State must be final');
        adjudicator.concludeAndTransferAllAssets(u, later);
        later.variablePart.isFinal = true;
        later.sigs[1] = later.sigs[0];
        expectReason('!unanimous');
        adjudicator.concludeAndTransferAllAssets(u, later);
    }

    /// @dev What the surplus does not reach for is no debt, and a state counts once.
    function test_what_a_later_final_state_cannot_pay_is_void() public {
        closeWithSurplus();
        SignedVariablePart memory later = laterFinal(8, 100, 9);
        adjudicator.concludeAndTransferAllAssets(u, later);
        same(ALICE.balance, 1 + 8, 'Alice comes first');
        same(irene.balance, 3 + 1, 'Irene');
        give(u, 100);
        expectReason('Channel finalized.');
        adjudicator.concludeAndTransferAllAssets(u, later);
        SignedVariablePart memory between = laterFinal(0, 100, 8);
        expectReason('Channel finalized.');
        adjudicator.concludeAndTransferAllAssets(u, between);
        adjudicator.concludeAndTransferAllAssets(u, laterFinal(50, 50, 10));
        same(irene.balance, 3 + 1 + 50, 'both agree on what came later');
        isClosed(u);
    }

    function test_no_surplus_before_everything_is_paid() public {
        give(u, 3);
        adjudicator.concludeAndTransferAllAssets(u, finalOfU());
        give(u, 9);
        SignedVariablePart memory later = laterFinal(9, 0, 8);
        expectReason('Channel finalized.');
        adjudicator.concludeAndTransferAllAssets(u, later);
        observe();
        payOut(u);
        adjudicator.concludeAndTransferAllAssets(u, later);
        same(ALICE.balance, 1 + 8, 'Alice');
    }

    function test_a_surplus_after_a_challenge() public {
        VariablePart memory s = stateOfU(1, 5, false);
        SignedVariablePart memory signed = signedBy(u, s, ALICE_KEY, IRENE_KEY);
        adjudicator.challenge(u, noProof(), signed, signChallenge(ALICE_KEY, u, s));
        vm.warp(NOW + DURATION);
        give(u, 10);
        payOut(u);
        SignedVariablePart memory equal = laterFinal(6, 0, 5);
        expectReason('Channel finalized.');
        adjudicator.concludeAndTransferAllAssets(u, equal);
        adjudicator.concludeAndTransferAllAssets(u, laterFinal(1, 5, 6));
        same(irene.balance, 1 + 5, 'Irene');
    }

    /// @dev Guarantees on a channel never see what later final states say.
    function test_a_surplus_changes_no_guarantee() public {
        challengeA();
        closeWithSurplus();
        observe();
        adjudicator.concludeAndTransferAllAssets(u, laterFinal(0, 9, 8));
        vm.warp(NOW + DURATION);
        settleNow(a);
        same(ALICE.balance, 1 + 10 + 1, 'Alice');
        same(irene.balance, 3 + 9 + 10 + 3, 'Irene');
    }

    function test_a_surplus_is_not_paid_to_a_guarantee() public {
        closeWithSurplus();
        VariablePart memory s = VariablePart(
            outcomeOf(COIN, list(guarantee(channelIdOf(w), 9, to(ALICE), to(irene)))), '', 8, true
        );
        SignedVariablePart memory signed = signedBy(u, s, ALICE_KEY, IRENE_KEY);
        expectReason('cannot transfer a guarantee');
        adjudicator.concludeAndTransferAllAssets(u, signed);
    }

    /// @dev A payee who is called during the payout finds the channel closed, and the state used up.
    function test_a_payee_cannot_take_a_surplus_twice() public {
        closeWithSurplus();
        ReentrantPayee payee = new ReentrantPayee();
        VariablePart memory s =
            VariablePart(outcomeOf(COIN, list(simple(to(address(payee)), 4))), '', 8, true);
        SignedVariablePart memory signed = signedBy(u, s, ALICE_KEY, IRENE_KEY);
        payee.arm(address(adjudicator), abi.encodeCall(adjudicator.concludeAndTransferAllAssets, (u, signed)));
        adjudicator.concludeAndTransferAllAssets(u, signed);
        same(address(payee).balance, 4, 'once');
        same(payee.lastAnswer(), abi.encodeWithSignature('Error(string)', 'Channel finalized.'), 'why');
    }

    /// @dev The same within the first payout: what is to be paid to others is not held any more.
    function test_a_payee_cannot_reopen_the_channel_that_pays_it() public {
        ReentrantPayee payee = new ReentrantPayee();
        SignedVariablePart memory later = laterFinal(100, 0, 8);
        payee.arm(address(adjudicator), abi.encodeCall(adjudicator.concludeAndTransferAllAssets, (u, later)));
        VariablePart memory s = VariablePart(
            outcomeOf(COIN, list(simple(to(address(payee)), 4), simple(to(irene), 3))), '', 7, true
        );
        give(u, 7 + 2);
        adjudicator.concludeAndTransferAllAssets(u, signedBy(u, s, ALICE_KEY, IRENE_KEY));
        same(payee.successes(), 1, 'the later state pays the surplus');
        same(ALICE.balance, 2, 'and no more');
        same(irene.balance, 3, 'Irene');
    }

    // Channels of two

    /// @dev Paid in full with nothing held, a channel of two is forgotten; either of the two can conclude it again.
    function test_a_channel_of_two_may_be_forgotten_and_concluded_again() public {
        challengeA();
        give(u, 4);
        holds(!closesAndKeeps(), 'not kept');
        same(stored(channelIdOf(u)), 0, 'nothing is stored');
        // Alice shows the opening, and Irene the final state of the log.
        VariablePart memory opening = stateOfU(0, 1, false);
        SignedVariablePart memory signed = signedBy(u, opening, ALICE_KEY, IRENE_KEY);
        adjudicator.challenge(u, noProof(), signed, signChallenge(ALICE_KEY, u, opening));
        adjudicator.conclude(u, finalOfU());
        adjudicator.conclude(w, finalOfW());
        observe();
        vm.warp(NOW + DURATION);
        settleNow(a);
        same(irene.balance, 3 + 10 + 3 + 3, 'Irene');
    }

    function test_a_conclusion_before_is_kept_in_a_channel_of_two() public {
        adjudicator.conclude(u, finalOfU());
        give(u, 4);
        observe();
        payOut(u);
        isClosed(u);
    }

    // Views and flags

    function test_views_show_no_flags() public {
        adjudicator.conclude(u, finalOfU());
        bytes32 id = channelIdOf(u);
        same(
            adjudicator.statusOf(id),
            statusWord(0, NOW, 0, outcomeHashOf(finalOfU().variablePart.outcome)),
            'concluded'
        );
        same(uint256(stored(id)) >> 208, 7, 'the turn is stored');
        (uint48 turnNum, uint48 finalizesAt,) = adjudicator.unpackStatus(id);
        same(turnNum, 0, 'turn');
        same(finalizesAt, NOW, 'time');
        give(u, 4);
        observe();
        payOut(u);
        uint160 fingerprint;
        (turnNum, finalizesAt, fingerprint) = adjudicator.unpackStatus(id);
        same(uint256(turnNum) + finalizesAt + fingerprint, 0, 'closed');
    }

    /// @dev A time that would reach the flags does not fit, as one beyond 48 bits does not.
    function test_panics_on_a_time_that_reaches_the_flags() public {
        u.challengeDuration = uint48(2 ** 44) - NOW;
        VariablePart memory s = stateOfU(1, 5, false);
        SignedVariablePart memory signed = signedBy(u, s, ALICE_KEY, IRENE_KEY);
        Signature memory challenger = signChallenge(ALICE_KEY, u, s);
        expectPanic(0x11);
        adjudicator.challenge(u, noProof(), signed, challenger);
        u.challengeDuration -= 1;
        signed = signedBy(u, s, ALICE_KEY, IRENE_KEY);
        adjudicator.challenge(u, noProof(), signed, signChallenge(ALICE_KEY, u, s));
        (, uint48 finalizesAt,) = adjudicator.unpackStatus(channelIdOf(u));
        same(finalizesAt, 2 ** 44 - 1, 'the last time there is');
    }
}
