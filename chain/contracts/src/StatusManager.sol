// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IStatusManager} from './interfaces/IStatusManager.sol';

/// @title One storage word per channel
/// @dev Spec section 4: turnNumRecord (48 bits), finalizesAt (48 bits), fingerprint (160 bits), highest bits first.
/// The state and the outcome are not stored; callers supply them and the fingerprint proves that they are right.
contract StatusManager is IStatusManager {
    mapping(bytes32 => bytes32) public statusOf;

    function _mode(bytes32 channelId) internal view returns (ChannelMode) {
        (, uint48 finalizesAt,) = _unpackStatus(channelId);
        return _modeAt(finalizesAt);
    }

    function _modeAt(uint48 finalizesAt) internal view returns (ChannelMode) {
        if (finalizesAt == 0) {
            return ChannelMode.Open;
        }
        return finalizesAt <= block.timestamp ? ChannelMode.Finalized : ChannelMode.Challenge;
    }

    function _generateStatus(ChannelData memory channelData) internal pure returns (bytes32) {
        return _packStatus(
            channelData.turnNumRecord,
            channelData.finalizesAt,
            _generateFingerprint(channelData.stateHash, channelData.outcomeHash)
        );
    }

    function _packStatus(uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint)
        internal
        pure
        returns (bytes32)
    {
        return bytes32((uint256(turnNumRecord) << 208) | (uint256(finalizesAt) << 160) | fingerprint);
    }

    function _generateFingerprint(bytes32 stateHash, bytes32 outcomeHash) internal pure returns (uint160) {
        return uint160(uint256(keccak256(abi.encode(stateHash, outcomeHash))));
    }

    function _unpackStatus(bytes32 channelId)
        internal
        view
        returns (uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint)
    {
        uint256 status = uint256(statusOf[channelId]);
        turnNumRecord = uint48(status >> 208);
        finalizesAt = uint48(status >> 160);
        fingerprint = uint160(status);
    }
}
