//! The names of the locks: checked, and ready for `format_args!`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::LitStr;
use syn::ext::IdentExt;

use crate::args::Name;
use crate::func::Func;
use crate::mistakes::{Mistakes, list, nearest};
use crate::template::{Piece, Template, ident};

/// A name: the arguments of `format_args!`.
pub(crate) struct Text {
    pub(crate) tokens: TokenStream,
    /// The same in every call.
    pub(crate) fixed: bool,
    /// As it was written, if that is a literal: what metrics call the lock.
    pub(crate) label: Option<TokenStream>,
}

/// How long a file name may be, in bytes.
const LONGEST: usize = 255;

/// Checks the names. Without one, the path of the function is the name.
pub(crate) fn check(names: &[Name], func: &Func, prefix: Option<&LitStr>, wrong: &mut Mistakes) -> Vec<Text> {
    if let Some(prefix) = prefix {
        check_prefix(prefix, wrong);
    }
    if names.is_empty() {
        return vec![path_of(func)];
    }
    let bound = func.arguments();
    names.iter().filter_map(|name| text(name, func, &bound, prefix, wrong)).collect()
}

fn path_of(func: &Func) -> Text {
    let name = func.name();
    let tokens = quote_spanned!(Span::mixed_site()=> "{}::{}", ::core::module_path!(), #name);
    let label = quote_spanned!(Span::mixed_site()=> ::core::concat!(::core::module_path!(), "::", #name));
    Text { tokens, fixed: true, label: Some(label) }
}

fn text(
    name: &Name,
    func: &Func,
    bound: &[Ident],
    prefix: Option<&LitStr>,
    wrong: &mut Mistakes,
) -> Option<Text> {
    let literal = match name {
        Name::Literal(literal) => literal,
        Name::Computed(expr) => {
            let tokens = quote_spanned!(Span::mixed_site()=> "{}", #expr);
            return Some(Text { tokens, fixed: false, label: None });
        }
    };
    let template = match Template::parse(&literal.value(), &func.name()) {
        Ok(template) => template,
        Err(text) => {
            wrong.add(literal, text);
            return None;
        }
    };
    for text in rules(&template, prefix).into_iter().chain(unbound(&template, func, bound)) {
        wrong.add(literal, text);
    }
    let fixed = template.literal().is_some();
    let at = literal.span();
    let resolve = |word: &str| match find(bound, word) {
        Some(bound) => ident(word, at.resolved_at(bound.span())),
        None => ident(word, at),
    };
    let tokens = template.format(Span::mixed_site().located_at(at), resolve);
    // Ours, or lints would take its braces for a mistake.
    let label = LitStr::new(&literal.value(), Span::mixed_site());
    Some(Text { tokens, fixed, label: Some(label.into_token_stream()) })
}

fn check_prefix(prefix: &LitStr, wrong: &mut Mistakes) {
    let text = prefix.value();
    if text.contains('/') {
        wrong.add(prefix, "a prefix has no `/`; use `lock_path` for another directory");
    }
    if text.contains(char::is_control) {
        wrong.add(prefix, "a prefix has no control characters");
    }
}

/// The rules of names that the constant parts of a template break.
fn rules(template: &Template, prefix: Option<&LitStr>) -> Vec<String> {
    let mut broken = Vec::new();
    if template.texts().any(|text| text.contains(char::is_control)) {
        broken.push("a name has no control characters".to_owned());
    }
    if let Some(name) = template.literal() {
        broken.extend(rules_of_literals(name));
    }
    let long = template.texts().map(str::len).sum::<usize>() + prefix.map_or(0, prefix_len);
    if long > LONGEST {
        let with = if prefix.is_some() { " with its prefix" } else { "" };
        broken.push(format!("a name has at most {LONGEST} bytes{with}, and this one has {long}"));
    }
    broken
}

fn rules_of_literals(name: &str) -> Option<String> {
    match name {
        "" => {
            Some("a name has at least one character; leave it out to use the path of the function".to_owned())
        }
        "." | ".." => Some(format!("`{name}` is a directory and cannot be a name")),
        _ => None,
    }
}

/// The bytes of a prefix with the hyphen that follows it.
fn prefix_len(prefix: &LitStr) -> usize {
    let text = prefix.value();
    text.len() + usize::from(!text.is_empty() && !text.ends_with('-'))
}

/// What the places of a template name, but the function does not have.
fn unbound(template: &Template, func: &Func, bound: &[Ident]) -> Vec<String> {
    let roots = template.pieces.iter().filter_map(|piece| match piece {
        Piece::Place { root, .. } => Some(root.as_str()),
        Piece::Text(_) => None,
    });
    roots.filter(|root| find(bound, root).is_none()).map(|root| no_argument(root, func, bound)).collect()
}

fn find<'a>(bound: &'a [Ident], root: &str) -> Option<&'a Ident> {
    let root = root.trim_start_matches("r#");
    bound.iter().find(|bound| bound.unraw() == root)
}

fn no_argument(root: &str, func: &Func, bound: &[Ident]) -> String {
    let function = func.sig.ident.unraw();
    if root == "self" {
        return format!("`{function}` has no `self`");
    }
    let words: Vec<String> = bound.iter().map(|bound| bound.unraw().to_string()).collect();
    let words = || words.iter().map(String::as_str);
    let has = match bound.len() {
        0 => "it has no arguments".to_owned(),
        1 => format!("its only argument is {}", list(words())),
        _ => format!("its arguments are {}", list(words())),
    };
    let hint = match nearest(root, words()) {
        Some(near) => format!("did you mean `{{{near}}}`?"),
        None if words().any(|word| word.starts_with("__arg")) => HIDDEN.to_owned(),
        None => "write `{{` for the character itself".to_owned(),
    };
    format!("`{root}` is no argument of `{function}`: {has}; {hint}")
}

const HIDDEN: &str = "`#[async_trait]` hides the names within patterns, so give the argument a plain name";
