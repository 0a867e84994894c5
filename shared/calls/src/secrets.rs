//! Secret variables in the input of an action: expressions see what stands in for them, the request has them, the history does not.
//!
//! What stands in is drawn anew for each evaluation: nobody can write it into a trigger or an answer to have the secret put there.

use domain::limits;
use domain::run::StepError;
use memchr::memmem;
use serde_json::Value;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use url::form_urlencoded::byte_serialize;
use vault::Secret;

/// What stands where a secret stood in bytes.
const MASK: u8 = b'*';
/// A file is looked through in pieces of this size.
const PIECE: u64 = 1024 * 1024;

/// The secrets that one input names.
#[derive(Default)]
pub struct Secrets {
    held: Vec<Held>,
}

struct Held {
    name: String,
    stands_in: String,
    value: Secret<String>,
    /// How it may look in an answer that repeats a request: as it is, form-encoded, in base64.
    shapes: Vec<Secret<String>>,
}

impl Secrets {
    /// `drawn` is a text that nobody knows.
    pub fn add(&mut self, name: &str, drawn: &str, value: Secret<String>) {
        use base64::Engine as _;
        let text = value.expose();
        let encoded: String = byte_serialize(text.as_bytes()).collect();
        let base64 = base64::engine::general_purpose::STANDARD.encode(text);
        // One that is too short could not be told from other text.
        let shapes = if text.len() < limits::MIN_SECRET_BYTES {
            Vec::new()
        } else {
            [text.clone(), encoded, base64].map(Secret::new).into()
        };
        self.held.push(Held { name: name.to_owned(), stands_in: format!("pbsecret{drawn}"), value, shapes });
        // The longest first: one that is a part of another must not be taken out of it, and leave the rest.
        self.held.sort_by_key(|held| std::cmp::Reverse(held.value.expose().len()));
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub fn stand_in(&self, name: &str) -> Option<String> {
        self.held.iter().find(|held| held.name == name).map(|held| held.stands_in.clone())
    }

    /// The input with the secrets: for the request, and nothing else.
    pub fn revealed(&self, input: &Value) -> Value {
        let mut input = input.clone();
        for held in &self.held {
            replace(&mut input, &held.stands_in, held.value.expose());
        }
        input
    }

    /// The same of one text.
    pub fn revealed_text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for held in &self.held {
            if text.contains(&held.stands_in) {
                text = text.replace(&held.stands_in, held.value.expose());
            }
        }
        text
    }

    /// The input with the names of the secrets in their places: for the history.
    pub fn named(&self, mut input: Value) -> Value {
        for held in &self.held {
            replace(&mut input, &held.stands_in, &label(&held.name));
        }
        input
    }

    /// Takes the secrets out of what came back.
    pub fn hide(&self, value: &mut Value) {
        for held in &self.held {
            for shape in &held.shapes {
                replace(value, shape.expose(), &label(&held.name));
            }
        }
    }

    /// How many bytes the longest of them has, however it is written.
    pub fn longest(&self) -> usize {
        self.held.iter().flat_map(|held| &held.shapes).map(|shape| shape.expose().len()).max().unwrap_or(0)
    }

    pub fn hide_error(&self, mut error: StepError) -> StepError {
        if self.is_empty() {
            return error;
        }
        let mut message = Value::String(std::mem::take(&mut error.message));
        self.hide(&mut message);
        message.as_str().unwrap_or_default().clone_into(&mut error.message);
        if let Some(details) = &mut error.details {
            self.hide(details);
        }
        error
    }

    /// Whether bytes that are sent hold one of them.
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        self.shapes().any(|shape| memmem::find(bytes, shape).is_some())
    }

    /// Writes over them where they stand in bytes that are no text; whether there were any.
    pub fn mask(&self, bytes: &mut [u8]) -> bool {
        let found: Vec<(usize, usize)> = self
            .shapes()
            .flat_map(|shape| memmem::find_iter(bytes, shape).map(|at| (at, shape.len())).collect::<Vec<_>>())
            .collect();
        for (at, length) in &found {
            bytes[*at..at + length].fill(MASK);
        }
        !found.is_empty()
    }

    /// The same in the first so many bytes of a file.
    pub fn mask_file(&self, file: &File, bytes: u64) -> io::Result<()> {
        let overlap = self.longest().saturating_sub(1) as u64;
        if self.longest() == 0 {
            return Ok(());
        }
        let mut at = 0;
        while at < bytes {
            let length = (bytes - at).min(PIECE + overlap);
            let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact_at(&mut piece, at)?;
            if self.mask(&mut piece) {
                file.write_all_at(&piece, at)?;
            }
            at += PIECE;
        }
        Ok(())
    }

    fn shapes(&self) -> impl Iterator<Item = &[u8]> {
        self.held.iter().flat_map(|held| &held.shapes).map(|shape| shape.expose().as_bytes())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.held.iter().map(|held| &held.name)).finish()
    }
}

