//! The client against an S3 that verifies signatures.

use blobs::{BlobError, BlobStore, Bucket, Content, S3Blobs};
use bytes::Bytes;
use emulators::{BUCKET, Cloud, REGION};
use runtime::{Clock, SystemClock};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

const KEY: &str = "d62/org_1/run_1/0abc";
const ENDPOINT: &str = "http://127.0.0.1:8787";

fn client(cloud: &Cloud, secret: &str) -> S3Blobs {
    let bucket = Bucket { name: BUCKET.into(), region: REGION.into(), endpoint: Some(ENDPOINT.into()) };
    let credentials = aws_credential_types::Credentials::new("local", secret, None, None, "test");
    S3Blobs::new(cloud.connector(), credentials, bucket, Arc::new(SystemClock))
}

fn bytes(text: &'static str) -> Content {
    Content::Bytes(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn what_was_put_is_got_and_copied() {
    let cloud = Cloud::memory().unwrap();
    let blobs = client(&cloud, "local");
    assert!(matches!(blobs.get(KEY, 100).await, Err(BlobError::Gone)));
    blobs.put(KEY, bytes("hello"), "text/plain").await.unwrap();
    // A repetition changes nothing.
    blobs.put(KEY, bytes("hello"), "text/plain").await.unwrap();
    assert_eq!(blobs.get(KEY, 5).await.unwrap(), "hello");
    assert!(matches!(blobs.get(KEY, 4).await, Err(BlobError::TooLarge { most: 4 })));
    blobs.copy(KEY, "d123/org_1/run_2/0abc").await.unwrap();
    assert_eq!(blobs.get("d123/org_1/run_2/0abc", 5).await.unwrap(), "hello");
    assert!(matches!(blobs.copy("d62/none", KEY).await, Err(BlobError::Gone)));
    blobs.put("d62/empty", bytes(""), "text/plain").await.unwrap();
    assert_eq!(blobs.get("d62/empty", 5).await.unwrap(), "");
}

#[tokio::test]
async fn a_request_that_another_signed_is_refused() {
    let cloud = Cloud::memory().unwrap();
    let stranger = client(&cloud, "guessed");
    let refused = stranger.put(KEY, bytes("x"), "text/plain").await;
    assert!(matches!(refused, Err(BlobError::Refused { .. })), "{refused:?}");
    assert!(matches!(client(&cloud, "local").get(KEY, 100).await, Err(BlobError::Gone)));
}

#[tokio::test]
async fn a_file_is_sent_from_disk() {
    let cloud = Cloud::memory().unwrap();
    let blobs = client(&cloud, "local");
    let mut file = tempfile::tempfile().unwrap();
    let piece: Vec<u8> = (0..=255).cycle().take(1_000_003).collect();
    for _ in 0..20 {
        file.write_all(&piece).unwrap();
    }
    let length = 20 * piece.len() as u64;
    let content = Content::File(Arc::new(file), length);
    assert_eq!(content.len(), length);
    blobs.put(KEY, content, "application/octet-stream").await.unwrap();
    let kept = blobs.get(KEY, length).await.unwrap();
    assert!(kept.len() as u64 == length && kept.ends_with(&piece));
}

#[tokio::test]
async fn a_signed_address_is_good_for_its_object_and_its_time() {
    let cloud = Cloud::memory().unwrap();
    let blobs = client(&cloud, "local");
    blobs.put(KEY, bytes("hello"), "text/plain").await.unwrap();
    let fetch = |url: String| {
        let cloud = cloud.clone();
        async move {
            let request =
                http::Request::get(url.strip_prefix(ENDPOINT).unwrap()).header("host", "127.0.0.1:8787");
            cloud.answer_s3(request.body(Bytes::new()).unwrap()).await
        }
    };
    let url = blobs.address(KEY, Duration::from_mins(5)).unwrap();
    let answer = fetch(url.clone()).await;
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"hello"[..]));
    assert_eq!(answer.headers()["content-type"], "text/plain");
    assert_eq!(fetch(url.replace("0abc", "0abd")).await.status().as_u16(), 403);
    assert_eq!(fetch(url.replace("X-Amz-Expires=300", "X-Amz-Expires=900")).await.status().as_u16(), 403);
    let plain = url.split('?').next().unwrap().to_owned();
    assert_eq!(fetch(plain).await.status().as_u16(), 403);
    let short = blobs.address(KEY, Duration::from_secs(1)).unwrap();
    SystemClock.sleep(Duration::from_millis(2100)).await;
    assert_eq!(fetch(short).await.status().as_u16(), 403);
}
