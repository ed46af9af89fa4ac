// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IStatusManager} from './interfaces/IStatusManager.sol';

/// @title One storage word per channel
/// @dev Spec section 4: turnNumRecord (48 bits), finalizesAt (48 bits), fingerprint (160 bits), highest bits first.
/// The state and the outcome are not stored; callers supply them and the fingerprint proves that they are right.
///
/// No real time needs 48 bits: the highest four of finalizesAt say more about a channel that is final, and are zero before.
/// `statusOf` and `unpackStatus` show the word as the specification has it, without them.
contract StatusManager is IStatusManager {
    /// @dev Everyone signed the final state. The turn is that state's, and shown as zero.
    uint256 internal constant CONCLUDED = 1 << 207;

    /// @dev Everything that the outcome allocates was paid. Shown as zero throughout, as if the channel had never been
    /// seen, but it stays final with the outcome that it had.
    uint256 internal constant CLOSED = 1 << 206;

    /// @dev The outcome has or had a guarantee. No guarantee elsewhere can be reclaimed from such a channel, so the
    /// fingerprint is that of what is left to be paid.
    uint256 internal constant SOURCE = 1 << 205;

    /// @dev The fingerprint is that of what is left to be paid, and `_finalFingerprint` has the final one.
    uint256 internal constant REDUCED = 1 << 204;

    uint256 private constant FLAGS = CONCLUDED | CLOSED | SOURCE | REDUCED;

    /// @dev The time without the flags: after 500 000 years it reaches them.
    uint256 internal constant LAST_TIME = (1 << 44) - 1;

    mapping(bytes32 channelId => uint256 word) internal _status;

    /// @notice The status of a channel as one word, zero when there is none or all that it allocates was paid.
    /// @dev The channel id has no name, as in the getter of a public mapping, which clients know this function as.
    function statusOf(bytes32) external view returns (bytes32) {
        return bytes32(_shown(bytes32(msg.data[4:36])));
    }

    function _shown(bytes32 channelId) internal view returns (uint256 word) {
        word = _status[channelId];
        if (word & CLOSED != 0) {
            return 0;
        }
        if (word & CONCLUDED != 0) {
            word = uint208(word);
        }
        word &= ~FLAGS;
    }

    function _modeOf(uint256 word) internal view returns (ChannelMode) {
        uint256 finalizesAt = (word >> 160) & LAST_TIME;
        if (finalizesAt == 0) {
            return ChannelMode.Open;
        }
        return finalizesAt <= block.timestamp ? ChannelMode.Finalized : ChannelMode.Challenge;
    }

    function _turnOf(uint256 word) internal pure returns (uint48) {
        return uint48(word >> 208);
    }

    function _generateStatus(ChannelData memory channelData) internal pure returns (bytes32) {
        return bytes32(
            _packStatus(
                channelData.turnNumRecord,
                channelData.finalizesAt,
                _generateFingerprint(channelData.stateHash, channelData.outcomeHash)
            )
        );
    }

    function _packStatus(uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint)
        internal
        pure
        returns (uint256)
    {
        return (uint256(turnNumRecord) << 208) | (uint256(finalizesAt) << 160) | fingerprint;
    }

    function _generateFingerprint(bytes32 stateHash, bytes32 outcomeHash)
        internal
        pure
        returns (uint160 fingerprint)
    {
        assembly ('memory-safe') {
            mstore(0, stateHash)
            mstore(0x20, outcomeHash)
            fingerprint := shr(96, shl(96, keccak256(0, 0x40)))
        }
    }
}
