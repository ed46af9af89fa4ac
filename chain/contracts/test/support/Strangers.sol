// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../../src/ExitFormat.sol';
import {IMultiAssetHolder} from '../../src/interfaces/IMultiAssetHolder.sol';
import {INitroAdjudicator} from './INitroAdjudicator.sol';
import {Relay} from './Relay.sol';

/// @dev Everybody but the honest does whatever can be done with the channels of a relayed payment once the ledgers and
/// V are final, and has kept every state that was ever signed.
contract Strangers is Relay {
    error Paid(uint256 alice, uint256 irene, uint256 bob);

    bytes32[] public channels;
    bytes[] private shown;

    function setUp() public override {
        super.setUp();
        challengeA();
        challengeB();
        challengeV();
        vm.warp(NOW + DURATION);
        observe();
        channels.push(channelIdOf(a));
        channels.push(channelIdOf(b));
        channels.push(channelIdOf(v));
        channels.push(channelIdOf(w));
        channels.push(channelIdOf(u));
        showLater(v, signedByTrio(v, postfund(10)), ALICE_KEY);
        // W and U were not challenged yet: final states first, then what an honest party answers.
        shown.push(abi.encodeCall(adjudicator.conclude, (w, finalOfW())));
        shown.push(abi.encodeCall(adjudicator.concludeAndTransferAllAssets, (w, finalOfW())));
        shown.push(abi.encodeCall(adjudicator.conclude, (u, finalOfU())));
        shown.push(abi.encodeCall(adjudicator.concludeAndTransferAllAssets, (u, finalOfU())));
        showLater(w, signedByTrio(w, postfund(5)), ALICE_KEY);
        showLater(u, signedBy(u, stateOfU(0, 1, false), ALICE_KEY, IRENE_KEY), ALICE_KEY);
    }

    function showLater(FixedPart memory f, SignedVariablePart memory s, uint256 key) private {
        Signature memory challenger = signChallenge(key, f, s.variablePart);
        shown.push(abi.encodeCall(adjudicator.challenge, (f, noProof(), s, challenger)));
        shown.push(abi.encodeCall(adjudicator.checkpoint, (f, noProof(), s)));
    }

    modifier observed() {
        _;
        observe();
    }

    function attempt(bytes memory data) private {
        (bool success,) = address(adjudicator).call(data);
        success;
    }

    // Anybody's calls

    function deposit(uint256 channel, uint256 amount) external observed {
        bytes32 id = channels[channel % 5];
        uint256 held = adjudicator.holdings(COIN, id);
        // Often just what pays all or part of the allocations.
        ExitFormat.SingleAssetExit[] memory left = leftOf(id);
        if (amount % 4 != 0 && left.length != 0) {
            uint256 wanted = left[0].allocations[0].amount + left[0].allocations[1].amount;
            amount = wanted > held ? wanted - held : 1;
        } else {
            amount = 1 + (amount >> 8) % 5;
        }
        adjudicator.deposit{value: amount}(COIN, id, held, amount);
    }

    function payAll(uint256 channel) external observed {
        bytes32 id = channels[channel % 5];
        attempt(abi.encodeCall(adjudicator.transferAllAssets, (id, leftOf(id), known[id].stateHash)));
    }

    function payOne(uint256 channel, uint256 index) external observed {
        bytes32 id = channels[channel % 5];
        attempt(
            abi.encodeCall(
                adjudicator.transfer, (0, id, known[id].left, known[id].stateHash, indices(index % 5))
            )
        );
    }

    function payTwo(uint256 channel, uint256 index) external observed {
        bytes32 id = channels[channel % 5];
        uint256[] memory chosen = indices(index % 3, index % 3 + 1 + (index >> 8) % 2);
        attempt(abi.encodeCall(adjudicator.transfer, (0, id, known[id].left, known[id].stateHash, chosen)));
    }

    function settleSome(uint256 channel, uint256 seed) external observed {
        bytes32 id = channels[channel % 5];
        INitroAdjudicator.Reclaim[] memory reclaims = reclaimsOf(id, seed | 1);
        attempt(abi.encodeCall(adjudicator.settle, (id, leftOf(id), known[id].stateHash, reclaims)));
    }

    function reclaimOne(uint256 channel, uint256 seed) external observed {
        bytes32 id = channels[channel % 2];
        INitroAdjudicator.Reclaim[] memory reclaims = reclaimsOf(id, seed | 1);
        if (reclaims.length == 0) return;
        attempt(
            abi.encodeCall(
                adjudicator.reclaim,
                (IMultiAssetHolder.ReclaimArgs(
                        id,
                        known[id].stateHash,
                        known[id].left,
                        0,
                        reclaims[0].indexOfTargetInSource,
                        reclaims[0].targetStateHash,
                        abi.encode(reclaims[0].targetOutcome),
                        0
                    ))
            )
        );
    }

    function show(uint256 state) external observed {
        attempt(shown[state % shown.length]);
    }

    /// @dev Before time goes by, the honest look at what was shown and answer with what they have.
    function wait() external {
        conclude();
        observe();
        vm.warp(block.timestamp + DURATION);
    }

    function conclude() private {
        attempt(abi.encodeCall(adjudicator.conclude, (w, finalOfW())));
        attempt(abi.encodeCall(adjudicator.conclude, (u, finalOfU())));
    }

    // What the honest can do

    /// @dev Reverts with what everybody has after the honest did all they can.
    function exit() external {
        conclude();
        observe();
        for (uint256 i = 0; i < 2; ++i) {
            if (adjudicator.statusOf(channels[i]) != 0) settleLedger(i == 0 ? a : b, 0);
        }
        revert Paid(ALICE.balance, irene.balance, BOB.balance);
    }

    /// @dev Whoever followed the logs has the outcomes that the chain has the fingerprints of.
    function check() external view {
        for (uint256 i = 0; i < channels.length; ++i) {
            (, uint48 finalizesAt, uint160 fingerprint) = adjudicator.unpackStatus(channels[i]);
            if (finalizesAt == 0 || finalizesAt > block.timestamp) continue;
            Known memory channel = known[channels[i]];
            bytes32 hash = keccak256(abi.encode(channel.stateHash, keccak256(channel.left)));
            same(uint256(hash) % 2 ** 160, fingerprint, 'what is left, from logs');
        }
    }
}
