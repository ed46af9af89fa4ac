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

    /// @dev Checks an outcome, copies it to memory and hashes it. The copy is the encoding itself, from the word before
    /// `outcome` on; `outcome` is the place of its length. Whatever reads it follows its offsets, which stay inside.
    function load(ExitFormat.SingleAssetExit[] calldata encoded)
        internal
        pure
        returns (uint256 outcome, uint256 size, bytes32 outcomeHash)
    {
        uint256 start;
        assembly ('memory-safe') {
            start := sub(encoded.offset, 0x20)
        }
        (outcome, size) = _copy(start, outcomeEnd(start) - start);
        outcomeHash = hash(outcome, size);
    }

    /// @dev The outcome of a signed state that must have been checked, as a copy in memory.
    function loadOutcome(INitroTypes.SignedVariablePart calldata signed)
        internal
        pure
        returns (uint256 outcome, uint256 size)
    {
        uint256 part;
        uint256 behind;
        assembly ('memory-safe') {
            part := add(signed, 0x40)
            behind := calldataload(add(part, 0x20))
        }
        return _copy(part + 0x80, behind - 0x80);
    }

    function _copy(uint256 start, uint256 length) private pure returns (uint256 outcome, uint256 size) {
        assembly ('memory-safe') {
            let free := mload(0x40)
            mstore(free, 0x20)
            outcome := add(free, 0x20)
            calldatacopy(outcome, start, length)
            size := add(length, 0x20)
            mstore(0x40, add(free, size))
        }
    }

    /// @dev The hash of an outcome in memory.
    function hash(uint256 outcome, uint256 size) internal pure returns (bytes32 outcomeHash) {
        assembly ('memory-safe') {
            outcomeHash := keccak256(sub(outcome, 0x20), size)
        }
    }

    /// @dev Closes the gaps that allocations leave in a copy when their heads are taken out, so that it is an encoding
    /// again. Everything moves towards the start, in order, and never over what is still to be moved.
    function compact(uint256 outcome) internal view returns (uint256 size) {
        assembly ('memory-safe') {
            // The identity precompile reads all of its input before it writes.
            function move(to, from, length) {
                if iszero(eq(to, from)) {
                    if iszero(staticcall(gas(), 4, from, length, to, length)) { revert(0, 0) }
                }
            }

            let heads := add(outcome, 0x20)
            let to := add(heads, shl(5, mload(outcome)))
            for {
                let head := heads
                let last := to
            } lt(head, last) { head := add(head, 0x20) } {
                let single := add(heads, mload(head))
                mstore(head, sub(to, heads))
                let length := mload(add(single, 0x40))
                let oldHeads := add(add(single, length), 0x20)
                let headsSize := shl(5, mload(sub(oldHeads, 0x20)))
                move(to, single, add(add(length, 0x20), headsSize))
                let newHeads := add(add(to, length), 0x20)
                to := add(newHeads, headsSize)
                for {
                    let allocationHead := newHeads
                    let lastAllocation := to
                } lt(allocationHead, lastAllocation) { allocationHead := add(allocationHead, 0x20) } {
                    let allocation := add(oldHeads, mload(allocationHead))
                    mstore(allocationHead, sub(to, newHeads))
                    length := add(0xa0, and(add(mload(add(allocation, 0x80)), 31), not(31)))
                    move(to, allocation, length)
                    to := add(to, length)
                }
            }
            size := sub(to, sub(outcome, 0x20))
        }
    }
}
