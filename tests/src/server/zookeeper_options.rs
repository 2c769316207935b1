//! How a ZooKeeper server is configured.

/// What a ZooKeeper server does that one without configuration does not. That one has ticks of 200 ms, so that sessions may
/// last 400 ms to 4 s, and leaves it to the kernel when to write to the disk: a process that is killed loses nothing by that.
#[derive(Clone)]
pub struct ZooKeeperOptions {
    pub(super) tick: u32,
    pub(super) tls: bool,
    pub(super) forces_sync: bool,
    pub(super) lines: Vec<String>,
    pub(super) properties: Vec<String>,
}

impl Default for ZooKeeperOptions {
    fn default() -> Self {
        Self { tick: 200, tls: false, forces_sync: false, lines: Vec::new(), properties: Vec::new() }
    }
}

impl ZooKeeperOptions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The length of a tick in milliseconds. Sessions last 2 to 20 of them.
    #[must_use]
    pub fn tick(mut self, milliseconds: u32) -> Self {
        self.tick = milliseconds;
        self
    }

    /// It speaks TLS alone with clients, with a certificate of its own.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// It flushes every change to the disk before it answers, as one in production does.
    #[must_use]
    pub fn forces_sync(mut self) -> Self {
        self.forces_sync = true;
        self
    }

    /// A line of its configuration.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.lines.push(format!("{key}={value}"));
        self
    }

    /// A property of the Java machine.
    #[must_use]
    pub fn property(mut self, key: &str, value: &str) -> Self {
        self.properties.push(format!("-D{key}={value}"));
        self
    }
}
