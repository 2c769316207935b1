//! Values of options: durations, numbers, texts, paths.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Error, Expr, ExprLit, ExprPath, ExprReference, Lit, LitStr, Path, Result, Token};

use crate::args::{Opt, ungroup};

/// A value and whether it is the same in every call.
pub(crate) struct Value {
    pub(crate) tokens: TokenStream,
    pub(crate) fixed: bool,
}

impl Value {
    fn fixed(tokens: impl ToTokens) -> Self {
        Value { tokens: tokens.into_token_stream(), fixed: true }
    }

    /// The limit of a lock that may be re-entered as often as one likes.
    pub(crate) fn unlimited() -> Self {
        Self::fixed(quote!(::core::primitive::u32::MAX))
    }

    fn computed(expr: &Expr) -> Self {
        Value { tokens: expr.into_token_stream(), fixed: false }
    }
}

/// `timeout = "30s"`, or an expression.
pub(crate) fn duration(option: &Opt) -> Result<Value> {
    time(option, "a time-out")
}

/// `expires = "30s"`, or an expression. Zero would be lost at once.
pub(crate) fn expiry(option: &Opt) -> Result<Value> {
    let value = time(option, "a time")?;
    let zero = option.value.as_ref().and_then(literal).filter(|lit| is_zero(lit));
    match zero {
        Some(lit) => Err(Error::new_spanned(lit, "a lock that expires after no time would be lost at once")),
        None => Ok(value),
    }
}

fn is_zero(lit: &Lit) -> bool {
    matches!(lit, Lit::Str(text) if nanoseconds(&text.value()) == Ok(0))
}

