// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {StatusManager} from './StatusManager.sol';
import {IForceMove} from './interfaces/IForceMove.sol';
import {IForceMoveApp} from './interfaces/IForceMoveApp.sol';
import {Canonical} from './libraries/Canonical.sol';
import {Demand} from './libraries/Demand.sol';
import {NitroUtils} from './libraries/NitroUtils.sol';

/// @title Deciding which state of a channel counts when its participants do not agree
/// @dev Spec section 7. The order of the checks is part of the behaviour that clients rely on.
contract ForceMove is IForceMove, StatusManager {
    function unpackStatus(bytes32 channelId)
        external
        view
        returns (uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint)
    {
        uint256 word = _shown(channelId);
        return (_turnOf(word), uint48(word >> 160), uint160(word));
    }

    /// @inheritdoc IForceMove
    /// @dev Anybody may send the transaction, but a participant must have signed the challenge itself, so that
    /// an observer who got hold of a supported state cannot start the clock. See spec section 7.1.
    function challenge(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate,
        Signature calldata challengerSig
    ) external virtual override {
        bytes32 channelId = Canonical.channelId(fixedPart);
        uint48 turnNum = candidate.variablePart.turnNum;

        uint256 word = _status[channelId];
        ChannelMode mode = _modeOf(word);
        Demand.that(mode != ChannelMode.Finalized, 'Channel finalized.');
        if (mode == ChannelMode.Open) {
            Demand.that(turnNum >= _turnOf(word), 'turnNumRecord decreased.');
        } else {
            Demand.that(turnNum > _turnOf(word), 'turnNumRecord not increased.');
        }
        _registerChallenge(channelId, fixedPart, proof, candidate, challengerSig);
    }

    /// @inheritdoc IForceMove
    function challengeAll(Challenge[] calldata challenges) external virtual override {
        for (uint256 i = 0; i < challenges.length; ++i) {
            Challenge calldata entry = challenges[i];
            bytes32 channelId = Canonical.channelId(entry.fixedPart);
            if (_isNews(channelId, entry.candidate.variablePart.turnNum)) {
                _registerChallenge(
                    channelId, entry.fixedPart, entry.proof, entry.candidate, entry.challengerSig
                );
            }
        }
    }

    /// @dev Would `challenge` take a state of this turn? The rule of spec section 7.1 as a question.
    function _isNews(bytes32 channelId, uint48 turnNum) private view returns (bool) {
        uint256 word = _status[channelId];
        ChannelMode mode = _modeOf(word);
        if (mode == ChannelMode.Open) {
            return turnNum >= _turnOf(word);
        }
        return mode == ChannelMode.Challenge && turnNum > _turnOf(word);
    }

    function _registerChallenge(
        bytes32 channelId,
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate,
        Signature calldata challengerSig
    ) private {
        bytes32 stateHash = _requireStateSupported(channelId, fixedPart, proof, candidate);
        _requireChallengerIsParticipant(stateHash, fixedPart.participants, challengerSig);

        uint48 finalizesAt = uint48(block.timestamp) + fixedPart.challengeDuration;
        if (finalizesAt > LAST_TIME) {
            Demand.panic(0x11);
        }
        _status[channelId] = _packStatus(
            candidate.variablePart.turnNum,
            finalizesAt,
            _generateFingerprint(stateHash, Canonical.hashOutcome(candidate))
        );
        bytes32 topic = ChallengeRegistered.selector;
        uint256 data = _free();
        uint256 behindProof = _putProof(data + 0x60, proof);
        uint256 end = _putState(behindProof, candidate);
        assembly ('memory-safe') {
            mstore(data, finalizesAt)
            mstore(add(data, 0x20), 0x60)
            mstore(add(data, 0x40), sub(behindProof, data))
            log2(data, sub(end, data), topic, channelId)
        }
    }

    // Events repeat states as they lie in calldata. They have been checked, so nobody can make an event one that clients
    // fail to read.

    function _free() internal pure returns (uint256 position) {
        assembly ('memory-safe') {
            position := mload(0x40)
        }
    }

    /// @dev Writes a checked state to memory, returns the position behind it.
    function _putState(uint256 at, SignedVariablePart calldata signed) private pure returns (uint256 end) {
        assembly ('memory-safe') {
            // The signatures are its last part.
            let signatures := calldataload(add(signed, 0x20))
            let size := add(add(signatures, 0x20), mul(calldataload(add(signed, signatures)), 96))
            calldatacopy(at, signed, size)
            end := add(at, size)
        }
    }

    /// @dev The same with a checked list of states.
    function _putProof(uint256 at, SignedVariablePart[] calldata proof) private pure returns (uint256 end) {
        assembly ('memory-safe') {
            let heads := shl(5, proof.length)
            calldatacopy(at, sub(proof.offset, 0x20), add(0x20, heads))
            end := add(add(at, 0x20), heads)
        }
        for (uint256 i = 0; i < proof.length; ++i) {
            end = _putState(end, proof[i]);
        }
    }

    /// @inheritdoc IForceMove
    /// @dev Spec section 7.2.
    function checkpoint(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) external virtual override {
        bytes32 channelId = Canonical.channelId(fixedPart);
        uint48 turnNum = candidate.variablePart.turnNum;

        uint256 word = _status[channelId];
        ChannelMode mode = _modeOf(word);
        Demand.that(mode != ChannelMode.Finalized, 'Channel finalized.');
        Demand.that(turnNum > _turnOf(word), 'turnNumRecord not increased.');

        _requireStateSupported(channelId, fixedPart, proof, candidate);

        _status[channelId] = _packStatus(turnNum, 0, _generateFingerprint(0, 0));
        bytes32 topic = StateCheckpointed.selector;
        uint256 data = _free();
        uint256 behindProof = _putProof(data + 0x40, proof);
        uint256 end = _putState(behindProof, candidate);
        assembly ('memory-safe') {
            mstore(data, 0x40)
            mstore(add(data, 0x20), sub(behindProof, data))
            log2(data, sub(end, data), topic, channelId)
        }
        if (mode == ChannelMode.Open) {
            emit Checkpointed(channelId, turnNum);
        } else {
            emit ChallengeCleared(channelId, turnNum);
        }
    }

    /// @inheritdoc IForceMove
    function conclude(FixedPart calldata fixedPart, SignedVariablePart calldata candidate)
        external
        virtual
        override
    {
        bytes32 channelId = Canonical.channelId(fixedPart);
        Demand.that(_modeOf(_status[channelId]) != ChannelMode.Finalized, 'Channel finalized.');
        _requireFinal(channelId, fixedPart, candidate);
        _status[channelId] = _concludedStatus(candidate);
        _emitConcluded(channelId, true, candidate);
    }

    /// @dev The app has no say, nor has the turn number: whatever everyone signed as final is final. Spec section 7.3.
    /// Returns the number of participants.
    function _requireFinal(
        bytes32 channelId,
        FixedPart calldata fixedPart,
        SignedVariablePart calldata candidate
    ) internal pure returns (uint256 number) {
        Demand.that(candidate.variablePart.isFinal, 'State must be final');
        Canonical.signedEnd(candidate);
        bytes32 stateHash = Canonical.hashState(channelId, candidate);
        address[] calldata participants = fixedPart.participants;
        uint256 signedBy = _recoverSignedBy(stateHash, participants, candidate.sigs);
        number = participants.length;
        uint256 everybody;
        unchecked {
            // Right for 256 as well, of whom the shift leaves nothing.
            everybody = (uint256(1) << number) - 1;
        }
        // Nobody is not everybody: a channel without participants would belong to whoever concludes it first.
        Demand.that(signedBy != 0 && signedBy == everybody, '!unanimous');
    }

    /// @dev The state hash is left out of the fingerprint, since the outcome is all that matters now.
    function _concludedStatus(SignedVariablePart calldata candidate) internal view returns (uint256) {
        return CONCLUDED
            | _packStatus(
            candidate.variablePart.turnNum,
            uint48(block.timestamp),
            _generateFingerprint(0, Canonical.hashOutcome(candidate))
        );
    }

    function _emitConcluded(bytes32 channelId, bool kept, SignedVariablePart calldata candidate) internal {
        bytes32 topic = StateConcluded.selector;
        uint256 data = _free();
        uint256 end = _putState(data + 0x40, candidate);
        assembly ('memory-safe') {
            mstore(data, iszero(iszero(kept)))
            mstore(add(data, 0x20), 0x40)
            log2(data, sub(end, data), topic, channelId)
        }
        emit Concluded(channelId, uint48(block.timestamp));
    }

    /// @dev A challenge is signed over its own hash, so that the signature on a state can not be used as one.
    function _requireChallengerIsParticipant(
        bytes32 supportedStateHash,
        address[] calldata participants,
        Signature calldata challengerSig
    ) internal pure {
        bytes32 digest = NitroUtils.prefixed(keccak256(abi.encode(supportedStateHash, 'forceMove')));
        address challenger = NitroUtils.recover(digest, challengerSig.v, challengerSig.r, challengerSig.s);
        Demand.that(_isAddressInArray(challenger, participants), 'Challenger is not a participant');
    }

    function _isAddressInArray(address suspect, address[] calldata addresses) internal pure returns (bool) {
        for (uint256 i = 0; i < addresses.length; ++i) {
            if (suspect == addresses[i]) {
                return true;
            }
        }
        return false;
    }

    /// @dev Reverts with the app's reason unless the app supports the candidate. Returns the candidate's hash.
    function _requireStateSupported(
        bytes32 channelId,
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) internal view returns (bytes32 stateHash) {
        (bool supported, string memory reason, bytes32 hash) =
            _stateIsSupported(channelId, fixedPart, proof, candidate);
        require(supported, reason);
        return hash;
    }

    /// @dev Proof states are recovered before the candidate. An address without code reverts without a reason.
    function _stateIsSupported(
        bytes32 channelId,
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) internal view returns (bool supported, string memory reason, bytes32 stateHash) {
        // Whatever is read of these states from here on was checked to lie where it should.
        Canonical.proofEnd(proof);
        Canonical.signedEnd(candidate);
        uint256[] memory signedBys = new uint256[](proof.length + 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            signedBys[i] = _recoverSignedBy(
                Canonical.hashState(channelId, proof[i]), fixedPart.participants, proof[i].sigs
            );
        }
        stateHash = Canonical.hashState(channelId, candidate);
        signedBys[proof.length] = _recoverSignedBy(stateHash, fixedPart.participants, candidate.sigs);
        (supported, reason) = abi.decode(_askApp(fixedPart, proof, candidate, signedBys), (bool, string));
    }

    /// @dev The answer of `IForceMoveApp(fixedPart.appDefinition).stateIsSupported`, with every state as it lies in
    /// calldata, checked, and who signed it in the place of its signatures. Reverts of the app come through unchanged.
    function _askApp(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate,
        uint256[] memory signedBys
    ) private view returns (bytes memory answer) {
        address app = fixedPart.appDefinition;
        bytes4 selector = IForceMoveApp.stateIsSupported.selector;
        assembly ('memory-safe') {
            // Writes a recovered state, returns the position behind it.
            function write(at, signed, signedBy) -> next {
                let size := sub(calldataload(add(signed, 0x20)), 0x40)
                mstore(at, 0x40)
                mstore(add(at, 0x20), signedBy)
                calldatacopy(add(at, 0x40), add(signed, 0x40), size)
                next := add(add(at, 0x40), size)
            }

            let call_ := mload(0x40)
            mstore(call_, selector)
            let arguments := add(call_, 4)
            mstore(arguments, 0x60)
            let at := add(arguments, 0x60)
            let fixedSize := add(0xa0, shl(5, calldataload(add(fixedPart, 0x80))))
            calldatacopy(at, fixedPart, fixedSize)
            at := add(at, fixedSize)

            mstore(add(arguments, 0x20), sub(at, arguments))
            mstore(at, proof.length)
            let heads := add(at, 0x20)
            let signedBy := add(signedBys, 0x20)
            at := add(heads, shl(5, proof.length))
            for {
                let offset := 0
                let last := shl(5, proof.length)
            } lt(offset, last) { offset := add(offset, 0x20) } {
                mstore(add(heads, offset), sub(at, heads))
                let signed := add(proof.offset, calldataload(add(proof.offset, offset)))
                at := write(at, signed, mload(signedBy))
                signedBy := add(signedBy, 0x20)
            }

            mstore(add(arguments, 0x40), sub(at, arguments))
            at := write(at, candidate, mload(signedBy))

            let success := staticcall(gas(), app, call_, sub(at, call_), 0, 0)
            answer := mload(0x40)
            mstore(answer, returndatasize())
            returndatacopy(add(answer, 0x20), 0, returndatasize())
            mstore(0x40, and(add(add(answer, returndatasize()), 0x3f), not(0x1f)))
            if iszero(success) { revert(add(answer, 0x20), returndatasize()) }
        }
    }

    /// @dev Spec section 3, signedBy. A signature by a stranger counts for nothing, a repeated one counts once, and
    /// one that recovers to nobody reverts. Who is listed twice signs for both positions, else such a channel could never
    /// be concluded.
    function _recoverSignedBy(bytes32 stateHash, address[] calldata participants, Signature[] calldata sigs)
        internal
        pure
        returns (uint256 signedBy)
    {
        bytes32 digest = NitroUtils.prefixed(stateHash);
        for (uint256 s = 0; s < sigs.length; ++s) {
            address signer = NitroUtils.recover(digest, sigs[s].v, sigs[s].r, sigs[s].s);
            assembly ('memory-safe') {
                let named := shr(96, shl(96, signer))
                let bit := 1
                for {
                    let at := participants.offset
                    let end := add(at, shl(5, participants.length))
                } lt(at, end) {
                    at := add(at, 0x20)
                    bit := shl(1, bit)
                } {
                    if eq(calldataload(at), named) {
                        // There are 256 bits. Behind them nobody would be credited, silently.
                        if iszero(bit) {
                            mstore(0, shl(224, 0x4e487b71))
                            mstore(4, 0x11)
                            revert(0, 0x24)
                        }
                        signedBy := or(signedBy, bit)
                    }
                }
            }
        }
    }
}
