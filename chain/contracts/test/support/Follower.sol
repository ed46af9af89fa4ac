// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../../src/ExitFormat.sol';
import {IForceMove} from '../../src/interfaces/IForceMove.sol';
import {IMultiAssetHolder} from '../../src/interfaces/IMultiAssetHolder.sol';
import {NitroTest} from './NitroTest.sol';
import {Vm} from './Vm.sol';

/// @dev Knows every outcome from logs alone, by the rules that IMultiAssetHolder states.
abstract contract Follower is NitroTest {
    struct Known {
        uint256 finalizesAt;
        bytes32 stateHash;
        bytes finalOutcome;
        bytes left;
        // So many updates change nothing, then there may be no channel any more.
        uint256 passing;
        bool forgotten;
    }

    mapping(bytes32 channelId => Known) internal known;

    /// @dev The same knowledge, read as an outcome.
    function outcomeFrom(bytes memory encoded)
        internal
        pure
        returns (ExitFormat.SingleAssetExit[] memory outcome)
    {
        if (encoded.length != 0) outcome = abi.decode(encoded, (ExitFormat.SingleAssetExit[]));
    }

    function isKnownFinal(bytes32 id) internal view returns (bool) {
        return known[id].finalizesAt != 0 && known[id].finalizesAt <= block.timestamp;
    }

    /// @dev Before time goes by: whether a channel is final is asked now, which must be when the logs were made.
    function follow(Vm.Log[] memory logs) internal {
        logs = logsOf(logs, address(adjudicator));
        for (uint256 i = 0; i < logs.length; ++i) {
            Vm.Log memory explained;
            if (i != 0 && logs[i - 1].topics[1] == logs[i].topics[1]) explained = logs[i - 1];
            followOne(logs[i].topics[0], logs[i].topics[1], logs[i].data, explained);
        }
    }

    function followOne(bytes32 topic, bytes32 id, bytes memory data, Vm.Log memory before) private {
        Known storage channel = known[id];
        bytes32 told = before.topics.length == 0 ? bytes32(0) : before.topics[0];
        if (topic == IForceMove.ChallengeRegistered.selector) {
            (uint48 finalizesAt,, SignedVariablePart memory candidate) =
                abi.decode(data, (uint48, SignedVariablePart[], SignedVariablePart));
            learn(id, finalizesAt, stateHashIn(id, candidate.variablePart), candidate.variablePart.outcome);
        } else if (topic == IForceMove.ChallengeCleared.selector) {
            delete known[id];
        } else if (topic == IForceMove.StateConcluded.selector) {
            (bool kept, SignedVariablePart memory candidate) = abi.decode(data, (bool, SignedVariablePart));
            if (isKnownFinal(id)) {
                channel.passing = candidate.variablePart.outcome.length;
            } else {
                learn(id, block.timestamp, 0, candidate.variablePart.outcome);
            }
            channel.forgotten = !kept;
            if (!kept) channel.passing = candidate.variablePart.outcome.length;
            if (!kept && channel.passing == 0) delete known[id];
        } else if (topic == IMultiAssetHolder.Reclaimed.selector) {
            reclaimed(channel, abi.decode(data, (uint256)), told, before.data);
        } else if (topic == IMultiAssetHolder.AllocationUpdated.selector) {
            if (channel.passing == 0) {
                paid(channel, data, told, before.data);
            } else if (--channel.passing == 0 && channel.forgotten) {
                delete known[id];
            }
        }
    }

    function learn(
        bytes32 id,
        uint256 finalizesAt,
        bytes32 stateHash,
        ExitFormat.SingleAssetExit[] memory outcome
    ) private {
        known[id] = Known(finalizesAt, stateHash, abi.encode(outcome), abi.encode(outcome), 0, false);
    }

    function stateHashIn(bytes32 id, VariablePart memory v) private pure returns (bytes32) {
        return keccak256(abi.encode(id, v.appData, v.outcome, v.turnNum, v.isFinal));
    }

    function reclaimed(Known storage channel, uint256 asset, bytes32 told, bytes memory data) private {
        ExitFormat.SingleAssetExit[] memory left = outcomeFrom(channel.left);
        ExitFormat.Allocation[] memory allocations = left[asset].allocations;
        uint256 index = 0;
        uint256 toLeft;
        uint256 toRight;
        if (told == IMultiAssetHolder.GuaranteeReclaimed.selector) {
            (, index, toLeft, toRight) = abi.decode(data, (uint256, uint256, uint256, uint256));
        } else {
            while (allocations[index].allocationType != GUARANTEE) ++index;
            ExitFormat.SingleAssetExit[] memory target =
                outcomeFrom(known[allocations[index].destination].finalOutcome);
            (toLeft, toRight) = (target[0].allocations[0].amount, target[0].allocations[1].amount);
        }
        left[asset].allocations = without(allocations, index, toLeft, toRight);
        channel.left = abi.encode(left);
    }

    /// @dev An asset's allocations after the reclaim of the one at `index`.
    function without(
        ExitFormat.Allocation[] memory allocations,
        uint256 index,
        uint256 toLeft,
        uint256 toRight
    ) internal pure returns (ExitFormat.Allocation[] memory rest) {
        (bytes32 left, bytes32 right) = abi.decode(allocations[index].metadata, (bytes32, bytes32));
        bool foundLeft = false;
        bool foundRight = false;
        rest = new ExitFormat.Allocation[](allocations.length - 1);
        for (uint256 i = 0; i < rest.length; ++i) {
            rest[i] = allocations[i < index ? i : i + 1];
            if (!foundLeft && rest[i].destination == left) {
                rest[i].amount += toLeft;
                foundLeft = true;
            }
            if (!foundRight && rest[i].destination == right) {
                rest[i].amount += toRight;
                foundRight = true;
            }
        }
    }

    function paid(Known storage channel, bytes memory data, bytes32 told, bytes memory amountsData) private {
        (uint256 asset, uint256 surplus, uint256 finalHoldings) =
            abi.decode(data, (uint256, uint256, uint256));
        ExitFormat.SingleAssetExit[] memory left = outcomeFrom(channel.left);
        ExitFormat.Allocation[] memory allocations = left[asset].allocations;
        uint256[] memory amounts;
        if (told == IMultiAssetHolder.AllocationsPaid.selector) {
            (, amounts) = abi.decode(amountsData, (uint256, uint256[]));
        } else {
            amounts = implied(allocations, surplus, surplus - finalHoldings);
        }
        for (uint256 i = 0; i < amounts.length; ++i) {
            allocations[i].amount -= amounts[i];
        }
        channel.left = abi.encode(left);
    }

    function implied(ExitFormat.Allocation[] memory allocations, uint256 surplus, uint256 total)
        private
        pure
        returns (uint256[] memory shares)
    {
        shares = new uint256[](allocations.length);
        uint256 all = 0;
        uint256 first = allocations.length;
        for (uint256 i = 0; i < shares.length; ++i) {
            uint256 share = allocations[i].amount < surplus ? allocations[i].amount : surplus;
            surplus -= share;
            if (allocations[i].allocationType == GUARANTEE) continue;
            shares[i] = share;
            all += share;
            if (share == total && first == shares.length) first = i;
        }
        if (all == total) return shares;
        for (uint256 i = 0; i < shares.length; ++i) {
            shares[i] = i == first && total != 0 ? total : 0;
        }
        holds(total == 0 || first < shares.length, 'the payout is told');
    }
}
