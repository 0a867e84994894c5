//! Tokens that must be believed, and the many that must not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;

struct Desk {
    signer: Signer,
    pkcs8: Vec<u8>,
    verifier: Verifier,
}

fn desk() -> Desk {
    let pkcs8 = generate_pkcs8().unwrap();
    let signer = Signer::from_pkcs8("k1", &pkcs8, Realm::default()).unwrap();
    let verifier = Verifier::new([signer.public_key().clone()], Realm::default());
    Desk { signer, pkcs8, verifier }
}

fn subject() -> Subject {
    Subject {
        user: UserId::from_bytes([1; 16]),
        org: OrgId::from_bytes([2; 16]),
        role: Role::Editor,
        session: None,
    }
}

impl Desk {
    fn token(&self) -> String {
        self.signer.sign(subject(), NOW).unwrap().token
    }

    /// A token signed with the right key, whatever it says.
    fn forged(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&self.pkcs8).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes())))
    }

    fn refuses(&self, what: &str, token: &str) {
        let outcome = self.verifier.verify(token, NOW);
        assert!(matches!(outcome, Err(TokenError::Invalid { .. })), "{what}: {outcome:?}");
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"})
}

fn claims() -> Value {
    let subject = subject();
    json!({
        "sub": subject.user, "org": subject.org, "role": "editor", "iat": NOW, "exp": NOW + 900,
        "iss": "patchbay", "aud": "patchbay-api", "jti": "1",
    })
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn without(mut object: Value, key: &str) -> Value {
    object.as_object_mut().unwrap().remove(key);
    object
}

#[test]
fn a_token_says_what_was_signed() {
    let desk = desk();
    let access = desk.signer.sign(subject(), NOW).unwrap();
    assert_eq!(access.expires_in, 900);
    let claims = desk.verifier.verify(&access.token, NOW + 1).unwrap();
    assert_eq!((&claims.sub, &claims.org, claims.role), (&subject().user, &subject().org, Role::Editor));
    assert_eq!((claims.iat, claims.exp), (NOW, NOW + 900));
    assert_ne!(claims.jti, desk.verifier.verify(&desk.token(), NOW).unwrap().jti);
    // The hand-made one is right, so each refusal below is for the one thing that it changes.
    assert!(desk.verifier.verify(&desk.forged(&header(), &self::claims()), NOW).is_ok());
}

#[test]
fn time_decides_by_the_callers_clock() {
    let desk = desk();
    let token = desk.token();
    for (at, outcome) in [
        (NOW - 6, Err(TokenError::Invalid { reason: "it is from the future" })),
        (NOW - 5, Ok(())),
        (NOW + 899, Ok(())),
        (NOW + 904, Ok(())),
        (NOW + 905, Err(TokenError::Expired)),
        (i64::MAX, Err(TokenError::Expired)),
        (i64::MIN, Err(TokenError::Invalid { reason: "it is from the future" })),
    ] {
        assert_eq!(desk.verifier.verify(&token, at).map(|_| ()), outcome, "{at}");
    }
}

#[test]
fn the_header_chooses_nothing() {
    let desk = desk();
    for (what, header) in [
        ("alg none", with(header(), "alg", "none".into())),
        ("alg None", with(header(), "alg", "None".into())),
        ("no alg", without(header(), "alg")),
        ("alg in lower case", with(header(), "alg", "eddsa".into())),
        ("alg HS256", with(header(), "alg", "HS256".into())),
        ("alg ES256", with(header(), "alg", "ES256".into())),
        ("alg RS256", with(header(), "alg", "RS256".into())),
        ("no typ", without(header(), "typ")),
        ("typ JWT", with(header(), "typ", "JWT".into())),
        ("typ of another kind", with(header(), "typ", "logout+jwt".into())),
        ("no kid", without(header(), "kid")),
        ("unknown kid", with(header(), "kid", "k2".into())),
        ("kid that is a path", with(header(), "kid", "../../dev/null".into())),
        ("kid that is no string", with(header(), "kid", 1.into())),
        ("crit", with(header(), "crit", json!(["exp"]))),
        ("an array", json!([])),
    ] {
        desk.refuses(what, &desk.forged(&header, &claims()));
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    let desk = desk();
    for alg in ["none", "EdDSA"] {
        let message = format!("{}.{}", part(&with(header(), "alg", alg.into())), part(&claims()));
        desk.refuses(alg, &format!("{message}."));
        desk.refuses(alg, &message);
    }
}

/// The public key is public: a verifier that took it for an HMAC secret would let anyone sign.
#[test]
fn the_public_key_is_not_a_shared_secret() {
    let desk = desk();
    for alg in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let header = Header { typ: Some("at+jwt".into()), kid: Some("k1".into()), ..Header::new(alg) };
        let key = EncodingKey::from_secret(&desk.signer.public_key().bytes);
        desk.refuses("signed with the public key", &encode(&header, &claims(), &key).unwrap());
    }
}

#[test]
fn a_key_in_the_token_is_not_read() {
    let (desk, thief) = (desk(), self::desk());
    let x = URL_SAFE_NO_PAD.encode(thief.signer.public_key().bytes);
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
    desk.refuses("another key", &thief.token());
    desk.refuses("jwk", &thief.forged(&with(header(), "jwk", jwk), &claims()));
    desk.refuses(
        "jku",
        &thief.forged(&with(header(), "jku", "https://thief.example/keys".into()), &claims()),
    );
}

#[test]
fn claims_must_be_there_and_of_their_type() {
    let desk = desk();
    for claim in ["sub", "org", "role", "iat", "exp", "iss", "aud", "jti"] {
        desk.refuses(claim, &desk.forged(&header(), &without(claims(), claim)));
        desk.refuses(claim, &desk.forged(&header(), &with(claims(), claim, Value::Null)));
    }
    for (claim, value) in [
        ("exp", json!("1800000900")),
        ("exp", json!(1_800_000_900.5)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(-1)),
        ("exp", json!([NOW + 900])),
        ("exp", json!(NOW + 901)),
        ("exp", json!(NOW)),
        ("iat", json!(i64::MIN)),
        ("iat", json!(NOW + 60)),
        ("iss", json!("someone")),
        ("iss", json!(["patchbay"])),
        ("aud", json!("another-api")),
        ("aud", json!(["patchbay-api", "another-api"])),
        ("role", json!("root")),
        ("role", json!("Owner")),
        ("sub", json!("ada")),
        ("sub", json!(subject().org)),
        ("org", json!("*")),
    ] {
        desk.refuses(
            &format!("{claim} = {value}"),
            &desk.forged(&header(), &with(claims(), claim, value.clone())),
        );
    }
    // Twice the same claim: which one counts would be a matter of the reader.
    let twice = claims().to_string().replacen('{', "{\"role\":\"owner\",", 1);
    let message = format!("{}.{}", part(&header()), URL_SAFE_NO_PAD.encode(twice));
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&desk.pkcs8).unwrap();
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()));
    desk.refuses("a claim given twice", &format!("{message}.{signature}"));
}

