//! What comes after the work under a lock that can be lost: it is let go, and a loss is told.

use proc_macro2::{Span, TokenStream};
use syn::parse::Parser;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprBreak, ExprReturn, Item, Label, Lifetime, Token};

use crate::build::ours;
use crate::check::{OnError, Plan};

/// The statements after the work: `__ret` is what it gave, and what is told in its place if the lock was lost meanwhile. Whoever
/// returns an error of its own is not corrected.
pub(crate) fn after(plan: &Plan, is_async: bool) -> TokenStream {
    let krate = &plan.krate;
    let finished = if is_async {
        ours!(#krate::__private::finish_async(__guard).await)
    } else {
        ours!(#krate::__private::finish(__guard))
    };
    match &plan.on_error {
        OnError::Panic => ours! {
            #[allow(unreachable_code)]
            if let ::core::result::Result::Err(__error) = #finished {
                #krate::__private::fail(&__error)
            }
        },
        OnError::Call(path) => ours! {
            #[allow(unreachable_code)]
            if let ::core::result::Result::Err(__error) = #finished {
                return #path(__error);
            }
        },
        OnError::Return => ours! {
            #[allow(unreachable_code)]
            let __ret = match (__ret, #finished) {
                (::core::result::Result::Ok(_), ::core::result::Result::Err(__error)) => {
                    ::core::result::Result::Err(#krate::__private::into_error(__error))
                }
                (__ret, _) => __ret,
            };
        },
    }
}

/// The body with each `return` as a way to the end of the body, where it can be seen: not in closures, other functions and
/// the arguments of macros, and not where the body is no Rust (yet). What else leaves the body, such as `?`, lets go by dropping.
pub(crate) fn to_its_end(body: &TokenStream) -> (TokenStream, Option<Label>) {
    let Ok(stmts) = Block::parse_within.parse2(body.clone()) else { return (body.clone(), None) };
    let mut block = Block { brace_token: syn::token::Brace::default(), stmts };
    let mut returns = Returns { label: Lifetime::new("'__body", Span::mixed_site()), found: false };
    returns.visit_block_mut(&mut block);
    if !returns.found {
        return (body.clone(), None);
    }
    let stmts = &block.stmts;
    let label = Label { name: returns.label, colon_token: Token![:](Span::mixed_site()) };
    (ours!(#(#stmts)*), Some(label))
}

struct Returns {
    label: Lifetime,
    found: bool,
}

impl VisitMut for Returns {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            // Their `return` is their own.
            Expr::Closure(_) | Expr::Async(_) | Expr::Const(_) => return,
            _ => visit_mut::visit_expr_mut(self, expr),
        }
        if let Expr::Return(ExprReturn { attrs, expr: value, return_token }) = expr {
            self.found = true;
            let unit = || Box::new(Expr::Verbatim(ours!(())));
            *expr = Expr::Break(ExprBreak {
                attrs: std::mem::take(attrs),
                break_token: Token![break](return_token.span),
                label: Some(self.label.clone()),
                expr: Some(value.take().unwrap_or_else(unit)),
            });
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}
