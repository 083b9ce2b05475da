//! `?filter=`: expressions that pick rows of a listing, as Consul reads them (hashicorp/go-bexpr). Pure.
//!
//! ```text
//! Service == "web" and not ("beta" in Tags or Meta["zone"] is empty)
//! ```
//!
//! `matches` is not known here.

use serde_json::Value;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Is(Path, Test),
}

/// Names, from a row inwards.
type Path = Vec<String>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal(String),
    /// Of text a part, of a list an element, of a table a name.
    Contains(String),
    Empty,
}

/// Why an expression is none.
pub(super) type BadFilter = String;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A name, a number, an operator's word.
    Word(String),
    Text(String),
    /// `== != ( ) [ ] .`
    Sign(&'static str),
}

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Filter, BadFilter> {
        let mut tokens = tokens(text)?;
        tokens.reverse();
        let mut parser = Parser(tokens);
        let filter = parser.either()?;
        match parser.0.pop() {
            None => Ok(filter),
            Some(token) => Err(format!("unexpected {token:?}")),
        }
    }

    /// Whether a row is picked; an error names what the row does not have.
    pub(super) fn picks(&self, row: &Value) -> Result<bool, BadFilter> {
        Ok(match self {
            Filter::Not(filter) => !filter.picks(row)?,
            Filter::And(left, right) => left.picks(row)? && right.picks(row)?,
            Filter::Or(left, right) => left.picks(row)? || right.picks(row)?,
            Filter::Is(path, test) => test.holds(select(row, path)?),
        })
    }
}

/// What stands in a row under a path. A name that a table of free text does not have is nothing; one that a row does not have
/// is a mistake.
fn select<'a>(row: &'a Value, path: &[String]) -> Result<Option<&'a Value>, BadFilter> {
    let mut at = row;
    for (depth, name) in path.iter().enumerate() {
        let is_free = depth > 0 && path[depth - 1].ends_with("Meta");
        match at.get(name) {
            Some(found) => at = found,
            None if is_free => return Ok(None),
            None => return Err(format!("Selector {:?} is not valid", path.join("."))),
        }
    }
    Ok(Some(at))
}

