//! The AWS configuration of a function.
//!
//! Built by hand from the variables that Lambda sets: the usual loader also looks for profiles, SSO and instance metadata, which
//! a function never has and which would cost start-up time and size.

use crate::{MissingVariable, Vars, https};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use std::time::Duration;

/// Who this function is to AWS.
pub fn credentials(vars: &Vars) -> Result<Credentials, MissingVariable> {
    Ok(Credentials::new(
        vars.required("AWS_ACCESS_KEY_ID")?,
        vars.required("AWS_SECRET_ACCESS_KEY")?,
        vars.optional("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "lambda environment",
    ))
}

/// The configuration that this deployment's clients share.
pub fn sdk_config(vars: &Vars) -> Result<SdkConfig, MissingVariable> {
    // Tables and queues answer in milliseconds; whoever is silent for so long is asked again, over another connection.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .read_timeout(Duration::from_secs(4))
        .build();
    let mut builder = SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(Region::new(vars.required("AWS_REGION")?.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials(vars)?))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .timeout_config(timeouts)
        .http_client(https::client());
    if let Some(url) = vars.optional("AWS_ENDPOINT_URL") {
        builder = builder.endpoint_url(url);
    }
    Ok(builder.build())
}
