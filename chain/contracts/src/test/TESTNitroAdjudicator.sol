// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {NitroAdjudicator} from '../NitroAdjudicator.sol';
import {TESTForceMove} from './TESTForceMove.sol';

/// @title The adjudicator with its inner parts open, for tests
/// @dev Spec section 11. Whoever deploys this lets anybody set any holdings.
contract TESTNitroAdjudicator is NitroAdjudicator, TESTForceMove {
    function setHoldings(address asset, bytes32 channelId, uint256 amount) external {
        holdings[asset][channelId] = amount;
    }

    function isExternalDestination(bytes32 destination) public pure returns (bool) {
        return _isExternalDestination(destination);
    }

    function addressToBytes32(address participant) public pure returns (bytes32) {
        return _addressToBytes32(participant);
    }
}
