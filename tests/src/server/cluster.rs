//! Several servers that are one.

use std::ops::Deref;

use super::running::{Failed, Server};
use crate::wait::BOUND;
use std::thread;
use std::time::{Duration, Instant};

/// How often a cluster is started anew on other ports.
const TRIES: usize = 5;

/// Servers that are one to their clients. They are counted from 0.
pub struct Cluster<M> {
    pub(super) members: Vec<M>,
}

/// Of what a cluster can be.
pub trait Member: Deref<Target = Server> {
    /// `127.0.0.1:P`, as it stands in URLs.
    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Whether it says that it is the leader.
    fn says_that_it_leads(&self) -> bool;
}

impl<M: Member> Cluster<M> {
    /// Starts all of them, on other ports if one was taken.
    #[track_caller]
    pub(super) fn start_of(launch: impl Fn() -> Vec<M>) -> Self {
        let mut last = None;
        for _ in 0..TRIES {
            let cluster = Self { members: launch() };
            match cluster.wait_until_ready() {
                Ok(()) => return cluster,
                Err(failed) if failed.is_about_the_port() => last = Some(failed),
                Err(failed) => panic!("{failed:?}"),
            }
        }
        panic!("no free ports in {TRIES} tries: {last:?}")
    }

    fn wait_until_ready(&self) -> Result<(), Failed> {
        self.members.iter().try_for_each(|member| member.wait_until_ready())
    }

    /// The number of the leader. Waits for it if none of those that run is one.
    ///
    /// # Panics
    ///
    /// When there is none in time.
    #[track_caller]
    pub fn leader(&self) -> usize {
        let started = Instant::now();
        loop {
            let leads = |member: &M| member.is_alive() && !member.is_frozen() && member.says_that_it_leads();
            match self.members.iter().position(leads) {
                Some(leader) => return leader,
                None => assert!(started.elapsed() < BOUND, "no leader in {BOUND:?}"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The number of one that does not lead.
    ///
    /// # Panics
    ///
    /// When there is no leader in time.
    #[track_caller]
    pub fn follower(&self) -> usize {
        (self.leader() + 1) % self.members.len()
    }

    /// Kills one with SIGKILL.
    ///
    /// # Panics
    ///
    /// As [`Server::kill`].
    #[track_caller]
    pub fn kill(&self, number: usize) {
        self.members[number].kill();
    }

    /// Starts one again, and waits until it is ready, for which most must run.
    ///
    /// # Panics
    ///
    /// As [`Server::restart`].
    #[track_caller]
    pub fn restart(&self, number: usize) {
        self.members[number].restart();
    }

    /// Kills all that still run, starts all again, and waits until they are ready.
    ///
    /// # Panics
    ///
    /// As [`Server::restart`].
    #[track_caller]
    pub fn restart_all(&self) {
        self.members.iter().for_each(|member| member.kill());
        self.members.iter().for_each(|member| member.relaunch());
        self.wait_until_ready().unwrap_or_else(|failed| panic!("{failed:?}"));
    }

    /// Stops one as it is.
    ///
    /// # Panics
    ///
    /// As [`Server::freeze`].
    #[track_caller]
    pub fn freeze(&self, number: usize) {
        self.members[number].freeze();
    }

    /// Lets one go on.
    ///
    /// # Panics
    ///
    /// As [`Server::thaw`].
    #[track_caller]
    pub fn thaw(&self, number: usize) {
        self.members[number].thaw();
    }

    /// All of them, with commas: `127.0.0.1:P,127.0.0.1:Q`.
    pub fn hosts(&self) -> String {
        let hosts: Vec<_> = self.members.iter().map(Member::host).collect();
        hosts.join(",")
    }
}

/// Its members.
impl<M> Deref for Cluster<M> {
    type Target = [M];

    fn deref(&self) -> &[M] {
        &self.members
    }
}
