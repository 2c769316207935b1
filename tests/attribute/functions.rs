//! Functions: arguments, return types, bodies.

use std::fmt::{Debug, Display};
use std::num::ParseIntError;

use lockutils::synchronized;

use crate::support::{held, panic_text};

#[synchronized("functions-arguments")]
fn arguments(a: u8, mut b: u8) -> u8 {
    assert!(held("functions-arguments"));
    b += 1;
    a + b
}

#[test]
fn arguments_and_mut_arguments() {
    assert_eq!(arguments(1, 2), 4);
    assert!(!held("functions-arguments"));
}

#[synchronized("functions-unit")]
fn unit(seen: &mut bool) {
    *seen = held("functions-unit");
}

#[synchronized("functions-written-unit")]
#[expect(clippy::unused_unit, reason = "the shape is what is tested")]
fn written_unit(seen: &mut bool) -> () {
    *seen = held("functions-written-unit");
}

#[synchronized("functions-empty")]
fn empty() {}

#[test]
fn unit_returns() {
    let (mut one, mut other) = (false, false);
    unit(&mut one);
    written_unit(&mut other);
    empty();
    assert!(one && other);
}

#[synchronized("functions-early")]
fn early(text: &str) -> Result<i32, ParseIntError> {
    assert!(held("functions-early"));
    if text == "none" {
        return Ok(0);
    }
    let number: i32 = text.parse()?;
    Ok(number)
}

#[test]
fn question_mark_and_early_return() {
    assert_eq!(early("none"), Ok(0));
    assert_eq!(early("7"), Ok(7));
    assert!(early("x").is_err());
    assert!(!held("functions-early"));
}

#[synchronized("functions-generic")]
fn generic<'a, T, U, const N: usize>(items: &'a [T; N], _tag: &U) -> Option<&'a T>
where
    T: Debug,
    U: Display + ?Sized,
{
    assert!(held("functions-generic"));
    items.first()
}

#[test]
fn lifetimes_and_generics() {
    assert_eq!(generic::<_, str, 2>(&[1, 2], "tag"), Some(&1));
}

#[synchronized("functions-iterator")]
fn iterator(end: u8) -> impl Iterator<Item = u8> + Clone {
    assert!(held("functions-iterator"));
    (0..end).filter(|n| n % 2 == 0)
}

#[synchronized("functions-borrowing-iterator")]
fn borrowing_iterator(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    assert!(held("functions-borrowing-iterator"));
    bytes.iter().copied()
}

#[synchronized("functions-nested-impl")]
fn nested_impl(end: u8) -> Result<impl Iterator<Item = u8>, ParseIntError> {
    assert!(held("functions-nested-impl"));
    let start: u8 = "1".parse()?;
    Ok(start..end)
}

#[test]
fn impl_trait_returns() {
    assert_eq!(iterator(5).sum::<u8>(), 6);
    assert_eq!(borrowing_iterator(&[1, 2]).sum::<u8>(), 3);
    assert_eq!(nested_impl(4).map(Iterator::sum::<u8>), Ok(6));
}

#[synchronized("functions-impl-argument-{tag}")]
fn impl_argument(tag: impl Display, work: impl FnOnce() -> u8) -> u8 {
    assert!(held(&format!("functions-impl-argument-{tag}")));
    work()
}

#[test]
fn impl_trait_arguments() {
    assert_eq!(impl_argument(7, || 3), 3);
}

#[synchronized("functions-boxed")]
fn boxed(text: bool) -> Box<dyn Debug> {
    assert!(held("functions-boxed"));
    if text {
        return Box::new("text");
    }
    Box::new(7)
}

#[test]
fn tails_are_coerced() {
    assert_eq!(format!("{:?} {:?}", boxed(true), boxed(false)), "\"text\" 7");
}

#[synchronized("functions-unsafe")]
unsafe fn dangerous(pointer: *const u8) -> u8 {
    assert!(held("functions-unsafe"));
    // SAFETY: the caller promises it.
    unsafe { *pointer }
}

#[synchronized("functions-extern")]
extern "C" fn foreign(number: i32) -> i32 {
    assert!(held("functions-extern"));
    number + 1
}

#[test]
fn unsafe_and_extern() {
    let five = 5;
    // SAFETY: the pointer is valid.
    assert_eq!(unsafe { dangerous(&raw const five) }, 5);
    assert_eq!(foreign(1), 2);
}

#[synchronized("functions-never")]
fn never(why: &str) -> ! {
    assert!(held("functions-never"));
    panic!("{why}")
}

#[test]
fn diverging_functions() {
    assert_eq!(panic_text(|| never("because")), "because");
    assert!(!held("functions-never"));
}

struct Pair {
    left: u8,
    right: (u8, u8),
}

#[synchronized("functions-pattern-{a}-{left}-{rest}-{whole.0}")]
fn patterns((a, _): (u8, u8), Pair { left, right: (rest, _) }: Pair, whole @ (_, _): (u8, u8)) -> u8 {
    assert!(held(&format!("functions-pattern-{a}-{left}-{rest}-{}", whole.0)));
    a + left + rest + whole.1
}

#[test]
fn pattern_arguments() {
    assert_eq!(patterns((1, 0), Pair { left: 2, right: (3, 0) }, (4, 5)), 11);
}

#[synchronized("functions-recursion", reentrant)]
fn recursion(n: u64) -> u64 {
    assert!(!std::thread::scope(|s| s.spawn(|| !held("functions-recursion")).join()).unwrap_or(true));
    if n < 2 { 1 } else { n * recursion(n - 1) }
}

#[test]
fn recursion_is_re_entrant() {
    assert_eq!(recursion(4), 24);
    assert!(!held("functions-recursion"));
}

#[synchronized("functions-reborrow")]
#[expect(clippy::needless_pass_by_ref_mut, reason = "what is tested is the coercion")]
fn reborrow(unit: &mut ()) -> &() {
    assert!(held("functions-reborrow"));
    unit
}

#[synchronized("functions-both-references")]
fn both_references<'a>(bytes: &'a [u8]) -> Result<&'a u8, &'a [u8]> {
    assert!(held("functions-both-references"));
    bytes.first().ok_or(bytes)
}

#[test]
fn references_come_back() {
    reborrow(&mut ());
    assert_eq!(both_references(&[1]), Ok(&1));
}

#[synchronized("functions-closure")]
fn closure<'a>(by: u8, base: &'a u8) -> Box<dyn Fn(u8) -> u8 + 'a> {
    assert!(held("functions-closure"));
    Box::new(move |n| n * by + *base)
}

#[synchronized("functions-impl-closure")]
fn impl_closure(by: u8) -> impl Fn(u8) -> u8 {
    assert!(held("functions-impl-closure"));
    move |n| n * by
}

#[test]
fn closures_come_back() {
    assert_eq!(closure(2, &1)(3), 7);
    assert_eq!(impl_closure(2)(3), 6);
}

#[synchronized("functions-panic")]
fn panics() {
    assert!(held("functions-panic"));
    panic!("lost");
}

#[test]
fn a_panic_lets_go() {
    assert_eq!(panic_text(panics), "lost");
    assert!(!held("functions-panic"));
}
