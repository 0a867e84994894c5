//! Objects in a bucket of S3.

use crate::sign::Signer;
use crate::{BlobError, BlobStore, Content, Listed};
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use runtime::{Clock, MissingVariable, Vars};
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::debug;

/// How often a call is made whose failure may pass.
const ATTEMPTS: u32 = 3;
/// How much of an error's answer is told.
const EXCERPT: usize = 300;
/// An answer that lists a thousand objects.
const LARGEST_LIST: u64 = 2 * 1024 * 1024;
/// The SHA-256 of nothing.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Where the bucket is.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub name: String,
    pub region: String,
    /// An S3 other than AWS's, without a slash at the end; buckets are in its path.
    pub endpoint: Option<String>,
}

impl Bucket {
    /// The bucket that a function's variables name.
    pub fn read(vars: &Vars) -> Result<Self, MissingVariable> {
        Ok(Self {
            name: vars.required("BUCKET_FILES")?.to_owned(),
            region: vars.required("AWS_REGION")?.to_owned(),
            endpoint: vars.optional("AWS_ENDPOINT_URL").map(|url| url.trim_end_matches('/').to_owned()),
        })
    }

    fn base(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{endpoint}/{}", self.name),
            None => format!("https://{}.s3.{}.amazonaws.com", self.name, self.region),
        }
    }
}

/// A bucket of S3.
#[derive(Clone)]
pub struct S3Blobs {
    connector: SharedHttpConnector,
    credentials: Credentials,
    bucket: Bucket,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for S3Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Blobs").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl S3Blobs {
    pub fn new(
        connector: SharedHttpConnector,
        credentials: Credentials,
        bucket: Bucket,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { connector, credentials, bucket, clock }
    }

