//! What a grant keeps of its place.

use std::sync::Arc;

use super::client::Client;
use super::entry::Asked;

/// A lock that is held. It is let go in the background when this is dropped before it was.
pub(super) struct Place {
    pub(super) client: Arc<Client>,
    pub(super) asked: Arc<Asked>,
}

impl Place {
    pub(super) fn new(client: &Arc<Client>, asked: &Arc<Asked>) -> Self {
        Self { client: Arc::clone(client), asked: Arc::clone(asked) }
    }

    /// It is let go, or about to be. Whether that is still to be done: once, and not after the end of the session.
    pub(super) fn end(&self) -> bool {
        self.client.keeper.forget(&self.asked)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.end() {
            self.client.keeper.leave(&self.client, &self.asked, false);
        }
    }
}
