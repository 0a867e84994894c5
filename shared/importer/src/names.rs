//! Names that fit a manifest.

use std::collections::{BTreeMap, BTreeSet};

/// A text of at most so many characters.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}

/// `listUserTokens` and `list-user.tokens` are `list_user_tokens`.
pub(crate) fn snake(text: &str) -> String {
    let mut out = String::new();
    let chars: Vec<char> = text.chars().take(300).collect();
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            continue;
        }
        let before = i.checked_sub(1).map(|i| chars[i]);
        let after = chars.get(i + 1);
        // `HTTPServer` is two words, `userID` too.
        let begins = c.is_ascii_uppercase()
            && (before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                || (before.is_some_and(|b| b.is_ascii_uppercase())
                    && after.is_some_and(char::is_ascii_lowercase)));
        if begins && !out.ends_with('_') {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out.trim_matches('_').to_owned()
}

/// A name of an action, a field of a connection or a way to sign in: small letters, digits and `_`, beginning with a letter.
pub(crate) fn name(text: &str, otherwise: &str) -> String {
    let made = snake(text);
    let made = match made.chars().next() {
        None => otherwise.to_owned(),
        Some(first) if first.is_ascii_lowercase() => made,
        Some(_) => format!("{otherwise}_{made}"),
    };
    cut(&made, 64).trim_end_matches('_').to_owned()
}

/// The names that are given already.
#[derive(Default)]
pub(crate) struct Taken {
    names: BTreeSet<String>,
    /// The number that a name which is taken gets next.
    next: BTreeMap<String, usize>,
}

impl Taken {
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The name, or the name with the first number that makes it another than those taken. It is taken from then on.
    pub(crate) fn unique(&mut self, name: &str, max: usize) -> String {
        if self.names.insert(name.to_owned()) {
            return name.to_owned();
        }
        let number = self.next.entry(name.to_owned()).or_insert(2);
        loop {
            let end = format!("_{number}");
            *number += 1;
            let made = format!("{}{end}", cut(name, max.saturating_sub(end.len())));
            if self.names.insert(made.clone()) {
                return made;
            }
        }
    }
}

/// `user_id` is `User id`, for people.
pub(crate) fn title(text: &str) -> String {
    let words = snake(text).replace('_', " ");
    let mut chars = words.chars();
    match chars.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + chars.as_str(),
        None => cut(text, 200).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        for (from, to) in [
            ("listUserTokens", "list_user_tokens"),
            ("HTTPServer.getURL", "http_server_get_url"),
            ("users/list-all", "users_list_all"),
            ("2fa", "op_2fa"),
            ("Привет", "op"),
            ("__a__", "a"),
        ] {
            assert_eq!(name(from, "op"), to, "{from}");
        }
        assert_eq!(name(&"x".repeat(100), "op").len(), 64);
    }

    #[test]
    fn a_name_is_given_once() {
        let mut taken = Taken::default();
        let mut given = || taken.unique("abcd", 4);
        assert_eq!((given(), given(), given()), ("abcd".into(), "ab_2".into(), "ab_3".into()));
    }

    #[test]
    fn titles_are_for_people() {
        assert_eq!(title("opt_fields"), "Opt fields");
        assert_eq!(title("X-Request-ID"), "X request id");
    }
}
