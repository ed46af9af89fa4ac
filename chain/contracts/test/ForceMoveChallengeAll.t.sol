// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMove} from '../src/interfaces/IForceMove.sol';
import {ForceMoveTest} from './support/ForceMoveTest.sol';
import {Vm} from './support/Vm.sol';

/// @dev `challengeAll`: a ledger channel and its virtual channels at once.
contract ForceMoveChallengeAllTest is ForceMoveTest {
    uint48 private constant TURN = 8;
    string private constant REGISTERED =
        'ChallengeRegistered(bytes32,uint48,(((address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[],bytes,uint48,bool),(uint8,bytes32,bytes32)[])[],(((address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[],bytes,uint48,bool),(uint8,bytes32,bytes32)[]))';

    FixedPart private ledger;

    function setUp() public override {
        super.setUp();
        ledger = pair(vm.deployCode('ConsensusApp.sol:ConsensusApp'));
    }

    function ofLedger(uint48 turnNum) private view returns (IForceMove.Challenge memory) {
        VariablePart memory v = VariablePart(split(COIN, 1, 2), '', turnNum, false);
        return IForceMove.Challenge(
            ledger, noProof(), signedBy(ledger, v, ALICE_KEY, BOB_KEY), signChallenge(BOB_KEY, ledger, v)
        );
    }

    function ofTurns() private view returns (IForceMove.Challenge memory) {
        return IForceMove.Challenge(
            fixedPart,
            proofFor(TURN),
            stateAt(TURN),
            signChallenge(ALICE_KEY, fixedPart, variablePartAt(TURN))
        );
    }

    function both() private view returns (IForceMove.Challenge[] memory challenges) {
        challenges = new IForceMove.Challenge[](2);
        challenges[0] = ofLedger(5);
        challenges[1] = ofTurns();
    }

    function ledgerChallenged() private view returns (bytes32) {
        VariablePart memory v = VariablePart(split(COIN, 1, 2), '', 5, false);
        return statusWord(5, NOW + DURATION, stateHashOf(ledger, v), outcomeHashOf(v.outcome));
    }

    function test_registers_all_of_them() public {
        IForceMove.Challenge[] memory challenges = both();
        vm.recordLogs();
        adjudicator.challengeAll(challenges);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        same(logs.length, 2, 'number of logs');
        isEvent(
            logs[0],
            REGISTERED,
            channelIdOf(ledger),
            abi.encode(NOW + DURATION, challenges[0].proof, challenges[0].candidate)
        );
        isEvent(
            logs[1],
            REGISTERED,
            channelId,
            abi.encode(NOW + DURATION, challenges[1].proof, challenges[1].candidate)
        );
        same(adjudicator.statusOf(channelIdOf(ledger)), ledgerChallenged(), 'ledger');
        same(adjudicator.statusOf(channelId), challengedAt(TURN, int48(DURATION)), 'turns');
    }

    function skips(bytes32 before) private {
        setStatus(channelId, before);
        setStatus(channelIdOf(ledger), 0);
        vm.recordLogs();
        adjudicator.challengeAll(both());
        same(vm.getRecordedLogs().length, 1, 'number of logs');
        same(adjudicator.statusOf(channelId), before, 'passed over');
        same(adjudicator.statusOf(channelIdOf(ledger)), ledgerChallenged(), 'ledger');
    }

    function test_passes_over_what_is_no_news() public {
        skips(challengedAt(TURN, 100));
        skips(challengedAt(TURN + 1, 100));
        skips(openAt(TURN + 1));
        skips(challengedAt(5, 0));
        skips(challengedAt(20, -1));
    }

    function test_takes_what_challenge_takes() public {
        bytes32[4] memory before = [bytes32(0), openAt(5), openAt(TURN), challengedAt(7, 100)];
        for (uint256 i = 0; i < before.length; ++i) {
            setStatus(channelId, before[i]);
            setStatus(channelIdOf(ledger), 0);
            adjudicator.challengeAll(both());
            same(adjudicator.statusOf(channelId), challengedAt(TURN, int48(DURATION)), 'turns');
        }
    }

    function test_the_second_of_two_for_one_channel_counts_when_it_is_newer() public {
        IForceMove.Challenge[] memory challenges = new IForceMove.Challenge[](3);
        challenges[0] = ofLedger(4);
        challenges[1] = ofLedger(5);
        challenges[2] = ofLedger(3);
        adjudicator.challengeAll(challenges);
        same(adjudicator.statusOf(channelIdOf(ledger)), ledgerChallenged(), 'ledger');
    }

    function refuses(IForceMove.Challenge[] memory challenges, string memory reason) private {
        expectReason(reason);
        adjudicator.challengeAll(challenges);
        same(adjudicator.statusOf(channelIdOf(ledger)), 0, 'nothing is registered');
    }

    function test_refuses_everything_when_one_is_wrong() public {
        IForceMove.Challenge[] memory challenges = both();
        challenges[1].candidate = miscountedAt(TURN);
        refuses(challenges, 'Counter must be incremented');
        challenges = both();
        challenges[1].challengerSig = signChallenge(STRANGER_KEY, fixedPart, variablePartAt(TURN));
        refuses(challenges, 'Challenger is not a participant');
        challenges = both();
        challenges[1].candidate.sigs[0].r = 0;
        refuses(challenges, 'Invalid signature');
    }

    function test_nothing_at_all_is_fine() public {
        adjudicator.challengeAll(new IForceMove.Challenge[](0));
    }
}
