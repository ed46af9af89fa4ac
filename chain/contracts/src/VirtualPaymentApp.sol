// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from './ExitFormat.sol';
import {IForceMoveApp} from './interfaces/IForceMoveApp.sol';
import {Canonical} from './libraries/Canonical.sol';
import {NitroUtils} from './libraries/NitroUtils.sol';

/// @title The app of virtual payment channels: Alice pays Bob by vouchers, Bob redeems the largest one
/// @dev Spec section 10.5. Participant 0 is Alice, who pays, the last one is Bob, who is paid; intermediaries stand
/// between them. Allocation 0 is Alice's, allocation 1 is Bob's. A state is supported when it is
///  - the pre-fund state (turn 0) or post-fund state (turn 1), signed by everyone; or
///  - Bob's redemption (turn 2): the post-fund state as the proof, and a voucher that Alice signed.
contract VirtualPaymentApp is IForceMoveApp {
    /// @dev The app data of a redemption.
    struct VoucherAmountAndSignature {
        uint256 amount;
        Signature signature;
    }

    uint48 private constant POSTFUND_TURN = 1;
    uint48 private constant REDEMPTION_TURN = 2;

    /// @dev Amount, v, r and s.
    uint256 private constant VOUCHER_LENGTH = 4 * 32;

    /// @inheritdoc IForceMoveApp
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure override returns (bool, string memory) {
        if (proof.length == 0) {
            require(_isUnanimous(fixedPart, candidate), '!unanimous; |proof|=0');
            require(candidate.variablePart.turnNum <= POSTFUND_TURN, 'bad candidate turnNum; |proof|=0');
            return (true, '');
        }
        require(proof.length == 1, 'bad proof length');
        _requireRedemption(fixedPart, proof[0], candidate);
        return (true, '');
    }

    function _requireRedemption(
        FixedPart calldata fixedPart,
        RecoveredVariablePart calldata postfund,
        RecoveredVariablePart calldata redemption
    ) private pure {
        require(postfund.variablePart.turnNum == POSTFUND_TURN, 'bad proof[0].turnNum; |proof|=1');
        require(_isUnanimous(fixedPart, postfund), 'postfund !unanimous; |proof|=1');
        require(redemption.variablePart.turnNum == REDEMPTION_TURN, 'bad candidate turnNum; |proof|=1');
        require(
            NitroUtils.isClaimedSignedBy(redemption.signedBy, uint8(fixedPart.participants.length - 1)),
            'redemption not signed by Bob'
        );
        uint256 amount = _requireVoucher(fixedPart, redemption.variablePart.appData);
        _requireOutcomeAdjusted(postfund.variablePart.outcome, redemption.variablePart.outcome, amount);
    }

    function _isUnanimous(FixedPart calldata fixedPart, RecoveredVariablePart calldata state)
        private
        pure
        returns (bool)
    {
        return NitroUtils.getClaimedSignersNum(state.signedBy) == fixedPart.participants.length;
    }

    /// @dev Returns the amount that Alice's voucher is good for in this channel. Nothing may follow the voucher: whoever
    /// goes on from a redemption has to show it again, and Bob could make it larger than a transaction may be.
    function _requireVoucher(FixedPart calldata fixedPart, bytes calldata appData)
        private
        pure
        returns (uint256 amount)
    {
        require(appData.length <= VOUCHER_LENGTH, 'voucher too long');
        VoucherAmountAndSignature memory voucher = abi.decode(appData, (VoucherAmountAndSignature));
        bytes32 voucherHash = keccak256(abi.encode(Canonical.channelId(fixedPart), voucher.amount));
        require(
            NitroUtils.isSignedBy(voucherHash, voucher.signature, fixedPart.participants[0]),
            'invalid signature for voucher'
        );
        return voucher.amount;
    }

    /// @dev Bob alone signs the redemption, so nothing but the two amounts may differ from what everyone signed:
    /// were destinations free, he could take Alice's change too, or make the outcome impossible to reclaim.
    function _requireOutcomeAdjusted(
        ExitFormat.SingleAssetExit[] calldata oldOutcome,
        ExitFormat.SingleAssetExit[] calldata newOutcome,
        uint256 amount
    ) private pure {
        // Clients know this string for an outcome that is not of exactly one asset, or of another asset.
        require(
            oldOutcome.length == 1 && newOutcome.length == 1 && newOutcome[0].asset == oldOutcome[0].asset,
            'only native asset allowed'
        );
        require(
            newOutcome[0].assetMetadata.assetType == oldOutcome[0].assetMetadata.assetType
                && NitroUtils.bytesEqual(
                    newOutcome[0].assetMetadata.metadata, oldOutcome[0].assetMetadata.metadata
                ),
            'asset metadata may not change'
        );

        ExitFormat.Allocation[] calldata oldAllocations = oldOutcome[0].allocations;
        ExitFormat.Allocation[] calldata newAllocations = newOutcome[0].allocations;
        require(oldAllocations.length == 2 && newAllocations.length == 2, 'exactly two allocations required');
        _requireSameButAmount(oldAllocations[0], newAllocations[0]);
        _requireSameButAmount(oldAllocations[1], newAllocations[1]);

        require(newAllocations[0].amount == oldAllocations[0].amount - amount, 'Alice not adjusted correctly');
        require(newAllocations[1].amount == amount, 'Bob not adjusted correctly');
    }

    function _requireSameButAmount(
        ExitFormat.Allocation calldata oldAllocation,
        ExitFormat.Allocation calldata newAllocation
    ) private pure {
        require(newAllocation.destination == oldAllocation.destination, 'destinations may not change');
        require(
            newAllocation.allocationType == oldAllocation.allocationType, 'allocation types may not change'
        );
        require(
            NitroUtils.bytesEqual(newAllocation.metadata, oldAllocation.metadata),
            'allocation metadata may not change'
        );
    }
}
