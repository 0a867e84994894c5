//! The connector of S3 against a server of another hand that verifies signatures.

use calls::http_request::{self, Prepared, Reading};
use calls::{Secrets, Sender, carry};
use connectors::{Access, Call, built_in};
use domain::Millis;
use domain::run::StepError;
use http_body_util::BodyExt;
use runtime::{Clock, SystemClock};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use vault::Secret;

const ID: &str = "AKIDEXAMPLE";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

struct Server {
    service: S3Service,
    key: &'static str,
    clock: Box<dyn Clock>,
    _folder: tempfile::TempDir,
}

fn server(key: &'static str, clock: impl Clock + 'static) -> Server {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
    builder.set_auth(SimpleAuth::from_single(ID, KEY));
    Server { service: builder.build(), key, clock: Box::new(clock), _folder: folder }
}

impl Sender for Server {
    type Broken = Infallible;

    async fn send(
        &self,
        prepared: Prepared,
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, Infallible> {
        let Prepared { request, reading: Reading { as_file, .. }, .. } = prepared;
        // As a client sends it: the address as it stands, with the host in a header.
        let url = url::Url::parse(&request.url).unwrap();
        let mut sent = http::Request::new(s3s::Body::http_body(http_body_util::Full::new(request.body)));
        *sent.method_mut() = request.method;
        *sent.uri_mut() = url[url::Position::BeforePath..].parse().unwrap();
        *sent.headers_mut() = request.headers;
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        sent.headers_mut().insert("host", host.parse().unwrap());
        sent.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
        sent.headers_mut().insert("patchbay-depth", "1".parse().unwrap());
        let (parts, body) = self.service.call(sent).await.unwrap().into_parts();
        let response = egress::HttpResponse {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
            file: None,
            url: request.url,
            redirects: 0,
        };
        assert!(as_file || response.body.is_empty() || response.headers["content-type"] == "application/xml");
        Ok(http_request::outcome(Ok(response), true, Millis(0), secrets))
    }
}

async fn call(server: &Server, action: &str, input: Value) -> Result<Value, StepError> {
    let mut secrets = Secrets::default();
    secrets.add("key", "drawn", Secret::new(server.key.to_owned()));
    let fields = json!({"region": "us-east-1", "endpoint": "http://127.0.0.1:9000", "access_key_id": ID});
    let mut credentials = fields.as_object().unwrap().clone();
    credentials.insert("secret_access_key".to_owned(), secrets.stand_in("key").into());
    let access = Access { auth: Some("access_key".to_owned()), credentials, fields };
    let mut call =
        Call::begin(built_in("aws_s3", None).expect("it is in the catalogue"), action, input, &access, 0)?;
    let clock = server.clock.as_ref();
    let Ok(came) = carry(&mut call, server, "key", &secrets, clock, Duration::from_mins(1)).await;
    came
}

#[tokio::test]
async fn objects_come_and_go() {
    let server = server(KEY, SystemClock);
    let buckets = call(&server, "list_buckets", json!({})).await.unwrap();
    assert_eq!(buckets["items"][0]["name"], "files");
    let keys = ["a.txt", "in/b c.txt", "in/d+e~f*(g)'!$&,;=@.txt", "in/ü/%41?#.txt"];
    for key in keys {
        let put = json!({"bucket": "files", "key": key, "content": key, "content_type": "text/plain"});
        let put = call(&server, "put_object", put).await.unwrap();
        assert!(put["etag"].is_string(), "{key}: {put}");
        let at = json!({"bucket": "files", "key": key});
        let got = call(&server, "get_object", at.clone()).await.unwrap();
        assert_eq!(got["file"], key);
        let told = call(&server, "get_object_info", at).await.unwrap();
        assert_eq!(told["size"], key.len(), "{told}");
    }
    let listed =
        call(&server, "list_objects", json!({"bucket": "files", "prefix": "in/d+e~f*("})).await.unwrap();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &items[0]["key"], &items[0]["size"]),
        (1, &json!(keys[2]), &json!(keys[2].len()))
    );
    let all = call(&server, "list_objects", json!({"bucket": "files", "prefix": "in/"})).await.unwrap();
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    let folders = call(&server, "list_folders", json!({"bucket": "files"})).await.unwrap();
    assert_eq!(folders["items"], json!([{"prefix": "in/"}]));
    let copy =
        json!({"from_bucket": "files", "from_key": keys[2], "bucket": "files", "key": "copied/x y.txt"});
    let copied = call(&server, "copy_object", copy).await.unwrap();
    assert!(copied["last_modified"].is_string(), "{copied}");
    let copied = json!({"bucket": "files", "key": "copied/x y.txt"});
    assert_eq!(call(&server, "get_object", copied.clone()).await.unwrap()["file"], keys[2]);
    call(&server, "delete_object", copied.clone()).await.unwrap();
    let error = call(&server, "get_object", copied).await.unwrap_err();
    assert_eq!(error.details.unwrap()["app_code"], "NoSuchKey");
}

#[tokio::test]
async fn another_key_is_refused() {
    let server = server("wJalrXUtnFEMI/K7MDENG+another+key", SystemClock);
    let error = call(&server, "list_buckets", json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("credentials_refused", false), "{error:?}");
    assert!(!format!("{error:?}").contains("another"));
}

#[tokio::test]
async fn a_signature_is_of_its_own_time() {
    struct Late;
    impl Clock for Late {
        fn now(&self) -> Millis {
            Millis(1_369_353_600_000)
        }
    }
    let error = call(&server(KEY, Late), "list_buckets", json!({})).await.unwrap_err();
    assert_eq!(error.details.as_ref().unwrap()["app_code"], "RequestTimeTooSkewed", "{error:?}");
}
