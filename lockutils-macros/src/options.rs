//! The options that were said: each one known, and said once.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Expr, ExprLit, Lit, Result};

use crate::args::{Opt, ungroup};
use crate::mistakes::{Mistakes, list, nearest};
use crate::value;

/// Every option, in the order in which messages list them.
const OPTIONS: [&str; 18] = [
    "external",
    "distributed",
    "internal",
    "fair",
    "read",
    "write",
    "reentrant",
    "semaphore",
    "timeout",
    "blocking",
    "prefix",
    "lock_path",
    "locks",
    "on_error",
    "crate",
    "expires",
    "identifier",
    "require",
];

/// What other libraries call our options, and what to write here.
const ALIASES: [(&str, &str); 11] = [
    ("shared", "write `read`"),
    ("exclusive", "write `write`, or nothing"),
    ("try", "write `blocking = false`"),
    ("nonblocking", "write `blocking = false`"),
    ("lock_file_prefix", "write `prefix = \"nova\"`"),
    ("path", "write `lock_path = \"/run/nova\"`"),
    ("ttl", "write `expires = \"30s\"`"),
    ("lease", "write `expires = \"30s\"`"),
    ("permits", "write `semaphore = 4`"),
    ("registry", "write `locks = LOCKS`"),
    ("name", "write the name alone, before the options"),
];

/// Options that are there or not. `blocking` counts as said when it is `false`.
const FLAGS: [&str; 8] =
    ["external", "internal", "fair", "read", "write", "distributed", "reentrant", "blocking"];

/// What only a distributed lock has.
const OF_ENGINES: [&str; 3] = ["expires", "identifier", "require"];

/// What may be said several times.
const REPEATED: &str = "require";

/// The options of one attribute.
pub(crate) struct Options<'a>(Vec<Said<'a>>);

struct Said<'a> {
    option: &'a Opt,
    on: bool,
}

impl<'a> Options<'a> {
    /// Keeps the options that are known and said for the first time.
    pub(crate) fn new(written: &'a [Opt], wrong: &mut Mistakes) -> Self {
        let mut options = Options(Vec::new());
        for option in written {
            if !OPTIONS.contains(&option.name().as_str()) {
                wrong.add(&option.word, unknown(option));
            } else if options.find(&option.name()).is_some() && option.name() != REPEATED {
                wrong.add(&option.word, format!("`{}` is said twice; keep one", option.word));
            } else {
                let on = wrong.note(is_on(option)).unwrap_or(true);
                options.0.push(Said { option, on });
            }
        }
        options
    }

    fn find(&self, word: &str) -> Option<&Said<'a>> {
        self.0.iter().find(|said| said.option.word == word)
    }

    /// The option, unless it was said with `= false`. For `blocking` it is the other way round.
    pub(crate) fn said(&self, word: &str) -> Option<&'a Opt> {
        self.find(word).filter(|said| said.on).map(|said| said.option)
    }

    /// The value of an option, read by `read`.
    pub(crate) fn value<T>(
        &self,
        word: &str,
        wrong: &mut Mistakes,
        read: impl FnOnce(&Opt) -> Result<T>,
    ) -> Option<T> {
        self.said(word).and_then(|option| wrong.note(read(option)))
    }

    /// The values of an option that may be said several times.
    pub(crate) fn values<T>(
        &self,
        word: &str,
        wrong: &mut Mistakes,
        read: impl Fn(&Opt) -> Result<Vec<T>>,
    ) -> Vec<T> {
        let said = self.0.iter().filter(|said| said.option.word == word);
        said.filter_map(|said| wrong.note(read(said.option))).flatten().collect()
    }

    /// Those of `words` that were said, and `internal` for `external = false`.
    pub(crate) fn words(&self, words: &[&str]) -> Vec<Ident> {
        let said = words.iter().filter_map(|word| self.said(word)).map(|option| option.word.clone());
        let off = self.find("external").filter(|said| !said.on && self.said("internal").is_none());
        let internal = off.map(|said| Ident::new("internal", said.option.word.span()));
        said.chain(internal).collect()
    }

    /// Whether taking the lock can fail.
    pub(crate) fn fails(&self) -> bool {
        let fallible = ["external", "distributed", "timeout", "semaphore", "blocking"];
        let limited = self.said("reentrant").is_some_and(|option| !is_bool(option));
        limited || fallible.iter().any(|word| self.said(word).is_some())
    }

    /// Whether no option asks for a scope beyond the process.
    pub(crate) fn has_no_file(&self) -> bool {
        ["external", "internal", "distributed"].iter().all(|scope| self.said(scope).is_none())
    }

    /// Those that only a distributed lock has.
    pub(crate) fn of_engines(&self) -> impl Iterator<Item = &'a Opt> {
        OF_ENGINES.iter().filter_map(|word| self.said(word))
    }

    /// The one that was written later.
    pub(crate) fn later(&self, one: &'a Opt, other: &'a Opt) -> &'a Opt {
        let last = self.0.iter().rev().map(|said| said.option);
        last.into_iter().find(|option| option.word == one.word || option.word == other.word).unwrap_or(other)
    }
}

impl Opt {
    fn name(&self) -> String {
        self.word.unraw().to_string()
    }

    /// The option as messages show it.
    pub(crate) fn written(&self) -> String {
        match self.name().as_str() {
            "blocking" => "blocking = false".to_owned(),
            word => word.to_owned(),
        }
    }
}

fn is_on(option: &Opt) -> Result<bool> {
    let word = option.name();
    match word.as_str() {
        "blocking" => value::flag(option).map(|blocking| !blocking),
        "reentrant" if !is_bool(option) && !is_of_python(option) => Ok(true),
        word if FLAGS.contains(&word) => value::flag(option),
        _ => Ok(true),
    }
}

/// Whether an option has no value, or `true` or `false`.
pub(crate) fn is_bool(option: &Opt) -> bool {
    let value = option.value.clone().map(ungroup);
    value.is_none_or(|value| matches!(value, Expr::Lit(ExprLit { lit: Lit::Bool(_), .. })))
}

fn is_of_python(option: &Opt) -> bool {
    option.value.as_ref().is_some_and(|value| value::of_python(value).is_some())
}

fn unknown(option: &Opt) -> String {
    let word = option.name();
    if let Some((_, advice)) = ALIASES.iter().find(|(theirs, _)| *theirs == word) {
        return format!("there is no option `{word}`; {advice}");
    }
    let all = list(OPTIONS);
    match nearest(&word, OPTIONS) {
        Some(near) => format!("there is no option `{word}`; did you mean `{near}`? The options are {all}"),
        None => format!("there is no option `{word}`; the options are {all}"),
    }
}
