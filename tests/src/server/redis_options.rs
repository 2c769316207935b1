//! How a Redis server is configured.

use super::redis::Redis;

/// What a Redis server does that one without configuration does not. That one keeps nothing on disk.
#[derive(Clone, Default)]
pub struct RedisOptions {
    pub(super) lines: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) tls: bool,
    pub(super) sentinel: bool,
}

impl RedisOptions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// It writes down every command, and flushes it, before it answers: a restart loses nothing.
    #[must_use]
    pub fn append_only(self) -> Self {
        self.set("appendonly", "yes").set("appendfsync", "always")
    }

    /// Clients must know this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.set("requirepass", password).set("masterauth", password)
    }

    /// Clients must be this user, who may do everything.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        (self.user, self.password) = (Some(name.to_owned()), Some(password.to_owned()));
        self.set("user", "default off").and_user(name, password, "~* &* +@all")
    }

    /// One more user, with these rules of redis.io's ACL.
    #[must_use]
    pub fn and_user(self, name: &str, password: &str, rules: &str) -> Self {
        self.set("user", &format!("{name} on >{password} {rules}"))
    }

    /// It speaks TLS alone, with a certificate of its own.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// It forgets keys by this policy when it has so much.
    #[must_use]
    pub fn max_memory(self, bytes: &str, policy: &str) -> Self {
        self.set("maxmemory", bytes).set("maxmemory-policy", policy)
    }

    /// It refuses to write when fewer replicas than these have been heard of in the last seconds.
    #[must_use]
    pub fn min_replicas(self, number: usize, seconds: u64) -> Self {
        self.set("min-replicas-to-write", &number.to_string())
            .set("min-replicas-max-lag", &seconds.to_string())
    }

    /// It is a replica.
    #[must_use]
    pub fn replica_of(self, master: &Redis) -> Self {
        let options = self.set("replicaof", &format!("127.0.0.1 {}", master.port()));
        match master.password() {
            Some(password) => options.set("masterauth", password).set_user(master.user()),
            None => options,
        }
    }

    fn set_user(self, user: Option<&str>) -> Self {
        match user {
            Some(user) => self.set("masteruser", user),
            None => self,
        }
    }

    /// It watches over a master, and replaces it when it has been silent for a second.
    pub(super) fn sentinel(name: &str, master: &Redis) -> Self {
        let mut options = Self { sentinel: true, ..Self::new() }
            .set("sentinel", &format!("monitor {name} 127.0.0.1 {} 2", master.port()))
            .set("sentinel", &format!("down-after-milliseconds {name} 1000"))
            .set("sentinel", &format!("failover-timeout {name} 3000"));
        if let Some(password) = master.password() {
            options = options.set("sentinel", &format!("auth-pass {name} {password}"));
        }
        match master.user() {
            Some(user) => options.set("sentinel", &format!("auth-user {name} {user}")),
            None => options,
        }
    }

    /// A line of its configuration.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.lines.push(format!("{key} {value}"));
        self
    }
}
