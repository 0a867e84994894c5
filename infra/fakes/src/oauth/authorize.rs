//! The authorization endpoint: a person is asked, and sent back with a code.

use super::server::{Code, Server};
use crate::call::Call;
use crate::path::{all, first};
use crate::reply;
use axum::response::Response;
use http::StatusCode;
use url::Url;

impl Server {
    pub(crate) fn authorize(&mut self, call: &Call) -> Response {
        self.counts.authorizations += 1;
        let asked = call.query_pairs();
        // Who asks, and where the answer goes, must be certain before anybody is sent anywhere.
        let client =
            self.clients.iter().find(|client| Some(client.id.as_str()) == first(&asked, "client_id"));
        let Some(client) = client else { return page("invalid_client: there is no such client") };
        let given = first(&asked, "redirect_uri");
        let redirect = match (given, client.redirect_uris.as_slice()) {
            (Some(uri), _) if client.redirects_to(uri) => uri,
            (None, [only]) => only,
            _ => return page("invalid_request: redirect_uri is not one of the client's"),
        };
        let Ok(mut back) = Url::parse(redirect) else { return page("invalid_request: redirect_uri") };
        let state = first(&asked, "state").map(str::to_owned);
        let outcome = self.judged(&asked);
        match outcome {
            Ok((scopes, challenge)) => {
                let code = self.drawn.text("code_", 40);
                let kept = Code {
                    client: first(&asked, "client_id").unwrap_or_default().to_owned(),
                    redirect_uri: given.map(str::to_owned),
                    challenge,
                    scopes,
                    offline: first(&asked, "access_type") == Some("offline"),
                    expires: Self::until(call.now, self.rules.code_seconds),
                    spent: None,
                };
                self.counts.codes_given += 1;
                self.codes.insert(code.clone(), kept);
                back.query_pairs_mut().append_pair("code", &code);
            }
            Err((error, description)) => {
                back.query_pairs_mut()
                    .append_pair("error", error)
                    .append_pair("error_description", description);
            }
        }
        if let Some(state) = state {
            back.query_pairs_mut().append_pair("state", &state);
        }
        let response = reply::typed(StatusCode::FOUND, "text/plain", "");
        reply::with_header(response, "location", back)
    }

    /// The scopes and the challenge of a request, or what the client is told.
    #[expect(clippy::type_complexity, reason = "an error and its description, used here only")]
    fn judged(
        &self,
        asked: &[(String, String)],
    ) -> Result<(Vec<String>, Option<String>), (&'static str, &'static str)> {
        for name in
            ["response_type", "scope", "state", "code_challenge", "code_challenge_method", "client_id"]
        {
            if all(asked, name).len() > 1 {
                return Err(("invalid_request", "a parameter is given twice"));
            }
        }
        match first(asked, "response_type") {
            Some("code") => {}
            Some(_) => return Err(("unsupported_response_type", "only codes are given")),
            None => return Err(("invalid_request", "response_type is missing")),
        }
        let challenge = match (first(asked, "code_challenge"), first(asked, "code_challenge_method")) {
            (Some(challenge), Some("S256")) if is_challenge(challenge) => Some(challenge.to_owned()),
            (Some(_), Some("S256")) => return Err(("invalid_request", "code_challenge is malformed")),
            (Some(_), _) => return Err(("invalid_request", "code_challenge_method must be S256")),
            (None, _) if self.rules.needs_challenge => {
                return Err(("invalid_request", "code_challenge is missing"));
            }
            (None, _) => None,
        };
        let client = self.clients.iter().find(|client| Some(client.id.as_str()) == first(asked, "client_id"));
        let allowed = client.map(|client| client.scopes.as_slice()).unwrap_or_default();
        let scopes: Vec<String> =
            first(asked, "scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        if scopes.iter().any(|scope| !allowed.contains(scope)) {
            return Err(("invalid_scope", "the client may not ask for this scope"));
        }
        if !self.consents {
            return Err(("access_denied", "the person said no"));
        }
        Ok((scopes, challenge))
    }
}

/// A SHA-256 in base64url has 43 characters.
fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn page(text: &'static str) -> Response {
    reply::typed(StatusCode::BAD_REQUEST, "text/plain", text)
}
