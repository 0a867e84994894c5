//! Requests to AWS are signed when they are sent, over the bytes that are sent (Signature Version 4).
//!
//! The secret key is in no request: a signature proves that somebody has it, for this request and a few minutes.

use crate::attached::Attached;
use crate::http_request::Prepared;
use crate::secrets::Secrets;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as signed,
};
use aws_sigv4::sign::v4::SigningParams;
use connectors::Signing;
use domain::Millis;
use domain::run::StepError;
use http::header::{HOST, HeaderName, HeaderValue};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};
use url::{Position, Url};

/// Signs a request that has its secrets already, as of `now`. From here on nothing of it may be changed; headers may be added.
pub(crate) fn sign(
    prepared: &mut Prepared,
    signing: &Signing,
    secrets: &Secrets,
    now: Millis,
) -> Result<(), StepError> {
    let Prepared { request, attached, .. } = prepared;
    let (url, host) = canonical(&request.url)?;
    let body = match attached.as_slice() {
        [] => SignableBody::Bytes(&request.body),
        // What is kept as a file has its digest, as AWS wants it.
        [Attached::File(file)] => SignableBody::Precomputed(file.sha256.clone()),
        _ => return Err(refused("a form with files cannot be signed for AWS; send one file as the body")),
    };
    let mut headers = vec![(HOST.as_str(), host.as_str())];
    for (name, value) in &request.headers {
        let value = value.to_str().map_err(|_| refused("a header has other characters than ASCII has"))?;
        headers.push((name.as_str(), value));
    }
    let mut settings = SigningSettings::default();
    // S3 takes a path as it is; the other services encode it once more.
    if signing.service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    // Keys are copied out of a console, at times with the space around them.
    let revealed = |text: &str| secrets.revealed_text(text).trim().to_owned();
    let credentials = Credentials::new(
        revealed(&signing.access_key_id),
        revealed(&signing.secret_access_key),
        signing.session_token.as_deref().map(revealed).filter(|token| !token.is_empty()),
        None,
        "connection",
    );
    let identity = credentials.into();
    // What is wrong is not repeated: the crate's messages may have parts of the request.
    let wrong = "the request cannot be signed for AWS: look at the connection's region and keys";
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&signing.region)
        .name(&signing.service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now.0).unwrap_or_default()))
        .settings(settings)
        .build()
        .map_err(|_| refused(wrong))?
        .into();
    let signable = SignableRequest::new(request.method.as_str(), &*url, headers.into_iter(), body)
        .map_err(|_| refused(wrong))?;
    let (instructions, _) = signed(signable, &params).map_err(|_| refused(wrong))?.into_parts();
    let made: Vec<(HeaderName, HeaderValue)> = instructions
        .headers()
        .map(|(name, value)| {
            let mut value = HeaderValue::from_str(value).map_err(|_| refused(wrong))?;
            // None of them goes to another origin.
            value.set_sensitive(true);
            Ok((HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused(wrong))?, value))
        })
        .collect::<Result<_, StepError>>()?;
    for (name, value) in made {
        request.headers.insert(name, value);
    }
    request.url = url;
    // It is signed for this address and no other.
    request.follow_redirects = false;
    Ok(())
}

/// An address as AWS reads it for the signature, and its host: all but letters, digits and `-._~` is written as `%XX`, slashes of the path
/// apart. Were it sent in another form, AWS would sign another text than was signed here.
fn canonical(url: &str) -> Result<(String, String), StepError> {
    let url = Url::parse(url).map_err(|e| refused(&format!("`url` is not an address: {e}")))?;
    let mut made = url[..Position::BeforePath].to_owned();
    for (i, segment) in url.path().split('/').enumerate() {
        if i > 0 {
            made.push('/');
        }
        encode(&decoded(segment), &mut made);
    }
    for (i, (name, value)) in url.query_pairs().enumerate() {
        made.push(if i == 0 { '?' } else { '&' });
        encode(name.as_bytes(), &mut made);
        made.push('=');
        encode(value.as_bytes(), &mut made);
    }
    Ok((made, url[Position::BeforeHost..Position::AfterPort].to_owned()))
}

