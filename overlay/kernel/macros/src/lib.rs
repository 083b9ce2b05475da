//! The attribute that runs a test inside namespaces of its own.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Makes a function without arguments a `#[test]` that runs inside fresh PID, mount, network, UTS
/// and IPC namespaces: the test binary is started again for this one test. Other attributes
/// (`#[should_panic]`, `#[ignore]`) mean what they always mean.
///
/// The crate has to see `kernel` under that name, or say `#[isolate(path::to::kernel)]`.
#[proc_macro_attribute]
pub fn isolate(argument: TokenStream, item: TokenStream) -> TokenStream {
    let kernel = if argument.is_empty() { "::kernel".to_owned() } else { argument.to_string() };
    let mut head: Vec<TokenTree> = item.into_iter().collect();
    let Some(TokenTree::Group(body)) = head.pop() else { return complain("expected a function") };
    if body.delimiter() != Delimiter::Brace {
        return complain("expected a function with a body");
    }
    let Some(at) =
        head.iter().position(|token| matches!(token, TokenTree::Ident(i) if i.to_string() == "fn"))
    else {
        return complain("expected a function");
    };
    if head[..at].iter().any(|token| matches!(token, TokenTree::Ident(i) if i.to_string() == "async")) {
        return complain("an async test needs a runtime: `harness::isolate` has one");
    }
    let Some(name) = head.get(at + 1).map(ToString::to_string) else { return complain("expected a name") };
    // `-> Result<…>`, if there is one, is the body's return type, not the test's.
    let returns: TokenStream = head.drain((at + 3).min(head.len())..).collect();
    // Where a panic is asked for, nothing else may pass for one.
    let panicking = if is_to_panic(&head) { ".panicking()" } else { "" };
    let call: TokenStream =
        format!("{kernel}::entry::Trial::new(module_path!(), {name:?}){panicking}.run({name})")
            .parse()
            .expect("valid");
    // Called as the test itself, so that it hides no name that the body uses.
    let mut inner: TokenStream = format!("fn {name}()").parse().expect("valid");
    inner.extend(returns);
    inner.extend([TokenTree::Group(body)]);
    inner.extend(call);
    let mut out: TokenStream = "#[test]".parse().expect("valid");
    out.extend(head);
    out.extend([TokenTree::Group(Group::new(Delimiter::Brace, inner))]);
    out
}

/// Whether `#[should_panic]` is among the attributes.
fn is_to_panic(head: &[TokenTree]) -> bool {
    head.iter().any(|token| {
        let TokenTree::Group(attribute) = token else { return false };
        let first = attribute.stream().into_iter().next();
        attribute.delimiter() == Delimiter::Bracket
            && first.is_some_and(|word| word.to_string() == "should_panic")
    })
}

fn complain(why: &str) -> TokenStream {
    format!("compile_error!({why:?});").parse().expect("a literal")
}
