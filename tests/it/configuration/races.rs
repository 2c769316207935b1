//! `init` while others take locks already. A process has it only once, so each trial is a process.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{directory, text, told};
use crate::conformance::support::seed;

/// How one trial ended.
struct Trial {
    /// What `init` said.
    init: String,
    /// Which directory was named, and which file it became, for each lock that is held.
    held: Vec<(String, String)>,
}

impl Trial {
    fn new(scope: &str, seed: u64, configured: &Path, named: &[&str], environment: &[(&str, &str)]) -> Self {
        let seed = seed.to_string();
        let words = ["init-races", scope, &seed, text(configured)];
        let words: Vec<&str> = words.into_iter().chain(named.iter().copied()).collect();
        let mut lines = told(&words, environment, configured.parent().expect("a directory")).into_iter();
        let init = lines.next().expect("`init` says something");
        let held = lines.map(|line| line.split_once(' ').map(|(named, file)| (named.into(), file.into())));
        Self { init, held: held.collect::<Option<_>>().expect("two words") }
    }

    fn is_configured(&self) -> bool {
        assert!(self.init == "ok" || self.init.starts_with("late: "), "{}", self.init);
        self.init == "ok"
    }

    /// How many hold a lock in a directory that they have named.
    fn named(&self) -> usize {
        self.held.iter().filter(|(named, _)| named != "-").count()
    }
}

/// One directory in several spellings: either `init` comes too late, or there is one lock for all of them and for
/// those who name no directory.
#[test]
fn init_and_a_named_directory_never_split_a_lock() {
    let (here, mut random) = (directory(), StdRng::seed_from_u64(seed()));
    let (real, link) = (here.path().join("real"), here.path().join("link"));
    let dot = real.join(".");
    std::fs::create_dir(&real).expect("a directory");
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    let mut outcomes = [0; 2];
    for _ in 0..200 {
        let named = [text(&real), text(&link), text(&dot), "-"];
        let trial = Trial::new("internal", random.random(), &real, &named, &[]);
        assert!(trial.named() <= 1, "{:?} {}", trial.held, trial.init);
        assert!(!trial.is_configured() || trial.held.len() <= 1, "{:?}", trial.held);
        outcomes[usize::from(trial.is_configured())] += 1;
    }
    assert!(outcomes.iter().all(|times| *times > 0), "no race: {outcomes:?}");
}

/// The environment names a directory, and `init` another one: whoever names a directory gets that one.
#[test]
fn a_named_directory_stays_the_named_one_while_init_comes() {
    let (here, mut random) = (directory(), StdRng::seed_from_u64(seed()));
    let (code, environment) = (here.path().join("code"), here.path().join("environment"));
    std::fs::create_dir(&environment).expect("a directory");
    for _ in 0..200 {
        let named = [text(&environment), text(&code)];
        let variables = [("LOCKUTILS_LOCK_PATH", text(&environment))];
        let trial = Trial::new("external", random.random(), &code, &named, &variables);
        for (named, file) in &trial.held {
            assert_eq!(
                Path::new(file),
                Path::new(named).join("x"),
                "{named} was named; init: {}",
                trial.init
            );
        }
    }
}
