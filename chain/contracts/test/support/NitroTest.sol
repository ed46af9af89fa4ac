// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../../src/ExitFormat.sol';
import {INitroTypes} from '../../src/interfaces/INitroTypes.sol';
import {Check} from './Check.sol';
import {INitroAdjudicator} from './INitroAdjudicator.sol';
import {Vm} from './Vm.sol';

/// @dev Wallets, states, signatures and a fresh adjudicator. Hashes are written out here a second time, straight
/// from spec section 3, rather than taken from the contracts under test.
abstract contract NitroTest is Check, INitroTypes {
    uint256 internal constant ALICE_KEY = 0x2d999770f7b5d49b694080f987b82bbc9fc9ac2b4dcc10b0f8aba7d700f69c6d;
    uint256 internal constant BOB_KEY = 0x0279651921cd800ac560c21ceea27aab0107b67daf436cdd25ce84cad30159b4;
    uint256 internal constant IRENE_KEY = 0x1e11e;
    uint256 internal constant STRANGER_KEY = 0x57a4e;
    address internal constant ALICE = 0xAAA6628Ec44A8a742987EF3A114dDFE2D4F7aDCE;
    address internal constant BOB = 0xBBB676f9cFF8D242e9eaC39D063848807d3D1D94;
    address internal immutable irene = vm.addr(IRENE_KEY);

    address internal constant COIN = address(0);
    uint48 internal constant NOW = 1700000000;
    uint48 internal constant DURATION = 600;
    uint8 internal constant SIMPLE = 0;
    uint8 internal constant GUARANTEE = 2;

    INitroAdjudicator internal adjudicator;

    function setUp() public virtual {
        vm.warp(NOW);
        adjudicator = INitroAdjudicator(vm.deployCode('NitroAdjudicator.sol:NitroAdjudicator'));
    }

    // Channels and states

    function pair(address app) internal pure returns (FixedPart memory fixedPart) {
        fixedPart.participants = new address[](2);
        fixedPart.participants[0] = ALICE;
        fixedPart.participants[1] = BOB;
        fixedPart.channelNonce = 7;
        fixedPart.appDefinition = app;
        fixedPart.challengeDuration = DURATION;
    }

    function trio(address app) internal view returns (FixedPart memory fixedPart) {
        fixedPart = pair(app);
        fixedPart.participants = new address[](3);
        fixedPart.participants[0] = ALICE;
        fixedPart.participants[1] = irene;
        fixedPart.participants[2] = BOB;
    }

    function channelIdOf(FixedPart memory f) internal pure returns (bytes32) {
        return keccak256(abi.encode(f.participants, f.channelNonce, f.appDefinition, f.challengeDuration));
    }

    function stateHashOf(FixedPart memory f, VariablePart memory v) internal pure returns (bytes32) {
        return keccak256(abi.encode(channelIdOf(f), v.appData, v.outcome, v.turnNum, v.isFinal));
    }

    function outcomeHashOf(ExitFormat.SingleAssetExit[] memory outcome) internal pure returns (bytes32) {
        return keccak256(abi.encode(outcome));
    }

    // Outcomes

    function to(address payee) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(payee)));
    }

    function simple(bytes32 destination, uint256 amount)
        internal
        pure
        returns (ExitFormat.Allocation memory)
    {
        return ExitFormat.Allocation(destination, amount, SIMPLE, '');
    }

    function guarantee(bytes32 target, uint256 amount, bytes32 left, bytes32 right)
        internal
        pure
        returns (ExitFormat.Allocation memory)
    {
        return ExitFormat.Allocation(target, amount, GUARANTEE, abi.encode(left, right));
    }

    function list(ExitFormat.Allocation memory a)
        internal
        pure
        returns (ExitFormat.Allocation[] memory allocations)
    {
        allocations = new ExitFormat.Allocation[](1);
        allocations[0] = a;
    }

    function list(ExitFormat.Allocation memory a, ExitFormat.Allocation memory b)
        internal
        pure
        returns (ExitFormat.Allocation[] memory allocations)
    {
        allocations = new ExitFormat.Allocation[](2);
        (allocations[0], allocations[1]) = (a, b);
    }

    function list(
        ExitFormat.Allocation memory a,
        ExitFormat.Allocation memory b,
        ExitFormat.Allocation memory c
    ) internal pure returns (ExitFormat.Allocation[] memory allocations) {
        allocations = new ExitFormat.Allocation[](3);
        (allocations[0], allocations[1], allocations[2]) = (a, b, c);
    }

    function exitOf(address asset, ExitFormat.Allocation[] memory allocations)
        internal
        pure
        returns (ExitFormat.SingleAssetExit memory single)
    {
        single.asset = asset;
        single.allocations = allocations;
    }

    function outcomeOf(address asset, ExitFormat.Allocation[] memory allocations)
        internal
        pure
        returns (ExitFormat.SingleAssetExit[] memory outcome)
    {
        outcome = new ExitFormat.SingleAssetExit[](1);
        outcome[0] = exitOf(asset, allocations);
    }

    function split(address asset, uint256 alice, uint256 bob)
        internal
        pure
        returns (ExitFormat.SingleAssetExit[] memory)
    {
        return outcomeOf(asset, list(simple(to(ALICE), alice), simple(to(BOB), bob)));
    }

    function indices() internal pure returns (uint256[] memory) {
        return new uint256[](0);
    }

    function indices(uint256 a) internal pure returns (uint256[] memory chosen) {
        chosen = new uint256[](1);
        chosen[0] = a;
    }

    function indices(uint256 a, uint256 b) internal pure returns (uint256[] memory chosen) {
        chosen = new uint256[](2);
        (chosen[0], chosen[1]) = (a, b);
    }

    function indices(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory chosen) {
        chosen = new uint256[](3);
        (chosen[0], chosen[1], chosen[2]) = (a, b, c);
    }

    // Signatures

    function sign(uint256 key, bytes32 hash) internal pure returns (Signature memory sig) {
        (sig.v, sig.r, sig.s) =
            vm.sign(key, keccak256(abi.encodePacked('\x19Ethereum Signed Message:\n32', hash)));
    }

    function signChallenge(uint256 key, FixedPart memory f, VariablePart memory v)
        internal
        pure
        returns (Signature memory)
    {
        return sign(key, keccak256(abi.encode(stateHashOf(f, v), 'forceMove')));
    }

    function signedBy(FixedPart memory f, VariablePart memory v, uint256 key)
        internal
        pure
        returns (SignedVariablePart memory state)
    {
        state.variablePart = v;
        state.sigs = new Signature[](1);
        state.sigs[0] = sign(key, stateHashOf(f, v));
    }

    function signedBy(FixedPart memory f, VariablePart memory v, uint256 key1, uint256 key2)
        internal
        pure
        returns (SignedVariablePart memory state)
    {
        state.variablePart = v;
        state.sigs = new Signature[](2);
        state.sigs[0] = sign(key1, stateHashOf(f, v));
        state.sigs[1] = sign(key2, stateHashOf(f, v));
    }

    function signedByTrio(FixedPart memory f, VariablePart memory v)
        internal
        pure
        returns (SignedVariablePart memory state)
    {
        state.variablePart = v;
        state.sigs = new Signature[](3);
        state.sigs[0] = sign(ALICE_KEY, stateHashOf(f, v));
        state.sigs[1] = sign(IRENE_KEY, stateHashOf(f, v));
        state.sigs[2] = sign(BOB_KEY, stateHashOf(f, v));
    }

    function finalState(FixedPart memory f, ExitFormat.SingleAssetExit[] memory outcome)
        internal
        pure
        returns (SignedVariablePart memory)
    {
        return signedBy(f, VariablePart(outcome, '', 6, true), ALICE_KEY, BOB_KEY);
    }

    function noProof() internal pure returns (SignedVariablePart[] memory) {
        return new SignedVariablePart[](0);
    }

    // Storage, as spec section 4 lays it out

    function statusWord(uint48 turnNumRecord, uint48 finalizesAt, bytes32 stateHash, bytes32 outcomeHash)
        internal
        pure
        returns (bytes32)
    {
        uint256 fingerprint = uint256(keccak256(abi.encode(stateHash, outcomeHash))) % 2 ** 160;
        return bytes32(uint256(turnNumRecord) * 2 ** 208 + uint256(finalizesAt) * 2 ** 160 + fingerprint);
    }

    function openAt(uint48 turnNumRecord) internal pure returns (bytes32) {
        return statusWord(turnNumRecord, 0, 0, 0);
    }

    function setStatus(bytes32 channelId, bytes32 status) internal {
        vm.store(address(adjudicator), keccak256(abi.encode(channelId, 0)), status);
    }

    /// @dev The word as it is stored, with the flags that the getter does not show.
    function stored(bytes32 channelId) internal view returns (bytes32) {
        return vm.load(address(adjudicator), keccak256(abi.encode(channelId, 0)));
    }

    function setHoldings(address asset, bytes32 channelId, uint256 amount) internal {
        bytes32 inner = keccak256(abi.encode(asset, 1));
        vm.store(address(adjudicator), keccak256(abi.encode(channelId, inner)), bytes32(amount));
    }

    /// @dev A concluded channel with this outcome, and coin or nothing behind it.
    function concluded(bytes32 channelId, ExitFormat.SingleAssetExit[] memory outcome) internal {
        setStatus(channelId, statusWord(0, NOW, 0, outcomeHashOf(outcome)));
    }

    function fundWithCoin(bytes32 channelId, uint256 amount) internal {
        setHoldings(COIN, channelId, amount);
        vm.deal(address(adjudicator), address(adjudicator).balance + amount);
    }

    // Logs

    function logsOf(Vm.Log[] memory logs, address emitter) internal pure returns (Vm.Log[] memory own) {
        uint256 count = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == emitter) ++count;
        }
        own = new Vm.Log[](count);
        for (uint256 i = logs.length; i > 0; --i) {
            if (logs[i - 1].emitter == emitter) own[--count] = logs[i - 1];
        }
    }

    function isEvent(Vm.Log memory log, string memory signature, bytes32 channelId, bytes memory data)
        internal
        pure
    {
        same(log.topics.length, 2, string.concat(signature, ': topics'));
        same(log.topics[0], keccak256(bytes(signature)), signature);
        same(log.topics[1], channelId, string.concat(signature, ': indexed channel'));
        same(log.data, data, string.concat(signature, ': data'));
    }
}
