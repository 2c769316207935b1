//! The keys of one lock.

use redis::Cmd;

/// The lock itself is at its name, as redis-py has it. What stands beside it has a `/`, which no name has, so that it is nobody
/// else's lock; and it has the name as its hash tag, so that a cluster keeps it where the lock is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) lock: String,
    fence: String,
    queue: String,
    alive: String,
    gone: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, name: &str, number: &str) -> Self {
        let lock = format!("{prefix}{name}");
        let tagged = if has_tag(&lock) { lock.clone() } else { format!("{{{lock}}}") };
        Self {
            fence: format!("{tagged}/fence"),
            queue: format!("{tagged}/queue"),
            alive: format!("{tagged}/alive"),
            gone: format!("{tagged}/gone/{number}"),
            lock,
        }
    }

    /// As the keys of a script.
    pub(super) fn add_to(&self, command: &mut Cmd) {
        command.arg(5).arg(&self.lock).arg(&self.fence).arg(&self.queue).arg(&self.alive).arg(&self.gone);
    }
}

/// Whether a part of it in braces alone decides where a cluster keeps it.
fn has_tag(key: &str) -> bool {
    key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).is_some_and(|(tag, _)| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(prefix: &str, name: &str) -> String {
        Keys::new(prefix, name, "1").fence
    }

    #[test]
    fn a_lock_is_at_its_name_and_the_rest_beside_it() {
        let keys = Keys::new("nova:", "vol", "0f");
        assert_eq!(
            (&*keys.lock, &*keys.fence, &*keys.gone),
            ("nova:vol", "{nova:vol}/fence", "{nova:vol}/gone/0f")
        );
        assert_eq!(fence("{nova}:", "vol"), "{nova}:vol/fence");
        assert_eq!(fence("", "a{b}c"), "a{b}c/fence");
        assert_eq!(fence("", "a{}c"), "{a{}c}/fence");
    }
}