fn label(name: &str) -> String {
    format!("[secret {name}]")
}

/// In every text and every field's name.
fn replace(value: &mut Value, what: &str, with: &str) {
    match value {
        Value::String(text) if text.contains(what) => *text = text.replace(what, with),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, what, with)),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains(what)) {
                let old = std::mem::take(fields);
                fields.extend(old.into_iter().map(|(name, value)| (name.replace(what, with), value)));
            }
            fields.values_mut().for_each(|field| replace(field, what, with));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_in_the_request_and_in_nothing_else() {
        let mut secrets = Secrets::default();
        secrets.add("key", "0123", Secret::new("s3cr/t value".to_owned()));
        let stands = secrets.stand_in("key").unwrap();
        let input = json!({"headers": {"authorization": format!("Bearer {stands}")}, "body": [{&stands: 1}]});
        let revealed = secrets.revealed(&input);
        assert_eq!(revealed["headers"]["authorization"], "Bearer s3cr/t value");
        assert_eq!(revealed["body"][0]["s3cr/t value"], 1);
        let named = secrets.named(input);
        assert_eq!(named["headers"]["authorization"], "Bearer [secret key]");
        assert!(!named.to_string().contains("s3cr") && !named.to_string().contains("pbsecret"));

        let mut answer = json!({"echo": "you sent s3cr/t value", "query": "k=s3cr%2Ft+value", "b": ["czNjci90IHZhbHVl"], "n": 7});
        secrets.hide(&mut answer);
        let said = "[secret key]";
        assert_eq!(
            answer,
            json!({"echo": format!("you sent {said}"), "query": format!("k={said}"), "b": [said], "n": 7})
        );
        let error = StepError::fatal("x", "`s3cr/t value` is not a method")
            .with_details(json!({"a": "s3cr/t value"}));
        let hidden = secrets.hide_error(error);
        assert!(!format!("{hidden:?}").contains("s3cr"), "{hidden:?}");
        assert!(secrets.are_in(b"k=s3cr%2Ft+value&") && !secrets.are_in(b"nothing"));
        assert!(!format!("{secrets:?}").contains("s3cr"));
        assert_eq!(secrets.stand_in("other"), None);
        // One that is the beginning of another.
        secrets.add("longer", "4567", Secret::new("s3cr/t value and more".to_owned()));
        let mut answer = json!("s3cr/t value and more, s3cr/t value");
        secrets.hide(&mut answer);
        assert_eq!(answer, "[secret longer], [secret key]");
        assert_eq!(secrets.longest(), 28);
    }

    #[test]
    fn bytes_that_are_no_text_are_written_over_wherever_they_stand() {
        use std::io::Write as _;
        let mut secrets = Secrets::default();
        secrets.add("a", "1", Secret::new("canary-4711".to_owned()));
        let mut bytes = b"\xff canary-4711 and Y2FuYXJ5LTQ3MTE= \xfe".to_vec();
        assert!(secrets.mask(&mut bytes));
        assert_eq!(bytes, b"\xff *********** and **************** \xfe");
        assert!(!secrets.mask(&mut bytes));
        // In a file, also where two pieces meet.
        for at in [0, 5, PIECE - 11, PIECE - 6, PIECE - 1, PIECE, 2 * PIECE - 3, 3 * PIECE] {
            let mut content = vec![0xff_u8; usize::try_from(at).unwrap()];
            content.extend(b"canary-4711");
            content.extend([0xff; 100]);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            secrets.mask_file(&file, content.len() as u64).unwrap();
            let mut read = vec![0; content.len()];
            file.read_exact_at(&mut read, 0).unwrap();
            assert!(!secrets.are_in(&read), "{at}");
            let at = usize::try_from(at).unwrap();
            assert_eq!(read[at..at + 11], [MASK; 11], "{at}");
        }
    }
}
