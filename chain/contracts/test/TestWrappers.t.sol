// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IStatusManager} from '../src/interfaces/IStatusManager.sol';
import {INitroTypes} from '../src/interfaces/INitroTypes.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';
import {NitroTest} from './support/NitroTest.sol';

interface ITestNitroAdjudicator is IStatusManager {
    function isAddressInArray(address suspect, address[] calldata addresses) external pure returns (bool);
    function setStatusFromChannelData(bytes32 channelId, ChannelData calldata channelData) external;
    function setStatus(bytes32 channelId, bytes32 f) external;
    function generateStatus(ChannelData calldata channelData) external pure returns (bytes32);
    function matchesStatus(ChannelData calldata cs, bytes32 f) external pure returns (bool);
    function requireChannelOpen(bytes32 channelId) external view;
    function setHoldings(address asset, bytes32 channelId, uint256 amount) external;
    function isExternalDestination(bytes32 destination) external pure returns (bool);
    function addressToBytes32(address participant) external pure returns (bytes32);
}

interface ITestNitroUtils is INitroTypes {
    function recoverSigner(bytes32 _d, Signature calldata sig) external pure returns (address);
    function isClaimedSignedBy(uint256 signedBy, uint8 participantIndex) external pure returns (bool);
    function isClaimedSignedOnlyBy(uint256 signedBy, uint8 participantIndex) external pure returns (bool);
    function getClaimedSignersNum(uint256 signedBy) external pure returns (uint8);
    function getClaimedSignersIndices(uint256 signedBy) external pure returns (uint8[] memory);
}

/// @dev Spec sections 11 and 13, ForceMove/_isAddressInArray and storage, isExternalDestination, NitroUtils: through
/// the wrappers that other suites drive.
contract TestWrappersTest is NitroTest, IStatusManager {
    bytes32 private constant ID = keccak256('channel');
    ITestNitroAdjudicator private wrapper;
    ITestNitroUtils private utils;

    function setUp() public override {
        super.setUp();
        wrapper = ITestNitroAdjudicator(vm.deployCode('TESTNitroAdjudicator.sol:TESTNitroAdjudicator'));
        utils = ITestNitroUtils(vm.deployCode('TESTNitroUtils.sol:TESTNitroUtils'));
    }

    function test_address_in_array() public view {
        address[] memory addresses = trio(address(0)).participants;
        holds(wrapper.isAddressInArray(BOB, addresses), 'present');
        holds(!wrapper.isAddressInArray(address(1), addresses), 'absent');
        holds(!wrapper.isAddressInArray(BOB, new address[](0)), 'nobody');
    }

    function stored(ChannelData memory data) private {
        bytes32 word = statusWord(data.turnNumRecord, data.finalizesAt, data.stateHash, data.outcomeHash);
        same(wrapper.generateStatus(data), word, 'generated');
        holds(wrapper.matchesStatus(data, word), 'matches');
        holds(!wrapper.matchesStatus(data, bytes32(uint256(word) ^ 1)), 'matches no other');
        wrapper.setStatusFromChannelData(ID, data);
        same(INitroAdjudicator(address(wrapper)).statusOf(ID), word, 'stored');
    }

    function test_status_is_packed() public {
        stored(ChannelData(0x42, 0x9001, keccak256('state'), keccak256('outcome')));
        stored(ChannelData(123456, 789, keccak256('state'), keccak256('outcome')));
        stored(ChannelData(5, 0, 0, 0));
    }

    function test_an_open_channel_has_no_hashes() public {
        expectReason('Invalid open channel');
        wrapper.setStatusFromChannelData(ID, ChannelData(5, 0, keccak256('state'), 0));
        expectReason('Invalid open channel');
        wrapper.setStatusFromChannelData(ID, ChannelData(5, 0, 0, keccak256('outcome')));
    }

    function test_requires_an_open_channel() public {
        wrapper.requireChannelOpen(ID);
        wrapper.setStatus(ID, openAt(0));
        wrapper.requireChannelOpen(ID);
        wrapper.setStatus(ID, openAt(42));
        wrapper.requireChannelOpen(ID);
        wrapper.setStatus(ID, statusWord(42, NOW + 1, keccak256('state'), 0));
        expectReason('Channel not open.');
        wrapper.requireChannelOpen(ID);
        wrapper.setStatus(ID, statusWord(42, NOW, keccak256('state'), 0));
        expectReason('Channel not open.');
        wrapper.requireChannelOpen(ID);
    }

    function test_destinations_and_holdings() public {
        holds(wrapper.isExternalDestination(to(ALICE)), 'zero padded');
        holds(!wrapper.isExternalDestination(bytes32(uint256(to(ALICE)) | (1 << 160))), 'one padded');
        same(wrapper.addressToBytes32(ALICE), to(ALICE), 'destination');
        wrapper.setHoldings(COIN, ID, 7);
        same(INitroAdjudicator(address(wrapper)).holdings(COIN, ID), 7, 'holdings');
    }

    function test_signatures_and_bits() public view {
        same(utils.recoverSigner(ID, sign(ALICE_KEY, ID)), ALICE, 'signer');
        holds(utils.isClaimedSignedBy(5, 2), 'bit');
        holds(!utils.isClaimedSignedOnlyBy(5, 2), 'only bit');
        same(utils.getClaimedSignersNum(7), 3, 'number');
        uint8[] memory positions = utils.getClaimedSignersIndices(6);
        same(positions[0], 1, 'first');
        same(positions[1], 2, 'second');
    }
}
