//! The function with its lock. No closure and no inner function: the body stays where it was,
//! so that borrows, `?`, `return` and `.await` mean what they meant before.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Stmt, Type};

use crate::build::{self, ours};
use crate::check::{OnError, Plan};
use crate::func::{Body, Func, async_block};

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
    let work = work(body, func.output(), func.braces.span());
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
        let work = work(&body, func.output(), future.block.brace_token.span.join());
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
    let taken = match (&plan.fails, plan.now, is_async) {
        (None, _, false) => ours!(#krate::__private::enter(#lock)),
        (None, _, true) => ours!(#krate::__private::enter_async(#lock).await),
        (Some(_), false, false) => ours!(#krate::__private::try_enter(#lock)),
        (Some(_), false, true) => ours!(#krate::__private::try_enter_async(#lock).await),
        (Some(_), true, false) => ours!(#krate::__private::enter_now(#lock)),
        (Some(_), true, true) => ours!(#krate::__private::enter_now_async(#lock)),
    };
    let Some(word) = &plan.fails else {
        return ours!(let __guard = #taken;);
    };
    let failed = failed(plan, word.span());
    ours! {
        let __guard = match #taken {
            ::core::result::Result::Ok(__guard) => __guard,
            ::core::result::Result::Err(__error) => #failed,
        };
    }
}

/// What becomes of `__error`. A missing `From` is shown at the option that made it necessary.
fn failed(plan: &Plan, place: Span) -> TokenStream {
    let krate = &plan.krate;
    match &plan.on_error {
        OnError::Panic => ours!(#krate::__private::fail(__error)),
        OnError::Call(path) => ours!(return #path(__error)),
        OnError::Return => {
            let place = Span::mixed_site().located_at(place);
            let error = quote_spanned!(place=> #krate::__private::into_error(__error));
            ours!(return ::core::result::Result::Err(#error))
        }
    }
}

/// The body as a statement of its own: its temporaries die before the guard, in every edition.
fn work(body: &TokenStream, output: Type, braces: Span) -> TokenStream {
    let block = braced(body.clone(), braces);
    let ret = match output {
        Type::Never(_) => return body.clone(),
        Type::ImplTrait(_) | Type::Infer(_) => ours!(__ret),
        mut output => {
            EraseImpl.visit_type_mut(&mut output);
            ours!(__ret: #output)
        }
    };
    ours! {
        let #ret = #block;
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
