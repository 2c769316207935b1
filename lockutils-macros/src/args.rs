//! What was written between the parentheses: names first, then options. Nothing is judged here
//! but the grammar.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Result, Token};

use crate::mistakes::Mistakes;

/// The arguments of the attribute, as written.
pub(crate) struct Args {
    pub(crate) names: Vec<Name>,
    pub(crate) options: Vec<Opt>,
}

/// A name of a lock.
pub(crate) enum Name {
    /// `"volume-{id}"`
    Literal(LitStr),
    /// `NAME`, `Self::NAME` or a macro such as `concat!(..)`
    Computed(Expr),
}

/// `word` or `word = value`.
pub(crate) struct Opt {
    pub(crate) word: Ident,
    pub(crate) value: Option<Expr>,
}

impl Args {
    /// Reads all arguments. A mistake in one does not hide the others.
    pub(crate) fn parse(tokens: TokenStream, wrong: &mut Mistakes) -> Self {
        let mut args = Args { names: Vec::new(), options: Vec::new() };
        let mut found = Mistakes::default();
        let end = (|input: ParseStream| args.read(input, &mut found)).parse2(tokens);
        if let Err(error) = found.finish().and(end) {
            wrong.push(error);
        }
        args
    }

    fn read(&mut self, input: ParseStream, wrong: &mut Mistakes) -> Result<()> {
        while !input.is_empty() {
            match Item::parse(input).and_then(|item| ends(input, item)) {
                Ok(item) => self.add(item, wrong),
                Err(error) => wrong.push(error),
            }
            skip_to_comma(input)?;
        }
        Ok(())
    }

    fn add(&mut self, item: Item, wrong: &mut Mistakes) {
        match item {
            Item::Name(name) if self.options.is_empty() => self.names.push(name),
            Item::Name(name) => wrong.add(name.expr(), "names come first: write this one before the options"),
            Item::Option(option) => self.options.push(option),
        }
    }
}

impl Name {
    /// The name as an expression: where mistakes are shown.
    pub(crate) fn expr(&self) -> Expr {
        match self {
            Name::Literal(text) => Expr::Lit(ExprLit { attrs: Vec::new(), lit: Lit::Str(text.clone()) }),
            Name::Computed(expr) => expr.clone(),
        }
    }
}

enum Item {
    Name(Name),
    Option(Opt),
}

impl Item {
    fn parse(input: ParseStream) -> Result<Self> {
        if input.peek(Token![,]) {
            return Err(input.error("a name or an option is missing before this comma"));
        }
        if is_option(input) {
            return Opt::parse(input).map(Item::Option);
        }
        name(input.parse()?).map(Item::Name)
    }
}

impl Opt {
    fn parse(input: ParseStream) -> Result<Self> {
        let word = input.call(Ident::parse_any)?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) if input.is_empty() || input.peek(Token![,]) => {
                return Err(Error::new_spanned(&word, format!("a value is missing after `{word} =`")));
            }
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Opt { word, value })
    }
}

/// Whether a word follows that is no constant: `fair`, `timeout = ..`, but not `NAME` or `Self::NAME`.
fn is_option(input: ParseStream) -> bool {
    let ahead = input.fork();
    let Ok(word) = ahead.call(Ident::parse_any) else {
        return false;
    };
    let alone = !ahead.peek(Token![::]) && !ahead.peek(Token![!]) && !ahead.peek(Token![.]);
    alone && (ahead.peek(Token![=]) || !is_constant(&word))
}

fn is_constant(word: &Ident) -> bool {
    let word = word.unraw().to_string();
    word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase)
}

fn name(expr: Expr) -> Result<Name> {
    match ungroup(expr) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.suffix().is_empty() => Ok(Name::Literal(text)),
        expr @ (Expr::Path(_) | Expr::Macro(_)) => Ok(Name::Computed(expr)),
        expr => Err(Error::new_spanned(
            expr,
            "a name is a string such as `\"volume-{id}\"`, the path of a constant, or a macro call such as \
             `format!(\"volume-{}\", id())`",
        )),
    }
}

/// Takes away the invisible parentheses around what a `macro_rules!` handed through.
pub(crate) fn ungroup(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungroup(*group.expr),
        expr => expr,
    }
}

fn ends(input: ParseStream, item: Item) -> Result<Item> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(item);
    }
    Err(input.error("expected a comma; an option is written `word` or `word = value`"))
}

/// Goes to the next argument. What stands before its comma is part of a mistake.
fn skip_to_comma(input: ParseStream) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    input.parse::<Option<Token![,]>>().map(drop)
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn parse(tokens: TokenStream) -> std::result::Result<Args, Vec<String>> {
        let mut wrong = Mistakes::default();
        let args = Args::parse(tokens, &mut wrong);
        wrong.finish().map(|()| args).map_err(|error| error.into_iter().map(|one| one.to_string()).collect())
    }

    #[test]
    fn names_then_options() {
        let args = parse(quote!("a", NAME, Self::NAME, concat!("x", "y"), fair, timeout = f::<A, B>(),))
            .unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!(args.names.len(), 4);
        assert_eq!(args.options.len(), 2);
        assert!(args.options[0].value.is_none());
        assert!(args.options[1].value.is_some());
    }

    #[test]
    fn keywords_are_options() {
        let args = parse(quote!(crate = other::path)).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!(args.options[0].word, "crate");
    }

    #[test]
    fn every_mistake_is_found() {
        let wrong = parse(quote!(fair, "late", 7, timeout =, , locks = x)).err();
        assert_eq!(wrong.map(|wrong| wrong.len()), Some(4));
    }

    #[test]
    fn a_missing_comma_is_told() {
        let wrong = parse(quote!("a" external)).err().unwrap_or_default();
        assert!(wrong[0].starts_with("expected a comma"), "{wrong:?}");
    }
}
