//! Putting the contracts on a chain.

use chain::{AccountKey, ChainError, Progress, TestToken, deploy};

use crate::support::{Anvil, key, within};

#[tokio::test]
async fn tells_of_every_step_and_where_to_start_reading() {
    let anvil = Anvil::start(&[]);
    let mut sent = vec![];
    let mut deployed = vec![];
    let progress = |step| match step {
        Progress::Sent { contract, .. } => sent.push(contract),
        Progress::Deployed { contract, address } => deployed.push((contract, address)),
    };
    let result = within("deployment", deploy(&anvil.url(), &key(0), TestToken::None, progress))
        .await
        .unwrap();
    let deployment = result.deployment;
    assert_eq!(sent, ["NitroAdjudicator", "ConsensusApp", "VirtualPaymentApp"]);
    assert_eq!(
        deployed,
        [
            ("NitroAdjudicator", deployment.adjudicator),
            ("ConsensusApp", deployment.consensus_app),
            ("VirtualPaymentApp", deployment.payment_app),
        ]
    );
    assert_eq!((result.start_block, result.token, deployment.chain_id), (1, None, 31337));
}

#[tokio::test]
async fn account_without_coins_is_told_so() {
    let anvil = Anvil::start(&[]);
    let poor = AccountKey::new([7; 32]);
    let result = within("refusal", deploy(&anvil.url(), &poor, TestToken::None, |_| {})).await;
    let error = result.unwrap_err();
    assert!(matches!(error, ChainError::Refused { request: "NitroAdjudicator", .. }), "{error}");
    assert!(error.to_string().to_lowercase().contains("insufficient funds"), "{error}");
}
