//! The function that an attribute stands on.

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

use crate::{Mistake, parse};

/// A function that is to be a test.
pub(crate) struct Function {
    /// Its attributes and its visibility.
    head: Vec<TokenTree>,
    pub(crate) name: String,
    /// Where its name stands.
    pub(crate) at: Span,
    /// From its parameters to its body.
    signature: Vec<TokenTree>,
    pub(crate) body: Group,
    pub(crate) is_async: bool,
    /// Whether it has a parameter.
    pub(crate) takes_lab: bool,
    /// Whether `#[should_panic]` is among its attributes.
    pub(crate) panics: bool,
}

impl Function {
    pub(crate) fn read(item: TokenStream) -> Result<Function, Mistake> {
        let mut tokens: Vec<TokenTree> = item.into_iter().collect();
        let nothing = || (Span::call_site(), "expected a function".to_owned());
        let Some(TokenTree::Group(body)) = tokens.pop() else { return Err(nothing()) };
        if body.delimiter() != Delimiter::Brace {
            return Err((body.span(), "expected a function with a body".to_owned()));
        }
        let at = tokens.iter().position(|token| is_word(token, "fn")).ok_or_else(nothing)?;
        let mut signature = tokens.split_off(at + 1).into_iter();
        // `fn` itself is written anew.
        tokens.pop();
        let Some(TokenTree::Ident(name)) = signature.next() else { return Err(nothing()) };
        let signature: Vec<TokenTree> = signature.collect();
        let Some(TokenTree::Group(parameters)) = signature.first() else {
            return Err((name.span(), "a test has no generic parameters".to_owned()));
        };
        let takes_lab = !parameters.stream().is_empty();
        let is_async = tokens.iter().any(|token| is_word(token, "async"));
        tokens.retain(|token| !is_word(token, "async"));
        let panics = tokens.iter().any(is_should_panic);
        let (at, name) = (name.span(), name.to_string());
        Ok(Function { head: tokens, name, at, signature, body, is_async, takes_lab, panics })
    }

    /// `#[test]` around a function of the same name, which hides no name that the body uses, and a call of `call`.
    pub(crate) fn wrap(self, call: TokenStream) -> TokenStream {
        let word = if self.is_async { "async fn" } else { "fn" };
        let mut inner = parse(&format!("{word} {}", self.name));
        inner.extend(self.signature);
        inner.extend([TokenTree::Group(self.body)]);
        inner.extend(call);
        let mut out = parse("#[::core::prelude::v1::test]");
        out.extend(self.head);
        out.extend(parse(&format!("fn {}()", self.name)));
        out.extend([TokenTree::Group(Group::new(Delimiter::Brace, inner))]);
        out
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

fn is_should_panic(token: &TokenTree) -> bool {
    let TokenTree::Group(attribute) = token else { return false };
    let first = attribute.stream().into_iter().next();
    attribute.delimiter() == Delimiter::Bracket && first.is_some_and(|word| is_word(&word, "should_panic"))
}
