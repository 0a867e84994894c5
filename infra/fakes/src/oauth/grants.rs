//! The token endpoint.

use super::clients::Client;
use super::server::{Access, Family, Refresh, Refused, Server};
use crate::call::Call;
use crate::path::{all, first};
use crate::reply;
use aws_lc_rs::digest;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

impl Server {
    /// Answers a request for tokens.
    pub(crate) fn token(&mut self, call: &Call) -> Response {
        match self.grant(call) {
            Ok(tokens) => {
                let response = reply::json(StatusCode::OK, &tokens);
                reply::with_header(response, "cache-control", "no-store")
            }
            Err(refused) => refused.into_response(),
        }
    }

    /// Tokens, or why there are none.
    pub(crate) fn grant(&mut self, call: &Call) -> Result<Value, Refused> {
        if call.content_type() != "application/x-www-form-urlencoded" {
            return Err(Refused::request("the body is not a form"));
        }
        let form = call.form_pairs();
        if form.iter().any(|(name, _)| all(&form, name).len() > 1) {
            return Err(Refused::request("a parameter is given twice"));
        }
        let kind = first(&form, "grant_type").ok_or(Refused::request("grant_type is missing"))?;
        // Counted before anything is judged: what matters is how often a client asks.
        if kind == "refresh_token" {
            self.counts.refreshes_asked += 1;
        }
        let client = self.client(call, &form)?;
        if call.fault.as_deref() == Some("invalid_grant") {
            return Err(Refused::grant("a fault that was asked for"));
        }
        match kind {
            "authorization_code" => self.by_code(&client, &form, call.now),
            "refresh_token" => self.by_refresh(&client, &form, call.now),
            "client_credentials" => self.by_credentials(&client, &form, call.now),
            _ => Err(Refused::of("unsupported_grant_type", "there is no such grant")),
        }
    }

    fn by_code(
        &mut self,
        client: &Client,
        form: &[(String, String)],
        now: Timestamp,
    ) -> Result<Value, Refused> {
        let name = first(form, "code").ok_or(Refused::request("code is missing"))?;
        let code = self.codes.get(name).filter(|code| code.client == client.id);
        let code = code.ok_or(Refused::grant("the code is not known"))?;
        if let Some(family) = code.spent {
            // Who presents a code twice may have stolen it: nothing that came from it is worth anything.
            self.revoke_family(family);
            return Err(Refused::grant("the code was used before"));
        }
        if now >= code.expires {
            return Err(Refused::grant("the code is too old"));
        }
        if code.redirect_uri.as_deref() != first(form, "redirect_uri") {
            return Err(Refused::grant("redirect_uri is not the one that the code was asked for with"));
        }
        match (&code.challenge, first(form, "code_verifier")) {
            (None, None) => {}
            (Some(challenge), Some(verifier)) if challenged(verifier) == Some(challenge.clone()) => {}
            _ => return Err(Refused::grant("code_verifier does not fit")),
        }
        let (scopes, offline) = (code.scopes.clone(), code.offline);
        let family = self.families.len();
        self.families.push(Family { client: client.id.clone(), scopes: scopes.clone(), revoked: false });
        if let Some(code) = self.codes.get_mut(name) {
            code.spent = Some(family);
        }
        self.counts.codes_exchanged += 1;
        let refresh = offline || !self.rules.needs_offline;
        Ok(self.give(client, scopes, Some(family), refresh, now))
    }

    fn by_refresh(
        &mut self,
        client: &Client,
        form: &[(String, String)],
        now: Timestamp,
    ) -> Result<Value, Refused> {
        let name = first(form, "refresh_token").ok_or(Refused::request("refresh_token is missing"))?;
        let unknown = Refused::grant("the refresh token is not known");
        let refresh = self.refreshes.get(name).ok_or(unknown.clone())?;
        let (number, spent, expires) = (refresh.family, refresh.spent, refresh.expires);
        if self.families[number].client != client.id {
            return Err(unknown);
        }
        if spent {
            // Two hold it, and nobody knows which one is the thief.
            self.counts.refreshes_reused += 1;
            self.revoke_family(number);
            return Err(Refused::grant(
                "the refresh token was used before: all tokens of this consent are revoked",
            ));
        }
        if self.families[number].revoked {
            return Err(Refused::grant("the refresh token is revoked"));
        }
        if now >= expires {
            return Err(Refused::grant("the refresh token is too old"));
        }
        let granted = self.families[number].scopes.clone();
        let scopes = match first(form, "scope") {
            Some(scope) => scope.split_whitespace().map(str::to_owned).collect(),
            None => granted.clone(),
        };
        if scopes.iter().any(|scope| !granted.contains(scope)) {
            return Err(Refused::of("invalid_scope", "the scope is wider than what was granted"));
        }
        let rotates = self.rules.rotates;
        if let Some(refresh) = self.refreshes.get_mut(name) {
            refresh.spent = rotates;
        }
        self.counts.refreshes_granted += 1;
        Ok(self.give(client, scopes, Some(number), rotates, now))
    }

    fn by_credentials(
        &mut self,
        client: &Client,
        form: &[(String, String)],
        now: Timestamp,
    ) -> Result<Value, Refused> {
        if client.secret.is_none() {
            return Err(Refused::of("unauthorized_client", "a public client has no tokens of its own"));
        }
        let asked = first(form, "scope").map(|scope| scope.split_whitespace().map(str::to_owned).collect());
        let scopes: Vec<String> = asked.unwrap_or_else(|| client.scopes.clone());
        if scopes.iter().any(|scope| !client.scopes.contains(scope)) {
            return Err(Refused::of("invalid_scope", "the client may not ask for this scope"));
        }
        self.counts.client_credentials += 1;
        Ok(self.give(client, scopes, None, false, now))
    }

    fn give(
        &mut self,
        client: &Client,
        scopes: Vec<String>,
        family: Option<usize>,
        refresh: bool,
        now: Timestamp,
    ) -> Value {
        let token = self.drawn.text("access_", 40);
        let mut answer = json!({
            "access_token": token, "token_type": "Bearer", "expires_in": self.rules.access_seconds,
            "scope": scopes.join(" "),
        });
        let user = if family.is_some() { "person-1".to_owned() } else { client.id.clone() };
        let expires = Self::until(now, self.rules.access_seconds);
        self.accesses.insert(token, Access { client: client.id.clone(), user, scopes, family, expires });
        if let (true, Some(family)) = (refresh, family) {
            let name = self.drawn.text("refresh_", 40);
            let expires = Self::until(now, self.rules.refresh_seconds);
            self.refreshes.insert(name.clone(), Refresh { family, spent: false, expires });
            answer["refresh_token"] = json!(name);
            if self.rules.tells_refresh_life {
                answer["refresh_expires_in"] = json!(self.rules.refresh_seconds);
            }
        }
        answer
    }
}

/// The challenge of a verifier; none, if the verifier is malformed.
fn challenged(verifier: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(allowed);
    formed.then(|| URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())))
}
