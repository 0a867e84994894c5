//! The addresses by which a step that waits is answered: unguessable, and good for that step only.

use crate::id::{base32, digest16};
use crate::run::Head;
use crate::{OrgId, RunId};
use std::fmt;

/// What stands in such an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub org: OrgId,
    pub run: RunId,
    /// The path of the step that waits.
    pub path: String,
    mac: String,
}

impl Token {
    /// The token of a step; `None` for a run without a secret.
    pub fn of(head: &Head, path: &str) -> Option<Self> {
        let mac = mac(&head.secret?, head, path);
        Some(Self { org: head.org.clone(), run: head.id.clone(), path: path.to_owned(), mac })
    }

    /// Reads a token as an address has it; whether it is true, the run's head tells.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '~');
        let org = OrgId::parse(&format!("{}_{}", OrgId::PREFIX, parts.next()?)).ok()?;
        let run = RunId::parse(&format!("{}_{}", RunId::PREFIX, parts.next()?)).ok()?;
        let mac = parts.next()?.to_owned();
        let path = decode(parts.next()?)?;
        Some(Self { org, run, path, mac })
    }

    /// Whether the token was made for this run and step. Takes the same time whatever is wrong with it.
    pub fn is_of(&self, head: &Head) -> bool {
        let Some(secret) = &head.secret else { return false };
        let expected = mac(secret, head, &self.path);
        self.run == head.id
            && self.org == head.org
            && expected.len() == self.mac.len()
            && expected.bytes().zip(self.mac.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |id: &str| id.split_once('_').map_or("", |(_, rest)| rest).to_owned();
        let (org, run) = (bare(self.org.as_str()), bare(self.run.as_str()));
        write!(f, "{org}~{run}~{}~{}", self.mac, encode(&self.path))
    }
}

/// Half of a SHA-256 over the secret and what it signs: as the other half is not told, nobody can append to it.
fn mac(secret: &[u8; 16], head: &Head, path: &str) -> String {
    base32(digest16(&["callback", &base32(*secret), head.org.as_str(), head.id.as_str(), path]))
}

/// Paths hold letters, digits, `_`, `.` and iterations in brackets; brackets are no part of an address.
fn encode(path: &str) -> String {
    path.replace('[', "(").replace(']', ")")
}

fn decode(text: &str) -> Option<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'(' | b')');
    let text = text.replace("%28", "(").replace("%29", ")");
    (text.len() <= 4096 && text.bytes().all(allowed)).then(|| text.replace('(', "[").replace(')', "]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::NewRun;
    use crate::{Millis, WorkflowId};

    fn head(secret: Option<[u8; 16]>) -> Head {
        let run = NewRun {
            id: RunId::from_bytes([2; 16]),
            workflow: WorkflowId::from_bytes([3; 16]),
            version: 1,
            trigger: "manual".into(),
            input: serde_json::Value::Null,
            started_at: Millis(0),
            deadline: Millis(1),
            depth: 0,
            parent: None,
            origin: None,
            epoch: 0,
            secret,
            priority: crate::run::Priority::default(),
            variables: None,
            gathers_until: None,
        };
        Head::begin(&OrgId::from_bytes([1; 16]), &run)
    }

    #[test]
    fn a_token_is_good_for_its_own_step_only() {
        let head = head(Some([9; 16]));
        let text = Token::of(&head, "each[17].ok").unwrap().to_string();
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.path, "each[17].ok");
        assert!(token.is_of(&head));
        let other = Token { path: "each[18].ok".into(), ..token.clone() };
        assert!(!other.is_of(&head));
        assert!(!token.is_of(&self::head(Some([8; 16]))));
        assert!(!token.is_of(&self::head(None)));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let good = Token::of(&head(Some([9; 16])), "ok").unwrap().to_string();
        for text in ["", "~~~", "a~b~c~d", &good[1..], &good.replace("~ok", "~o/k"), &good.replace("~ok", "")]
        {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }
}