#[test]
fn a_token_of_another_realm_is_refused_with_the_same_key() {
    let desk = desk();
    for realm in [
        Realm { issuer: "staging".into(), ..Realm::default() },
        Realm { audience: "webhooks".into(), ..Realm::default() },
    ] {
        let other = Signer::from_pkcs8("k1", &desk.pkcs8, realm).unwrap();
        desk.refuses("another realm", &other.sign(subject(), NOW).unwrap().token);
    }
}

#[test]
fn a_changed_token_is_refused() {
    let desk = desk();
    let token = desk.token();
    let parts: Vec<&str> = token.split('.').collect();
    let promoted = part(&with(claims(), "role", "owner".into()));
    desk.refuses("other claims", &format!("{}.{promoted}.{}", parts[0], parts[2]));
    desk.refuses("other header", &format!("{}.{}.{}", part(&header()), parts[1], parts[2]));
    for (index, part) in parts.iter().enumerate() {
        // Not the last character: its low bits may be padding.
        let middle = part.len() / 2;
        let mut changed = part.as_bytes().to_vec();
        changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
        let mut copy: Vec<String> = parts.iter().map(ToString::to_string).collect();
        copy[index] = String::from_utf8(changed).unwrap();
        desk.refuses("one character", &copy.join("."));
    }
    for (what, text) in [
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("a word", "token".into()),
        ("four parts", format!("{token}.x")),
        ("a space before", format!(" {token}")),
        ("a line break after", format!("{token}\n")),
        ("padding", format!("{token}==")),
        ("not base64", "é.é.é".into()),
        ("too long", format!("{token}{}", "A".repeat(5000))),
    ] {
        desk.refuses(what, &text);
    }
}

#[test]
fn keys_rotate() {
    let (old, new) = (desk(), generate_pkcs8().unwrap());
    let new = Signer::from_pkcs8("k2", &new, Realm::default()).unwrap();
    let both = Verifier::new([old.signer.public_key().clone(), new.public_key().clone()], Realm::default());
    assert!(both.verify(&old.token(), NOW).is_ok());
    let token = new.sign(subject(), NOW).unwrap().token;
    assert!(both.verify(&token, NOW).is_ok());
    old.refuses("a key it does not have", &token);
}

#[test]
fn what_is_no_key_is_refused() {
    let outcome = Signer::from_pkcs8("k1", b"not a key", Realm::default());
    assert!(matches!(outcome, Err(KeyError::Malformed { .. })));
}

#[test]
fn debug_output_has_no_secrets() {
    let desk = desk();
    let access = desk.signer.sign(subject(), NOW).unwrap();
    assert_eq!(format!("{access:?}"), "AccessToken { expires_in: 900, .. }");
    let shown = format!("{:?} {:?}", desk.signer, desk.verifier);
    let secret = &desk.pkcs8[16..48];
    assert!(!shown.contains(&format!("{secret:?}")) && !shown.contains("EncodingKey"), "{shown}");
}
