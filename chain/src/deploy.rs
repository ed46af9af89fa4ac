//! Puts the contracts on a chain, for `nitro deploy` and for tests.

use std::time::Duration;

use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::{PendingTransactionError, Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;
use engine::state::Deployment;

use crate::bindings::NitroAdjudicator;
use crate::bindings::consensus_app::ConsensusApp;
use crate::bindings::token::Token;
use crate::bindings::virtual_payment_app::VirtualPaymentApp;
use crate::config::AccountKey;
use crate::endpoint::Endpoint;
use crate::error::ChainError;
use crate::refusal::Refusal;

/// Thirty blocks of Ethereum. A deployment that is not mined by then was priced too low.
const MINED_WITHIN: Duration = Duration::from_secs(360);

/// A chain on this machine mines at once.
const LOCAL_POLL: Duration = Duration::from_millis(20);

/// Whether a token for tests is deployed beside the contracts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TestToken {
    /// No token.
    #[default]
    None,
    /// A token whose whole supply the deploying account gets.
    Deploy,
}

/// What was deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Chain and contracts, as the node is configured with them.
    pub deployment: Deployment,
    /// Block of the first contract: the right value of the setting `start_block`.
    pub start_block: u64,
    /// The token, when it was asked for.
    pub token: Option<Address>,
}

/// One step of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A transaction was sent.
    Sent {
        /// Name of the contract.
        contract: &'static str,
        /// Transaction hash.
        transaction: B256,
    },
    /// A contract exists.
    Deployed {
        /// Name of the contract.
        contract: &'static str,
        /// Where.
        address: Address,
    },
}

/// The id of the chain that an endpoint serves: what to look at before money is spent there.
///
/// # Errors
/// When the endpoint cannot be used.
pub async fn chain_id(endpoint: &str) -> Result<u64, ChainError> {
    Endpoint::parse(endpoint)?.connect().await?.chain_id().await
}

/// Deploys the adjudicator and the apps, one after another.
///
/// # Errors
/// When the endpoint or the key cannot be used, or a transaction is refused or not mined.
pub async fn deploy(
    endpoint: &str,
    key: &AccountKey,
    token: TestToken,
    mut progress: impl FnMut(Progress),
) -> Result<Deployed, ChainError> {
    let signer =
        PrivateKeySigner::from_bytes(&B256::from(*key.bytes())).map_err(|_| ChainError::Key)?;
    let owner = signer.address();
    let endpoint = Endpoint::parse(endpoint)?;
    let rpc = endpoint.connect().await?;
    if endpoint.is_local() {
        rpc.provider().client().set_poll_interval(LOCAL_POLL);
    }
    let chain_id = rpc.chain_id().await?;
    // The fillers suffice here: one transaction at a time, by a person who sees each.
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(signer))
        .connect_provider(rpc.provider().clone());
    let mut put = async |contract: &'static str, code: Bytes| {
        let request = TransactionRequest::default().with_deploy_code(code);
        let refused = |message: String| ChainError::Refused {
            request: contract,
            kind: Refusal::Unclear,
            message,
        };
        let pending = provider
            .send_transaction(request)
            .await
            .map_err(|error| rpc.explain(contract, error))?
            .with_timeout(Some(MINED_WITHIN));
        progress(Progress::Sent { contract, transaction: *pending.tx_hash() });
        let receipt = pending.get_receipt().await.map_err(|error| match error {
            PendingTransactionError::TransportError(error) => rpc.explain(contract, error),
            other => refused(other.to_string()),
        })?;
        let address = receipt
            .contract_address
            .filter(|_| receipt.status())
            .ok_or(ChainError::NotDeployed { contract })?;
        progress(Progress::Deployed { contract, address });
        Ok::<_, ChainError>((address, receipt.block_number.unwrap_or_default()))
    };
    let (adjudicator, start_block) =
        put("NitroAdjudicator", NitroAdjudicator::BYTECODE.clone()).await?;
    let (consensus_app, _) = put("ConsensusApp", ConsensusApp::BYTECODE.clone()).await?;
    let (payment_app, _) = put("VirtualPaymentApp", VirtualPaymentApp::BYTECODE.clone()).await?;
    let token = match token {
        TestToken::None => None,
        TestToken::Deploy => {
            let code = [Token::BYTECODE.to_vec(), owner.abi_encode()].concat();
            Some(put("Token", code.into()).await?.0)
        }
    };
    let deployment = Deployment { chain_id, adjudicator, consensus_app, payment_app };
    Ok(Deployed { deployment, start_block, token })
}
