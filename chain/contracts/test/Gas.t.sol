// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IForceMove} from '../src/interfaces/IForceMove.sol';
import {IMultiAssetHolder} from '../src/interfaces/IMultiAssetHolder.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';
import {IToken} from './support/IToken.sol';
import {NitroTest} from './support/NitroTest.sol';

interface IBatch {
    function deposit_batch_eth(bytes32[] calldata, uint256[] calldata, uint256[] calldata) external payable;
    function deposit_batch_erc20(address, bytes32[] calldata, uint256[] calldata, uint256[] calldata, uint256)
        external
        payable;
}

/// @dev scripts/gas.sh makes docs/gas.md of the lines that `row` logs.
abstract contract GasReport is NitroTest {
    uint256 internal constant NO_BOUND = 0;

    event log(string line);

    function report(string memory name, uint256 used, uint256 bound) internal {
        emit log(string.concat('gas|', name, '|', vm.toString(used), '|', vm.toString(bound)));
    }

    /// @dev One line of the report: `bound` is the original's figure, or nothing when it has none.
    function row(string memory name, uint256 used, uint256 bound) internal {
        report(name, used, bound);
        holds(bound == NO_BOUND || used <= bound, string.concat(name, ' costs ', vm.toString(used)));
    }
}

/// @dev What a transaction that creates the adjudicator costs, summed up by hand: creations are not isolated.
contract GasOfDeploymentTest is GasReport {
    function test_deploy() public {
        bytes memory code = vm.getCode('NitroAdjudicator.sol:NitroAdjudicator');
        uint256 used = 21000;
        for (uint256 i = 0; i < code.length; ++i) {
            used += code[i] == 0 ? 4 : 16;
        }
        uint256 before = gasleft();
        assembly ('memory-safe') {
            pop(create(0, add(code, 32), mload(code)))
        }
        row('deploy NitroAdjudicator', used + before - gasleft(), 3443915);
    }
}

