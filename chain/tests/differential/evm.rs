//! The compiled contracts, in an interpreter without a chain around it.

use alloy::primitives::{Address, Bytes, Log, TxKind, U256, hex};
use alloy::sol_types::{Panic, Revert, SolCall, SolError, SolValue};
use chain::bindings::NitroAdjudicator;
use chain::bindings::consensus_app::ConsensusApp;
use chain::bindings::token::Token;
use chain::bindings::virtual_payment_app::VirtualPaymentApp;
use engine::state::Deployment;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::handler::MainnetContext;
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, Bytecode};
use revm::{ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

const CHAIN_ID: u64 = 31_337;

/// Enough for every honest call.
const GAS: u64 = 25_000_000;

/// What the account has that deploys and asks; it takes part in nothing.
const OPERATOR: Address = Address::repeat_byte(0x0b);

/// The deployed contracts.
pub(crate) struct Evm {
    inner: MainnetEvm<MainnetContext<CacheDB<EmptyDB>>>,
    pub(crate) deployment: Deployment,
    pub(crate) token: Address,
}

impl Evm {
    /// A contract that takes no coin.
    pub(crate) const UNPAYABLE: Address = Address::repeat_byte(0xdd);

    /// Contracts that were just deployed. The operator has all tokens.
    pub(crate) fn new() -> Self {
        // What the contracts are compiled for is older; this is what chains run.
        Self::by_rules_of(SpecId::CANCUN)
    }

    /// The same on a chain with other rules.
    pub(crate) fn by_rules_of(fork: SpecId) -> Self {
        let context = Context::mainnet().with_db(CacheDB::new(EmptyDB::default()));
        let context = context.modify_cfg_chained(|config| {
            config.set_spec_and_mainnet_gas_params(fork);
            config.chain_id = CHAIN_ID;
            config.disable_nonce_check = true;
        });
        let deployment = Deployment {
            chain_id: CHAIN_ID,
            adjudicator: Address::ZERO,
            consensus_app: Address::ZERO,
            payment_app: Address::ZERO,
        };
        let mut evm = Self { inner: context.build_mainnet(), deployment, token: Address::ZERO };
        evm.fund(OPERATOR, U256::from(1));
        evm.deployment = Deployment {
            adjudicator: evm.create(NitroAdjudicator::BYTECODE.to_vec()),
            consensus_app: evm.create(ConsensusApp::BYTECODE.to_vec()),
            payment_app: evm.create(VirtualPaymentApp::BYTECODE.to_vec()),
            ..deployment
        };
        let refuse = Bytecode::new_raw(Bytes::from_static(&[0x5f, 0x5f, 0xfd]));
        let unpayable = AccountInfo::default().with_code(refuse);
        let database = &mut evm.inner.ctx.journaled_state.database;
        database.insert_account_info(Self::UNPAYABLE, unpayable);
        evm.token = evm.create([Token::BYTECODE.to_vec(), OPERATOR.abi_encode()].concat());
        evm
    }

    /// Gives an account coin that was always there.
    pub(crate) fn fund(&mut self, account: Address, balance: U256) {
        let info = AccountInfo { balance, ..AccountInfo::default() };
        self.inner.ctx.journaled_state.database.insert_account_info(account, info);
    }

    /// Gives an account tokens, and lets the adjudicator take all of them.
    pub(crate) fn give_tokens(&mut self, account: Address, amount: U256) {
        let give = Token::transferCall { to: account, amount };
        self.send(OPERATOR, self.token, U256::ZERO, give.abi_encode()).unwrap();
        let approve =
            Token::approveCall { spender: self.deployment.adjudicator, amount: U256::MAX };
        self.send(account, self.token, U256::ZERO, approve.abi_encode()).unwrap();
    }

    /// Every following call is in a block of that time.
    pub(crate) fn set_time(&mut self, timestamp: u64) {
        self.inner.ctx.block.timestamp = U256::from(timestamp);
    }

    pub(crate) fn balance(&mut self, account: Address) -> U256 {
        let accounts = &self.inner.ctx.journaled_state.database.cache.accounts;
        accounts.get(&account).map(|known| known.info.balance).unwrap_or_default()
    }

    /// Tokens of an account.
    pub(crate) fn tokens(&mut self, account: Address) -> U256 {
        self.ask_at(self.token, &Token::balanceOfCall { account }).unwrap()
    }

    /// Asks the adjudicator something. Refusals are their text, as the fake adjudicator says it.
    pub(crate) fn ask<C: SolCall>(&mut self, call: &C) -> Result<C::Return, String> {
        self.ask_at(self.deployment.adjudicator, call)
    }

    fn ask_at<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, String> {
        let transaction = transaction(OPERATOR, TxKind::Call(to), U256::ZERO, call.abi_encode());
        let result = self.inner.transact(transaction).unwrap().result;
        let (output, _) = outcome(result)?;
        Ok(C::abi_decode_returns(&output).unwrap())
    }

    /// Executes a call of the adjudicator.
    pub(crate) fn execute(
        &mut self,
        from: Address,
        value: U256,
        data: Vec<u8>,
    ) -> Result<Vec<Log>, String> {
        self.send(from, self.deployment.adjudicator, value, data)
    }

    /// Gas that a call of the adjudicator needs; what it gives back in the end is not taken off.
    pub(crate) fn cost(&mut self, from: Address, value: U256, data: Vec<u8>) -> u64 {
        let transaction = transaction(from, TxKind::Call(self.deployment.adjudicator), value, data);
        let result = self.inner.transact(transaction).unwrap().result;
        let cost = result.gas().total_gas_spent().max(result.gas().floor_gas());
        outcome(result).unwrap();
        cost
    }

    fn send(
        &mut self,
        from: Address,
        to: Address,
        value: U256,
        data: Vec<u8>,
    ) -> Result<Vec<Log>, String> {
        let transaction = transaction(from, TxKind::Call(to), value, data);
        let result = self.inner.transact_commit(transaction).unwrap();
        outcome(result).map(|(_, logs)| logs)
    }

    fn create(&mut self, code: Vec<u8>) -> Address {
        let transaction = transaction(OPERATOR, TxKind::Create, U256::ZERO, code);
        match self.inner.transact_commit(transaction).unwrap() {
            ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } => address,
            other => panic!("a contract that is not deployed: {other:?}"),
        }
    }
}

fn transaction(from: Address, kind: TxKind, value: U256, data: Vec<u8>) -> TxEnv {
    TxEnv::builder()
        .caller(from)
        .kind(kind)
        .value(value)
        .data(data.into())
        .gas_limit(GAS)
        .chain_id(Some(CHAIN_ID))
        .build()
        .unwrap()
}

fn outcome(result: ExecutionResult) -> Result<(Bytes, Vec<Log>), String> {
    match result {
        ExecutionResult::Success { output, logs, .. } => Ok((output.into_data(), logs)),
        ExecutionResult::Revert { output, .. } => Err(revert_text(&output)),
        ExecutionResult::Halt { reason, .. } => panic!("the interpreter gives up: {reason:?}"),
    }
}

/// The text of a revert, as the fake adjudicator writes it.
fn revert_text(data: &[u8]) -> String {
    if data.is_empty() {
        return String::new();
    }
    if let Ok(revert) = Revert::abi_decode(data) {
        return revert.reason;
    }
    match Panic::abi_decode(data) {
        Ok(panic) => format!("Panic(0x{:x})", panic.code),
        Err(_) => hex::encode_prefixed(data),
    }
}