/// `what` is what messages call it.
fn time(option: &Opt, what: &str) -> Result<Value> {
    let expr = required(option, "\"30s\"")?;
    match literal(&expr) {
        Some(Lit::Str(text)) => {
            let wrong = |wrong| Error::new_spanned(text, format!("{what} {wrong}"));
            let nanos = nanoseconds(&text.value()).map_err(wrong)?;
            let (secs, nanos) = (nanos / SECOND, u32::try_from(nanos % SECOND).unwrap_or_default());
            Ok(Value::fixed(quote!(::core::time::Duration::new(#secs, #nanos))))
        }
        Some(Lit::Int(lit)) => unit_is_missing(lit, lit.base10_digits(), what),
        Some(Lit::Float(lit)) => unit_is_missing(lit, lit.base10_digits(), what),
        Some(lit) => Err(Error::new_spanned(lit, format!("{what} {SPELLING}"))),
        None => Ok(Value::computed(&expr)),
    }
}

fn unit_is_missing(lit: &impl ToTokens, digits: &str, what: &str) -> Result<Value> {
    Err(Error::new_spanned(lit, format!("{what} has a unit: write `\"{digits}s\"` or `\"{digits}ms\"`")))
}

const SECOND: u64 = 1_000_000_000;
const SPELLING: &str = "is written `\"30s\"`, `\"500ms\"`, `\"2m\"`, `\"1h\"` or `\"1.5s\"`, \
                        or is an expression of type `Duration`";
const UNITS: [(&str, u64); 4] =
    [("ms", SECOND / 1000), ("s", SECOND), ("m", 60 * SECOND), ("h", 3600 * SECOND)];

/// Reads `1.5s`.
fn nanoseconds(text: &str) -> std::result::Result<u64, &'static str> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == &text[number.len()..]).ok_or(SPELLING)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err(SPELLING);
    }
    let too_long = "is at most 584 years";
    let whole: u64 = whole.parse().map_err(|_| too_long)?;
    whole.checked_mul(*unit).and_then(|nanos| nanos.checked_add(fraction(part, *unit))).ok_or(too_long)
}

/// The digits after the point, in nanoseconds. What is finer is cut off.
fn fraction(digits: &str, unit: u64) -> u64 {
    let mut scale = u128::from(unit);
    let mut sum: u128 = 0;
    for digit in digits.bytes().take(18) {
        scale *= 10;
        sum = sum * 10 + u128::from(digit - b'0');
    }
    let parts = scale / u128::from(unit);
    u64::try_from(sum * u128::from(unit) / parts).unwrap_or_default()
}

/// `semaphore = 4` or `reentrant = 4`: at least one, or an expression.
pub(crate) fn count(option: &Opt) -> Result<Value> {
    let expr = required(option, "4")?;
    match literal(&expr) {
        Some(Lit::Int(lit)) if matches!(lit.suffix(), "" | "u32") => match lit.base10_parse::<u32>()? {
            0 => Err(Error::new_spanned(lit, format!("`{} = 0` would let nobody in", option.word))),
            _ => Ok(Value::fixed(lit)),
        },
        Some(lit) => {
            Err(Error::new_spanned(lit, format!("`{}` takes a number of type `u32`, as in `4`", option.word)))
        }
        None => Ok(Value::computed(&expr)),
    }
}

/// `prefix = "nova"` or `lock_path = "/run/nova"`, or an expression.
pub(crate) fn text(option: &Opt, example: &str) -> Result<(Value, Option<LitStr>)> {
    let expr = required(option, example)?;
    match literal(&expr) {
        Some(Lit::Str(text)) => Ok((Value::fixed(text), Some(text.clone()))),
        Some(lit) => {
            Err(Error::new_spanned(lit, format!("`{}` takes a string, as in `{example}`", option.word)))
        }
        None => Ok((Value::computed(&expr), None)),
    }
}

/// `locks = LOCKS`, as `&LOCKS`.
pub(crate) fn reference(option: &Opt, example: &str) -> Result<Value> {
    let expr = Box::new(required(option, example)?);
    let and_token = Token![&](Span::mixed_site());
    let borrow = ExprReference { attrs: Vec::new(), and_token, mutability: None, expr };
    Ok(Value::computed(&Expr::Reference(borrow)))
}

/// `crate = other::path`, also as a string; `on_error = path::to::fn`.
pub(crate) fn path(option: &Opt, example: &str) -> Result<Path> {
    let expr = required(option, example)?;
    let path = match &expr {
        Expr::Path(ExprPath { qself: None, path, .. }) => Some(path.clone()),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.parse().ok(),
        _ => None,
    };
    let word = &option.word;
    path.ok_or_else(|| Error::new_spanned(&expr, format!("`{word}` takes a path, as in `{example}`")))
}

/// `require = Linearizable`, `require = Promise::Linearizable`, or `require = [Linearizable, Fenced]`.
pub(crate) fn promises(option: &Opt) -> Result<Vec<Path>> {
    match required(option, "Linearizable")? {
        Expr::Array(array) => {
            array.elems.into_iter().map(ungroup).map(|each| promise(option, each)).collect()
        }
        expr => promise(option, expr).map(|path| vec![path]),
    }
}

fn promise(option: &Opt, expr: Expr) -> Result<Path> {
    match expr {
        Expr::Path(ExprPath { qself: None, path, .. }) if is_promise(&path) => Ok(path),
        other => {
            let text = "takes a promise or several, as in `Linearizable` or `[Linearizable, Fenced]`";
            Err(Error::new_spanned(other, format!("`{}` {text}", option.word)))
        }
    }
}

/// A word, or the path of one: then its type is written, and it is no constant that could be another one in each call.
fn is_promise(path: &Path) -> bool {
    let of_type = path.segments.iter().rev().nth(1);
    path.get_ident().is_some() || of_type.is_some_and(|segment| segment.ident == "Promise")
}

/// A word that is said, or said with `= true` or `= false`.
pub(crate) fn flag(option: &Opt) -> Result<bool> {
    let Some(value) = &option.value else {
        return Ok(true);
    };
    match literal(value) {
        Some(Lit::Bool(lit)) => Ok(lit.value),
        _ => Err(no_bool(option, value)),
    }
}

fn no_bool(option: &Opt, value: &Expr) -> Error {
    let word = &option.word;
    let text = match of_python(value) {
        Some(theirs) => format!("there is no `{theirs}` in Rust; write `{word} = {}`", theirs.to_lowercase()),
        None if word == "blocking" => "write `blocking = false` for a lock that is not waited for".to_owned(),
        None => format!("`{word}` takes no value; write `{word}` or `{word} = false`"),
    };
    Error::new_spanned(value, text)
}

/// `True` or `False`.
pub(crate) fn of_python(value: &Expr) -> Option<&'static str> {
    match value {
        Expr::Group(group) => of_python(&group.expr),
        Expr::Path(ExprPath { path, .. }) => ["True", "False"].into_iter().find(|word| path.is_ident(word)),
        _ => None,
    }
}

fn required(option: &Opt, example: &str) -> Result<Expr> {
    let word = &option.word;
    option.value.clone().map(ungroup).ok_or_else(|| {
        Error::new_spanned(word, format!("`{word}` needs a value, as in `{word} = {example}`"))
    })
}

fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Group(group) => literal(&group.expr),
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let cases = [
            ("0s", 0),
            ("30s", 30 * SECOND),
            ("500ms", SECOND / 2),
            ("2m", 120 * SECOND),
            ("1h", 3600 * SECOND),
            ("1.5s", 1_500_000_000),
            ("0.25ms", 250_000),
            ("1.5h", 5400 * SECOND),
            ("0.0000000019s", 1),
            ("0.333333333333333333333333s", 333_333_333),
        ];
        for (text, nanos) in cases {
            assert_eq!(nanoseconds(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn other_durations_are_refused() {
        for text in [
            "", "s", "5", "5x", "-5s", "5 s", " 5s", "5s ", "1.s", ".5s", "1.2.3s", "1e3s", "fast", "5sec",
            "ä",
        ] {
            assert_eq!(nanoseconds(text), Err(SPELLING), "{text}");
        }
        assert!(nanoseconds("99999999999999999999s").is_err());
        assert!(nanoseconds("18446744073709551615h").is_err());
    }
}
