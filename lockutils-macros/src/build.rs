//! The expression that builds the lock.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};

use crate::check::Plan;
use crate::name::Text;
use crate::value::Value;

/// Quotes with names that the user can neither see nor shadow.
macro_rules! ours {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}
pub(crate) use ours;

/// `let __lock = ..;`
pub(crate) fn statement(plan: &Plan) -> TokenStream {
    let made = lock(plan);
    if !is_kept(plan) {
        return ours!(let __lock = #made;);
    }
    let (krate, kind) = (&plan.krate, kind(plan));
    ours! {
        let __lock = {
            static KEPT: #krate::__private::Kept<#kind> = #krate::__private::Kept::new();
            KEPT.get(|| #made)
        };
    }
}

/// Whether the lock is the same in every call, so that it is made once and kept.
pub(crate) fn is_kept(plan: &Plan) -> bool {
    let values = [
        &plan.timeout,
        &plan.prefix,
        &plan.lock_path,
        &plan.permits,
        &plan.reentrant,
        &plan.expires,
        &plan.identifier,
    ];
    plan.locks.is_none()
        && plan.names.iter().all(|name| name.fixed)
        && values.into_iter().flatten().all(|value| value.fixed)
}

/// The type of what is built.
fn kind(plan: &Plan) -> TokenStream {
    let krate = &plan.krate;
    match (&plan.reentrant, plan.names.len()) {
        (Some(_), _) => ours!(#krate::Reentrant),
        (None, 1) => ours!(#krate::Lock),
        (None, _) => ours!(#krate::LockAll),
    }
}

/// One lock, or all of them together.
fn lock(plan: &Plan) -> TokenStream {
    let krate = &plan.krate;
    let mut once = Once { needed: plan.names.len() > 1, values: Vec::new() };
    let chain = Chain::new(plan, &mut once);
    let each: Vec<TokenStream> = plan.names.iter().map(|name| chain.lock(name)).collect();
    let limit = plan.reentrant.iter().map(|limit| &limit.tokens);
    once.around(if let [single] = each.as_slice() {
        ours!(#single #(.reentrant(#limit))*)
    } else {
        ours!(#krate::__private::all([#(#each),*]))
    })
}

/// What is the same for each name.
struct Chain<'a> {
    plan: &'a Plan,
    locks: Option<TokenStream>,
    options: TokenStream,
    permits: Option<TokenStream>,
}

impl<'a> Chain<'a> {
    fn new(plan: &'a Plan, once: &mut Once<'a>) -> Self {
        let words = &plan.words;
        let mut options = ours!(#(.#words())*);
        if let Some(value) = &plan.timeout {
            let value = once.copied(value);
            options.extend(ours!(.timeout(#value)));
        }
        if let Some(value) = &plan.prefix {
            let value = once.lent(value);
            options.extend(ours!(.prefix(#value)));
        }
        if let Some(value) = &plan.lock_path {
            let value = once.lent(value);
            options.extend(ours!(.lock_path(#value)));
        }
        if let Some(value) = &plan.expires {
            let value = once.copied(value);
            options.extend(ours!(.expires(#value)));
        }
        if let Some(value) = &plan.identifier {
            let value = once.lent(value);
            options.extend(ours!(.identifier(#value)));
        }
        for promise in &plan.require {
            let krate = &plan.krate;
            let path = promise.get_ident().map(|word| ours!(#krate::distributed::Promise::#word));
            let path = path.unwrap_or_else(|| promise.to_token_stream());
            options.extend(ours!(.require(#path)));
        }
        let locks = plan.locks.as_ref().map(|value| once.lent(value));
        let permits = plan.permits.as_ref().map(|value| once.copied(value));
        Chain { plan, locks, options, permits }
    }

    fn lock(&self, name: &Text) -> TokenStream {
        let (krate, options, label, name) = (&self.plan.krate, &self.options, &name.label, &name.tokens);
        let name = ours!(::core::format_args!(#name));
        let lock = match (&self.locks, self.plan.fails) {
            (None, true) => ours!(#krate::__private::lock(#name) #options),
            (None, false) => ours!(#krate::__private::lock_lossy(#name) #options),
            (Some(locks), true) => ours!(#krate::__private::lock_in(#locks, #name) #options),
            (Some(locks), false) => ours!(#krate::__private::lock_lossy_in(#locks, #name) #options),
        };
        let lock = match label {
            Some(label) => ours!(#krate::__private::labelled(#lock, #label)),
            None => lock,
        };
        let lock = match &self.permits {
            Some(count) => ours!(#krate::__private::permits(#lock, #count)),
            None => lock,
        };
        if !self.plan.words.iter().any(|word| word == "external" || word == "distributed") {
            return lock;
        }
        let function = &self.plan.function;
        let path = ours!(::core::concat!(::core::module_path!(), "::", #function));
        ours!(#krate::__private::within(#lock, #path))
    }
}

/// Values that several locks share are computed once.
struct Once<'a> {
    needed: bool,
    values: Vec<&'a TokenStream>,
}

impl<'a> Once<'a> {
    /// A value that is copied.
    fn copied(&mut self, value: &'a Value) -> TokenStream {
        if value.fixed || !self.needed {
            return value.tokens.clone();
        }
        self.keep(&value.tokens).into_token_stream()
    }

    /// A value of which each lock takes what it needs.
    fn lent(&mut self, value: &'a Value) -> TokenStream {
        if value.fixed || !self.needed {
            return value.tokens.clone();
        }
        let value = self.keep(&value.tokens);
        ours!(&#value)
    }

    fn keep(&mut self, value: &'a TokenStream) -> Ident {
        self.values.push(value);
        format_ident!("__value{}", self.values.len(), span = Span::mixed_site())
    }

    /// `match` and not `let`: what the values borrow from lives as long as they do.
    fn around(self, made: TokenStream) -> TokenStream {
        let names = (1..=self.values.len()).map(|n| format_ident!("__value{n}", span = Span::mixed_site()));
        let values = &self.values;
        if values.is_empty() {
            return made;
        }
        ours!(match (#(#values,)*) { (#(#names,)*) => #made })
    }
}
