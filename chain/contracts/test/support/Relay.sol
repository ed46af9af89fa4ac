// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../../src/ExitFormat.sol';
import {INitroAdjudicator} from './INitroAdjudicator.sol';
import {Follower} from './Follower.sol';

/// @dev Alice pays Bob over Irene. Ledgers A of Alice and Irene, B of Irene and Bob; payment channels V and W of all
/// three, guaranteed by both, and U of Alice and Irene alone, guaranteed by A.
abstract contract Relay is Follower {
    FixedPart internal a;
    FixedPart internal b;
    FixedPart internal v;
    FixedPart internal w;
    FixedPart internal u;

    function setUp() public virtual override {
        super.setUp();
        address consensus = vm.deployCode('ConsensusApp.sol:ConsensusApp');
        address payments = vm.deployCode('VirtualPaymentApp.sol:VirtualPaymentApp');
        a = pair(consensus);
        a.participants[1] = irene;
        b = pair(consensus);
        b.participants[0] = irene;
        v = trio(payments);
        w = trio(payments);
        w.channelNonce = 9;
        u = pair(consensus);
        u.participants[1] = irene;
        u.channelNonce = 10;
        vm.deal(address(this), 1 ether);
        adjudicator.deposit{value: 39}(COIN, channelIdOf(a), 0, 39);
        adjudicator.deposit{value: 35}(COIN, channelIdOf(b), 0, 35);
        vm.recordLogs();
    }

    function outcomeOfA() internal view returns (ExitFormat.SingleAssetExit[] memory) {
        ExitFormat.Allocation[] memory allocations = new ExitFormat.Allocation[](5);
        (allocations[0], allocations[1]) = (simple(to(ALICE), 10), simple(to(irene), 10));
        allocations[2] = guarantee(channelIdOf(v), 10, to(ALICE), to(irene));
        allocations[3] = guarantee(channelIdOf(w), 5, to(ALICE), to(irene));
        allocations[4] = guarantee(channelIdOf(u), 4, to(ALICE), to(irene));
        return outcomeOf(COIN, allocations);
    }

    function outcomeOfB() internal view returns (ExitFormat.SingleAssetExit[] memory) {
        ExitFormat.Allocation[] memory allocations = new ExitFormat.Allocation[](4);
        (allocations[0], allocations[1]) = (simple(to(irene), 10), simple(to(BOB), 10));
        allocations[2] = guarantee(channelIdOf(v), 10, to(irene), to(BOB));
        allocations[3] = guarantee(channelIdOf(w), 5, to(irene), to(BOB));
        return outcomeOf(COIN, allocations);
    }

    function stateOfA() internal view returns (VariablePart memory) {
        return VariablePart(outcomeOfA(), '', 5, false);
    }

    function stateOfB() internal view returns (VariablePart memory) {
        return VariablePart(outcomeOfB(), '', 5, false);
    }

    function postfund(uint256 amount) internal pure returns (VariablePart memory) {
        return VariablePart(split(COIN, amount, 0), '', 1, false);
    }

    /// @dev V: Alice has paid 10.
    function redemption() internal view returns (VariablePart memory) {
        Signature memory voucher = sign(ALICE_KEY, keccak256(abi.encode(channelIdOf(v), uint256(10))));
        return VariablePart(split(COIN, 0, 10), abi.encode(uint256(10), voucher), 2, false);
    }

    function challengeV() internal {
        VariablePart memory r = redemption();
        SignedVariablePart[] memory proof = new SignedVariablePart[](1);
        proof[0] = signedByTrio(v, postfund(10));
        adjudicator.challenge(v, proof, signedBy(v, r, BOB_KEY), signChallenge(BOB_KEY, v, r));
    }

    function challengeA() internal {
        VariablePart memory s = stateOfA();
        adjudicator.challenge(
            a, noProof(), signedBy(a, s, ALICE_KEY, IRENE_KEY), signChallenge(IRENE_KEY, a, s)
        );
    }

    function challengeB() internal {
        VariablePart memory s = stateOfB();
        adjudicator.challenge(b, noProof(), signedBy(b, s, IRENE_KEY, BOB_KEY), signChallenge(BOB_KEY, b, s));
    }

    /// @dev W: Alice has paid 3 of 5.
    function finalOfW() internal view returns (SignedVariablePart memory) {
        return signedByTrio(w, VariablePart(split(COIN, 2, 3), '', 4, true));
    }

    function stateOfU(uint256 paid, uint48 turnNum, bool isFinal)
        internal
        view
        returns (VariablePart memory)
    {
        return VariablePart(
            outcomeOf(COIN, list(simple(to(ALICE), 4 - paid), simple(to(irene), paid))), '', turnNum, isFinal
        );
    }

    /// @dev U: Alice has paid 3 of 4.
    function finalOfU() internal view returns (SignedVariablePart memory) {
        return signedBy(u, stateOfU(3, 7, true), ALICE_KEY, IRENE_KEY);
    }

    // What an observer does

    function observe() internal {
        follow(vm.getRecordedLogs());
    }

    function leftOf(bytes32 id) internal view returns (ExitFormat.SingleAssetExit[] memory) {
        return outcomeFrom(known[id].left);
    }

    /// @dev Some of a ledger's guarantees in some order, or with `seed` zero all of them, first one first.
    function reclaimsOf(bytes32 ledger, uint256 seed)
        internal
        view
        returns (INitroAdjudicator.Reclaim[] memory reclaims)
    {
        ExitFormat.SingleAssetExit[] memory left = leftOf(ledger);
        if (left.length == 0) return reclaims;
        ExitFormat.Allocation[] memory allocations = left[0].allocations;
        INitroAdjudicator.Reclaim[] memory chosen = new INitroAdjudicator.Reclaim[](allocations.length);
        uint256 count = 0;
        uint256 remaining = allocations.length;
        for (uint256 tries = 0; tries < 4 * allocations.length; ++tries) {
            uint256 index = tries % remaining;
            if (seed != 0) {
                uint256 drawn = uint256(keccak256(abi.encode(seed, tries)));
                if (drawn % 3 == 0) continue;
                index = (drawn >> 8) % remaining;
            }
            bytes32 target = allocations[index].destination;
            if (allocations[index].allocationType != GUARANTEE || !isKnownFinal(target)) continue;
            chosen[count++] = INitroAdjudicator.Reclaim(
                0, index, known[target].stateHash, outcomeFrom(known[target].finalOutcome), 0
            );
            --remaining;
            for (uint256 k = index; k < remaining; ++k) {
                allocations[k] = allocations[k + 1];
            }
        }
        reclaims = new INitroAdjudicator.Reclaim[](count);
        for (uint256 k = 0; k < count; ++k) {
            reclaims[k] = chosen[k];
        }
    }

    function settleLedger(FixedPart memory f, uint256 seed) internal {
        bytes32 id = channelIdOf(f);
        adjudicator.settle(id, leftOf(id), known[id].stateHash, reclaimsOf(id, seed));
    }
}
