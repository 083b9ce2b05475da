//! What the attribute says: `file = "two-host.toml", limit = "30s"`.

use proc_macro::{Span, TokenStream, TokenTree};

use crate::Mistake;

/// What the attribute says; nothing has to be said.
#[derive(Default)]
pub(crate) struct Arguments {
    /// The lab's file, and where it is named.
    pub(crate) file: Option<(String, Span)>,
    /// An expression that is the lab's topology.
    pub(crate) topology: Option<TokenStream>,
    /// An expression that is its seed.
    pub(crate) seed: Option<TokenStream>,
    /// How long the test may take.
    pub(crate) limit: Option<String>,
    /// What is left in the end is nobody's concern.
    pub(crate) leaks: bool,
    /// The path of the crate `harness`.
    pub(crate) root: Option<TokenStream>,
}

impl Arguments {
    pub(crate) fn read(tokens: TokenStream) -> Result<Arguments, Mistake> {
        let mut arguments = Arguments::default();
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for part in tokens.split(is_comma).filter(|part| !part.is_empty()) {
            let span = part[0].span();
            let [TokenTree::Ident(key), equals, value @ ..] = part else {
                return Err((span, "expected `key = value`".to_owned()));
            };
            if !matches!(equals, TokenTree::Punct(punct) if punct.as_char() == '=') || value.is_empty() {
                return Err((span, format!("expected `{key} = …`")));
            }
            let tokens = || value.iter().cloned().collect::<TokenStream>();
            let text = || {
                let text = as_text(value).ok_or((value[0].span(), format!("`{key}` is a text in quotes")))?;
                Ok::<_, Mistake>((text, value[0].span()))
            };
            match key.to_string().as_str() {
                "file" => arguments.file = Some(text()?),
                "topology" => arguments.topology = Some(tokens()),
                "seed" => arguments.seed = Some(tokens()),
                "limit" => arguments.limit = Some(text()?.0),
                "leaks" if text()?.0 == "allowed" => arguments.leaks = true,
                "crate" => arguments.root = Some(tokens()),
                "leaks" => return Err((value[0].span(), "it can only be `leaks = \"allowed\"`".to_owned())),
                _ => {
                    let known = "`file`, `topology`, `seed`, `limit`, `leaks` and `crate`";
                    return Err((span, format!("there is no `{key}` here; there are {known}")));
                }
            }
        }
        if let (Some((_, span)), Some(_)) = (&arguments.file, &arguments.topology) {
            return Err((*span, "a lab is made of a `file` or of a `topology`, not of both".to_owned()));
        }
        Ok(arguments)
    }
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')
}

/// What a single literal in quotes says.
pub(crate) fn as_text(tokens: &[TokenTree]) -> Option<String> {
    let [TokenTree::Literal(literal)] = tokens else { return None };
    let text = literal.to_string();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    // Names and paths need no escapes; a text with some is not looked into.
    (!inner.contains('\\')).then(|| inner.to_owned())
}
