//! How an etcd server is configured.

/// What an etcd server does that one without configuration does not. That one elects itself within 100 ms, so that leases may
/// be as short as a second.
#[derive(Clone)]
pub struct EtcdOptions {
    pub(super) password: Option<String>,
    pub(super) tls: bool,
    pub(super) heartbeat: u32,
    pub(super) election: u32,
    pub(super) more: Vec<String>,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        Self { password: None, tls: false, heartbeat: 10, election: 100, more: Vec::new() }
    }
}

impl EtcdOptions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Clients must be a user; `root`, who may do everything, has this password.
    #[must_use]
    pub fn root_password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// It speaks TLS alone with clients, with a certificate of its own.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Its interval of heartbeats and its election time-out, in milliseconds. Leases are at least 1.5 times the latter.
    #[must_use]
    pub fn election(mut self, heartbeat: u32, timeout: u32) -> Self {
        (self.heartbeat, self.election) = (heartbeat, timeout);
        self
    }

    /// One more argument of the program.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.more.push(argument.to_owned());
        self
    }
}
