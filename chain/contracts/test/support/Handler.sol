// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../../src/ExitFormat.sol';
import {INitroAdjudicator} from './INitroAdjudicator.sol';
import {NitroTest} from './NitroTest.sol';
import {BurningPayee, LatePayee, RejectingPayee} from './Payees.sol';
import {BlockingToken} from './Tokens.sol';

/// @dev Does everything that can be done with a few channels, in any order, and knows what must come of it. Outcomes
/// are of coin, of a token that blocks Bob, or of both; some guarantee the virtual channel.
contract Handler is NitroTest {
    enum Kind {
        Harmless,
        Signed,
        Payout
    }

    uint256 public constant CHANNELS = 3;
    uint256 private constant GUARANTEED = 10;

    address[2] public assets;
    bytes32[] public destinations;
    bytes32[] public channels;
    uint256[2] public deposited;
    string public broken;

    FixedPart[] private fixedParts;
    FixedPart private virtualPart;
    // What the handler knows of each channel once it is finalized.
    mapping(uint256 => bytes) private outcomes;
    mapping(uint256 => bytes32) private stateHashes;
    uint256 private drawn;

    receive() external payable {}

    function setUp() public override {
        super.setUp();
        assets = [COIN, address(new BlockingToken(BOB))];
        BlockingToken(assets[1]).approve(address(adjudicator), type(uint256).max);
        vm.deal(address(this), 1_000_000);
        address consensus = vm.deployCode('ConsensusApp.sol:ConsensusApp');
        for (uint256 i = 0; i < CHANNELS; ++i) {
            FixedPart memory f = pair(consensus);
            f.channelNonce = uint64(i);
            fixedParts.push(f);
            channels.push(channelIdOf(f));
        }
        virtualPart = trio(consensus);
        channels.push(channelIdOf(virtualPart));
        destinations.push(to(ALICE));
        destinations.push(to(BOB));
        destinations.push(to(address(new RejectingPayee())));
        destinations.push(to(address(new BurningPayee())));
        destinations.push(to(address(new LatePayee())));
        destinations.push(channels[0]);
        destinations.push(channels[1]);
    }

    function nitro() external view returns (INitroAdjudicator) {
        return adjudicator;
    }

    function payees() external view returns (uint256) {
        return destinations.length;
    }

    /// @dev A finalized fingerprint changes only by a payout or a reclaim, and any other status only by what
    /// participants signed.
    modifier watched(Kind kind) {
        bytes32[] memory before = new bytes32[](channels.length);
        bool[] memory final_ = new bool[](channels.length);
        for (uint256 i = 0; i < channels.length; ++i) {
            before[i] = adjudicator.statusOf(channels[i]);
            final_[i] = isFinalized(channels[i]);
        }
        _;
        for (uint256 i = 0; i < channels.length; ++i) {
            if (adjudicator.statusOf(channels[i]) == before[i]) continue;
            if (final_[i] && kind != Kind.Payout) broken = 'a finalized channel changed';
            if (!final_[i] && kind != Kind.Signed) broken = 'an open channel changed without signatures';
        }
    }

    /// @dev Flags are not shown, but stored: a closed channel is final still, though there is nothing to be paid.
    function isFinalized(bytes32 id) private view returns (bool) {
        uint256 finalizesAt = (uint256(stored(id)) >> 160) % 2 ** 44;
        return finalizesAt != 0 && finalizesAt <= block.timestamp;
    }

    function isPayable(bytes32 id) private view returns (bool) {
        return isFinalized(id) && adjudicator.statusOf(id) != 0;
    }

    function draw(uint256 seed, uint256 below) private returns (uint256) {
        return uint256(keccak256(abi.encode(seed, ++drawn))) % below;
    }

    // Deposits

    function deposit(uint256 channel, uint256 asset, uint64 amount) external watched(Kind.Harmless) {
        (bytes32 id, address token) = (channels[channel % CHANNELS], assets[asset % 2]);
        amount %= 50;
        uint256 held = adjudicator.holdings(token, id);
        adjudicator.deposit{value: token == COIN ? amount : 0}(token, id, held, amount);
        deposited[asset % 2] += amount;
    }

    function depositUpTo(uint256 channel, uint256 asset, uint64 target) external watched(Kind.Harmless) {
        (bytes32 id, address token) = (channels[channel % CHANNELS], assets[asset % 2]);
        target %= 80;
        uint256 held = adjudicator.holdings(token, id);
        adjudicator.depositUpTo{value: token == COIN ? target : 0}(token, id, 0, target);
        uint256 after_ = target > held ? target : held;
        if (adjudicator.holdings(token, id) != after_) broken = 'the target was missed';
        deposited[asset % 2] += after_ - held;
    }

    // States

    function someOutcome(uint256 seed) private returns (ExitFormat.SingleAssetExit[] memory outcome) {
        outcome = new ExitFormat.SingleAssetExit[](1 + draw(seed, 2));
        uint256 order = draw(seed, 2);
        for (uint256 i = 0; i < outcome.length; ++i) {
            bool guaranteeing = i == 0 && order == 0 && draw(seed, 2) == 0;
            ExitFormat.Allocation memory first = simple(to(ALICE), draw(seed, 30));
            ExitFormat.Allocation memory second =
                simple(destinations[1 + draw(seed, destinations.length - 1)], draw(seed, 30));
            outcome[i] = exitOf(assets[(i + order) % 2], list(first, second));
            if (!guaranteeing) continue;
            outcome[i].allocations = list(
                first,
                guarantee(channels[CHANNELS], GUARANTEED, first.destination, second.destination),
                second
            );
        }
    }

    function conclude(uint256 channel, uint256 seed) external watched(Kind.Signed) {
        channel %= CHANNELS;
        if (isFinalized(channels[channel])) return;
        ExitFormat.SingleAssetExit[] memory outcome = someOutcome(seed);
        adjudicator.conclude(fixedParts[channel], finalState(fixedParts[channel], outcome));
        outcomes[channel] = abi.encode(outcome);
        stateHashes[channel] = 0;
    }

    function challenge(uint256 channel, uint256 seed) external watched(Kind.Signed) {
        channel %= CHANNELS;
        (uint48 record,,) = adjudicator.unpackStatus(channels[channel]);
        if (isFinalized(channels[channel])) return;
        FixedPart memory f = fixedParts[channel];
        VariablePart memory v = VariablePart(someOutcome(seed), '', record + 1, false);
        SignedVariablePart memory signed = signedBy(f, v, ALICE_KEY, BOB_KEY);
        adjudicator.challenge(f, noProof(), signed, signChallenge(BOB_KEY, f, v));
        outcomes[channel] = abi.encode(v.outcome);
        stateHashes[channel] = stateHashOf(f, v);
    }

    function checkpoint(uint256 channel) external watched(Kind.Signed) {
        channel %= CHANNELS;
        (uint48 record,,) = adjudicator.unpackStatus(channels[channel]);
        if (isFinalized(channels[channel])) return;
        VariablePart memory v = VariablePart(split(COIN, 1, 1), '', record + 1, false);
        adjudicator.checkpoint(
            fixedParts[channel], noProof(), signedBy(fixedParts[channel], v, ALICE_KEY, BOB_KEY)
        );
    }

    function concludeVirtual() external watched(Kind.Signed) {
        if (isFinalized(channels[CHANNELS])) return;
        VariablePart memory v = VariablePart(split(COIN, 3, GUARANTEED - 3), '', 6, true);
        adjudicator.conclude(virtualPart, signedByTrio(virtualPart, v));
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + time % (2 * DURATION));
    }

    // Payouts

    /// @dev The twin of a payout: takes off the outcome what the holdings reach for.
    function paid(uint256 channel, ExitFormat.SingleAssetExit memory single, uint256 only) private view {
        uint256 held = adjudicator.holdings(single.asset, channels[channel]);
        for (uint256 i = 0; i < single.allocations.length; ++i) {
            ExitFormat.Allocation memory allocation = single.allocations[i];
            uint256 share = allocation.amount < held ? allocation.amount : held;
            held -= share;
            if (allocation.allocationType == GUARANTEE) continue;
            if (only == type(uint256).max || only == i) allocation.amount -= share;
        }
    }

    function transfer(uint256 channel, uint256 seed) external watched(Kind.Payout) {
        channel %= CHANNELS;
        if (!isPayable(channels[channel])) return;
        bytes memory encoded = outcomes[channel];
        ExitFormat.SingleAssetExit[] memory outcome = abi.decode(encoded, (ExitFormat.SingleAssetExit[]));
        uint256 asset = draw(seed, outcome.length);
        uint256 index = draw(seed, outcome[asset].allocations.length);
        if (outcome[asset].allocations[index].allocationType == GUARANTEE) return;
        paid(channel, outcome[asset], index);
        adjudicator.transfer(asset, channels[channel], encoded, stateHashes[channel], indices(index));
        outcomes[channel] = abi.encode(outcome);
    }

    /// @dev With the guarantee, when there is one and its target is done.
    function settle(uint256 channel) external watched(Kind.Payout) {
        channel %= CHANNELS;
        if (!isPayable(channels[channel])) return;
        ExitFormat.SingleAssetExit[] memory outcome =
            abi.decode(outcomes[channel], (ExitFormat.SingleAssetExit[]));
        ExitFormat.SingleAssetExit[] memory reclaimed =
            abi.decode(outcomes[channel], (ExitFormat.SingleAssetExit[]));
        INitroAdjudicator.Reclaim[] memory reclaims = new INitroAdjudicator.Reclaim[](0);
        if (outcome[0].allocations.length == 3 && isFinalized(channels[CHANNELS])) {
            reclaims = new INitroAdjudicator.Reclaim[](1);
            reclaims[0] = INitroAdjudicator.Reclaim(0, 1, 0, split(COIN, 3, GUARANTEED - 3), 0);
            ExitFormat.Allocation[] memory all = reclaimed[0].allocations;
            reclaimed[0].allocations = list(all[0], all[2]);
            if (all[0].destination == all[2].destination) {
                all[0].amount += GUARANTEED;
            } else {
                all[0].amount += 3;
                all[2].amount += GUARANTEED - 3;
            }
        }
        for (uint256 i = 0; i < reclaimed.length; ++i) {
            paid(channel, reclaimed[i], type(uint256).max);
        }
        adjudicator.settle(channels[channel], outcome, stateHashes[channel], reclaims);
        outcomes[channel] = abi.encode(reclaimed);
    }

    // Claims

    function openLatePayee() external watched(Kind.Harmless) {
        LatePayee(payable(address(uint160(uint256(destinations[4]))))).open();
    }

    function claim(uint256 payee, uint256 asset) external watched(Kind.Harmless) {
        address who = address(uint160(uint256(destinations[payee % 5])));
        try adjudicator.claim(assets[asset % 2], who) {} catch {}
    }

    function claimTo(uint256 payee, uint256 asset) external watched(Kind.Harmless) {
        address who = address(uint160(uint256(destinations[payee % 5])));
        uint256 owed = adjudicator.claimable(assets[asset % 2], who);
        if (owed == 0) return;
        vm.prank(who);
        adjudicator.claimTo(assets[asset % 2], ALICE);
    }

    // Strangers

    /// @dev States that are not supported, as finals, challenges and checkpoints. `watched` sees what comes of it.
    function attackWithStates(uint256 channel, uint256 seed) external watched(Kind.Harmless) {
        FixedPart memory f = fixedParts[channel % CHANNELS];
        VariablePart memory v = VariablePart(someOutcome(seed), '', uint48(draw(seed, 1000)), true);
        SignedVariablePart memory alone = signedBy(f, v, ALICE_KEY);
        SignedVariablePart memory strange = signedBy(f, v, ALICE_KEY, STRANGER_KEY);
        SignedVariablePart memory both = signedBy(f, v, ALICE_KEY, BOB_KEY);
        Signature memory own = signChallenge(ALICE_KEY, f, v);
        attempt(abi.encodeCall(adjudicator.conclude, (f, alone)));
        attempt(abi.encodeCall(adjudicator.conclude, (f, signedBy(f, v, ALICE_KEY, ALICE_KEY))));
        attempt(abi.encodeCall(adjudicator.concludeAndTransferAllAssets, (f, strange)));
        attempt(abi.encodeCall(adjudicator.challenge, (f, noProof(), alone, own)));
        attempt(abi.encodeCall(adjudicator.checkpoint, (f, noProof(), strange)));
        // What both signed, but who challenges did not.
        own = signChallenge(STRANGER_KEY, f, v);
        attempt(abi.encodeCall(adjudicator.challenge, (f, noProof(), both, own)));
        both.variablePart.outcome = split(COIN, 1000, 0);
        attempt(abi.encodeCall(adjudicator.conclude, (f, both)));
    }

    /// @dev Outcomes that are not the channel's.
    function attackWithOutcomes(uint256 channel, uint256 seed) external watched(Kind.Harmless) {
        bytes32 id = channels[channel % CHANNELS];
        ExitFormat.SingleAssetExit[] memory outcome = split(COIN, 1000 + draw(seed, 10), 0);
        bytes32 hash = stateHashes[channel % CHANNELS];
        attempt(abi.encodeCall(adjudicator.transferAllAssets, (id, outcome, hash)));
        attempt(abi.encodeCall(adjudicator.transfer, (0, id, abi.encode(outcome), hash, indices())));
        INitroAdjudicator.Reclaim[] memory none = new INitroAdjudicator.Reclaim[](0);
        attempt(abi.encodeCall(adjudicator.settle, (id, outcome, hash, none)));
    }

    function attempt(bytes memory data) private {
        (bool success,) = address(adjudicator).call(data);
        if (success) broken = string.concat('an attack succeeded: ', vm.toString(data));
    }
}
