//! What a grant keeps of its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::client::Client;
use super::entry::Asked;

/// A lock that is held. It is let go in the background when this is dropped before it was, and no other grant of the same
/// acquisition is left.
pub(super) struct Place {
    pub(super) client: Arc<Client>,
    pub(super) asked: Arc<Asked>,
    has_ended: AtomicBool,
}

impl Place {
    pub(super) fn new(client: &Arc<Client>, asked: &Arc<Asked>) -> Self {
        Self { client: Arc::clone(client), asked: Arc::clone(asked), has_ended: AtomicBool::new(false) }
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
