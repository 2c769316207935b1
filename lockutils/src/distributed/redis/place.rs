//! What a grant keeps of its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};

use super::client::Client;
use super::entry::Asked;
use crate::distributed::Failure;

/// A lock that is held. It is let go in the background when this is dropped before it was, and no other grant of the same
/// acquisition is left.
pub(super) struct Place {
    pub(super) client: Arc<Client>,
    pub(super) asked: Arc<Asked>,
    has_ended: AtomicBool,
    /// Who extends it: one after the other, so that the lease has what the server has.
    extends: Mutex<()>,
}

impl Place {
    pub(super) fn new(client: &Arc<Client>, asked: &Arc<Asked>) -> Self {
        Self {
            client: Arc::clone(client),
            asked: Arc::clone(asked),
            has_ended: AtomicBool::new(false),
            extends: Mutex::default(),
        }
    }

    /// Until this is dropped nobody else extends it.
    pub(super) fn extends(&self, by: Instant) -> Result<MutexGuard<'_, ()>, Failure> {
        let extends = self.extends.try_lock_until(by);
        extends.ok_or_else(|| Failure::unreachable("another request to extend it has taken too long"))
    }

    /// It is let go, or about to be. Whether that is still to be done: once, and not after the end of the session.
    pub(super) fn end(&self) -> bool {
        !self.has_ended.swap(true, Relaxed) && self.client.keeper.forget(&self.asked)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !*self.has_ended.get_mut() && self.client.keeper.forget_one(&self.asked) {
            self.client.keeper.leave(&self.client, &self.asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::distributed::open::Settings;
    use crate::distributed::redis::address::Address;
    use crate::distributed::{BackendUrl, Grant, Moment, Request, Share};

    fn granted(client: &Arc<Client>, asked: &Arc<Asked>) -> Grant {
        client.given(asked, Moment::now(), 1).expect("it is early enough")
    }

    fn is_held(client: &Arc<Client>, asked: &Arc<Asked>) -> bool {
        client.keeper.has(asked)
    }

    /// Nobody knows which of them is seen.
    #[test]
    fn what_was_granted_twice_is_held_until_both_are_gone() {
        let url = BackendUrl::parse("redis://127.0.0.1:1").expect("a URL");
        let settings =
            Settings { url, ttl: Duration::from_secs(600), request_timeout: Duration::from_secs(1) };
        let client = Arc::new(Client::new(Address::new(&settings).expect("it can be used")));
        let asked = Arc::new(client.entries.asked(&Request::new("job", Share::Write)));
        let [one, other] = [0, 1].map(|_| granted(&client, &asked));
        assert!(Arc::ptr_eq(one.lease(), other.lease()));
        drop(one);
        assert!(is_held(&client, &asked));
        drop(other);
        assert!(!is_held(&client, &asked));
        let [one, other] = [0, 1].map(|_| granted(&client, &asked));
        assert!(one.place::<Place>().is_some_and(Place::end));
        assert!(!other.place::<Place>().is_some_and(Place::end), "it was let go before");
    }
}
