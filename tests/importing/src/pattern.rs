//! A text that a regular expression matches: of those without looking ahead or back.

/// The `nth` such text, more or less.
pub(crate) fn matching(pattern: &str, nth: u64) -> Option<String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, nth };
    let made = reader.forms()?;
    (reader.at == chars.len()).then_some(made)
}

struct Reader<'c> {
    chars: &'c [char],
    at: usize,
    nth: u64,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += 1;
        next
    }

    /// Several forms, of which the last is taken: the first is the special one often.
    fn forms(&mut self) -> Option<String> {
        let mut made = self.sequence()?;
        while self.peek() == Some('|') {
            self.at += 1;
            made = self.sequence()?;
        }
        Some(made)
    }

    fn sequence(&mut self) -> Option<String> {
        let mut made = String::new();
        while let Some(c) = self.peek().filter(|c| !matches!(c, '|' | ')')) {
            self.at += 1;
            let one = match c {
                '^' | '$' => continue,
                '(' => {
                    if self.peek() == Some('?') {
                        self.at += 1;
                        if self.next() != Some(':') {
                            return None;
                        }
                    }
                    let inner = self.forms()?;
                    if self.next() != Some(')') {
                        return None;
                    }
                    inner
                }
                '[' => self.class()?.to_string(),
                '.' => "a".to_owned(),
                '\\' => escaped(self.next()?)?.to_string(),
                c => c.to_string(),
            };
            for _ in 0..self.times()? {
                made.push_str(&one);
            }
        }
        Some(made)
    }

    fn class(&mut self) -> Option<char> {
        let mut choices = Vec::new();
        let not = self.peek() == Some('^');
        if not {
            self.at += 1;
        }
        loop {
            let c = match self.next()? {
                ']' if !choices.is_empty() => break,
                '\\' => escaped(self.next()?)?,
                c => c,
            };
            if self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| *c != ']') {
                self.at += 1;
                let last = self.next()?;
                choices.extend(c..=last);
            } else {
                choices.push(c);
            }
        }
        if not {
            return ('a'..='z').chain('0'..='9').find(|c| !choices.contains(c));
        }
        choices.get(self.nth as usize % choices.len().max(1)).copied()
    }

    fn times(&mut self) -> Option<usize> {
        let times = match self.peek() {
            Some('?' | '+') => 1,
            Some('*') => 0,
            Some('{') => {
                let end = self.chars[self.at..].iter().position(|c| *c == '}')?;
                let inside: String = self.chars[self.at + 1..self.at + end].iter().collect();
                self.at += end;
                inside.split(',').next()?.parse().ok()?
            }
            _ => return Some(1),
        };
        self.at += 1;
        if self.peek() == Some('?') {
            self.at += 1;
        }
        Some(times)
    }
}

fn escaped(c: char) -> Option<char> {
    match c {
        'd' => Some('1'),
        'w' | 'S' | 'D' => Some('a'),
        's' => Some(' '),
        'b' | 'B' | 'p' | 'P' | 'u' | 'x' => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::matching;

    #[test]
    fn a_text_matches() {
        for (pattern, text) in [
            ("^(0|[1-9][0-9]*)$", Some("1")),
            ("^#(([0-9a-fA-F]{2}){3}|([0-9a-fA-F]){3})$", Some("#000")),
            (r"^\d{4}-\d{2}$", Some("1111-11")),
            ("a?b+[^a-c]", Some("abd")),
            ("(?=a)b", None),
            ("(a", None),
        ] {
            assert_eq!(matching(pattern, 0).as_deref(), text, "{pattern}");
        }
    }
}
