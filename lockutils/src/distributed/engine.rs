//! The engine of a registry, opened.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use super::leaving::{Departure, Leaving};
use super::{Answer, Backend, BackendUrl, connect};
use crate::error::Error;
use crate::process::{Identity, ProcessId};

/// The client that the locks of a registry share, in one process. A forked child has to open its own: the connections and the
/// session are its parent's, and to close them there would end them here.
pub(crate) struct Engine {
    backend: ManuallyDrop<Arc<dyn Backend>>,
    process: ProcessId,
    identity: Arc<str>,
    leaving: Leaving,
}

impl Engine {
    pub(crate) fn open(url: &BackendUrl, ttl: Duration) -> Result<Arc<Self>, Error> {
        connect(url, ttl).map(Self::of)
    }

    pub(crate) fn of(backend: Arc<dyn Backend>) -> Arc<Self> {
        Arc::new(Self {
            backend: ManuallyDrop::new(backend),
            process: ProcessId::current(),
            identity: identity().into(),
            leaving: Leaving::default(),
        })
    }

    /// Whether this process has opened it.
    pub(crate) fn is_mine(&self) -> bool {
        self.process == ProcessId::current()
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    pub(crate) fn location(&self) -> &str {
        self.backend.location()
    }

    /// What this process calls itself where nobody says otherwise: `host/pid/program`.
    pub(crate) fn identity(&self) -> &Arc<str> {
        &self.identity
    }

    /// A lock is let go in the background.
    pub(super) fn leave(&self, name: &Arc<str>, answer: Answer<()>) -> Arc<Departure> {
        self.leaving.add(name, answer)
    }

    /// Is ready when this process has let go of the lock, if it is about to.
    pub(super) async fn left(&self, name: &str) {
        self.leaving.left(name).await;
    }
}

/// As [`Engine::identity`] says.
fn identity() -> String {
    let Identity { pid, host, program, .. } = Identity::current();
    format!("{host}/{pid}/{program}")
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.is_mine() {
            self.backend.close();
            // SAFETY: it is dropped once, here, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.backend) };
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.backend).finish()
    }
}
