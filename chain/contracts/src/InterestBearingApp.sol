// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from './ExitFormat.sol';
import {IForceMoveApp} from './interfaces/IForceMoveApp.sol';
import {Consensus} from './libraries/signature-logic/Consensus.sol';
import {NitroUtils} from './libraries/NitroUtils.sol';

/// @title A ledger channel in which one side lent the other its funds and earns interest on them by the block
/// @dev Spec section 10.6. Allocation 0 is the borrower's, allocation 1 the lender's. A state is supported when
/// everyone signed it, or when it follows one that everyone signed and takes no more than the interest earned since.
contract InterestBearingApp is IForceMoveApp {
    struct Funds {
        address[] asset;
        uint256[] amount;
    }

    /// @dev The app data. `principal` is what was lent, `blocknumber` when; what was collected before is for the
    /// participants to know.
    struct InterestAppData {
        uint256 interestPerBlockDivisor;
        uint256 blocknumber;
        Funds principal;
        Funds collectedInterest;
    }

    /// @inheritdoc IForceMoveApp
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external view override returns (bool, string memory) {
        if (proof.length == 0) {
            Consensus.requireConsensus(fixedPart, proof, candidate);
            return (true, '');
        }
        if (proof.length > 1) {
            return (false, '|proof| > 1');
        }
        require(
            NitroUtils.getClaimedSignersNum(proof[0].signedBy) == fixedPart.participants.length, '!unanimous'
        );
        require(
            candidate.variablePart.turnNum == proof[0].variablePart.turnNum + 1,
            'turn(candidate) != turn(proof)+1'
        );
        // Otherwise anybody could move the channel one turn on.
        require(candidate.signedBy != 0, 'candidate not signed');
        _requireEarned(proof[0].variablePart, candidate.variablePart.outcome);
        return (true, '');
    }

    /// @dev The terms are those that everyone signed, never those of the candidate.
    function _requireEarned(VariablePart calldata agreed, ExitFormat.SingleAssetExit[] calldata claimed)
        private
        view
    {
        InterestAppData memory terms = abi.decode(agreed.appData, (InterestAppData));
        uint256 numBlocks = block.number - terms.blocknumber;
        for (uint256 i = 0; i < terms.principal.asset.length; ++i) {
            uint256 earned = (terms.principal.amount[i] * numBlocks) / terms.interestPerBlockDivisor;
            for (uint256 j = 0; j < claimed.length; ++j) {
                if (claimed[j].asset == terms.principal.asset[i]) {
                    _requireNoMoreThan(earned, agreed.outcome[j], claimed[j]);
                }
            }
        }
    }

    /// @dev One side alone signed the claim, so besides what the borrower gives to the lender nothing may change:
    /// what others are allocated, guarantees above all, would otherwise be paid out of the same funds later.
    function _requireNoMoreThan(
        uint256 earned,
        ExitFormat.SingleAssetExit calldata agreed,
        ExitFormat.SingleAssetExit calldata claimed
    ) private pure {
        require(agreed.asset == claimed.asset, 'Asset mismatch');
        ExitFormat.Allocation[] calldata before = agreed.allocations;
        ExitFormat.Allocation[] calldata afterwards = claimed.allocations;
        require(before[0].destination == afterwards[0].destination, 'payee mismatch');
        uint256 given = before[0].amount - afterwards[0].amount;
        require(given <= earned, 'earned<claimed');
        require(afterwards[1].amount <= before[1].amount + given, 'lender takes more than is given');
        require(afterwards.length == before.length, 'number of allocations may not change');
        for (uint256 i = 2; i < before.length; ++i) {
            require(
                keccak256(abi.encode(afterwards[i])) == keccak256(abi.encode(before[i])),
                'other allocations may not change'
            );
        }
    }
}
