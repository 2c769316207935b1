//! Bodies that other attributes stumble over.

#![expect(clippy::redundant_else, reason = "the shape is what is tested")]

use lockutils::synchronized;

use crate::support::{held, panic_text, run};

#[synchronized("exotic-only-return")]
fn only_return(x: u8) -> u8 {
    return x;
}

#[synchronized("exotic-return-a-call")]
fn return_a_call() -> bool {
    return held("exotic-return-a-call");
}

#[synchronized("exotic-both-return")]
fn both_return(yes: bool) -> u8 {
    assert!(held("exotic-both-return"));
    if yes {
        return 1;
    } else {
        return 2;
    }
}

#[synchronized("exotic-match-returns")]
fn match_returns(n: u8) -> u8 {
    match n {
        0 => return 1,
        _ => return 2,
    }
}

#[synchronized("exotic-return-unit")]
fn return_unit() {
    return;
}

#[synchronized("exotic-todo")]
fn unfinished() -> u8 {
    todo!()
}

#[synchronized("exotic-panic")]
fn only_panics() -> Vec<u8> {
    panic!("no")
}

#[synchronized("exotic-loop")]
fn endless() -> u8 {
    loop {
        if held("exotic-loop") {
            return 3;
        }
    }
}

#[synchronized("exotic-async-return")]
async fn async_return(x: u8) -> u8 {
    return x;
}

#[test]
fn all_paths_return() {
    assert_eq!(only_return(1), 1);
    assert!(return_a_call());
    assert_eq!(both_return(true) + both_return(false), 3);
    assert_eq!(match_returns(0), 1);
    return_unit();
    assert!(panic_text(unfinished).contains("not yet implemented"));
    assert_eq!(panic_text(only_panics), "no");
    assert_eq!(endless(), 3);
    assert_eq!(run(async_return(4)), 4);
}

#[synchronized("exotic-labels")]
fn labels(rows: &[[u8; 2]]) -> u8 {
    assert!(held("exotic-labels"));
    let mut sum = 0;
    'rows: for row in rows {
        for cell in row {
            if *cell == 0 {
                continue 'rows;
            }
            sum += cell;
        }
    }
    'found: {
        if sum > 3 {
            break 'found sum;
        }
        0
    }
}

#[test]
fn loops_and_labels() {
    assert_eq!(labels(&[[1, 0], [2, 3]]), 6);
}

#[synchronized("exotic-inner-attributes")]
fn inner_attributes() -> u8 {
    #![allow(unused_variables)]
    //! And a doc comment.
    let unused = 1;
    assert!(held("exotic-inner-attributes"));
    2
}

#[test]
fn inner_attributes_stay_first() {
    assert_eq!(inner_attributes(), 2);
}

#[synchronized("exotic-items")]
fn items() -> u8 {
    use std::cmp::max;
    const TWO: u8 = 2;
    static KEPT: u8 = 1;
    fn inner(n: u8) -> u8 {
        n
    }
    assert!(held("exotic-items"));
    max(inner(KEPT), TWO)
}

#[test]
fn items_in_the_body() {
    assert_eq!(items(), 2);
}

mod types {
    pub(super) struct Answer(pub(super) u8);
}

#[synchronized("exotic-shadow")]
fn shadowed_type() -> types::Answer {
    #[allow(dead_code, reason = "it only shadows")]
    struct Answer;
    use types::Answer as Real;
    assert!(held("exotic-shadow"));
    Real(4)
}

#[test]
fn the_return_type_may_be_shadowed() {
    assert_eq!(shadowed_type().0, 4);
}

/// Documented.
#[synchronized("exotic-attributes-{n}")]
#[must_use]
#[track_caller]
#[inline]
#[deprecated(note = "kept")]
fn attributes(n: u8) -> u32 {
    assert!(held(&format!("exotic-attributes-{n}")));
    std::panic::Location::caller().line()
}

#[test]
#[expect(deprecated, reason = "shows that `#[deprecated]` is kept")]
fn attributes_are_kept() {
    assert_eq!(attributes(1), line!());
}

#[expect(dead_code, reason = "shows that the lint still sees the function")]
#[synchronized("exotic-dead")]
fn dead() {}

#[synchronized]
#[expect(unused_variables, reason = "shows that lints of the body still work")]
fn lints_of_the_body_are_not_silenced() {
    let unused = 1;
}

#[test]
fn lints_see_the_body() {
    lints_of_the_body_are_not_silenced();
}
