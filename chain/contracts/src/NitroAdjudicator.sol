// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from './ExitFormat.sol';
import {ForceMove} from './ForceMove.sol';
import {MultiAssetHolder} from './MultiAssetHolder.sol';
import {Canonical} from './libraries/Canonical.sol';
import {Demand} from './libraries/Demand.sol';

/// @title The contract that holds the money of all channels and settles them
/// @dev Spec section 8.
contract NitroAdjudicator is ForceMove, MultiAssetHolder {
    /// @notice One guarantee to be replaced by the outcome of its target, see `IMultiAssetHolder.ReclaimArgs`.
    /// @dev `indexOfTargetInSource` counts in the source's outcome as the reclaims before this one left it.
    struct Reclaim {
        uint256 sourceAssetIndex;
        uint256 indexOfTargetInSource;
        bytes32 targetStateHash;
        ExitFormat.SingleAssetExit[] targetOutcome;
        uint256 targetAssetIndex;
    }

    /// @notice Finalizes a channel with a final state that everyone signed and pays everybody, in one transaction.
    /// @dev Once all that was allocated is paid, a final state of a higher turn than the chain knows pays what is left
    /// over, in order and as far as it reaches. What it can not pay is no debt.
    function concludeAndTransferAllAssets(FixedPart calldata fixedPart, SignedVariablePart calldata candidate)
        external
        virtual
    {
        bytes32 channelId = Canonical.channelId(fixedPart);
        uint256 word = _status[channelId];
        bool first = _modeOf(word) != ChannelMode.Finalized;
        Demand.that(
            first || (word & CLOSED != 0 && candidate.variablePart.turnNum > _turnOf(word)),
            'Channel finalized.'
        );
        uint256 participants = _requireFinal(channelId, fixedPart, candidate);

        (uint256 outcome, uint256 size) = Canonical.loadOutcome(candidate);
        (uint256 book, uint256 end, uint256 found) = _allotAll(channelId, outcome);
        Demand.that(found & MET == 0, 'cannot transfer a guarantee');
        bool kept = true;
        if (!first) {
            // What the channel became final with stays; only the turn is the later one.
            _status[channelId] = uint208(word) | (uint256(candidate.variablePart.turnNum) << 208);
        } else if (found == 0 && participants == 2) {
            // Both were paid, nothing is held, and nobody else signed anything that depends on this channel: it may be
            // as if it had never been. Either of them can conclude it again with the same state.
            kept = false;
            if (word != 0) {
                delete _status[channelId];
            }
        } else {
            _setPaid(channelId, _concludedStatus(candidate), 0, outcome, size, found);
        }
        _emitConcluded(channelId, kept, candidate);
        _payOut(channelId, book, end);
    }

    /// @notice Pays every allocation of every asset of a finalized channel, as far as its holdings reach.
    function transferAllAssets(
        bytes32 channelId,
        ExitFormat.SingleAssetExit[] calldata outcome,
        bytes32 stateHash
    ) external virtual {
        (uint256 word, uint256 current, uint256 size) = _loadFinal(channelId, outcome, stateHash);
        (uint256 book, uint256 end, uint256 found) = _allotAll(channelId, current);
        Demand.that(found & MET == 0, 'cannot transfer a guarantee');
        _setPaid(channelId, word, stateHash, current, size, found);
        _payOut(channelId, book, end);
    }

    /// @notice Finishes a finalized channel in one call: reclaims what it guaranteed, then pays everybody.
    /// @dev A guarantee whose target is not among `reclaims` stays in the outcome with its share of the holdings, to be
    /// settled later with the outcome that this call leaves.
    function settle(
        bytes32 channelId,
        ExitFormat.SingleAssetExit[] calldata outcome,
        bytes32 stateHash,
        Reclaim[] calldata reclaims
    ) external virtual {
        (uint256 word, uint256 current, uint256 size) = _loadFinal(channelId, outcome, stateHash);
        for (uint256 i = 0; i < reclaims.length; ++i) {
            Reclaim calldata entry = reclaims[i];
            uint256 free = _word(0x40, 0);
            (uint256 target,, bytes32 targetHash) = Canonical.load(entry.targetOutcome);
            word |= _reclaim(
                channelId,
                _element(current, entry.sourceAssetIndex),
                entry.sourceAssetIndex,
                entry.indexOfTargetInSource,
                _generateFingerprint(entry.targetStateHash, targetHash),
                target,
                entry.targetAssetIndex
            );
            // The target's outcome is not needed any more.
            assembly ('memory-safe') {
                mstore(0x40, free)
            }
        }
        if (reclaims.length != 0) {
            size = Canonical.compact(current);
        }
        (uint256 book, uint256 end, uint256 found) = _allotAll(channelId, current);
        _setPaid(channelId, word, stateHash, current, size, found);
        _payOut(channelId, book, end);
    }

    function _loadFinal(bytes32 channelId, ExitFormat.SingleAssetExit[] calldata outcome, bytes32 stateHash)
        private
        view
        returns (uint256 word, uint256 current, uint256 size)
    {
        word = _requirePayable(channelId);
        bytes32 outcomeHash;
        (current, size, outcomeHash) = Canonical.load(outcome);
        _requireFingerprint(word, stateHash, outcomeHash);
    }

    function _allotAll(bytes32 channelId, uint256 outcome)
        private
        returns (uint256 book, uint256 end, uint256 found)
    {
        unchecked {
            return _allot(channelId, outcome, outcome, outcome + 32 * _word(outcome, 0));
        }
    }

    /// @dev Stores what became of a final channel with this status by a payout. It is never forgotten: guarantees
    /// elsewhere may point at it.
    function _setPaid(
        bytes32 channelId,
        uint256 word,
        bytes32 stateHash,
        uint256 outcome,
        uint256 size,
        uint256 found
    ) private {
        if (found & LEFT == 0) {
            _status[channelId] = word | CLOSED;
        } else {
            _setLeft(
                channelId, found & MET == 0 ? word : word | SOURCE, stateHash, Canonical.hash(outcome, size)
            );
        }
    }

    /// @notice What the channel's app says about the candidate, once signatures are recovered.
    function stateIsSupported(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) external view returns (bool, string memory) {
        (bool supported, string memory reason,) = _stateIsSupported(
            Canonical.channelId(fixedPart), fixedPart, proof, candidate
        );
        return (supported, reason);
    }
}
