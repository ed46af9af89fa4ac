// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from '../src/interfaces/INitroTypes.sol';
import {NitroUtils} from '../src/libraries/NitroUtils.sol';
import {NitroTest} from './support/NitroTest.sol';

contract OpenNitroUtils is INitroTypes {
    function recoverSigner(bytes32 hash, Signature memory sig) external pure returns (address) {
        return NitroUtils.recoverSigner(hash, sig);
    }

    function getClaimedSignersNum(uint256 signedBy) external pure returns (uint8) {
        return NitroUtils.getClaimedSignersNum(signedBy);
    }
}

/// @dev Spec sections 3, 10.1 and 13, libraries/NitroUtils.
contract NitroUtilsTest is NitroTest {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    bytes32 private constant HASH = keccak256('something to sign');
    OpenNitroUtils private utils;

    function setUp() public override {
        super.setUp();
        utils = new OpenNitroUtils();
    }

    function refuses(Signature memory sig) private {
        expectReason('Invalid signature');
        utils.recoverSigner(HASH, sig);
    }

    function testFuzz_recovers_the_signer(uint256 seed, bytes32 hash) public view {
        uint256 key = (seed % (ORDER - 1)) + 1;
        same(utils.recoverSigner(hash, sign(key, hash)), vm.addr(key), 'signer');
        holds(NitroUtils.isSignedBy(hash, sign(key, hash), vm.addr(key)), 'is signed by the signer');
        holds(!NitroUtils.isSignedBy(hash, sign(key, hash), address(0)), 'is not signed by nobody');
    }

    /// @dev B7: the twin (r, n - s) recovers to the same signer and would let anybody change the bytes of a
    /// signed state.
    function testFuzz_refuses_the_high_twin(uint256 seed) public {
        Signature memory sig = sign((seed % (ORDER - 1)) + 1, HASH);
        Signature memory twin = Signature(sig.v == 27 ? 28 : 27, sig.r, bytes32(ORDER - uint256(sig.s)));
        bytes32 digest = keccak256(abi.encodePacked('\x19Ethereum Signed Message:\n32', HASH));
        same(
            ecrecover(digest, twin.v, twin.r, twin.s),
            ecrecover(digest, sig.v, sig.r, sig.s),
            'the twin is valid for the precompile'
        );
        refuses(twin);
    }

    function test_refuses_v_other_than_27_and_28() public {
        Signature memory sig = sign(ALICE_KEY, HASH);
        sig.v -= 27;
        refuses(sig);
        sig.v = 29;
        refuses(sig);
    }

    function test_refuses_signatures_that_recover_to_nobody() public {
        refuses(Signature(0, 0, 0));
        refuses(Signature(1, 0, 0));
        refuses(Signature(27, 0, bytes32(uint256(1))));
        refuses(Signature(27, bytes32(uint256(1)), 0));
        refuses(Signature(27, bytes32(ORDER), bytes32(uint256(1))));
    }

    function test_bits_of_signers() public pure {
        // 0b1010_0001
        uint256 field = 0xa1;
        holds(NitroUtils.isClaimedSignedBy(field, 0), 'bit 0');
        holds(!NitroUtils.isClaimedSignedBy(field, 1), 'bit 1');
        holds(NitroUtils.isClaimedSignedBy(field, 5), 'bit 5');
        holds(NitroUtils.isClaimedSignedBy(field, 7), 'bit 7');
        holds(!NitroUtils.isClaimedSignedBy(field, 8), 'bit 8');
        holds(NitroUtils.isClaimedSignedBy(2 ** 255, 255), 'bit 255');
    }

    function test_only_signer() public pure {
        holds(NitroUtils.isClaimedSignedOnlyBy(0x20, 5), 'only 5');
        holds(!NitroUtils.isClaimedSignedOnlyBy(0x21, 5), 'not only 5');
        holds(!NitroUtils.isClaimedSignedOnlyBy(0, 0), 'nobody');
        holds(NitroUtils.isClaimedSignedOnlyBy(2 ** 255, 255), 'only 255');
    }

    function testFuzz_counts_and_lists_signers(uint256 field) public pure {
        vm.assume(field != type(uint256).max);
        uint8[] memory positions = NitroUtils.getClaimedSignersIndices(field);
        same(positions.length, NitroUtils.getClaimedSignersNum(field), 'count');
        uint256 rebuilt = 0;
        for (uint256 i = 0; i < positions.length; ++i) {
            holds(i == 0 || positions[i] > positions[i - 1], 'ascending');
            rebuilt += 2 ** positions[i];
        }
        same(rebuilt, field, 'the same field');
    }

    function test_lists_the_last_position() public pure {
        uint8[] memory positions = NitroUtils.getClaimedSignersIndices(2 ** 255 + 1);
        same(positions.length, 2, 'count');
        same(positions[0], 0, 'first');
        same(positions[1], 255, 'last');
        same(NitroUtils.getClaimedSignersIndices(0).length, 0, 'nobody');
    }

    /// @dev 256 does not fit the result, and must not become 0.
    function test_all_bits_panic() public {
        expectPanic(0x11);
        utils.getClaimedSignersNum(type(uint256).max);
    }

    function test_bytes_are_compared_whole() public pure {
        holds(NitroUtils.bytesEqual('', ''), 'empty');
        holds(NitroUtils.bytesEqual('abc', 'abc'), 'same');
        holds(!NitroUtils.bytesEqual('abc', 'abd'), 'other byte');
        holds(!NitroUtils.bytesEqual(hex'00', hex'0000'), 'other length');
    }
}
