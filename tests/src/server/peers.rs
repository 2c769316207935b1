//! The clients of others that take the same locks.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::etcd::Etcd;
use crate::child::Child;
use crate::peer::python;

/// A client of another project. [`spawn`](Self::spawn) gives a process of it, which can be told what [`Child`] says, and more:
///
/// | told | answers | who |
/// |---|---|---|
/// | `wait SECONDS` | `held`, `busy` | all |
/// | `owned` | `yes`, `no` | all |
/// | `session` | the session, lease or token | all |
/// | `pid` | the process that holds the lock | all |
/// | `contenders`, `holders` | identifiers; see [`listed`](Self::listed) | kazoo |
/// | `extend SECONDS` | `extended` | redis-py |
/// | `fence` | what grows with every holder | etcdctl |
///
/// What goes wrong is answered by `error` and the name of the error.
#[derive(Clone, Debug)]
pub struct EnginePeer {
    kind: &'static str,
    options: Map<String, Value>,
}

impl EnginePeer {
    /// redis-py's `Lock`, which does not expire and looks every 100 ms.
    pub fn redis_py(url: &str, name: &str) -> Self {
        Self::new("redis-py").with("url", url).with("name", name)
    }

    /// kazoo's `Lock`.
    pub fn kazoo_lock(hosts: &str, path: &str) -> Self {
        Self::kazoo("Lock", hosts, path)
    }

    /// kazoo's `ReadLock`.
    pub fn kazoo_read_lock(hosts: &str, path: &str) -> Self {
        Self::kazoo("ReadLock", hosts, path)
    }

    /// kazoo's `WriteLock`.
    pub fn kazoo_write_lock(hosts: &str, path: &str) -> Self {
        Self::kazoo("WriteLock", hosts, path)
    }

    /// kazoo's `Semaphore`.
    pub fn kazoo_semaphore(hosts: &str, path: &str, max_leases: usize) -> Self {
        Self::kazoo("Semaphore", hosts, path).with("max_leases", max_leases)
    }

    /// `etcdctl lock`, with a lease of 10 s.
    pub fn etcdctl_lock(etcd: &Etcd, name: &str) -> Self {
        Self::new("etcdctl").with("arguments", etcd.ctl_arguments()).with("name", name)
    }

    /// How long its lock lasts without it: the time-out of redis-py's `Lock`, the session of kazoo, the lease of etcdctl.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        match self.kind {
            "etcdctl" => self.with("ttl", lease.as_secs()),
            _ => self.with("timeout", lease.as_secs_f64()),
        }
    }

    /// How long redis-py sleeps between two looks.
    #[must_use]
    pub fn sleep(self, sleep: Duration) -> Self {
        self.with("sleep", sleep.as_secs_f64())
    }

    /// As whom others see it in the list of contenders of kazoo; `peer` otherwise.
    #[must_use]
    pub fn identifier(self, identifier: &str) -> Self {
        self.with("identifier", identifier)
    }

    /// What else kazoo takes for a contender.
    #[must_use]
    pub fn extra_lock_patterns(self, patterns: &[&str]) -> Self {
        self.with("extra_lock_patterns", json!(patterns))
    }

    /// As whom kazoo comes, `user:password`; what it makes is for that user alone.
    #[must_use]
    pub fn digest(self, user_and_password: &str) -> Self {
        self.with("digest", user_and_password)
    }

    /// Starts a process of it, and returns when it is connected.
    ///
    /// # Panics
    ///
    /// When it cannot be started, or does not reach the server.
    #[track_caller]
    pub fn spawn(&self) -> Child {
        let options = Value::Object(self.options.clone()).to_string();
        let mut child = Child::spawn(python("engine_actor.py").args([self.kind, &options]));
        child.expect("ready");
        child
    }

    /// A process of it that has the lock.
    ///
    /// # Panics
    ///
    /// When it does not get it.
    #[track_caller]
    pub fn holder(&self) -> Child {
        let mut child = self.spawn();
        child.take();
        child
    }

    /// What a process of kazoo answers to `contenders` or `holders`.
    ///
    /// # Panics
    ///
    /// When it answers something else.
    #[track_caller]
    pub fn listed(child: &mut Child, question: &str) -> Vec<String> {
        child.say(question);
        let answer = child.line();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{question} is answered by {answer}"))
    }

    fn kazoo(recipe: &str, hosts: &str, path: &str) -> Self {
        let kazoo = Self::new("kazoo").with("recipe", recipe).with("identifier", "peer");
        kazoo.with("hosts", hosts).with("path", path)
    }

    fn new(kind: &'static str) -> Self {
        Self { kind, options: Map::new() }
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.options.insert(key.to_owned(), value.into());
        self
    }
}
