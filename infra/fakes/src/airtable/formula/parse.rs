//! Text of a formula -> expression.

use super::{Fault, functions};

/// Formulas nest no deeper than this here.
const DEEPEST: usize = 60;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Text(String),
    Number(f64),
    Field(String),
    Negative(Box<Expression>),
    Two(Operator, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Join,
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Expression {
    /// Tells each field that is named.
    pub(super) fn fields(&self, tell: &mut dyn FnMut(&str)) {
        match self {
            Self::Text(_) | Self::Number(_) => {}
            Self::Field(name) => tell(name),
            Self::Negative(inner) => inner.fields(tell),
            Self::Two(_, left, right) => {
                left.fields(tell);
                right.fields(tell);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.fields(tell)),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Expression, Fault> {
    let mut reader = Reader { rest: text, depth: 0 };
    let expression = reader.comparison()?;
    reader.space();
    if reader.rest.is_empty() { Ok(expression) } else { Err(Fault::Invalid) }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes a sign if it comes next.
    fn sign(&mut self, sign: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn comparison(&mut self) -> Result<Expression, Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Fault::NotModelled("a formula that is nested so deep".into()));
        }
        let mut left = self.join()?;
        loop {
            // The longer signs first: `<=` begins with `<`.
            let operator = if self.sign("!=") || self.sign("<>") {
                Operator::NotEqual
            } else if self.sign("<=") {
                Operator::LessOrEqual
            } else if self.sign(">=") {
                Operator::GreaterOrEqual
            } else if self.sign("<") {
                Operator::Less
            } else if self.sign(">") {
                Operator::Greater
            } else if self.sign("=") {
                Operator::Equal
            } else {
                self.depth -= 1;
                return Ok(left);
            };
            left = Expression::Two(operator, Box::new(left), Box::new(self.join()?));
        }
    }

    fn join(&mut self) -> Result<Expression, Fault> {
        let mut left = self.sum()?;
        while self.sign("&") {
            left = Expression::Two(Operator::Join, Box::new(left), Box::new(self.sum()?));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expression, Fault> {
        let mut left = self.product()?;
        loop {
            let operator = if self.sign("+") {
                Operator::Add
            } else if self.sign("-") {
                Operator::Subtract
            } else {
                return Ok(left);
            };
            left = Expression::Two(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression, Fault> {
        let mut left = self.single()?;
        loop {
            let operator = if self.sign("*") {
                Operator::Multiply
            } else if self.sign("/") {
                Operator::Divide
            } else {
                return Ok(left);
            };
            left = Expression::Two(operator, Box::new(left), Box::new(self.single()?));
        }
    }

    fn single(&mut self) -> Result<Expression, Fault> {
        if self.sign("-") {
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(Fault::NotModelled("a formula that is nested so deep".into()));
            }
            let inner = self.single()?;
            self.depth -= 1;
            return Ok(Expression::Negative(Box::new(inner)));
        }
        if self.sign("(") {
            let inner = self.comparison()?;
            return if self.sign(")") { Ok(inner) } else { Err(Fault::Invalid) };
        }
        self.space();
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.until(quote).map(Expression::Text),
            Some('{') => self.until('}').map(Expression::Field),
            Some(digit) if digit.is_ascii_digit() || digit == '.' => self.number(),
            Some(letter) if letter.is_alphabetic() || letter == '_' => self.word(),
            _ => Err(Fault::Invalid),
        }
    }

    /// What stands between the sign that comes next and `end`; a backslash keeps the character after it.
    fn until(&mut self, end: char) -> Result<String, Fault> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            if letter == end {
                self.rest = &self.rest[at + letter.len_utf8()..];
                return Ok(text);
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            match letters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, 't')) => text.push('\t'),
                Some((_, kept)) => text.push(kept),
                None => return Err(Fault::Invalid),
            }
        }
        Err(Fault::Invalid)
    }

    fn number(&mut self) -> Result<Expression, Fault> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().map(Expression::Number).map_err(|_| Fault::Invalid)
    }

    /// A function with its arguments, or the name of a field without braces.
    fn word(&mut self) -> Result<Expression, Fault> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if !self.sign("(") {
            return Ok(Expression::Field(word.to_owned()));
        }
        let name = word.to_uppercase();
        let mut arguments = Vec::new();
        if !self.sign(")") {
            loop {
                arguments.push(self.comparison()?);
                if self.sign(")") {
                    break;
                }
                if !self.sign(",") {
                    return Err(Fault::Invalid);
                }
            }
        }
        functions::check(&name, arguments.len())?;
        Ok(Expression::Call(name, arguments))
    }
}
