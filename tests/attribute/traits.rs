//! Traits: default methods, implementations, associated types, `async_trait`.

use std::fmt::Display;

use async_trait::async_trait;
use lockutils::synchronized;

use crate::support::{held, run, sendable};

trait Store {
    type Key: Display;

    const NAME: &'static str;

    fn key(&self) -> Self::Key;

    #[synchronized("traits-default-{extra}")]
    fn save(&self, extra: u8) -> String {
        assert!(held(&format!("traits-default-{extra}")));
        self.key().to_string()
    }

    #[synchronized(Self::NAME)]
    fn named(&self) -> bool {
        held(Self::NAME)
    }

    #[synchronized("traits-iterate")]
    fn iterate(&self) -> impl Iterator<Item = Self::Key> {
        assert!(held("traits-iterate"));
        std::iter::once(self.key())
    }

    #[synchronized("traits-async-{n}")]
    async fn later(&self, n: u8) -> u8 {
        tokio::task::yield_now().await;
        assert!(held(&format!("traits-async-{n}")));
        n
    }
}

struct Files {
    root: u8,
}

impl Store for Files {
    type Key = u8;

    const NAME: &'static str = "traits-const-name";

    #[synchronized("traits-key-{self.root}")]
    fn key(&self) -> Self::Key {
        assert!(held("traits-key-4"));
        self.root
    }
}

#[test]
fn default_methods() {
    let files = Files { root: 4 };
    assert_eq!(files.save(1), "4");
    assert!(files.named());
    assert_eq!(files.iterate().collect::<Vec<_>>(), [4]);
    assert_eq!(run(files.later(3)), 3);
}

#[async_trait]
trait Remote {
    fn id(&self) -> u8;

    async fn send(&self, to: String, bytes: &[u8]) -> Result<usize, String>;

    #[synchronized("traits-remote-{n}")]
    async fn default_method(&self, n: u8) -> bool
    where
        Self: Sync,
    {
        tokio::task::yield_now().await;
        held(&format!("traits-remote-{n}"))
    }
}

struct Http {
    id: u8,
}

#[async_trait]
impl Remote for Http {
    #[synchronized("traits-sync-method")]
    fn id(&self) -> u8 {
        assert!(held("traits-sync-method"));
        self.id
    }

    #[synchronized("traits-send-{self.id}-{to}")]
    async fn send(&self, to: String, bytes: &[u8]) -> Result<usize, String> {
        let name = format!("traits-send-{}-{to}", self.id);
        assert!(held(&name));
        tokio::task::yield_now().await;
        assert!(held(&name));
        drop(to);
        if bytes.is_empty() {
            return Err(String::from("nothing to send"));
        }
        Ok(bytes.len())
    }
}

#[test]
fn async_trait_holds_the_lock_in_the_future() {
    let http = Http { id: 9 };
    assert_eq!(http.id(), 9);
    let future = sendable(http.send(String::from("web"), &[1, 2]));
    assert!(!held("traits-send-9-web"), "it was not polled yet");
    assert_eq!(run(future), Ok(2));
    assert!(!held("traits-send-9-web"));
    assert_eq!(run(http.send(String::new(), &[])), Err(String::from("nothing to send")));
    assert!(run(http.default_method(1)));
}

#[async_trait(?Send)]
trait Local {
    async fn work(&mut self) -> u8;
}

#[async_trait(?Send)]
impl Local for Http {
    #[synchronized("traits-local-{self.id}")]
    async fn work(&mut self) -> u8 {
        self.id += 1;
        assert!(held("traits-local-9"));
        self.id
    }
}

#[test]
fn async_trait_without_send() {
    assert_eq!(run(Http { id: 9 }.work()), 10);
}

trait Walk {
    async fn walk(&self) -> u8;
}

impl Walk for Http {
    #[synchronized("traits-walk-{self.id}")]
    async fn walk(&self) -> u8 {
        assert!(held("traits-walk-9"));
        self.id
    }
}

#[test]
fn async_fn_in_traits() {
    assert_eq!(run(Http { id: 9 }.walk()), 9);
}
