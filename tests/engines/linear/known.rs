//! Histories of which it is known whether they are right.

use lockutils_tests::linear::Event;

use super::checks::Wrong;
use super::history::{History, histories};

/// `CLIENT WORDS`, one after the other.
fn history(steps: &[&str]) -> History {
    let events = steps.iter().enumerate().map(|(at, step)| Event::of(&format!("{at} {step}")));
    histories(events.collect()).remove("x").expect("it was used")
}

fn wrongs(steps: &[&str]) -> Vec<Wrong> {
    history(steps).wrongs()
}

#[test]
fn one_after_the_other_is_right() {
    let steps = [
        "1 ask x", "1 got 5", "1 held", "1 enter", "1 value 0", "1 write 11", "1 wrote", "1 held", "1 end released",
        "2 look x", "2 value 11",
        "2 ask x", "2 got 6", "2 held", "2 enter", "2 value 11", "2 write 21", "2 wrote", "2 end released",
    ];
    assert_eq!(wrongs(&steps), []);
}

/// It has died while it wrote: it has written, or not.
#[test]
fn who_has_died_may_have_written() {
    let died = ["1 ask x", "1 got 5", "1 enter", "1 value 0", "1 write 11"];
    for (seen, expected) in [("11", vec![]), ("0", vec![]), ("12", vec![Wrong::Resource, Wrong::Updates])] {
        let (value, look) = (format!("2 value {seen}"), format!("3 value {seen}"));
        let next = ["2 ask x", "2 got 6", "2 enter", &value, "3 look x", &look, "2 end released"];
        assert_eq!(wrongs(&[&died[..], &next].concat()), expected, "{seen}");
    }
}

#[test]
fn what_was_seen_cannot_be_undone() {
    let steps = [
        "1 ask x", "1 got 5", "1 enter", "1 value 0", "1 write 11",
        "2 look x", "2 value 11", "2 look x", "2 value 0",
    ];
    assert_eq!(wrongs(&steps), [Wrong::Resource, Wrong::Updates]);
}

#[test]
fn a_lost_update_is_found() {
    let steps = [
        "1 ask x", "1 got 5", "1 enter", "1 value 0",
        "2 ask x", "2 got 5", "2 enter", "2 value 0", "2 write 21", "2 wrote", "2 end released",
        "1 write 11", "1 wrote", "1 end released",
    ];
    assert_eq!(wrongs(&steps), [Wrong::Tokens, Wrong::Updates], "the resource lets equal tokens in");
}

#[test]
fn a_smaller_token_is_found() {
    let one_after_the_other =
        ["1 ask x", "1 got 5", "1 end released", "2 ask x", "2 got 4", "2 end released"];
    assert_eq!(wrongs(&one_after_the_other), [Wrong::Tokens]);
    let at_once = ["1 ask x", "2 ask x", "1 got 5", "1 end released", "2 got 4", "2 end released"];
    assert_eq!(wrongs(&at_once), []);
}

#[test]
fn two_who_have_it_are_found() {
    let beside = ["1 ask x", "1 got 5", "1 held", "2 ask x", "2 got 6", "2 held"];
    assert_eq!(wrongs(&[&beside[..], &["1 held", "1 end released"]].concat()), [Wrong::Claims]);
    assert_eq!(wrongs(&[&beside[..], &["1 end lost"]].concat()), []);
}

/// It is nobody else's then, and the rest must hold.
#[test]
fn what_servers_take_away_is_theirs() {
    let steps = [
        "1 ask x", "1 got 5", "1 enter", "1 value 0", "1 held",
        "2 ask x", "2 got 6", "2 held", "2 enter", "2 value 0", "2 write 21", "2 wrote", "1 held",
        "1 write 11", "1 wrote",
    ];
    for (steps, rest) in [(&steps[..13], vec![]), (&steps[..], vec![Wrong::Resource, Wrong::Updates])] {
        let mut history = history(steps);
        assert_eq!((history.wrongs(), history.overlaps()), ([&rest[..], &[Wrong::Claims]].concat(), 1));
        history.may_be_taken = true;
        assert_eq!((history.wrongs(), history.overlaps()), (rest, 1));
    }
}
