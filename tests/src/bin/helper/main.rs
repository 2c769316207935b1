//! A program that does with locks what a test tells it. What it is to do stands in its arguments; the
//! directory of the lock files in the environment. `lockutils_tests::Child` is its other side.

mod actor;
mod count;
mod end;
mod engine;
mod fault;
mod fenced;
mod fork;
mod fork_race;
mod linear;
mod many;
mod memory;
mod refuse;
mod request;
mod signal;
mod standard;
mod visit;

use std::env;
use std::io::{self, Write};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&words);
}

fn run(words: &[&str]) {
    match *words {
        ["actor", name, ref words @ ..] => actor::act(name, words),
        ["take", name, ref words @ ..] => actor::take(name, words),
        ["holder", name] => actor::holder(name),
        ["release", name, ref words @ ..] => actor::release(name, words),
        ["release-one-of-two", name] => actor::release_one_of_two(name),
        ["engine", url, ttl, name] => engine::act(url, ttl, name),
        ["fenced-count", url, ttl, directory, looks, times] => {
            fenced::count([url, ttl], [directory, looks], times);
        }
        ["fenced-count-slowly", url, ttl, directory, looks, times] => {
            fenced::count_slowly([url, ttl], [directory, looks], times);
        }
        ["fenced-count-without", directory, looks, times] => fenced::count_without([directory, looks], times),
        ["linear", url, ttl, resource, number, names, seed] => {
            linear::at_random([url, ttl, resource, number], names, seed);
        }
        ["linear-by-hand", url, ttl, resource, number] => linear::by_hand([url, ttl, resource, number]),
        ["exec", name] => end::exec(name),
        ["end", name, how] => end::end(name, how),
        ["forget", name] => end::forget(name),
        ["leader-ends", name] => end::leader_ends(name),
        ["unwind", name] => end::unwind(name),
        ["std", file, sharing] => standard::act(file, sharing == "shared"),
        ["count", name, file, times, ref words @ ..] => count::count(name, file, times, words),
        ["count-on", name, file] => count::count_on(name, file),
        ["visit", name, log, times, ref words @ ..] => visit::visit(name, log, times, words),
        ["collide", name, directory] => visit::collide(name, directory),
        ["many", number] => many::wait(number),
        ["memory", what] => memory::measure(what),
        ["refuse", name] => refuse::serve(name),
        ["start", name] => actor::start(name),
        ["remove", name] => actor::remove(name),
        ["remove-on", name] => actor::remove_on(name),
        ["fork-engine", url, name] => fork::child_of_a_session(url, name),
        ["fork-drop", name] => fork::child_drops(name),
        ["fork-join", name] => fork::child_joins(name),
        ["fork-downgrade", name] => fork::child_downgrades(name),
        ["fork-exit", name] => fork::child_exits(name),
        ["fork-hold", name] => fork::both_live(name),
        ["fork-idle", name] => fork::child_inherits_an_idle_lock(name),
        ["fork-release", name] => fork::parent_lets_go(name),
        ["fork-wait", name] => fork::child_waits(name),
        ["fork-drop-wait", name, when] => fork::child_drops_a_wait(name, when == "unseen"),
        ["fork-race", times, seed] => fork_race::inside(times, seed),
        ["fork-race-external", times, seed] => fork_race::outside(times, seed),
        ["signal", name, ref words @ ..] => signal::wait(name, words),
        ["chdir", name, other] => fault::chdir(name, other),
        ["umask", mask, mode, name] => fault::umask(mask, mode, name),
        ["network", policy, name] => fault::on_network(policy, name),
        ["no-stdio", name, ref words @ ..] => fault::no_stdio(name, words),
        ["two", first, second] => fault::two_paths(first, second),
        ["emfile", name, ref words @ ..] => fault::no_descriptors(name, words),
        ["as-nobody", ref words @ ..] => {
            fault::become_nobody();
            run(words);
        }
        _ => panic!("not known: {words:?}"),
    }
}

/// Says a line to the test.
fn say(line: impl std::fmt::Display) {
    println!("{line}");
    io::stdout().flush().expect("the test listens");
}

/// Waits until the test has closed the input.
fn wait_for_end() {
    io::stdin().lines().for_each(drop);
}
