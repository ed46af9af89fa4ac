// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../ExitFormat.sol';
import {INitroTypes} from '../interfaces/INitroTypes.sol';

/// @title States as they lie in calldata: checked once, then hashed and passed on without being decoded
/// @dev ABI encoding leaves room: parts may come in any order, overlap or carry dirty bits. Every encoder in use writes
/// the one canonical form, and the hashes that participants sign are over that form. So a part is first checked to be
/// canonical, byte by byte, by the functions whose name ends in `End`; anything else reverts. From there on its bytes
/// are what `abi.encode` would give, and nothing in them points outside of them: whoever reads them later, the app,
/// a client who sees the event, or a payout, reads what was signed.
///
/// The hash functions below trust that the check was made. NitroUtils has the plain version of each of them.
library Canonical {
    /// @dev The position behind the canonical encoding of an outcome that starts at `start` with its length.
    /// A position that lies behind the calldata reads as zero, which no offset is, so no loop gets far beyond; lengths
    /// are kept small enough for no sum to overflow.
    function outcomeEnd(uint256 start) internal pure returns (uint256 end) {
        assembly ('memory-safe') {
            function lengthAt(position) -> length {
                length := calldataload(position)
                if shr(32, length) { revert(0, 0) }
            }
            // Behind a `bytes` value: its length, its content, and zeros up to a full word.
            function bytesEnd(position) -> next {
                let length := lengthAt(position)
                next := add(add(position, 32), length)
                let inLastWord := and(length, 31)
                if inLastWord {
                    let lastWord := sub(next, inLastWord)
                    if shl(shl(3, inLastWord), calldataload(lastWord)) { revert(0, 0) }
                    next := add(lastWord, 32)
                }
            }

            let heads := add(start, 32)
            end := add(heads, shl(5, lengthAt(start)))
            for {
                let head := heads
                let last := end
            } lt(head, last) { head := add(head, 32) } {
                // asset, offset of metadata, offset of allocations; asset type, offset of bytes, bytes
                let asset := end
                if or(
                    or(xor(calldataload(head), sub(asset, heads)), shr(160, calldataload(asset))),
                    or(
                        xor(calldataload(add(asset, 0x20)), 0x60),
                        or(gt(calldataload(add(asset, 0x60)), 3), xor(calldataload(add(asset, 0x80)), 0x40))
                    )
                ) { revert(0, 0) }
                end := bytesEnd(add(asset, 0xa0))
                if xor(calldataload(add(asset, 0x40)), sub(end, asset)) { revert(0, 0) }

                let allocationHeads := add(end, 32)
                end := add(allocationHeads, shl(5, lengthAt(end)))
                for {
                    let allocationHead := allocationHeads
                    let lastAllocation := end
                } lt(allocationHead, lastAllocation) { allocationHead := add(allocationHead, 32) } {
                    // destination, amount, type, offset of bytes, bytes
                    if or(
                        xor(calldataload(allocationHead), sub(end, allocationHeads)),
                        or(shr(8, calldataload(add(end, 0x40))), xor(calldataload(add(end, 0x60)), 0x80))
                    ) { revert(0, 0) }
                    end := bytesEnd(add(end, 0x80))
                }
            }
            if gt(end, calldatasize()) { revert(0, 0) }
        }
    }

    /// @dev The position behind a signed state: offset of the variable part, offset of the signatures, both parts.
    /// That the signatures are clean is for the recovery of their signers to see, which reads every one.
    function signedEnd(INitroTypes.SignedVariablePart calldata signed) internal pure returns (uint256 end) {
        uint256 start;
        assembly ('memory-safe') {
            start := signed
        }
        // The variable part: offset of the outcome, offset of the app data, turn, finality.
        uint256 behindOutcome = outcomeEnd(start + 0xc0);
        assembly ('memory-safe') {
            let part := add(start, 0x40)
            if or(
                or(xor(calldataload(start), 0x40), xor(calldataload(part), 0x80)),
                or(
                    xor(calldataload(add(part, 0x20)), sub(behindOutcome, part)),
                    or(shr(48, calldataload(add(part, 0x40))), gt(calldataload(add(part, 0x60)), 1))
                )
            ) { revert(0, 0) }
            let length := calldataload(behindOutcome)
            if shr(32, length) { revert(0, 0) }
            end := add(add(behindOutcome, 32), length)
            let inLastWord := and(length, 31)
            if inLastWord {
                let lastWord := sub(end, inLastWord)
                if shl(shl(3, inLastWord), calldataload(lastWord)) { revert(0, 0) }
                end := add(lastWord, 32)
            }
            let signatures := calldataload(end)
            if or(xor(calldataload(add(start, 0x20)), sub(end, start)), shr(32, signatures)) {
                revert(0, 0)
            }
            end := add(add(end, 32), mul(signatures, 96))
            if gt(end, calldatasize()) { revert(0, 0) }
        }
    }

    /// @dev The position behind a list of signed states.
    function proofEnd(INitroTypes.SignedVariablePart[] calldata proof) internal pure returns (uint256 end) {
        uint256 heads;
        assembly ('memory-safe') {
            heads := proof.offset
        }
        end = heads + 32 * proof.length;
        for (uint256 i = 0; i < proof.length; ++i) {
            INitroTypes.SignedVariablePart calldata signed = proof[i];
            assembly ('memory-safe') {
                if xor(signed, end) { revert(0, 0) }
            }
            end = signedEnd(signed);
        }
    }

    /// @dev The position behind a fixed part: offset of the participants, nonce, app, duration, participants. What is
    /// dirty here gives the id of a channel that nobody ever had.
    function fixedPartEnd(INitroTypes.FixedPart calldata fixedPart) internal pure returns (uint256 end) {
        assembly ('memory-safe') {
            let participants := calldataload(add(fixedPart, 0x80))
            if or(xor(calldataload(fixedPart), 0x80), shr(32, participants)) { revert(0, 0) }
            end := add(add(fixedPart, 0xa0), shl(5, participants))
            if gt(end, calldatasize()) { revert(0, 0) }
        }
    }

    /// @dev Hashes the whole fixed part, which happens to be the pre-image of the channel id.
    function channelId(INitroTypes.FixedPart calldata fixedPart) internal pure returns (bytes32 id) {
        uint256 end = fixedPartEnd(fixedPart);
        assembly ('memory-safe') {
            let free := mload(0x40)
            let size := sub(end, fixedPart)
            calldatacopy(free, fixedPart, size)
            id := keccak256(free, size)
        }
    }

    /// @dev `signed` must have been checked. The pre-image has the app data before the outcome, calldata behind it.
    function hashState(bytes32 id, INitroTypes.SignedVariablePart calldata signed)
        internal
        pure
        returns (bytes32 stateHash)
    {
        assembly ('memory-safe') {
            let part := add(signed, 0x40)
            let appData := add(part, calldataload(add(part, 0x20)))
            let appDataSize := sub(add(signed, calldataload(add(signed, 0x20))), appData)
            let outcomeSize := sub(appData, add(part, 0x80))

            let free := mload(0x40)
            mstore(free, id)
            mstore(add(free, 0x20), 0xa0)
            mstore(add(free, 0x40), add(0xa0, appDataSize))
            calldatacopy(add(free, 0x60), add(part, 0x40), 0x40)
            calldatacopy(add(free, 0xa0), appData, appDataSize)
            calldatacopy(add(add(free, 0xa0), appDataSize), add(part, 0x80), outcomeSize)
            stateHash := keccak256(free, add(add(0xa0, appDataSize), outcomeSize))
        }
    }

    /// @dev The hash of the outcome of a signed state that must have been checked.
    function hashOutcome(INitroTypes.SignedVariablePart calldata signed)
        internal
        pure
        returns (bytes32 outcomeHash)
    {
        assembly ('memory-safe') {
            let part := add(signed, 0x40)
            let size := sub(calldataload(add(part, 0x20)), 0x80)
            let free := mload(0x40)
            mstore(free, 0x20)
            calldatacopy(add(free, 0x20), add(part, 0x80), size)
            outcomeHash := keccak256(free, add(size, 0x20))
        }
    }

    /// @dev The outcome that `encoded` is `abi.encode` of.
    function decode(bytes calldata encoded)
        internal
        pure
        returns (ExitFormat.SingleAssetExit[] calldata outcome)
    {
        assembly ('memory-safe') {
            if or(lt(encoded.length, 0x40), xor(calldataload(encoded.offset), 0x20)) { revert(0, 0) }
            outcome.offset := add(encoded.offset, 0x40)
            outcome.length := calldataload(add(encoded.offset, 0x20))
        }
    }

    /// @dev Checks an outcome, hashes it and makes a memory copy of it. The canonical encoding of these types is laid out
    /// like the compiler's memory, except that it has relative offsets where memory has pointers; exchanging them is
    /// all the decoding there is.
    function load(ExitFormat.SingleAssetExit[] calldata outcome)
        internal
        pure
        returns (ExitFormat.SingleAssetExit[] memory loaded, bytes32 outcomeHash)
    {
        uint256 start;
        assembly ('memory-safe') {
            start := sub(outcome.offset, 0x20)
        }
        uint256 end = outcomeEnd(start);
        assembly ('memory-safe') {
            // An array of `length` offsets behind `array` becomes one of pointers.
            function point(array) -> heads, last {
                heads := add(array, 0x20)
                last := add(heads, shl(5, mload(array)))
                for { let head := heads } lt(head, last) { head := add(head, 0x20) } {
                    mstore(head, add(heads, mload(head)))
                }
            }

            let free := mload(0x40)
            let size := sub(end, start)
            mstore(free, 0x20)
            loaded := add(free, 0x20)
            calldatacopy(loaded, start, size)
            outcomeHash := keccak256(free, add(size, 0x20))
            mstore(0x40, add(loaded, size))

            let head, last := point(loaded)
            for {} lt(head, last) { head := add(head, 0x20) } {
                let single := mload(head)
                let metadata := add(single, 0x60)
                mstore(add(single, 0x20), metadata)
                mstore(add(metadata, 0x20), add(metadata, 0x40))
                let allocations := add(single, mload(add(single, 0x40)))
                mstore(add(single, 0x40), allocations)
                let allocationHead, lastAllocation := point(allocations)
                for {} lt(allocationHead, lastAllocation) { allocationHead := add(allocationHead, 0x20) } {
                    let allocation := mload(allocationHead)
                    mstore(add(allocation, 0x60), add(allocation, 0x80))
                }
            }
        }
    }
}
