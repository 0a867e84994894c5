//! S3 by `s3s`: a folder of files, behind S3's own protocol. Signatures are verified, so a request that AWS would refuse is refused.

use crate::cloud::CloudError;
use crate::meter::Meter;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The one bucket that there is.
pub const BUCKET: &str = "patchbay-files";

#[derive(Clone)]
pub(crate) struct S3 {
    service: S3Service,
    bucket: PathBuf,
    /// Keeps a folder that is not to stay for as long as it is used.
    _folder: Option<Arc<TempDir>>,
}

impl S3 {
    pub(crate) fn open(folder: &Path) -> Result<Self, CloudError> {
        let failed = |reason: String| CloudError::Files { path: folder.display().to_string(), reason };
        std::fs::create_dir_all(folder.join(BUCKET)).map_err(|e| failed(e.to_string()))?;
        let files = FileSystem::new(folder).map_err(|e| failed(format!("{e:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single("local", "local"));
        Ok(Self { service: builder.build(), bucket: folder.join(BUCKET), _folder: None })
    }

    pub(crate) fn forgetful() -> Result<Self, CloudError> {
        let folder = tempfile::tempdir()
            .map_err(|e| CloudError::Files { path: "a temporary folder".into(), reason: e.to_string() })?;
        let opened = Self::open(folder.path())?;
        Ok(Self { _folder: Some(Arc::new(folder)), ..opened })
    }

    pub(crate) fn forget(&self, key: &str) -> bool {
        std::fs::remove_file(self.bucket.join(key)).is_ok()
    }

    /// Answers one request, whole.
    pub(crate) async fn answer(&self, request: http::Request<Bytes>, meter: &Meter) -> http::Response<Bytes> {
        let operation = if request.headers().contains_key("x-amz-copy-source") {
            "s3.CopyObject".to_owned()
        } else {
            format!("s3.{}", request.method())
        };
        meter.add(&operation, 1.0);
        let request = request.map(|body| s3s::Body::http_body(Full::new(body)));
        let failed = |reason: String| {
            let body = format!("<Error><Code>InternalError</Code><Message>{reason}</Message></Error>");
            let mut response = http::Response::new(Bytes::from(body));
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        };
        match self.service.call(request).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                match body.collect().await {
                    Ok(body) => http::Response::from_parts(parts, body.to_bytes()),
                    Err(error) => failed(format!("{error}")),
                }
            }
            Err(error) => failed(format!("{error:?}")),
        }
    }
}