impl Test {
    fn holds(&self, found: Option<&Value>) -> bool {
        let Some(found) = found else { return *self == Test::Empty };
        match (self, found) {
            (Test::Equal(value), Value::String(text)) => text == value,
            (Test::Equal(value), Value::Number(number)) => number.to_string() == *value,
            (Test::Equal(value), Value::Bool(flag)) => flag.to_string() == *value,
            (Test::Contains(part), Value::String(text)) => text.contains(part.as_str()),
            (Test::Contains(item), Value::Array(list)) => list.iter().any(|its| its == item.as_str()),
            (Test::Contains(name), Value::Object(table)) => table.contains_key(name),
            (Test::Empty, Value::String(text)) => text.is_empty(),
            (Test::Empty, Value::Array(list)) => list.is_empty(),
            (Test::Empty, Value::Object(table)) => table.is_empty(),
            (Test::Empty, Value::Null) => true,
            _ => false,
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, BadFilter> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let sign = ["==", "!=", "(", ")", "[", "]", "."].into_iter().find(|sign| rest.starts_with(sign));
        let length = if let Some(sign) = sign {
            tokens.push(Token::Sign(sign));
            sign.len()
        } else if first == '"' || first == '`' {
            let inner = &rest[1..];
            let end = inner.find(first).ok_or("a quotation does not end")?;
            tokens.push(Token::Text(inner[..end].to_owned()));
            end + 2
        } else {
            let is_word = |c: char| c.is_alphanumeric() || "_-/:".contains(c);
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("unexpected {first:?}"));
            }
            tokens.push(Token::Word(rest[..end].to_owned()));
            end
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Reads tokens, the next one last.
struct Parser(Vec<Token>);

impl Parser {
    fn either(&mut self) -> Result<Filter, BadFilter> {
        let left = self.both()?;
        if !self.word("or") {
            return Ok(left);
        }
        Ok(Filter::Or(Box::new(left), Box::new(self.either()?)))
    }

    fn both(&mut self) -> Result<Filter, BadFilter> {
        let left = self.one()?;
        if !self.word("and") {
            return Ok(left);
        }
        Ok(Filter::And(Box::new(left), Box::new(self.both()?)))
    }

    fn one(&mut self) -> Result<Filter, BadFilter> {
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.one()?)));
        }
        if self.sign("(") {
            let inner = self.either()?;
            return if self.sign(")") { Ok(inner) } else { Err("a parenthesis does not end".to_owned()) };
        }
        let value = match self.0.last() {
            Some(Token::Text(text)) => Some(text.clone()),
            _ => None,
        };
        if let Some(value) = value {
            self.0.pop();
            let not = self.word("not");
            return if self.word("in") {
                Ok(negated(not, Filter::Is(self.path()?, Test::Contains(value))))
            } else {
                Err("a value is followed by `in` or `not in`".to_owned())
            };
        }
        let path = self.path()?;
        if self.sign("==") {
            return Ok(Filter::Is(path, Test::Equal(self.value()?)));
        }
        if self.sign("!=") {
            return Ok(negated(true, Filter::Is(path, Test::Equal(self.value()?))));
        }
        if self.word("is") {
            let not = self.word("not");
            return if self.word("empty") {
                Ok(negated(not, Filter::Is(path, Test::Empty)))
            } else {
                Err("`is` is followed by `empty` or `not empty`".to_owned())
            };
        }
        let not = self.word("not");
        if self.word("contains") {
            return Ok(negated(not, Filter::Is(path, Test::Contains(self.value()?))));
        }
        Err(format!("{:?} is followed by no operator that is known here", path.join(".")))
    }

    fn path(&mut self) -> Result<Path, BadFilter> {
        let mut path = vec![self.name()?];
        loop {
            if self.sign(".") {
                path.push(self.name()?);
            } else if self.sign("[") {
                path.push(self.value()?);
                if !self.sign("]") {
                    return Err("a bracket does not end".to_owned());
                }
            } else {
                return Ok(path);
            }
        }
    }

    fn name(&mut self) -> Result<String, BadFilter> {
        match self.0.pop() {
            Some(Token::Word(name)) => Ok(name),
            other => Err(format!("a name is missing before {other:?}")),
        }
    }

    fn value(&mut self) -> Result<String, BadFilter> {
        match self.0.pop() {
            Some(Token::Word(value) | Token::Text(value)) => Ok(value),
            other => Err(format!("a value is missing before {other:?}")),
        }
    }

    fn word(&mut self, word: &str) -> bool {
        self.next_is(&Token::Word(word.to_owned()))
    }

    fn sign(&mut self, sign: &'static str) -> bool {
        self.next_is(&Token::Sign(sign))
    }

    fn next_is(&mut self, token: &Token) -> bool {
        let is = self.0.last() == Some(token);
        if is {
            self.0.pop();
        }
        is
    }
}

fn negated(not: bool, filter: Filter) -> Filter {
    if not { Filter::Not(Box::new(filter)) } else { filter }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_pick_rows_as_consuls_do() {
        let row = json!({
            "Node": "web-1", "ServicePort": 80, "ServiceTags": ["a", "b"], "ServiceMeta": { "zone": "x" }, "Notes": "",
            "Service": { "Tags": [] },
        });
        for (text, picked) in [
            (r#"Node == "web-1""#, true),
            ("Node == web-1 and ServicePort == 80", true),
            (r#"Node != "web-1" or "b" in ServiceTags"#, true),
            (r#""c" not in ServiceTags"#, true),
            (r#"ServiceTags contains "a" and ServiceTags not contains "c""#, true),
            (r#"Node contains "web""#, true),
            (r#"ServiceMeta.zone == "x""#, true),
            (r#"ServiceMeta["zone"] == `y`"#, false),
            ("ServiceMeta.rack is empty and ServiceMeta contains zone", true),
            ("Service.Tags is empty and Notes is empty", true),
            ("not (ServiceTags is not empty)", false),
            (r#"Node == x or Node == y or Node == "web-1""#, true),
        ] {
            let filter = Filter::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(filter.picks(&row), Ok(picked), "{text}");
        }
        let unknown = Filter::parse("Color == red").and_then(|filter| filter.picks(&row));
        assert_eq!(unknown, Err("Selector \"Color\" is not valid".to_owned()));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "Node",
            "Node ==",
            "== x",
            "(Node == x",
            "Node == x)",
            "\"a\"",
            "\"a",
            "Node matches x",
            "Node is x",
            "A[b == c",
            "!",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[ -~é]{0,40}") {
            let _ = Filter::parse(&text);
        }
    }
}
