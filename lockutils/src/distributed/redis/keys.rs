//! The keys of one lock.

use super::words::Words;

/// The lock itself is at its name, as redis-py has it. What stands beside it has a `/`, which no name has, so that it is nobody
/// else's lock; and it has the name as its hash tag, so that a cluster keeps it where the lock is. What stands
/// beside a name with a tag of its own has one `/` more: `{x}` and `x` are two locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) lock: String,
    /// What the others begin with.
    beside: String,
    /// What stands for the one who asks.
    number: String,
}

/// In the order in which scripts have them.
const BESIDE: [&str; 3] = ["fence", "queue", "alive"];

impl Keys {
    pub(super) fn new(prefix: &str, name: &str, number: &str) -> Self {
        let lock = [prefix, name].concat();
        let beside = if has_tag(&lock) { [&lock, "//"].concat() } else { ["{", &lock, "}/"].concat() };
        Self { lock, beside, number: number.to_owned() }
    }

    /// How many there are; the last one, if it is wanted, says that the one who asks has given up.
    pub(super) fn count(with_last: bool) -> u64 {
        if with_last { 5 } else { 4 }
    }

    /// As the keys of a script.
    pub(super) fn add_to(&self, words: &mut Words, with_last: bool) {
        words.number(Self::count(with_last));
        words.add(&self.lock);
        for name in BESIDE {
            words.join(&self.beside, name);
        }
        if with_last {
            words.join(&self.beside, &["gone/", &self.number].concat());
        }
    }

    /// Those beside the lock, for a message.
    pub(super) fn beside(&self) -> String {
        BESIDE.map(|name| format!("`{}{name}`", self.beside)).join(", ")
    }

    /// How many bytes that takes at most.
    pub(super) fn len(&self) -> usize {
        self.lock.len() + 5 * (self.beside.len() + "queue".len()) + self.number.len() + 1
    }
}

/// Whether a part of it in braces alone decides where a cluster keeps it.
fn has_tag(key: &str) -> bool {
    key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).is_some_and(|(tag, _)| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(prefix: &str, name: &str) -> String {
        let mut words = Words::new(6, 0);
        Keys::new(prefix, name, "0f").add_to(&mut words, true);
        let text = String::from_utf8(words.into_bytes()).expect("it is text");
        text.lines().filter(|line| !line.starts_with(['*', '$'])).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_lock_is_at_its_name_and_the_rest_beside_it() {
        assert_eq!(
            all("nova:", "vol"),
            "5 nova:vol {nova:vol}/fence {nova:vol}/queue {nova:vol}/alive {nova:vol}/gone/0f"
        );
        for (prefix, name, fence) in [
            ("{nova}:", "vol", "{nova}:vol//fence"),
            ("", "a{b}c", "a{b}c//fence"),
            ("", "{a}", "{a}//fence"),
            ("", "a", "{a}/fence"),
            ("", "a{}c", "{a{}c}/fence"),
        ] {
            assert!(all(prefix, name).contains(&format!(" {fence} ")), "{prefix}{name}");
        }
    }
}