    fn signer(&self) -> Signer<'_> {
        let now = u64::try_from(self.clock.now().0).unwrap_or(0);
        Signer {
            credentials: &self.credentials,
            region: &self.bucket.region,
            now: SystemTime::UNIX_EPOCH + Duration::from_millis(now),
        }
    }

    fn uri(&self, key: &str) -> String {
        // Keys have letters, digits, `_` and `/` only: nothing in them needs encoding.
        format!("{}/{key}", self.bucket.base())
    }

    /// Sends one request, again if its failure may pass; reads the answer to a success up to `most` bytes.
    async fn call(&self, call: &Call<'_>, most: u64) -> Result<Bytes, BlobError> {
        self.call_into(call, most, &|| Ok(BytesMut::new())).await.map(BytesMut::freeze)
    }

    /// The same, into what `begin` makes for each attempt.
    async fn call_into<T: Taking>(
        &self,
        call: &Call<'_>,
        most: u64,
        begin: Begin<'_, T>,
    ) -> Result<T, BlobError> {
        let mut pause = Duration::from_millis(50);
        let mut attempt = 1;
        loop {
            let outcome = self.once(call, most, begin).await;
            match outcome {
                Err(BlobError::Unavailable { reason, .. }) if attempt < ATTEMPTS => {
                    debug!(operation = call.operation, reason, "the object store is asked again");
                    self.clock.sleep(pause).await;
                    pause *= 4;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn once<T: Taking>(&self, call: &Call<'_>, most: u64, begin: Begin<'_, T>) -> Result<T, BlobError> {
        let unavailable = |reason: String| BlobError::Unavailable { operation: call.operation, reason };
        let refused = |reason: String| BlobError::Refused { operation: call.operation, reason };
        let mut uri = self.uri(call.key);
        if !call.query.is_empty() {
            uri = uri + "?" + &call.query;
        }
        let host = uri.split('/').nth(2).unwrap_or_default().to_owned();
        let mut headers = vec![("host", host.as_str())];
        headers.extend(call.headers.iter().map(|(name, value)| (*name, value.as_str())));
        let signed = self
            .signer()
            .headers(call.method, &uri, &headers, call.digest)
            .map_err(|e| refused(e.clone()))?;
        let body = call.content.as_ref().map_or_else(SdkBody::empty, Content::body);
        let mut request = HttpRequest::new(body);
        request.set_method(call.method).map_err(|e| refused(e.to_string()))?;
        request.set_uri(uri.as_str()).map_err(|e| refused(e.to_string()))?;
        for (name, value) in &headers {
            request.headers_mut().insert((*name).to_owned(), (*value).to_owned());
        }
        for (name, value) in signed {
            request.headers_mut().insert(name, value);
        }
        if let Some(content) = &call.content {
            request.headers_mut().insert("content-length", content.len().to_string());
        }
        let response = self.connector.call(request).await.map_err(|e| {
            unavailable(aws_smithy_runtime_api::client::result::ConnectorError::to_string(&e))
        })?;
        let status = response.status().as_u16();
        match status {
            200..=299 => read(response, most, call.operation, begin()?).await,
            404 => Err(BlobError::Gone),
            _ => {
                let text =
                    read(response, 64 * 1024, call.operation, BytesMut::new()).await.unwrap_or_default();
                let text = String::from_utf8_lossy(&text).chars().take(EXCERPT).collect::<String>();
                let reason = format!("status {status}: {text}");
                // 409 is a conflict of two writes of the same key.
                let passes = status >= 500 || matches!(status, 408 | 409 | 429);
                Err(if passes { unavailable(reason) } else { refused(reason) })
            }
        }
    }
}

/// One request.
struct Call<'a> {
    operation: &'static str,
    method: &'static str,
    /// Empty for what is about the bucket.
    key: &'a str,
    /// Already escaped.
    query: String,
    headers: Vec<(&'static str, String)>,
    digest: &'a str,
    content: Option<Content>,
}

impl<'a> Call<'a> {
    /// A request without a body.
    fn of(operation: &'static str, method: &'static str, key: &'a str) -> Self {
        let query = String::new();
        Self { operation, method, key, query, headers: Vec::new(), digest: NOTHING, content: None }
    }
}

/// What an answer is read into: memory, or a file.
trait Taking: Send {
    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()>;
}

/// Makes one of them, for each attempt anew.
type Begin<'a, T> = &'a (dyn Fn() -> Result<T, BlobError> + Sync);

impl Taking for BytesMut {
    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl Taking for File {
    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write_all(bytes)
    }
}

async fn read<T: Taking>(
    response: HttpResponse,
    most: u64,
    operation: &'static str,
    mut into: T,
) -> Result<T, BlobError> {
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| BlobError::Unavailable { operation, reason: e.to_string() })?;
        let Ok(data) = frame.into_data() else { continue };
        read += data.len() as u64;
        if read > most {
            return Err(BlobError::TooLarge { most });
        }
        into.take(&data)?;
    }
    Ok(into)
}

#[async_trait]
impl BlobStore for S3Blobs {
    async fn put(&self, key: &str, content: Content, media: &str) -> Result<(), BlobError> {
        let digest = content.digest()?;
        let call = Call {
            headers: vec![("content-type", media.to_owned())],
            digest: &digest,
            content: Some(content),
            ..Call::of("put", "PUT", key)
        };
        self.call(&call, 64 * 1024).await.map(|_| ())
    }

    async fn get(&self, key: &str, most: u64) -> Result<Bytes, BlobError> {
        self.call(&Call::of("get", "GET", key), most).await
    }

    async fn fetch(&self, key: &str, most: u64) -> Result<File, BlobError> {
        let begin = || tempfile::tempfile().map_err(BlobError::from);
        let mut file: File = self.call_into(&Call::of("fetch", "GET", key), most, &begin).await?;
        file.rewind()?;
        Ok(file)
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), BlobError> {
        let headers = vec![("x-amz-copy-source", format!("/{}/{from}", self.bucket.name))];
        let call = Call { headers, ..Call::of("copy", "PUT", to) };
        self.call(&call, 64 * 1024).await.map(|_| ())
    }

    async fn list(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<Listed>, BlobError> {
        let mut found: Vec<Listed> = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            // In the order in which a signature wants them.
            let mut query = format!("list-type=2&max-keys={}&prefix={}", most - found.len(), escaped(prefix));
            if let Some(after) = &after {
                query = query + "&start-after=" + &escaped(after);
            }
            let call = Call { query, ..Call::of("list", "GET", "") };
            let answer = self.call(&call, LARGEST_LIST).await?;
            let no_list =
                || BlobError::Refused { operation: "list", reason: "the answer is no list".to_owned() };
            let (some, more) = listed(&String::from_utf8_lossy(&answer)).ok_or_else(no_list)?;
            after = some.last().map(|last| last.key.clone()).or(after);
            let stuck = more && some.is_empty();
            found.extend(some);
            // S3 may tell of fewer than it was asked for, and of more to come.
            if !more || found.len() >= most {
                found.truncate(most);
                return Ok(found);
            }
            if stuck {
                return Err(no_list());
            }
        }
    }

    async fn delete(&self, key: &str) -> Result<(), BlobError> {
        match self.call(&Call::of("delete", "DELETE", key), 64 * 1024).await {
            Ok(_) | Err(BlobError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn address(&self, key: &str, valid: Duration) -> Result<String, BlobError> {
        let uri = self.uri(key);
        let refused = |reason: String| BlobError::Refused { operation: "address", reason };
        let parameters = self.signer().parameters(&uri, valid).map_err(refused)?;
        let mut query = String::new();
        for (name, value) in parameters {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(&name);
            query.push('=');
            query += &escaped(&value);
        }
        Ok(uri + &query)
    }
}

/// The objects that an answer to `ListObjectsV2` tells of, and whether there are more; `None` of what is no such answer. Our keys have no
/// character that XML would write otherwise, so what stands between the tags is the value.
fn listed(answer: &str) -> Option<(Vec<Listed>, bool)> {
    let within = |text: &str, tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(value, _)| value.to_owned())
    };
    let (_, list) = answer.split_once("<ListBucketResult")?;
    let mut parts = list.split("<Contents>");
    // What stands before the first object is about the list itself, and so may be what stands behind the last.
    let head = parts.next()?;
    let objects = parts.map(|object| {
        let bytes = within(object, "Size")?.trim().parse().ok()?;
        Some(Listed { key: within(object, "Key")?, bytes })
    });
    let objects = objects.collect::<Option<Vec<_>>>()?;
    let more = list.contains("<IsTruncated>true</IsTruncated>") || within(head, "IsTruncated")? == "true";
    Some((objects, more))
}

fn escaped(text: &str) -> String {
    text.bytes().map(encoded).collect()
}

/// A byte of a query's value, as RFC 3986 wants it.
fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
