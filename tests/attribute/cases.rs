//! Attributes that make several tests of one function, above and below ours. Those above it move it to what they
//! make, which has no arguments: then the name cannot have any. Below it, each case takes the lock of its arguments.

use lockutils::synchronized;
use rstest::rstest;
use test_case::test_case;

use crate::support::held;

#[rstest]
#[case(1)]
#[case(2)]
#[synchronized("cases-rstest-above")]
fn rstest_above(#[case] n: u8) {
    assert!(held("cases-rstest-above") && n > 0);
}

#[synchronized("cases-rstest-below-{n}")]
#[rstest]
#[case(1)]
#[case(2)]
fn rstest_below(#[case] n: u8) {
    assert!(held(&format!("cases-rstest-below-{n}")));
}

#[rstest]
#[case(1)]
#[case(2)]
#[tokio::test]
#[synchronized("cases-rstest-async-above")]
async fn async_rstest_above(#[case] n: u8) {
    tokio::task::yield_now().await;
    assert!(held("cases-rstest-async-above") && n > 0);
}

#[synchronized("cases-rstest-async-below-{n}")]
#[rstest]
#[case(1)]
#[case(2)]
#[tokio::test]
async fn async_rstest_below(#[case] n: u8) {
    tokio::task::yield_now().await;
    assert!(held(&format!("cases-rstest-async-below-{n}")));
}

#[test_case(1)]
#[test_case(2)]
#[synchronized("cases-test-case-above")]
fn test_case_above(n: u8) {
    assert!(held("cases-test-case-above") && n > 0);
}

#[synchronized("cases-test-case-below-{n}")]
#[test_case(1)]
#[test_case(2)]
fn test_case_below(n: u8) {
    assert!(held(&format!("cases-test-case-below-{n}")));
}

#[test_case(1 => 2)]
#[test_case(2 => 3)]
#[tokio::test]
#[synchronized("cases-test-case-async-above")]
async fn async_test_case_above(n: u8) -> u8 {
    tokio::task::yield_now().await;
    assert!(held("cases-test-case-async-above"));
    n + 1
}

#[synchronized("cases-test-case-async-below-{n}")]
#[test_case(1 => 2)]
#[test_case(2 => 3)]
#[tokio::test]
async fn async_test_case_below(n: u8) -> u8 {
    tokio::task::yield_now().await;
    assert!(held(&format!("cases-test-case-async-below-{n}")));
    n + 1
}
