//! The function under the attribute: its signature exactly, its body as tokens.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::visit::{self, Visit};
use syn::{
    AngleBracketedGenericArguments, Attribute, Block, Error, Expr, ExprAsync, FnArg, GenericArgument,
    PatIdent, Path, PathArguments, Result, ReturnType, Signature, Stmt, Token, Type, TypeParamBound,
    Visibility, parse_quote,
};

/// A function with a body. The body needs not be Rust (yet), so that half-typed code keeps the
/// help of an editor.
pub(crate) struct Func {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) sig: Signature,
    /// Attributes `#![..]` at the start of the body.
    pub(crate) inner: Vec<Attribute>,
    /// The braces, for their places; `body` is what stands between.
    pub(crate) braces: Group,
    pub(crate) body: Body,
}

/// What happens in the body.
pub(crate) enum Body {
    /// The work.
    Plain(TokenStream),
    /// The work is an `async` block at the end, and that is what the function returns.
    Future(Box<Block>),
}

impl Parse for Func {
    fn parse(input: ParseStream) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness = input.parse()?;
        refuse_other_items(input)?;
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            input.parse::<TokenStream>()?;
            return Err(Error::new_spanned(
                &sig,
                "`#[synchronized]` needs a body; put it on the implementation or give a default",
            ));
        }
        let braces = braces(input.parse()?)?;
        let (inner, body) = parse_body.parse2(braces.stream())?;
        let body = match future(&sig, &body) {
            Some(block) => Body::Future(Box::new(block)),
            None => Body::Plain(body),
        };
        Ok(Func { attrs, vis, defaultness, sig, inner, braces, body })
    }
}

impl Func {
    /// The name, without `r#`.
    pub(crate) fn name(&self) -> String {
        self.sig.ident.unraw().to_string()
    }

    /// Whether the lock can be awaited.
    pub(crate) fn is_async(&self) -> bool {
        self.sig.asyncness.is_some() || matches!(self.body, Body::Future(_))
    }

    /// The type of what the work gives, `_` when it is not written.
    pub(crate) fn output(&self) -> Type {
        match (&self.sig.output, &self.body) {
            (ReturnType::Default, _) => parse_quote!(()),
            (ReturnType::Type(_, ty), Body::Plain(_)) => (**ty).clone(),
            (ReturnType::Type(_, ty), Body::Future(_)) => future_output(ty).unwrap_or(parse_quote!(_)),
        }
    }

    /// Whether the work happens in a future that this function returns, but not where it can be
    /// found.
    pub(crate) fn hides_its_future(&self) -> bool {
        match (&self.sig.output, &self.body) {
            (ReturnType::Type(_, ty), Body::Plain(_)) => future_output(ty).is_some(),
            _ => false,
        }
    }

    /// The names that the arguments bind, with `self`, each as it was written.
    pub(crate) fn arguments(&self) -> Vec<Ident> {
        let mut bound = Bound(Vec::new());
        for arg in &self.sig.inputs {
            match arg {
                FnArg::Receiver(receiver) => bound.0.push(receiver.self_token.into()),
                FnArg::Typed(arg) => bound.visit_pat(&arg.pat),
            }
        }
        bound.0
    }
}

fn refuse_other_items(input: ParseStream) -> Result<()> {
    let ahead = input.fork();
    while let Ok(word) = ahead.call(Ident::parse_any) {
        match word.to_string().as_str() {
            "fn" => return Ok(()),
            "gen" => {
                return Err(Error::new_spanned(
                    word,
                    "`#[synchronized]` cannot guard a `gen fn`: it would hold the lock between two items",
                ));
            }
            "const" | "async" | "unsafe" | "safe" => {}
            "extern" => {
                ahead.parse::<Option<syn::LitStr>>()?;
            }
            _ => break,
        }
    }
    Err(input.error("`#[synchronized]` goes on a function or a method with a body"))
}

/// The body in its braces. A macro's `$body:block` comes in invisible ones, too.
fn braces(token: TokenTree) -> Result<Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Ok(group),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            braces(syn::parse2(group.stream())?)
        }
        other => Err(Error::new_spanned(other, "a body in braces is missing here")),
    }
}

fn parse_body(input: ParseStream) -> Result<(Vec<Attribute>, TokenStream)> {
    Ok((input.call(Attribute::parse_inner)?, input.parse()?))
}

/// The body, when it ends in an `async` block that the function returns.
fn future(sig: &Signature, body: &TokenStream) -> Option<Block> {
    if sig.asyncness.is_some() || !mentions_async(body) {
        return None;
    }
    let stmts = Block::parse_within.parse2(body.clone()).ok()?;
    let mut block = Block { brace_token: syn::token::Brace::default(), stmts };
    async_block(&mut block).is_some().then_some(block)
}

/// Spares most bodies from being parsed.
fn mentions_async(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "async",
        TokenTree::Group(group) => mentions_async(&group.stream()),
        _ => false,
    })
}

/// The `async` block that a block ends in: as it is, or within `Box::pin(..)`.
pub(crate) fn async_block(block: &mut Block) -> Option<&mut ExprAsync> {
    match block.stmts.last_mut()? {
        Stmt::Expr(expr, None) | Stmt::Expr(expr @ Expr::Return(_), Some(_)) => within(expr),
        _ => None,
    }
}

