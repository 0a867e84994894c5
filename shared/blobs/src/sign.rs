//! Signature Version 4 as S3 wants it: paths are encoded once and not normalised, and the body's hash is a header.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use std::time::{Duration, SystemTime};

/// Who signs, for which region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signer<'a> {
    pub(crate) credentials: &'a Credentials,
    pub(crate) region: &'a str,
    pub(crate) now: SystemTime,
}

/// What a signature adds to a request: headers, or parameters of the query.
pub(crate) type Added = Vec<(String, String)>;

impl Signer<'_> {
    /// The headers that sign a request whose body has this SHA-256.
    pub(crate) fn headers<'a>(
        self,
        method: &'a str,
        uri: &'a str,
        headers: &'a [(&'a str, &'a str)],
        digest: &str,
    ) -> Result<Added, String> {
        let body = SignableBody::Precomputed(digest.to_owned());
        let request = SignableRequest::new(method, uri, headers.iter().copied(), body);
        self.sign(request.map_err(|e| e.to_string())?, settings())
    }

    /// The parameters that sign a `GET` of an address for so long.
    pub(crate) fn parameters(self, uri: &str, valid: Duration) -> Result<Added, String> {
        let mut settings = settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(valid);
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        let request = SignableRequest::new("GET", uri, std::iter::empty(), SignableBody::UnsignedPayload);
        self.sign(request.map_err(|e| e.to_string())?, settings)
    }

    fn sign(self, request: SignableRequest<'_>, settings: SigningSettings) -> Result<Added, String> {
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("s3")
            .time(self.now)
            .settings(settings)
            .build()
            .map_err(|e| e.to_string())?
            .into();
        let (instructions, _) = sign(request, &params).map_err(|e| e.to_string())?.into_parts();
        let headers = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let query = instructions.params().iter().map(|(name, value)| ((*name).to_owned(), value.to_string()));
        Ok(headers.chain(query).collect())
    }
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}