fn encode(bytes: &[u8], into: &mut String) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(*byte));
            }
            _ => {
                let _ = write!(into, "%{byte:02X}");
            }
        }
    }
}

/// `%XX` as the byte that it is.
fn decoded(segment: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let bytes = segment.as_bytes();
    let mut made = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                made.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                made.push(byte);
                at += 1;
            }
        }
    }
    made
}

fn refused(why: &str) -> StepError {
    StepError::fatal("invalid_input", why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_request::{guard, prepare};
    use domain::RunId;
    use domain::run::{BlobName, BlobRef, FileRef};
    use serde_json::{Value, json};
    use vault::Secret;

    const SUITE_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const S3_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    /// 30 August 2015, 12:36:00, as in the test suite; 24 May 2013, as in S3's examples.
    const SUITE_TIME: Millis = Millis(1_440_938_160_000);
    const S3_TIME: Millis = Millis(1_369_353_600_000);

    /// A signed request, the key of which was put in at the last moment.
    fn signed_by(
        (service, region, id, key, token): (&str, &str, &str, &str, Option<&str>),
        input: &Value,
        now: Millis,
    ) -> Result<Prepared, StepError> {
        let mut secrets = Secrets::default();
        secrets.add("key", "0123", Secret::new(key.to_owned()));
        secrets.add("token", "4567", Secret::new(token.unwrap_or_default().to_owned()));
        let signing = Signing {
            service: service.to_owned(),
            region: region.to_owned(),
            access_key_id: id.to_owned(),
            secret_access_key: secrets.stand_in("key").unwrap(),
            session_token: secrets.stand_in("token"),
        };
        let mut prepared = prepare(input, None, Duration::from_secs(5))?;
        if input["untyped"] == true {
            prepared.request.headers.remove("content-type");
        }
        sign(&mut prepared, &signing, &secrets, now)?;
        guard(&mut prepared, &secrets);
        let shown = format!("{prepared:?} {:?} {signing:?}", prepared.request.headers);
        assert!(!shown.contains(key) && !secrets.are_in(prepared.request.url.as_bytes()), "{shown}");
        assert!(!prepared.request.follow_redirects);
        assert!(prepared.request.headers["authorization"].is_sensitive());
        Ok(prepared)
    }

    fn header(prepared: &Prepared, name: &str) -> String {
        prepared.request.headers[name].to_str().unwrap().to_owned()
    }

    fn signature(prepared: &Prepared) -> String {
        header(prepared, "authorization").rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn signatures_are_those_of_the_test_suite() {
        // https://github.com/awslabs/aws-c-auth/tree/v0.9.0/tests/aws-signing-test-suite/v4
        let url = |rest: &str| json!({"url": format!("https://example.amazonaws.com/{rest}")});
        let by = |token| ("service", "us-east-1", "AKIDEXAMPLE", SUITE_KEY, token);
        let letters = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for (rest, expected) in [
            ("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (letters, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
            (
                "?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
        ] {
            assert_eq!(signature(&signed_by(by(None), &url(rest), SUITE_TIME).unwrap()), expected, "{rest}");
        }
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        let temporary = signed_by(by(Some(token)), &url(""), SUITE_TIME).unwrap();
        assert_eq!(signature(&temporary), "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8");
        assert_eq!(header(&temporary, "x-amz-security-token"), token);
        assert!(temporary.request.headers["x-amz-security-token"].is_sensitive());
        // `double-url-encode`: services other than S3 encode a path once more.
        let function = json!({"method": "POST", "url": "https://lambda.us-east-2.amazonaws.com/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun/invocations"});
        let by = ("lambda", "us-east-2", "AKIDEXAMPLE", SUITE_KEY, None);
        assert_eq!(
            header(&signed_by(by, &function, Millis(1_620_747_645_000)).unwrap(), "authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20210511/us-east-2/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804"
        );
    }

    const S3: (&str, &str, &str, &str, Option<&str>) =
        ("s3", "us-east-1", "AKIAIOSFODNN7EXAMPLE", S3_KEY, None);

    #[test]
    fn signatures_are_those_of_the_examples_of_s3() {
        // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
        let object = json!({"url": "https://examplebucket.s3.amazonaws.com/test.txt", "headers": {"range": "bytes=0-9"}});
        let object = signed_by(S3, &object, S3_TIME).unwrap();
        assert_eq!(signature(&object), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        assert_eq!(
            header(&object, "x-amz-content-sha256"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let list = |query: Value| json!({"url": "https://examplebucket.s3.amazonaws.com", "query": query});
        let lifecycle = signed_by(S3, &list(json!({"lifecycle": ""})), S3_TIME).unwrap();
        assert_eq!(signature(&lifecycle), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
        let part = signed_by(S3, &list(json!({"prefix": "J", "max-keys": 2})), S3_TIME).unwrap();
        assert_eq!(signature(&part), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
        // The example of `PUT` has no media type, which a body always has here.
        let put = |body: Value| {
            json!({"method": "PUT", "url": "https://examplebucket.s3.amazonaws.com/test$file.text", "body": body, "untyped": true,
                "headers": {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}})
        };
        let text = signed_by(S3, &put("Welcome to Amazon S3.".into()), S3_TIME).unwrap();
        assert_eq!(signature(&text), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
        assert_eq!(text.request.url, "https://examplebucket.s3.amazonaws.com/test%24file.text");
        let digest = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        assert_eq!(header(&text, "x-amz-content-sha256"), digest);
        // A file is signed by the digest that it has, and is not read for it.
        let blob = BlobRef {
            run: RunId::from_bytes([2; 16]),
            name: BlobName::of(Duration::from_hours(1), "get", 1, "abc"),
            bytes: 21,
        };
        let file = FileRef { blob, media: "text/plain".into(), sha256: digest.into(), filename: None };
        let sent = signed_by(S3, &put(file.value()), S3_TIME).unwrap();
        assert_eq!(signature(&sent), signature(&text));
        let form = json!({"method": "POST", "url": "https://examplebucket.s3.amazonaws.com", "multipart": {"f": file.value()}});
        assert_eq!(signed_by(S3, &form, S3_TIME).unwrap_err().code, "invalid_input");
    }

    #[test]
    fn an_address_is_sent_as_it_is_signed() {
        let input = json!({"url": "http://127.0.0.1:9000/a b/*%7E%2b(ä).txt#x", "query": {"q": "a b+c"}});
        let odd = signed_by(S3, &input, S3_TIME).unwrap();
        assert_eq!(odd.request.url, "http://127.0.0.1:9000/a%20b/%2A~%2B%28%C3%A4%29.txt?q=a%20b%2Bc");
        // Computed apart, of the canonical request that AWS documents.
        assert_eq!(signature(&odd), "327d6a0cdf1161dcb177580bcccb2b9f8d1e85291f070a56864936387643ca3e");
        // What the client makes of it is the same.
        assert_eq!(Url::parse(&odd.request.url).unwrap().as_str(), odd.request.url);
        let inside = json!({"url": "https://h.example/a%2Fb//c/%25/"});
        assert_eq!(signed_by(S3, &inside, S3_TIME).unwrap().request.url, "https://h.example/a%2Fb//c/%25/");
    }

    #[test]
    fn what_cannot_be_signed_is_refused_without_a_secret_in_it() {
        let error = signed_by(
            ("s3", "eu\nwest", "AKID", S3_KEY, None),
            &json!({"url": "https://h.example"}),
            S3_TIME,
        );
        let error = error.unwrap_err();
        assert_eq!(error.code, "invalid_input");
        assert!(error.message.contains("region") && !format!("{error:?}").contains(S3_KEY));
    }
}