fn within(expr: &mut Expr) -> Option<&mut ExprAsync> {
    match expr {
        Expr::Async(block) => Some(block),
        Expr::Group(outer) => within(&mut outer.expr),
        Expr::Paren(outer) => within(&mut outer.expr),
        Expr::Cast(outer) => within(&mut outer.expr),
        Expr::Return(outer) => within(outer.expr.as_mut()?),
        Expr::MethodCall(call) if call.method == "boxed" || call.method == "boxed_local" => {
            within(&mut call.receiver)
        }
        Expr::Call(call) if is_box_pin(&call.func) => within(call.args.first_mut()?),
        _ => None,
    }
}

fn is_box_pin(func: &Expr) -> bool {
    let Expr::Path(func) = func else { return false };
    let mut last = func.path.segments.iter().rev().map(|segment| &segment.ident);
    last.next().is_some_and(|word| word == "pin") && last.next().is_some_and(|word| word == "Box")
}

/// The output of a type that is written as a future; `_` when the output is not.
fn future_output(ty: &Type) -> Option<Type> {
    match ty {
        Type::Group(ty) => future_output(&ty.elem),
        Type::Paren(ty) => future_output(&ty.elem),
        Type::ImplTrait(ty) => ty.bounds.iter().find_map(bound_output),
        Type::TraitObject(ty) => ty.bounds.iter().find_map(bound_output),
        Type::Path(ty) => path_output(&ty.path),
        _ => None,
    }
}

fn bound_output(bound: &TypeParamBound) -> Option<Type> {
    let TypeParamBound::Trait(bound) = bound else { return None };
    let last = bound.path.segments.last()?;
    let written = generics(&last.arguments).and_then(|generics| {
        generics.args.iter().find_map(|arg| match arg {
            GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(assoc.ty.clone()),
            _ => None,
        })
    });
    (last.ident == "Future").then(|| written.unwrap_or(parse_quote!(_)))
}

fn path_output(path: &Path) -> Option<Type> {
    let last = path.segments.last()?;
    let first = generics(&last.arguments)?.args.iter().find_map(|arg| match arg {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })?;
    match last.ident.to_string().as_str() {
        "Pin" | "Box" => future_output(first),
        "BoxFuture" | "LocalBoxFuture" => Some(first.clone()),
        _ => None,
    }
}

fn generics(arguments: &PathArguments) -> Option<&AngleBracketedGenericArguments> {
    match arguments {
        PathArguments::AngleBracketed(generics) => Some(generics),
        _ => None,
    }
}

/// Collects what patterns bind.
struct Bound(Vec<Ident>);

impl Visit<'_> for Bound {
    fn visit_pat_ident(&mut self, pat: &PatIdent) {
        self.0.push(pat.ident.clone());
        visit::visit_pat_ident(self, pat);
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn wrong(item: TokenStream) -> String {
        syn::parse2::<Func>(item).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn func(item: TokenStream) -> Func {
        syn::parse2(item).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn other_items_are_refused() {
        for item in [
            quote!(
                struct S;
            ),
            quote!(async || {}),
            quote!(
                mod m {}
            ),
            quote!(impl S {}),
            quote!(let x = 1;),
        ] {
            assert!(wrong(item.clone()).contains("goes on a function"), "{item}");
        }
        assert!(
            wrong(quote!(
                async fn f(&self);
            ))
            .contains("needs a body")
        );
        assert!(
            wrong(quote!(
                pub gen fn f() {}
            ))
            .contains("cannot guard a `gen fn`")
        );
        assert!(
            wrong(quote!(
                async gen fn f() {}
            ))
            .contains("cannot guard a `gen fn`")
        );
    }

    #[test]
    fn every_kind_of_function_is_taken() {
        for item in [
            quote!(
                pub(crate) unsafe extern "C" fn f() {}
            ),
            quote!(default async fn f() {}),
            quote!(
                const unsafe fn f() {}
            ),
            quote!(
                extern "C" fn f() {}
            ),
        ] {
            assert_eq!(func(item).name(), "f");
        }
        assert_eq!(
            func(quote!(
                fn r#try() {}
            ))
            .name(),
            "try"
        );
    }

    #[test]
    fn futures_are_known_by_their_types() {
        let hides = |output: TokenStream| func(quote!(fn f() -> #output { other() })).hides_its_future();
        assert!(hides(quote!(impl Send + Future<Output = u8>)));
        assert!(hides(quote!(Pin<Box<dyn std::future::Future<Output = u8> + Send + '_>>)));
        assert!(hides(quote!(BoxFuture<'static, u8>)));
        assert!(!hides(quote!(impl Iterator<Item = u8>)));
        assert!(!hides(quote!(Pin<Box<u8>>)));
        assert!(!hides(quote!(Result<u8, E>)));
    }

    #[test]
    fn patterns_bind_arguments() {
        let func = func(quote!(
            fn f(&self, (a, ref b): T, S { c, d: [e, ..], .. }: S, g @ _: U, _: V) {}
        ));
        let bound: Vec<String> = func.arguments().iter().map(ToString::to_string).collect();
        assert_eq!(bound, ["self", "a", "b", "c", "e", "g"]);
    }
}
