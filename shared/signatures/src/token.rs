//! A secret that the sender repeats as it is, such as Google's channel token or Telegram's.

use crate::bytes::{form, same, sha256};
use crate::refusal::Refusal;
use crate::request::Request;
use domain::workflow::verify::{Place, Token};

pub(crate) fn verify(token: &Token, secrets: &[&str], request: &Request<'_>) -> Result<(), Refusal> {
    let given = match &token.place {
        Place::Header(name) => {
            let value = request.header(name)?.strip_prefix(token.prefix.as_str());
            value.ok_or_else(|| Refusal::Malformed(name.clone()))?.as_bytes().to_vec()
        }
        Place::Query(name) => {
            let mut values = form(request.query().as_bytes())
                .filter(|(given, _)| given == name.as_bytes())
                .map(|(_, v)| v);
            let value = values.next().ok_or_else(|| Refusal::Missing(name.clone()))?;
            if values.next().is_some() {
                return Err(Refusal::Repeated(name.clone()));
            }
            value
        }
    };
    if secrets.iter().all(|secret| secret.is_empty()) {
        return Err(Refusal::NoKey);
    }
    // Of hashes, all of one length: that of the secret is not told either.
    let given = sha256(&given);
    let found = secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(false, |found, secret| found | same(sha256(secret.as_bytes()).as_ref(), given.as_ref()));
    if found { Ok(()) } else { Err(Refusal::Mismatch) }
}
