//! The function with its lock. No closure and no inner function: the body stays where it was,
//! so that borrows, `?`, `return` and `.await` mean what they meant before.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Stmt, Type};

use crate::build::{self, ours};
use crate::check::{OnError, Plan};
use crate::func::{Body, Func, async_block};
use crate::lost;

/// Writes the function anew, with the lock in its body.
pub(crate) fn expand(plan: &Plan, func: &Func) -> TokenStream {
    let body = match &func.body {
        Body::Plain(body) => around(plan, func, body),
        Body::Future(block) => in_future(plan, func, (**block).clone()),
    };
    let Func { attrs, vis, defaultness, sig, inner, braces, .. } = func;
    let mut whole = Group::new(Delimiter::Brace, ours!(#(#inner)* #body));
    whole.set_span(braces.span()); // The user's own, or lints such as `dead_code` do not see the function.
    ours!(#(#attrs)* #vis #defaultness #sig #whole)
}

/// `let __lock = ..; let __guard = ..; let __ret = { body }; __ret`
fn around(plan: &Plan, func: &Func, body: &TokenStream) -> TokenStream {
    let (build, enter) = (build::statement(plan), enter(plan, func.is_async()));
    let work = work(plan, func, body, func.braces.span());
    ours!(#build #enter #work)
}

/// The name is made when the function is called, since its statements may use the arguments up.
/// The lock is taken when the future runs.
fn in_future(plan: &Plan, func: &Func, mut block: Block) -> TokenStream {
    let build = build::statement(plan);
    let (before, within) = if build::is_kept(plan) {
        (TokenStream::new(), build)
    } else {
        (build, ours!(let __lock = __lock;)) // Moved, also when the block does not say `move`.
    };
    if let Some(future) = async_block(&mut block) {
        let body = future.block.stmts.iter().map(ToTokens::to_token_stream).collect();
        let work = work(plan, func, &body, future.block.brace_token.span.join());
        let enter = enter(plan, true);
        future.block.stmts = vec![Stmt::Expr(Expr::Verbatim(ours!(#within #enter #work)), None)];
    }
    let stmts = &block.stmts;
    ours!(#before #(#stmts)*)
}

/// `let __guard = ..;`
fn enter(plan: &Plan, is_async: bool) -> TokenStream {
    let krate = &plan.krate;
    let lock = if build::is_kept(plan) { ours!(__lock) } else { ours!(&__lock) };
    let taken = match (plan.fails, plan.now, is_async) {
        (false, _, false) => ours!(#krate::__private::enter(#lock)),
        (false, _, true) => ours!(#krate::__private::enter_async(#lock).await),
        (true, false, false) => ours!(#krate::__private::try_enter(#lock)),
        (true, false, true) => ours!(#krate::__private::try_enter_async(#lock).await),
        (true, true, false) => ours!(#krate::__private::enter_now(#lock)),
        (true, true, true) => ours!(#krate::__private::enter_now_async(#lock).await),
    };
    if !plan.fails {
        return ours!(let __guard = #taken;);
    }
    let failed = failed(plan);
    ours! {
        let __guard = match #taken {
            ::core::result::Result::Ok(__guard) => __guard,
            ::core::result::Result::Err(__error) => #failed,
        };
    }
}

/// What becomes of `__error`. A missing `From` is shown at the attribute.
fn failed(plan: &Plan) -> TokenStream {
    let krate = &plan.krate;
    match &plan.on_error {
        OnError::Panic => ours!(#krate::__private::fail(&__error)),
        OnError::Call(path) => ours!(return #path(__error)),
        OnError::Return => {
            ours!(return ::core::result::Result::Err(#krate::__private::into_error(__error)))
        }
    }
}

/// The body as a statement of its own: its temporaries die before the guard, in every edition.
fn work(plan: &Plan, func: &Func, body: &TokenStream, braces: Span) -> TokenStream {
    let ret = match func.output() {
        Type::Never(_) => return body.clone(),
        Type::ImplTrait(_) | Type::Infer(_) => ours!(__ret),
        mut output => {
            EraseImpl.visit_type_mut(&mut output);
            ours!(__ret: #output)
        }
    };
    let (body, label) = if plan.can_be_lost { lost::to_its_end(body) } else { (body.clone(), None) };
    // The first statement keeps `clippy::diverging_sub_expression` from bodies that only `return`.
    let block = braced(ours!(let () = (); #body), braces);
    let after = plan.can_be_lost.then(|| lost::after(plan, func.is_async()));
    ours! {
        let #ret = #label #block;
        #after
        #[allow(unreachable_code)]
        __ret
    }
}

/// Braces at the place of the user's, but ours: lints on braces do not look at them.
fn braced(body: TokenStream, place: Span) -> Group {
    let mut block = Group::new(Delimiter::Brace, body);
    block.set_span(Span::mixed_site().located_at(place));
    block
}

/// Turns `Result<impl Iterator, E>` into `Result<_, E>`, which can stand in a `let`.
struct EraseImpl;

impl VisitMut for EraseImpl {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        match ty {
            Type::ImplTrait(_) => *ty = Type::Infer(syn::parse_quote!(_)),
            _ => visit_mut::visit_type_mut(self, ty),
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;
    use crate::args::Args;
    use crate::check::check;
    use crate::mistakes::Mistakes;

    fn expanded(args: TokenStream, item: TokenStream) -> String {
        let mut wrong = Mistakes::default();
        let args = Args::parse(args, &mut wrong);
        let func: Func = syn::parse2(item).expect("a function");
        let plan = check(&args, &func, wrong).unwrap_or_else(|wrong| panic!("{wrong}"));
        expand(&plan, &func).to_string()
    }

    #[test]
    fn a_literal_name_is_kept() {
        let text = expanded(
            quote!("a"),
            quote!(
                fn f() {}
            ),
        );
        assert!(
            text.contains("static KEPT : :: lockutils :: __private :: Kept < :: lockutils :: Lock >"),
            "{text}"
        );
        assert!(text.contains("lock_lossy"), "{text}");
        assert!(!text.contains("Result"), "{text}");
    }

    #[test]
    fn other_locks_are_made_in_each_call() {
        for args in [
            quote!("a-{n}"),
            quote!(NAME),
            quote!("a", locks = LOCKS),
            quote!("a", prefix = prefix()),
            quote!("a", timeout = n),
            quote!("a", "{n}"),
        ] {
            let text = expanded(
                args,
                quote!(
                    fn f(n: u8) {}
                ),
            );
            assert!(!text.contains("static"), "{text}");
        }
    }

    #[test]
    fn values_of_several_locks_are_computed_once() {
        let args =
            quote!("a", "b", external, timeout = limit(), prefix = p(), lock_path = dir(), locks = x.locks);
        let text = expanded(
            args,
            quote!(
                fn f() {}
            ),
        );
        for once in ["limit ()", "p ()", "dir ()", "& x . locks"] {
            assert_eq!(text.matches(once).count(), 1, "{once}: {text}");
        }
        assert_eq!(text.matches("format_args").count(), 2);
    }

    #[test]
    fn another_name_of_the_crate_is_used_everywhere() {
        let item = quote!(
            async fn f() -> Result<(), E> {}
        );
        for args in [quote!("a", "b", timeout = "1s", crate = nl), quote!("a", semaphore = 2, crate = nl)] {
            let text = expanded(args, item.clone());
            assert!(text.contains("nl :: __private"), "{text}");
            assert!(!text.contains("lockutils"), "{text}");
        }
    }

    #[test]
    fn half_typed_bodies_pass_through() {
        for body in
            [quote!(self.), quote!(let x = ;), quote!(Box::pin(async move { x. })), quote!(foo(1,, 2) +)]
        {
            let text = expanded(quote!("a"), quote!(fn f(&self) -> u8 { #body }));
            assert!(text.contains(&body.to_string()), "{text}");
        }
    }

    #[test]
    fn the_signature_is_untouched() {
        let sig = quote! {
            #[doc = "x"] pub(crate) async unsafe extern "C" fn f<'a, T: ?Sized, const N: usize>(
                #[cfg(all())] mut self: Box<Self>, (a, _): (u8, &'a T),
            ) -> Result<impl Iterator<Item = u8> + 'a, [u8; N]> where T: Clone
        };
        let text = expanded(quote!("a"), quote!(#sig { #![allow(x)] body }));
        assert!(text.starts_with(&format!("{sig} {{ # ! [allow (x)]")), "{text}");
        assert!(text.contains("let __ret : Result < _ , [u8 ; N] > ="), "{text}");
    }

    #[test]
    fn a_future_is_found_where_it_is_returned() {
        for tail in [
            quote!(async move { work }),
            quote!(async { work }),
            quote!(Box::pin(async move { work })),
            quote!(::std::boxed::Box::pin(async move { work })),
            quote!(return Box::pin(async move { work });),
            quote!((async move { work }).boxed()),
            quote!(Box::pin(async move { work }) as Pin<Box<_>>),
        ] {
            let text =
                expanded(quote!("{n}"), quote!(fn f(n: u8) -> impl Future<Output = u8> { first; #tail }));
            let order = ["format_args", "first", "async", "__guard", "let __ret : u8", "work"];
            let places: Vec<_> = order.iter().filter_map(|word| text.find(word)).collect();
            assert!(places.len() == order.len() && places.is_sorted(), "{text}");
        }
    }
}
