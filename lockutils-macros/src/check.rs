//! Every mistake, each with its place. What passes is a [`Plan`], and a plan can be expanded.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Path, Result, Type};

use crate::args::Args;
use crate::func::Func;
use crate::mistakes::Mistakes;
use crate::name::{self, Text};
use crate::options::{Options, is_bool};
use crate::value::{self, Value};

/// What to expand to: checked.
pub(crate) struct Plan {
    pub(crate) krate: TokenStream,
    pub(crate) names: Vec<Text>,
    /// The words of the builder that take no value, in the order of the chain.
    pub(crate) words: Vec<Ident>,
    pub(crate) timeout: Option<Value>,
    pub(crate) prefix: Option<Value>,
    pub(crate) lock_path: Option<Value>,
    pub(crate) permits: Option<Value>,
    pub(crate) reentrant: Option<Value>,
    pub(crate) locks: Option<Value>,
    pub(crate) expires: Option<Value>,
    pub(crate) identifier: Option<Value>,
    /// What the engine must promise: the path of each, if it has more than its last word.
    pub(crate) require: Vec<Path>,
    /// The name of the function, which the lock file of an external lock shows.
    pub(crate) function: String,
    /// `blocking = false`
    pub(crate) now: bool,
    /// Taking the lock can fail.
    pub(crate) fails: bool,
    /// The lock can be lost while it is held.
    pub(crate) can_be_lost: bool,
    pub(crate) on_error: OnError,
}

/// What becomes of an error.
pub(crate) enum OnError {
    Return,
    Panic,
    Call(Path),
}

/// Two options that cannot stand together, and why.
const CONFLICTS: [(&str, &str, &str); 8] = [
    ("external", "internal", "a lock has one scope"),
    ("distributed", "internal", "a lock has one scope"),
    ("read", "write", "a lock is taken to read or to write"),
    ("read", "semaphore", "a semaphore knows no readers"),
    ("write", "semaphore", "a semaphore knows no writers"),
    ("reentrant", "semaphore", "the permits of a semaphore have no owner"),
    ("internal", "lock_path", "an internal lock has no file"),
    ("timeout", "blocking", "a lock that is not waited for needs no time-out"),
];

/// Checks everything. All mistakes come back together.
pub(crate) fn check(args: &Args, func: &Func, mut wrong: Mistakes) -> Result<Plan> {
    let options = Options::new(&args.options, &mut wrong);
    function(func, &options, &mut wrong);
    together(args, &options, &mut wrong);
    let plan = plan(args, func, &options, &mut wrong);
    wrong.finish()?;
    Ok(plan)
}

fn plan(args: &Args, func: &Func, options: &Options, wrong: &mut Mistakes) -> Plan {
    let prefix = options.value("prefix", wrong, |option| value::text(option, "\"nova\""));
    let (prefix, literal) = prefix.map_or((None, None), |(prefix, literal)| (Some(prefix), literal));
    let lock_path = options.value("lock_path", wrong, |option| value::text(option, "\"/run/nova\""));
    Plan {
        function: func.name(),
        names: name::check(&args.names, func, literal.as_ref(), wrong),
        words: options.words(&["external", "distributed", "internal", "read", "write", "fair"]),
        timeout: options.value("timeout", wrong, value::duration),
        prefix,
        lock_path: lock_path.map(|(path, _)| path),
        permits: options.value("semaphore", wrong, value::count),
        reentrant: reentrant(options, wrong),
        locks: options.value("locks", wrong, |option| value::reference(option, "LOCKS")),
        now: options.said("blocking").is_some(),
        on_error: on_error(func, options, wrong),
        fails: options.fails(),
        can_be_lost: options.said("distributed").is_some(),
        expires: options.value("expires", wrong, value::expiry),
        identifier: options
            .value("identifier", wrong, |option| value::text(option, "\"node-7\""))
            .map(|(who, _)| who),
        require: options.values("require", wrong, value::promises),
        krate: options
            .value("crate", wrong, |option| value::path(option, "other::path"))
            .map_or_else(|| quote_spanned!(Span::mixed_site()=> ::lockutils), Path::into_token_stream),
    }
}

/// `reentrant` has no limit; `reentrant = 3` has one.
fn reentrant(options: &Options, wrong: &mut Mistakes) -> Option<Value> {
    let option = options.said("reentrant")?;
    if is_bool(option) {
        return Some(Value::unlimited());
    }
    wrong.note(value::count(option))
}

/// An error is returned when the return type is written `Result`, unless `on_error` says otherwise.
fn on_error(func: &Func, options: &Options, wrong: &mut Mistakes) -> OnError {
    match options.value("on_error", wrong, |option| value::path(option, "panic` or `path::to::function")) {
        Some(path) if path.is_ident("panic") => OnError::Panic,
        Some(path) => OnError::Call(path),
        None if is_result(&func.output()) => OnError::Return,
        None => OnError::Panic,
    }
}

fn is_result(output: &Type) -> bool {
    match output {
        Type::Group(ty) => is_result(&ty.elem),
        Type::Paren(ty) => is_result(&ty.elem),
        Type::Path(ty) => ty.path.segments.last().is_some_and(|last| last.ident == "Result"),
        _ => false,
    }
}

/// What a function must not be.
fn function(func: &Func, options: &Options, wrong: &mut Mistakes) {
    let sig = &func.sig;
    if let Some(word) = sig.constness {
        wrong.add(word, "a `const fn` cannot take a lock; leave out `const` or `#[synchronized]`");
    }
    if let Some(dots) = &sig.variadic {
        wrong.add(dots, "`#[synchronized]` cannot guard a function with variable arguments");
    }
    if func.hides_its_future() {
        wrong.add(
            &sig.output,
            "the lock would be let go before this future runs; make it an `async fn`, \
             or end the body in `async move { .. }` or `Box::pin(async move { .. })`",
        );
    }
    if let Some(option) = options.said("reentrant").filter(|_| func.is_async()) {
        wrong.add(
            &option.word,
            "`reentrant` locks belong to a thread, and an async function may move to another; \
             leave out `reentrant`, or split off a function that is called with the lock held",
        );
    }
}

/// What does not go together.
fn together(args: &Args, options: &Options, wrong: &mut Mistakes) {
    for (one, other, why) in CONFLICTS {
        if let (Some(one), Some(other)) = (options.said(one), options.said(other)) {
            let text = format!("`{}` and `{}` exclude each other: {why}", one.written(), other.written());
            wrong.add(&options.later(one, other).word, text);
        }
    }
    if options.said("distributed").is_none() {
        for option in options.of_engines() {
            wrong.add(
                &option.word,
                format!("`{}` is for `distributed` locks; add `distributed`", option.word),
            );
        }
    }
    if let Some(option) = options.said("lock_path").filter(|_| options.has_no_file()) {
        wrong.add(&option.word, "`lock_path` says where the file of an `external` lock is; add `external`");
    }
    if let Some(option) = options.said("reentrant").filter(|_| args.names.len() > 1) {
        wrong.add(&option.word, "`reentrant` takes one name; several names cannot be re-entered together");
    }
    if let Some(option) = options.said("on_error").filter(|_| !options.fails()) {
        wrong.add(
            &option.word,
            "`on_error` is never called: an internal lock without `timeout` or `blocking = false` cannot fail",
        );
    }
}
