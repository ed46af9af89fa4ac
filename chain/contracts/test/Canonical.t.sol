// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {INitroTypes} from '../src/interfaces/INitroTypes.sol';
import {NitroTest} from './support/NitroTest.sol';

interface ITestCanonical is INitroTypes {
    function channelId(FixedPart calldata) external pure returns (bytes32, bytes32);
    function hashState(bytes32, SignedVariablePart calldata) external pure returns (bytes32, bytes32);
    function hashOutcome(SignedVariablePart calldata) external pure returns (bytes32, bytes32);
    function load(ExitFormat.SingleAssetExit[] calldata)
        external
        pure
        returns (bytes32, bytes32, ExitFormat.SingleAssetExit[] memory);
    function proofEnd(SignedVariablePart[] calldata) external pure returns (uint256);
}

/// @dev What is read straight from calldata must be what the compiler reads there. First for everything that a client
/// can encode, then for encodings that somebody tampered with: those are refused, or mean the same to both.
contract CanonicalTest is NitroTest {
    ITestCanonical private canonical;
    uint256 private drawn;

    function setUp() public override {
        super.setUp();
        canonical = ITestCanonical(vm.deployCode('TESTCanonical.sol:TESTCanonical'));
    }

    // Random states of any shape

    function draw(uint256 below) private returns (uint256) {
        return uint256(keccak256(abi.encode(++drawn))) % below;
    }

    /// @dev Often empty, often a whole number of words, often not.
    function someBytes() private returns (bytes memory data) {
        uint256[6] memory lengths = [uint256(0), 0, 1, 31, 32, 65];
        data = new bytes(lengths[draw(6)]);
        for (uint256 i = 0; i < data.length; ++i) {
            data[i] = bytes1(uint8(draw(256)));
        }
    }

    function someOutcome() private returns (ExitFormat.SingleAssetExit[] memory outcome) {
        outcome = new ExitFormat.SingleAssetExit[](draw(4));
        for (uint256 i = 0; i < outcome.length; ++i) {
            outcome[i].asset = address(uint160(draw(2 ** 160)));
            outcome[i].assetMetadata =
                ExitFormat.AssetMetadata(ExitFormat.AssetType(uint8(draw(4))), someBytes());
            outcome[i].allocations = new ExitFormat.Allocation[](draw(4));
            for (uint256 k = 0; k < outcome[i].allocations.length; ++k) {
                outcome[i].allocations[k] = ExitFormat.Allocation(
                    keccak256(abi.encode(++drawn)), draw(2 ** 200), uint8(draw(256)), someBytes()
                );
            }
        }
    }

    function someState() private returns (SignedVariablePart memory signed) {
        signed.variablePart = VariablePart(someOutcome(), someBytes(), uint48(draw(2 ** 48)), draw(2) == 1);
        signed.sigs = new Signature[](draw(3));
        for (uint256 i = 0; i < signed.sigs.length; ++i) {
            signed.sigs[i] = sign(ALICE_KEY, keccak256(abi.encode(i)));
        }
    }

    function testFuzz_agrees_with_the_compiler(uint256 seed) public {
        drawn = seed >> 1;
        SignedVariablePart memory signed = someState();
        (bytes32 fast, bytes32 plain) = canonical.hashState(bytes32(seed), signed);
        same(fast, plain, 'state');
        VariablePart memory part = signed.variablePart;
        same(
            fast,
            keccak256(abi.encode(bytes32(seed), part.appData, part.outcome, part.turnNum, part.isFinal)),
            'state, written out'
        );
        (fast, plain) = canonical.hashOutcome(signed);
        same(fast, outcomeHashOf(part.outcome), 'outcome');
        same(plain, fast, 'outcome, plain');
        ExitFormat.SingleAssetExit[] memory loaded;
        (fast, plain, loaded) = canonical.load(part.outcome);
        same(fast, plain, 'loaded outcome');
        same(abi.encode(loaded), abi.encode(part.outcome), 'memory copy');
    }

    function testFuzz_channel_ids_agree(
        address[] calldata participants,
        uint64 nonce,
        address app,
        uint48 duration
    ) public view {
        FixedPart memory f = FixedPart(participants, nonce, app, duration);
        (bytes32 fast, bytes32 plain) = canonical.channelId(f);
        same(fast, plain, 'id');
        same(fast, channelIdOf(f), 'id, written out');
    }

    function testFuzz_a_proof_ends_where_its_encoding_ends(uint256 seed) public {
        drawn = seed >> 1;
        SignedVariablePart[] memory proof = new SignedVariablePart[](draw(4));
        for (uint256 i = 0; i < proof.length; ++i) {
            proof[i] = someState();
        }
        same(canonical.proofEnd(proof), abi.encode(proof).length, 'end');
    }

    // Tampering

    /// @dev Writes another word or another byte somewhere: small numbers, because offsets and lengths are.
    function tampered(bytes memory asked, uint256 seed) private pure returns (bytes memory) {
        uint256 words = (asked.length - 4) / 32;
        uint256 position = 4 + 32 * (uint256(keccak256(abi.encode(seed, 'position'))) % words);
        uint256 kind = seed % 5;
        uint256 value = uint256(keccak256(abi.encode(seed, 'value')));
        uint256 old;
        assembly ('memory-safe') {
            old := mload(add(add(asked, 32), position))
        }
        if (kind == 0) value = 32 * (value % (words + 2));
        else if (kind == 1) value = value % 70;
        else if (kind == 2) value = old ^ (1 << (value % 256));
        else if (kind == 3) value = old + 32;
        assembly ('memory-safe') {
            mstore(add(add(asked, 32), position), value)
        }
        return asked;
    }

    /// forge-config: default.fuzz.runs = 3000
    function testFuzz_a_tampered_state_is_refused_or_means_the_same(uint256 seed) public {
        drawn = seed >> 128;
        (bool success, bytes memory answer) = address(canonical)
            .staticcall(tampered(abi.encodeCall(canonical.hashState, (0, someState())), seed));
        if (success) {
            (bytes32 fast, bytes32 plain) = abi.decode(answer, (bytes32, bytes32));
            same(fast, plain, 'state');
        }
    }

    /// forge-config: default.fuzz.runs = 3000
    function testFuzz_a_tampered_outcome_is_refused_or_means_the_same(uint256 seed) public {
        drawn = seed >> 128;
        (bool success, bytes memory answer) =
            address(canonical).staticcall(tampered(abi.encodeCall(canonical.load, (someOutcome())), seed));
        if (success) {
            (bytes32 fast, bytes32 plain, ExitFormat.SingleAssetExit[] memory loaded) =
                abi.decode(answer, (bytes32, bytes32, ExitFormat.SingleAssetExit[]));
            same(fast, plain, 'outcome');
            same(outcomeHashOf(loaded), fast, 'memory copy');
        }
    }

    /// @dev Nothing that is cut off is made up: the chain reads zeros behind the end of calldata.
    function testFuzz_a_state_that_is_cut_off_is_refused(uint256 seed) public {
        drawn = seed >> 1;
        bytes memory asked = abi.encodeCall(canonical.hashState, (0, someState()));
        uint256 length = asked.length - 1 - seed % (asked.length - 5);
        assembly ('memory-safe') {
            mstore(asked, length)
        }
        (bool success,) = address(canonical).staticcall(asked);
        holds(!success, 'refused');
    }

    function testFuzz_an_outcome_that_is_cut_off_is_refused(uint256 seed) public {
        drawn = seed >> 1;
        bytes memory asked = abi.encodeCall(canonical.load, (someOutcome()));
        uint256 length = asked.length - 1 - seed % (asked.length - 5);
        assembly ('memory-safe') {
            mstore(asked, length)
        }
        (bool success,) = address(canonical).staticcall(asked);
        holds(!success, 'refused');
    }

    // Through the front door

    /// @dev The compiler would read this call like any other: one word that belongs to nothing lies between the offsets
    /// of the candidate and its parts. Elsewhere a gap could show listeners another state than the contract sees.
    function test_refuses_a_gap() public {
        FixedPart memory f = pair(vm.deployCode('ConsensusApp.sol:ConsensusApp'));
        VariablePart memory v = VariablePart(split(COIN, 1, 2), '', 3, true);
        SignedVariablePart memory signed = signedBy(f, v, ALICE_KEY, BOB_KEY);
        bytes memory state = abi.encode(signed);
        bytes memory inner = new bytes(state.length - 32);
        for (uint256 i = 0; i < inner.length; ++i) {
            inner[i] = state[i + 32];
        }
        // Both offsets of the signed state one word further, and a word of zeros behind them.
        uint256 sigsOffset;
        assembly ('memory-safe') {
            sigsOffset := mload(add(inner, 64))
        }
        bytes memory tail = new bytes(inner.length - 64);
        for (uint256 i = 0; i < tail.length; ++i) {
            tail[i] = inner[i + 64];
        }
        bytes memory gapped = bytes.concat(abi.encode(uint256(0x60), sigsOffset + 32, uint256(0)), tail);
        bytes memory head = bytes.concat(adjudicator.conclude.selector, abi.encode(uint256(0x40)));
        bytes memory fixedTail =
            abi.encode(f.participants, f.channelNonce, f.appDefinition, f.challengeDuration);
        bytes memory offset = abi.encode(0x40 + fixedTail.length);
        revertsSilently(address(adjudicator), bytes.concat(head, offset, fixedTail, gapped), 'gap');
        adjudicator.conclude(f, signed);
    }
}
