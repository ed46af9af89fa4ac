// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ForceMove} from '../ForceMove.sol';

/// @title ForceMove with its inner parts open, for tests
/// @dev Spec section 11. Whoever deploys this lets anybody set any status.
contract TESTForceMove is ForceMove {
    function isAddressInArray(address suspect, address[] calldata addresses) public pure returns (bool) {
        return _isAddressInArray(suspect, addresses);
    }

    function setStatusFromChannelData(bytes32 channelId, ChannelData memory channelData) public {
        if (channelData.finalizesAt == 0) {
            require(channelData.stateHash == 0 && channelData.outcomeHash == 0, 'Invalid open channel');
        }
        _status[channelId] = uint256(_generateStatus(channelData));
    }

    function setStatus(bytes32 channelId, bytes32 f) public {
        _status[channelId] = uint256(f);
    }

    function generateStatus(ChannelData memory channelData) public pure returns (bytes32 newStatus) {
        return _generateStatus(channelData);
    }

    function matchesStatus(ChannelData memory cs, bytes32 f) public pure returns (bool) {
        return _generateStatus(cs) == f;
    }

    function requireChannelOpen(bytes32 channelId) public view {
        require(_modeOf(_status[channelId]) == ChannelMode.Open, 'Channel not open.');
    }
}
