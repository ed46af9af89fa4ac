// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {StatusManager} from '../src/StatusManager.sol';
import {IStatusManager} from '../src/interfaces/IStatusManager.sol';
import {NitroTest} from './support/NitroTest.sol';

contract OpenStatusManager is StatusManager {
    function pack(ChannelData calldata data) external pure returns (bytes32) {
        return _generateStatus(data);
    }

    function mode(bytes32 channelId) external view returns (ChannelMode) {
        return _modeOf(_status[channelId]);
    }

    function set(bytes32 channelId, bytes32 status) external {
        _status[channelId] = uint256(status);
    }
}

/// @dev Spec sections 4 and 13, ForceMove/storage.
contract StatusManagerTest is NitroTest {
    OpenStatusManager private manager;
    bytes32 private constant ID = keccak256('channel');

    function setUp() public override {
        super.setUp();
        manager = new OpenStatusManager();
    }

    function test_status_is_mapping_slot_zero() public {
        vm.store(address(adjudicator), keccak256(abi.encode(ID, 0)), bytes32(uint256(1)));
        same(adjudicator.statusOf(ID), bytes32(uint256(1)), 'status');
    }

    function test_holdings_is_mapping_slot_one() public {
        address asset = address(0xa55e7);
        vm.store(
            address(adjudicator),
            keccak256(abi.encode(ID, keccak256(abi.encode(asset, 1)))),
            bytes32(uint256(77))
        );
        same(adjudicator.holdings(asset, ID), 77, 'holdings');
    }

    function test_an_untouched_slot_differs_from_a_checkpoint_at_zero() public view {
        same(adjudicator.statusOf(ID), 0, 'untouched');
        holds(openAt(0) != 0, 'open at zero is not the zero word');
    }

    function test_packs_the_examples_of_the_checklist() public view {
        packs(0x42, 0x9001);
        packs(123456, 789);
    }

    function packs(uint48 turnNumRecord, uint48 finalizesAt) private view {
        bytes32 word = pack(turnNumRecord, finalizesAt, keccak256('state'), keccak256('outcome'));
        same(word, statusWord(turnNumRecord, finalizesAt, keccak256('state'), keccak256('outcome')), 'word');
    }

    function pack(uint48 turnNumRecord, uint48 finalizesAt, bytes32 stateHash, bytes32 outcomeHash)
        private
        view
        returns (bytes32)
    {
        return manager.pack(IStatusManager.ChannelData(turnNumRecord, finalizesAt, stateHash, outcomeHash));
    }

    function testFuzz_what_is_packed_is_unpacked(
        uint48 turnNumRecord,
        uint48 finalizesAt,
        bytes32 stateHash,
        bytes32 outcomeHash
    ) public {
        finalizesAt %= 2 ** 44;
        bytes32 word = pack(turnNumRecord, finalizesAt, stateHash, outcomeHash);
        same(word, statusWord(turnNumRecord, finalizesAt, stateHash, outcomeHash), 'word');
        setStatus(ID, word);
        (uint48 turn, uint48 time, uint160 fingerprint) = adjudicator.unpackStatus(ID);
        same(turn, turnNumRecord, 'turn');
        same(time, finalizesAt, 'time');
        same(fingerprint, uint256(word) % 2 ** 160, 'fingerprint');
    }

    function testFuzz_mode_follows_the_clock(uint48 finalizesAt) public {
        finalizesAt %= 2 ** 44;
        manager.set(ID, statusWord(9, finalizesAt, 0, 0));
        uint256 expected = finalizesAt == 0 ? 0 : finalizesAt > NOW ? 1 : 2;
        same(uint256(manager.mode(ID)), expected, 'mode');
    }

    function test_mode_changes_at_the_very_second() public {
        manager.set(ID, statusWord(9, NOW + 1, 0, 0));
        same(uint256(manager.mode(ID)), uint256(IStatusManager.ChannelMode.Challenge), 'one second before');
        manager.set(ID, statusWord(9, NOW, 0, 0));
        same(uint256(manager.mode(ID)), uint256(IStatusManager.ChannelMode.Finalized), 'at the second');
        manager.set(ID, statusWord(9, 0, 0, 0));
        same(uint256(manager.mode(ID)), uint256(IStatusManager.ChannelMode.Open), 'no second at all');
    }
}
