//! Names with places in them: `"volume-{self.host}-{id}"`.

use std::iter::Peekable;
use std::str::CharIndices;

use proc_macro2::{Ident, Literal, Span, TokenStream, TokenTree};
use quote::quote_spanned;

/// A name, taken apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
}

/// A part of a name.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// Characters that stand for themselves.
    Text(String),
    /// An argument or `self`, and the fields that follow: `volume.id`.
    Place { root: String, fields: Vec<String> },
}

impl Template {
    /// Takes a name apart. `{fn}` becomes the name of the function.
    pub(crate) fn parse(text: &str, function: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            match (c, rest.peek().map(|(_, next)| *next)) {
                ('{', Some('{')) | ('}', Some('}')) => {
                    rest.next();
                    append(&mut pieces, c.encode_utf8(&mut [0; 4]));
                }
                ('{', _) => match inside(text, at, &mut rest)? {
                    "fn" => append(&mut pieces, function),
                    place => pieces.push(parse_place(place)?),
                },
                ('}', _) => return Err(lonely('}', text)),
                (c, _) => append(&mut pieces, c.encode_utf8(&mut [0; 4])),
            }
        }
        Ok(Template { pieces })
    }

    /// The whole name, when it is the same in every call.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The parts that are the same in every call.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Place { .. } => None,
        })
    }

    /// The arguments for `format_args!`. `resolve` says where a place's first word was bound.
    pub(crate) fn format(&self, span: Span, resolve: impl Fn(&str) -> Ident) -> TokenStream {
        let mut text = String::new();
        let mut places = TokenStream::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(part) => text.push_str(&part.replace('{', "{{").replace('}', "}}")),
                Piece::Place { root, fields } => {
                    text.push_str("{}");
                    let place = place(span, resolve(root), fields);
                    places.extend(quote_spanned!(span=> , #place));
                }
            }
        }
        let mut text = Literal::string(&text);
        text.set_span(span);
        quote_spanned!(span=> #text #places)
    }
}

