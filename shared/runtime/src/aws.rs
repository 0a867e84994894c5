//! The AWS configuration of a function.
//!
//! Built by hand from the variables that Lambda sets: the usual loader also looks for profiles, SSO and instance metadata, which
//! a function never has and which would cost start-up time and size.

use crate::{MissingVariable, Vars};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::SdkConfig;
use aws_types::region::Region;

/// The configuration that this deployment's clients share.
pub fn sdk_config(vars: &Vars) -> Result<SdkConfig, MissingVariable> {
    let credentials = Credentials::new(
        vars.required("AWS_ACCESS_KEY_ID")?,
        vars.required("AWS_SECRET_ACCESS_KEY")?,
        vars.optional("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "lambda environment",
    );
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_https();
    let mut builder = SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(Region::new(vars.required("AWS_REGION")?.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .http_client(http);
    if let Some(url) = vars.optional("AWS_ENDPOINT_URL") {
        builder = builder.endpoint_url(url);
    }
    Ok(builder.build())
}
