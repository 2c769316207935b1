//! `forbid` cannot be loosened by what the attribute writes.

#![forbid(unsafe_code, unused_variables, unused_must_use, unreachable_pub, let_underscore_drop)]

use lockutils::synchronized;

#[synchronized("forbid", fair)]
fn work() -> u8 {
    1
}

#[synchronized("forbid-{n}", timeout = "1s")]
fn work_on(n: u8) -> Result<u8, lockutils::Error> {
    Ok(n)
}

fn main() {
    assert_eq!(work(), 1);
    assert_eq!(work_on(1).ok(), Some(1));
}
