//! Every name that a lock may have is a lock of its own.

use lockutils::distributed::Share;

use super::bench::Bench;

/// Some mean something to one engine or another; some are the beginning of others.
const NAMES: &[&str] = &[
    "a",
    "A",
    "a-b",
    "a:b",
    "a.b",
    "a b",
    " a",
    "a ",
    "a__lock__",
    "a__rlock__",
    "a-__lock__",
    "a%2Fb",
    "a%",
    "%61",
    "*",
    "?",
    "[a]",
    "a*",
    "{a}",
    "{}",
    "a{b}c",
    "\\",
    "a\\*",
    "'",
    "\"",
    "`",
    "$a",
    "#",
    "&",
    "=",
    "+",
    "~",
    "...",
    ".a",
    "a.",
    "-",
    "0",
    "zookeeper",
    "größe",
    "groesse",
    "名前",
    "🔒",
    "e\u{301}",
    "é",
    "\u{feff}",
    "\u{200b}",
    "\u{a0}",
];

pub(super) fn are_taken_as_they_are(bench: &Bench) {
    let [holder, comer] = bench.clients();
    let names = NAMES.iter().map(|name| (*name).to_owned());
    let long = ["x".repeat(255), "x".repeat(254), "é".repeat(127), "%".repeat(255)];
    let held: Vec<_> = names
        .chain(long)
        .map(|name| bench.exactly(&name))
        .map(|name| (holder.take(&name, Share::Write), name))
        .collect();
    for (grant, name) in &held {
        assert!(comer.try_take(name, Share::Write).is_none(), "{name:?} is taken");
        assert_eq!(comer.contenders(name, Share::Write).len(), 1, "{name:?} is taken by one");
        holder.release(grant).expect("it is held");
        comer.release(&comer.take(name, Share::Write)).expect("it is free");
    }
}
