//! The attributes that make a function a test in a lab, or in namespaces of its own. Documented where they are used:
//! `harness::test`, `harness::isolate`.
//!
//! - `arguments`: what the attribute says.
//! - `function`: the function that it stands on.
//! - `names`: names of hosts, containers and networks in the body, held against those of the lab's file.

mod arguments;
mod function;
mod names;

use std::path::{Path, PathBuf};

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

use arguments::Arguments;
use function::Function;

/// A mistake, and where.
type Mistake = (Span, String);

/// See `harness::test`.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(arguments, item, true).unwrap_or_else(complain)
}

/// See `harness::isolate`.
#[proc_macro_attribute]
pub fn isolate(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(arguments, item, false).unwrap_or_else(complain)
}

/// `labs`: whether the attribute may ask for a lab.
fn expand(arguments: TokenStream, item: TokenStream, labs: bool) -> Result<TokenStream, Mistake> {
    let arguments = Arguments::read(arguments)?;
    let function = Function::read(item)?;
    let asks = arguments.file.is_some() || arguments.topology.is_some();
    let way = match (labs, asks, function.takes_lab) {
        (true, true, true) => "lab",
        (_, false, false) => "bare",
        (true, true, false) => return Err((function.at, "which takes no lab: add `lab: Lab`".to_owned())),
        (true, false, true) => {
            return Err((function.at, "which lab? Say `file = \"…\"` or `topology = …`".to_owned()));
        }
        (false, ..) => return Err((function.at, "here is no lab; `harness::test` has one".to_owned())),
    };
    let mut call: TokenStream = arguments.root.clone().unwrap_or_else(|| parse("::harness"));
    call.extend(parse(&format!("::trial::Trial::new(::core::module_path!(), {:?})", function.name)));
    if let Some((file, span)) = &arguments.file {
        let found =
            find(file).ok_or_else(|| (*span, format!("there is no {file}, in this crate or above it")))?;
        let text =
            std::fs::read_to_string(&found).map_err(|why| (*span, format!("cannot read {file}: {why}")))?;
        names::check(&text, &function.body)?;
        // Read again by the compiler, so that it knows that the file matters.
        let found = found.display().to_string();
        call.extend(parse(&format!(".file({file:?}, ::core::include_str!({found:?}))")));
    }
    if let Some(topology) = arguments.topology {
        call.extend(method("topology", parse("||").into_iter().chain(topology).collect()));
    }
    if let Some(seed) = arguments.seed {
        call.extend(method("seed", seed));
    }
    if let Some(limit) = &arguments.limit {
        call.extend(method("limit", parse(&format!("{limit:?}"))));
    }
    if arguments.leaks {
        call.extend(parse(".leaky()"));
    }
    if function.panics {
        call.extend(parse(".panicking()"));
    }
    let kind = if function.is_async { "_async" } else { "" };
    call.extend(method(&format!("{way}{kind}"), parse(&function.name)));
    Ok(function.wrap(call))
}

/// `.name(argument)`.
fn method(name: &str, argument: TokenStream) -> TokenStream {
    let argument = TokenTree::Group(Group::new(Delimiter::Parenthesis, argument));
    parse(&format!(".{name}")).into_iter().chain([argument]).collect()
}

/// What this crate itself has written.
fn parse(text: &str) -> TokenStream {
    text.parse().expect("our own text is Rust")
}

/// A file, looked for in the crate's directory and in those above it.
fn find(file: &str) -> Option<PathBuf> {
    let crate_directory = std::env::var_os("CARGO_MANIFEST_DIR")?;
    Path::new(&crate_directory).ancestors().map(|directory| directory.join(file)).find(|path| path.is_file())
}

fn complain((span, why): Mistake) -> TokenStream {
    parse(&format!("::core::compile_error!({why:?});"))
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