/// @dev Whole transactions (base cost, calldata, refunds) beside the upper bounds of spec section 12. The figures there
/// imply, by what storage and accounts cost, that Alice had been paid before and Bob and Irene had not, and that the
/// adjudicator held other tokens too.
/// forge-config: default.isolate = true
contract GasTest is GasReport {
    IToken private token;
    IBatch private operator;
    FixedPart private x;
    FixedPart private l;
    FixedPart private v;

    function setUp() public override {
        super.setUp();
        address consensus = vm.deployCode('ConsensusApp.sol:ConsensusApp');
        address payments = vm.deployCode('VirtualPaymentApp.sol:VirtualPaymentApp');
        token = IToken(vm.deployCode('TESTToken.sol:TESTToken', abi.encode(address(this))));
        operator = IBatch(vm.deployCode('BatchOperator.sol:BatchOperator', abi.encode(adjudicator)));
        vm.deal(address(this), 100 ether);
        vm.deal(ALICE, 1);
        token.transfer(ALICE, 1);
        token.transfer(address(adjudicator), 1);
        x = pair(consensus);
        l = pair(consensus);
        l.participants[0] = irene;
        l.channelNonce = 8;
        v = trio(payments);
    }

    function row(string memory name, uint256 bound) private returns (uint256 used) {
        used = vm.lastCallGas().gasTotalUsed;
        row(name, used, bound);
    }

    function named(string memory what, address asset) private pure returns (string memory) {
        return string.concat(what, asset == COIN ? ', ETH' : ', ERC-20');
    }

    function fund(address asset, FixedPart memory f, uint256 amount) private {
        if (asset != COIN) token.approve(address(adjudicator), 1000);
        adjudicator.deposit{value: asset == COIN ? amount : 0}(asset, channelIdOf(f), 0, amount);
    }

    // Deposits

    function test_b_deposit_of_coin() public {
        bytes32 id = channelIdOf(x);
        adjudicator.deposit{value: 5}(COIN, id, 0, 5);
        row('deposit, ETH, first', 46496);
        adjudicator.deposit{value: 5}(COIN, id, 5, 5);
        row('deposit, ETH, second', 29408);
        id = channelIdOf(l);
        adjudicator.depositUpTo{value: 5}(COIN, id, 0, 5);
        row('depositUpTo, ETH, first', NO_BOUND);
        adjudicator.depositUpTo{value: 5}(COIN, id, 5, 10);
        row('depositUpTo, ETH, second', NO_BOUND);
    }

    function test_c_deposit_of_tokens() public {
        bytes32 id = channelIdOf(x);
        token.increaseAllowance(address(adjudicator), 100);
        row('deposit, ERC-20, first: approval', 46193);
        adjudicator.deposit(address(token), id, 0, 5);
        checkedDeposit('deposit, ERC-20, first', 69866);
        token.decreaseAllowance(address(adjudicator), 95);
        token.increaseAllowance(address(adjudicator), 100);
        row('deposit, ERC-20, second: approval', 46193);
        adjudicator.deposit(address(token), id, 5, 5);
        checkedDeposit('deposit, ERC-20, second', 52778);
        adjudicator.depositUpTo(address(token), channelIdOf(l), 0, 5);
        row('depositUpTo, ERC-20, first', NO_BOUND);
    }

    /// @dev The reference does not look at what arrives. Two questions cost 617 each with this token, and no more than
    /// that may a deposit be dearer.
    function checkedDeposit(string memory name, uint256 bound) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        report(name, used, bound);
        holds(used <= bound + 2 * 617, string.concat(name, ' costs ', vm.toString(used)));
    }

    function test_d_batches() public {
        uint256[6] memory sizes = [uint256(1), 5, 10, 20, 50, 100];
        uint256[6] memory coinFirst = [uint256(60300), 192100, 356835, 686269, 1674655, 3321861];
        uint256[6] memory coinSecond = [uint256(43212), 106660, 185955, 344509, 820255, 1613061];
        uint256[6] memory tokenFirst = [uint256(105476), 221717, 383795, 707963, 1680455, 3301247];
        uint256[6] memory tokenSecond = [uint256(91806), 140862, 212915, 366203, 826055, 1592447];
        token.approve(address(operator), 1_000_000);
        for (uint256 i = 0; i < sizes.length; ++i) {
            uint256 n = sizes[i];
            bytes32[] memory ids = new bytes32[](n);
            uint256[] memory none = new uint256[](n);
            uint256[] memory five = new uint256[](n);
            for (uint256 k = 0; k < n; ++k) {
                ids[k] = keccak256(abi.encode(n, k));
                five[k] = 5;
            }
            string memory batch = string.concat('batch of ', vm.toString(n));
            operator.deposit_batch_eth{value: 5 * n}(ids, none, five);
            row(string.concat(batch, ', ETH, first'), coinFirst[i]);
            operator.deposit_batch_eth{value: 5 * n}(ids, five, five);
            row(string.concat(batch, ', ETH, second'), coinSecond[i]);
            operator.deposit_batch_erc20(address(token), ids, none, five, 5 * n);
            row(string.concat(batch, ', ERC-20, first'), tokenFirst[i]);
            operator.deposit_batch_erc20(address(token), ids, five, five, 5 * n);
            row(string.concat(batch, ', ERC-20, second'), tokenSecond[i]);
        }
    }

    // Cooperative exits

    function cooperative(address asset, uint256 bound) private {
        fund(asset, x, 10);
        close(asset, 10, 0);
        row(named('exit by consent: concludeAndTransferAllAssets', asset), bound);
    }

    function close(address asset, uint256 alice, uint256 bob) private {
        SignedVariablePart memory candidate = finalState(x, split(asset, alice, bob));
        adjudicator.concludeAndTransferAllAssets(x, candidate);
    }

    /// @dev As the reference is measured: Alice is paid all of it.
    function test_e_exit_by_consent() public {
        cooperative(COIN, 111514);
        cooperative(address(token), 112690);
    }

    function test_e_exit_by_consent_of_both() public {
        for (uint256 k = 0; k < 2; ++k) {
            address asset = k == 0 ? COIN : address(token);
            fund(asset, x, 10);
            close(asset, 5, 5);
            row(named('exit by consent: both are paid', asset), NO_BOUND);
        }
    }

    /// @dev A stranger has added the smallest unit there is; then both agree who gets it.
    function surplus(address asset) private {
        fund(asset, x, 11);
        close(asset, 10, 0);
        row(named('exit by consent: with a surplus of 1', asset), NO_BOUND);
        VariablePart memory later = VariablePart(split(asset, 1, 0), '', 7, true);
        adjudicator.concludeAndTransferAllAssets(x, signedBy(x, later, ALICE_KEY, BOB_KEY));
        row(named('exit by consent: the surplus, later', asset), NO_BOUND);
    }

    function test_e_exit_by_consent_with_a_surplus() public {
        surplus(COIN);
    }

    function test_e_exit_by_consent_with_a_surplus_of_tokens() public {
        surplus(address(token));
    }

    // Exits by challenge

    function direct(address asset) private pure returns (VariablePart memory) {
        return VariablePart(split(asset, 5, 5), '', 6, false);
    }

    function challengeDirect(address asset) private returns (VariablePart memory s) {
        fund(asset, x, 10);
        s = direct(asset);
        SignedVariablePart memory signed = signedBy(x, s, ALICE_KEY, BOB_KEY);
        Signature memory challenger = signChallenge(ALICE_KEY, x, s);
        adjudicator.challenge(x, noProof(), signed, challenger);
    }

    function directExit(address asset, uint256[3] memory bounds) private {
        VariablePart memory s = challengeDirect(asset);
        uint256 total = row(named('direct exit: challenge', asset), bounds[0]);
        vm.warp(NOW + DURATION);
        adjudicator.transferAllAssets(channelIdOf(x), s.outcome, stateHashOf(x, s));
        total += row(named('direct exit: transferAllAssets', asset), bounds[1]);
        row(named('direct exit: total', asset), total, bounds[2]);
    }

    function test_f_direct_exit_of_coin() public {
        directExit(COIN, [uint256(113146), 82026, 195172]);
    }

    function test_g_direct_exit_of_tokens() public {
        directExit(address(token), [NO_BOUND, NO_BOUND, NO_BOUND]);
    }

    function settleDirect(address asset) private {
        VariablePart memory s = challengeDirect(asset);
        uint256 total = vm.lastCallGas().gasTotalUsed;
        vm.warp(NOW + DURATION);
        adjudicator.settle(channelIdOf(x), s.outcome, stateHashOf(x, s), new INitroAdjudicator.Reclaim[](0));
        total += row(named('direct exit: settle', asset), asset == COIN ? 82026 : NO_BOUND);
        row(named('direct exit: total by settle', asset), total, asset == COIN ? 195172 : NO_BOUND);
    }

    function test_h_direct_exit_of_coin_by_settle() public {
        settleDirect(COIN);
    }

    function test_h_direct_exit_of_tokens_by_settle() public {
        settleDirect(address(token));
    }

    function ledgerForX(address asset) private view returns (VariablePart memory) {
        return VariablePart(outcomeOf(asset, list(simple(channelIdOf(x), 10))), '', 6, false);
    }

    function ledgerExit(address asset, uint256[5] memory bounds) private {
        fund(asset, l, 10);
        VariablePart memory ofL = ledgerForX(asset);
        VariablePart memory ofX = direct(asset);
        SignedVariablePart memory signed = signedBy(l, ofL, IRENE_KEY, BOB_KEY);
        Signature memory challenger = signChallenge(BOB_KEY, l, ofL);
        adjudicator.challenge(l, noProof(), signed, challenger);
        uint256 total = row(named('ledger-funded exit: challenge L', asset), bounds[1]);
        signed = signedBy(x, ofX, ALICE_KEY, BOB_KEY);
        challenger = signChallenge(ALICE_KEY, x, ofX);
        adjudicator.challenge(x, noProof(), signed, challenger);
        total += row(named('ledger-funded exit: challenge X', asset), bounds[0]);
        vm.warp(NOW + DURATION);
        adjudicator.transferAllAssets(channelIdOf(l), ofL.outcome, stateHashOf(l, ofL));
        total += row(named('ledger-funded exit: transferAllAssets L', asset), bounds[2]);
        adjudicator.transferAllAssets(channelIdOf(x), ofX.outcome, stateHashOf(x, ofX));
        total += row(named('ledger-funded exit: transferAllAssets X', asset), bounds[3]);
        row(named('ledger-funded exit: total', asset), total, bounds[4]);
    }

    function test_i_ledger_funded_exit_of_coin() public {
        ledgerExit(COIN, [uint256(113146), 106283, 62113, 82026, 363568]);
    }

    function test_j_ledger_funded_exit_of_tokens() public {
        ledgerExit(address(token), [NO_BOUND, NO_BOUND, NO_BOUND, NO_BOUND, NO_BOUND]);
    }

    // Virtually funded: Irene and Bob's ledger channel guarantees 10, of which Bob holds a voucher for 7

    function ledgerForV(address asset) private view returns (VariablePart memory) {
        return VariablePart(
            outcomeOf(
                asset,
                list(
                    simple(to(irene), 5),
                    simple(to(BOB), 5),
                    guarantee(channelIdOf(v), 10, to(irene), to(BOB))
                )
            ),
            '',
            6,
            false
        );
    }

    function challengeOfL(address asset) private view returns (IForceMove.Challenge memory) {
        VariablePart memory s = ledgerForV(asset);
        return
            IForceMove.Challenge(
                l, noProof(), signedBy(l, s, IRENE_KEY, BOB_KEY), signChallenge(BOB_KEY, l, s)
            );
    }

    function redemption(address asset) private view returns (VariablePart memory) {
        Signature memory sig = sign(ALICE_KEY, keccak256(abi.encode(channelIdOf(v), uint256(7))));
        return VariablePart(split(asset, 3, 7), abi.encode(uint256(7), sig.v, sig.r, sig.s), 2, false);
    }

    function challengeOfV(address asset) private view returns (IForceMove.Challenge memory) {
        VariablePart memory s = redemption(asset);
        SignedVariablePart[] memory proof = new SignedVariablePart[](1);
        proof[0] = signedByTrio(v, VariablePart(split(asset, 10, 0), '', 1, false));
        return IForceMove.Challenge(v, proof, signedBy(v, s, BOB_KEY), signChallenge(BOB_KEY, v, s));
    }

    function register(IForceMove.Challenge memory c) private {
        adjudicator.challenge(c.fixedPart, c.proof, c.candidate, c.challengerSig);
    }

    function virtualExit(address asset, uint256[5] memory bounds) private {
        fund(asset, l, 20);
        register(challengeOfL(asset));
        uint256 total = row(named('virtually funded exit: challenge L', asset), bounds[0]);
        register(challengeOfV(asset));
        total += row(named('virtually funded exit: challenge V', asset), bounds[1]);
        vm.warp(NOW + DURATION);
        VariablePart memory ofL = ledgerForV(asset);
        VariablePart memory ofV = redemption(asset);
        adjudicator.reclaim(
            IMultiAssetHolder.ReclaimArgs(
                channelIdOf(l),
                stateHashOf(l, ofL),
                abi.encode(ofL.outcome),
                0,
                2,
                stateHashOf(v, ofV),
                abi.encode(ofV.outcome),
                0
            )
        );
        total += row(named('virtually funded exit: reclaim', asset), bounds[2]);
        ExitFormat.SingleAssetExit[] memory left =
            outcomeOf(asset, list(simple(to(irene), 8), simple(to(BOB), 12)));
        adjudicator.transferAllAssets(channelIdOf(l), left, stateHashOf(l, ofL));
        total += row(named('virtually funded exit: transferAllAssets', asset), bounds[3]);
        row(named('virtually funded exit: total', asset), total, bounds[4]);
    }

    function test_k_virtually_funded_exit_of_coin() public {
        virtualExit(COIN, [uint256(122389), 172692, 61713, 113726, 470520]);
    }

    function test_l_virtually_funded_exit_of_tokens() public {
        virtualExit(address(token), [NO_BOUND, NO_BOUND, NO_BOUND, NO_BOUND, NO_BOUND]);
    }

    function virtualExitInTwo(address asset) private {
        fund(asset, l, 20);
        IForceMove.Challenge[] memory challenges = new IForceMove.Challenge[](2);
        challenges[0] = challengeOfL(asset);
        challenges[1] = challengeOfV(asset);
        adjudicator.challengeAll(challenges);
        uint256 total =
            row(named('virtually funded exit: challengeAll', asset), asset == COIN ? 295081 : NO_BOUND);
        vm.warp(NOW + DURATION);
        INitroAdjudicator.Reclaim[] memory reclaims = new INitroAdjudicator.Reclaim[](1);
        reclaims[0] =
            INitroAdjudicator.Reclaim(0, 2, stateHashOf(v, redemption(asset)), redemption(asset).outcome, 0);
        VariablePart memory ofL = ledgerForV(asset);
        adjudicator.settle(channelIdOf(l), ofL.outcome, stateHashOf(l, ofL), reclaims);
        total += row(named('virtually funded exit: settle', asset), asset == COIN ? 175439 : NO_BOUND);
        row(
            named('virtually funded exit: total of two calls', asset),
            total,
            asset == COIN ? 470520 : NO_BOUND
        );
    }

    function test_m_virtually_funded_exit_of_coin_in_two_calls() public {
        virtualExitInTwo(COIN);
    }

    function test_n_virtually_funded_exit_of_tokens_in_two_calls() public {
        virtualExitInTwo(address(token));
    }

    // Clearing a challenge

    function clear(FixedPart memory f, VariablePart memory s, uint256 first, uint256 second) private {
        SignedVariablePart memory signed = signedBy(f, s, first, second);
        Signature memory challenger = signChallenge(second, f, s);
        adjudicator.challenge(f, noProof(), signed, challenger);
    }

    function test_o_clearing_a_challenge() public {
        clear(x, direct(COIN), ALICE_KEY, BOB_KEY);
        VariablePart memory newer = direct(COIN);
        newer.turnNum = 7;
        adjudicator.checkpoint(x, noProof(), signedBy(x, newer, ALICE_KEY, BOB_KEY));
        row('clear a challenge: checkpoint X', 73936);
        clear(l, ledgerForX(COIN), IRENE_KEY, BOB_KEY);
        newer = ledgerForX(COIN);
        newer.turnNum = 7;
        adjudicator.checkpoint(l, noProof(), signedBy(l, newer, IRENE_KEY, BOB_KEY));
        row('clear a challenge: checkpoint L', 69932);
    }

    function test_p_answering_a_challenge() public {
        clear(x, direct(COIN), ALICE_KEY, BOB_KEY);
        VariablePart memory newer = direct(COIN);
        newer.turnNum = 7;
        clear(x, newer, ALICE_KEY, BOB_KEY);
        row('clear a challenge: challenge X', 96482);
        clear(l, ledgerForX(COIN), IRENE_KEY, BOB_KEY);
        newer = ledgerForX(COIN);
        newer.turnNum = 7;
        clear(l, newer, IRENE_KEY, BOB_KEY);
        row('clear a challenge: challenge L', 89655);
    }

    // Many guarantees

    /// @dev What a transaction may have since EIP-7825.
    uint256 private constant CAP = 16_777_216;

    function redemptionOf(FixedPart memory f) private view returns (VariablePart memory) {
        Signature memory voucher = sign(ALICE_KEY, keccak256(abi.encode(channelIdOf(f), 3)));
        return VariablePart(split(COIN, 7, 3), abi.encode(uint256(3), voucher), 2, false);
    }

    function channelOf(uint256 number) private view returns (FixedPart memory f) {
        f = FixedPart(v.participants, uint64(100 + number), v.appDefinition, v.challengeDuration);
    }

    function ledgerWith(uint256 count) private view returns (VariablePart memory) {
        ExitFormat.Allocation[] memory allocations = new ExitFormat.Allocation[](count + 2);
        (allocations[0], allocations[1]) = (simple(to(irene), 1000), simple(to(BOB), 1000));
        for (uint256 k = 0; k < count; ++k) {
            allocations[k + 2] = guarantee(channelIdOf(channelOf(k)), 10, to(irene), to(BOB));
        }
        return VariablePart(outcomeOf(COIN, allocations), '', 6, false);
    }

    function challengeOf(uint256 number) private view returns (IForceMove.Challenge memory) {
        FixedPart memory f = channelOf(number);
        VariablePart memory s = redemptionOf(f);
        SignedVariablePart[] memory proof = new SignedVariablePart[](1);
        proof[0] = signedByTrio(f, VariablePart(split(COIN, 10, 0), '', 1, false));
        return IForceMove.Challenge(f, proof, signedBy(f, s, BOB_KEY), signChallenge(BOB_KEY, f, s));
    }

    /// @dev So many challenges, then so many reclaims go into one transaction.
    function exitWith(uint256 count, uint256 perChallenge, uint256 perSettle) private {
        string memory name = string.concat('exit with ', vm.toString(count), ' guarantees: ');
        uint256 dearest = 0;
        uint256 sum = 0;
        uint256 used;
        FixedPart memory ledger = l;
        VariablePart memory s = ledgerWith(count);
        adjudicator.deposit{value: 2000 + 10 * count}(COIN, channelIdOf(ledger), 0, 2000 + 10 * count);
        for (uint256 first = 0; first < count; first += perChallenge) {
            uint256 size = count - first < perChallenge ? count - first : perChallenge;
            IForceMove.Challenge[] memory challenges =
                new IForceMove.Challenge[](first == 0 ? size + 1 : size);
            for (uint256 k = 0; k < size; ++k) {
                challenges[k] = challengeOf(first + k);
            }
            if (first == 0) {
                SignedVariablePart memory signed = signedBy(ledger, s, IRENE_KEY, BOB_KEY);
                challenges[size] =
                    IForceMove.Challenge(ledger, noProof(), signed, signChallenge(BOB_KEY, ledger, s));
            }
            adjudicator.challengeAll(challenges);
            used = vm.lastCallGas().gasTotalUsed;
            sum += used;
            if (used > dearest) dearest = used;
        }
        row(string.concat(name, 'challengeAll'), sum, NO_BOUND);
        vm.warp(block.timestamp + DURATION);
        uint256 settled = settleIn(ledger, s, count, perSettle, name);
        row(string.concat(name, 'total'), sum + settled, NO_BOUND);
        row(string.concat(name, 'dearest challengeAll'), dearest, CAP);
    }

    function settleIn(
        FixedPart memory ledger,
        VariablePart memory s,
        uint256 count,
        uint256 perSettle,
        string memory name
    ) private returns (uint256 sum) {
        bytes32 id = channelIdOf(ledger);
        bytes32 stateHash = stateHashOf(ledger, s);
        uint256 dearest = 0;
        for (uint256 first = 0; first < count; first += perSettle) {
            uint256 size = count - first < perSettle ? count - first : perSettle;
            INitroAdjudicator.Reclaim[] memory reclaims = new INitroAdjudicator.Reclaim[](size);
            for (uint256 k = 0; k < size; ++k) {
                VariablePart memory r = redemptionOf(channelOf(first + k));
                reclaims[k] =
                    INitroAdjudicator.Reclaim(0, 2, stateHashOf(channelOf(first + k), r), r.outcome, 0);
            }
            adjudicator.settle(id, s.outcome, stateHash, reclaims);
            uint256 used = vm.lastCallGas().gasTotalUsed;
            sum += used;
            if (used > dearest) dearest = used;
            // What is left: both were paid, the first guarantees are gone.
            ExitFormat.Allocation[] memory all = s.outcome[0].allocations;
            ExitFormat.Allocation[] memory rest = new ExitFormat.Allocation[](all.length - size);
            (rest[0], rest[1]) = (simple(to(irene), 0), simple(to(BOB), 0));
            for (uint256 k = 2; k < rest.length; ++k) {
                rest[k] = all[k + size];
            }
            s.outcome[0].allocations = rest;
        }
        same(adjudicator.statusOf(id), 0, 'everything is settled');
        row(string.concat(name, 'settle'), sum, NO_BOUND);
        row(string.concat(name, 'dearest settle'), dearest, CAP);
    }

    function test_q_exit_with_16_guarantees() public {
        exitWith(16, 16, 16);
    }

    function test_q_exit_with_50_guarantees() public {
        exitWith(50, 50, 50);
    }

    function test_q_exit_with_100_guarantees() public {
        exitWith(100, 100, 100);
    }

    function test_q_exit_with_200_guarantees() public {
        exitWith(200, 100, 200);
    }

    /// @dev What was too much for one transaction when every reclaim copied the whole outcome.
    function test_q_exit_with_200_guarantees_in_parts() public {
        string memory name = 'settle 200 guarantees by 32: ';
        VariablePart memory s = ledgerWith(200);
        setStatus(channelIdOf(l), statusWord(6, NOW, stateHashOf(l, s), outcomeHashOf(s.outcome)));
        fundWithCoin(channelIdOf(l), 4000);
        for (uint256 k = 0; k < 200; ++k) {
            VariablePart memory r = redemptionOf(channelOf(k));
            bytes32 hash = stateHashOf(channelOf(k), r);
            setStatus(channelIdOf(channelOf(k)), statusWord(2, NOW, hash, outcomeHashOf(r.outcome)));
        }
        settleIn(l, s, 200, 32, name);
    }
}