fn append(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// What stands between the brace at `open` and the one that closes it.
fn inside<'a>(text: &'a str, open: usize, rest: &mut Peekable<CharIndices<'_>>) -> Result<&'a str, String> {
    for (at, c) in rest {
        match c {
            '}' => return Ok(text[open + 1..at].trim()),
            '{' => break,
            _ => {}
        }
    }
    Err(lonely('{', text))
}

fn lonely(brace: char, text: &str) -> String {
    format!("`{brace}` has no partner in the name `{text}`; write `{brace}{brace}` for the character itself")
}

fn parse_place(place: &str) -> Result<Piece, String> {
    refuse(place)?;
    let mut words = place.split('.').map(|word| word.trim().to_owned());
    let root = words.next().unwrap_or_default();
    let fields: Vec<String> = words.collect();
    let is_field = |word: &String| is_ident(word) || is_index(word);
    if is_ident(&root) && fields.iter().all(is_field) {
        return Ok(Piece::Place { root, fields });
    }
    Err(format!("`{{{place}}}` is no argument or field; write `{{id}}`, `{{self.id}}` or `{{pair.0}}`"))
}

/// Says what is wrong with places that other templates would take, and what to write.
fn refuse(place: &str) -> Result<(), String> {
    if place.is_empty() {
        return Err("`{}` says no argument; name one as in `{id}`".to_owned());
    }
    let (value, format) = place.split_at(format_of(place));
    let what = if value.contains('(') {
        "calls a function"
    } else if value.contains('[') {
        "has an index"
    } else if !format.is_empty() {
        "has a format"
    } else if value.contains("::") {
        "has a path"
    } else {
        return Ok(());
    };
    Err(format!(
        "`{{{place}}}` {what}, and a place takes only an argument and its fields; \
         write `format!(\"..{{{}}}..\", {})` instead of the string",
        format.trim_end(),
        value.trim_end()
    ))
}

/// Where the format of a place begins: at the first colon that stands alone, or at the end.
fn format_of(place: &str) -> usize {
    let alone = |at: &usize| !place[..*at].ends_with(':') && !place[at + 1..].starts_with(':');
    place.match_indices(':').map(|(at, _)| at).find(alone).unwrap_or(place.len())
}

fn is_ident(word: &str) -> bool {
    let word = word.strip_prefix("r#").unwrap_or(word);
    let mut chars = word.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
        && word != "_"
}

fn is_index(word: &str) -> bool {
    !word.is_empty() && word.len() < 6 && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// `root.field.0`, as an expression.
fn place(span: Span, root: Ident, fields: &[String]) -> TokenStream {
    let mut tokens = TokenStream::from(TokenTree::Ident(root));
    for field in fields {
        let field = member(span, field);
        tokens.extend(quote_spanned!(span=> .#field));
    }
    tokens
}

fn member(span: Span, field: &str) -> TokenTree {
    if let Ok(index) = field.parse() {
        let mut index = Literal::usize_unsuffixed(index);
        index.set_span(span);
        return index.into();
    }
    ident(field, span).into()
}

/// An identifier, raw when it is a keyword.
pub(crate) fn ident(word: &str, span: Span) -> Ident {
    let bare = word.strip_prefix("r#").unwrap_or(word);
    match syn::parse_str::<Ident>(bare) {
        Ok(_) => Ident::new(bare, span),
        Err(_) if matches!(bare, "self" | "Self" | "super" | "crate") => Ident::new(bare, span),
        Err(_) => Ident::new_raw(bare, span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Template {
        Template::parse(text, "resize").unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    fn wrong(text: &str) -> String {
        Template::parse(text, "resize").expect_err(text)
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn at(root: &str, fields: &[&str]) -> Piece {
        let fields = fields.iter().map(|&field| field.to_owned()).collect();
        Piece::Place { root: root.to_owned(), fields }
    }

    #[test]
    fn literals_stay_whole() {
        assert_eq!(parse("volumes").literal(), Some("volumes"));
        assert_eq!(parse("").literal(), Some(""));
        assert_eq!(parse("{{a}}-{fn}").literal(), Some("{a}-resize"));
        assert_eq!(parse("{id}").literal(), None);
    }

    #[test]
    fn places_are_arguments_and_fields() {
        let template = parse("vol-{id}-{ self.host.name }{pair.0.1}-ä");
        let expected = [
            text("vol-"),
            at("id", &[]),
            text("-"),
            at("self", &["host", "name"]),
            at("pair", &["0", "1"]),
            text("-ä"),
        ];
        assert_eq!(template.pieces, expected);
    }

    #[test]
    fn raw_words_are_places() {
        assert_eq!(parse("{r#type}").pieces, [at("r#type", &[])]);
        assert_eq!(ident("type", Span::call_site()).to_string(), "r#type");
        assert_eq!(ident("r#id", Span::call_site()).to_string(), "id");
        assert_eq!(ident("self", Span::call_site()).to_string(), "self");
    }

    #[test]
    fn braces_must_match() {
        assert!(wrong("a{b").starts_with("`{` has no partner"));
        assert!(wrong("a{b{c}").starts_with("`{` has no partner"));
        assert!(wrong("a}b").starts_with("`}` has no partner"));
        assert!(wrong("{{a}").starts_with("`}` has no partner"));
    }

    #[test]
    fn other_expressions_are_refused() {
        assert!(wrong("{}").contains("says no argument"));
        assert!(wrong("{id()}").contains("calls a function"));
        assert!(wrong("{id:?}").contains("a format"));
        assert!(wrong("{Self::ID}").contains("a path"));
        assert!(wrong("{id:03}").contains("write `format!(\"..{:03}..\", id)` instead"));
        assert!(wrong("{id():>3}").contains("write `format!(\"..{:>3}..\", id())` instead"));
        assert!(wrong("{a::ID}").contains("write `format!(\"..{}..\", a::ID)` instead"));
        assert!(wrong("{a::ID:x}").contains("write `format!(\"..{:x}..\", a::ID)` instead"));
        assert!(wrong("{ids[0]}").contains("an index"));
        assert!(wrong("{a + b}").contains("no argument or field"));
        assert!(wrong("{a.}").contains("no argument or field"));
        assert!(wrong("{0}").contains("no argument or field"));
    }

    #[test]
    fn formats_escape_braces() {
        let bound = |word: &str| ident(word, Span::call_site());
        let format = parse("{{{id}}}-{self.a.0}").format(Span::call_site(), bound);
        let expected = r#""{{{}}}-{}" , id , self . a . 0"#;
        assert_eq!(format.to_string(), expected);
    }
}
