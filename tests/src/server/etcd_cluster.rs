//! A cluster of etcd.

use std::fmt::Write;

use super::cluster::{Cluster, Member};
use super::etcd::{Etcd, Peers};
use super::etcd_options::EtcdOptions;
use super::port;
use super::tool::run;

/// A cluster of etcd, in which another member leads half a second to a second after the leader has died.
pub type EtcdCluster = Cluster<Etcd>;

impl Cluster<Etcd> {
    /// Starts so many. Elections are slower than in [`EtcdOptions::new`], so that nobody is voted out for being slow on a busy
    /// machine, and leases may still be as short as a second.
    ///
    /// # Panics
    ///
    /// When they do not start.
    #[track_caller]
    pub fn start(number: usize) -> Self {
        Self::start_with(number, EtcdOptions::new().election(50, 500))
    }

    /// Starts so many. They speak plain text.
    ///
    /// # Panics
    ///
    /// When they do not start.
    #[track_caller]
    pub fn start_with(number: usize, options: EtcdOptions) -> Self {
        let password = options.password.clone();
        let mut cluster = Self::start_of(move || launch(number, &options));
        if let Some(password) = password {
            cluster.members[0].secure(&password);
            cluster.members.iter_mut().for_each(|member| member.knows(&password));
        }
        cluster
    }

    /// Where it is: `etcd://127.0.0.1:P,127.0.0.1:Q`.
    pub fn url(&self) -> String {
        format!("etcd://{}{}", self.members[0].credentials(), self.hosts())
    }

    /// Where it is, as etcdctl(1) wants it.
    pub fn endpoints(&self) -> String {
        let endpoints: Vec<_> = self.members.iter().map(Etcd::endpoint).collect();
        endpoints.join(",")
    }

    /// What etcdctl(1) prints, whichever member it asks.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn ctl(&self, words: &[&str]) -> String {
        self.try_ctl(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same, with the error if it fails.
    ///
    /// # Errors
    ///
    /// What etcdctl says.
    pub fn try_ctl(&self, words: &[&str]) -> Result<String, String> {
        let mut arguments = vec!["--endpoints".to_owned(), self.endpoints()];
        arguments.extend(self.members[0].ctl_user());
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        run("etcdctl", &arguments)
    }
}

fn launch(number: usize, options: &EtcdOptions) -> Vec<Etcd> {
    let peers: Vec<_> = (0..number).map(|_| format!("http://127.0.0.1:{}", port::free())).collect();
    let cluster = peers.iter().enumerate().fold(String::new(), |mut all, (number, url)| {
        let _ = write!(all, "{}n{number}={url}", if number == 0 { "" } else { "," });
        all
    });
    let launch = |(number, url): (usize, &String)| {
        let peers = Peers { name: &format!("n{number}"), url, cluster: &cluster };
        Etcd::launch(port::free(), options, &peers)
    };
    peers.iter().enumerate().map(launch).collect()
}

impl Member for Etcd {
    fn says_that_it_leads(&self) -> bool {
        let words = ["--command-timeout=1s", "-w", "json", "endpoint", "status"];
        let Ok(printed) = self.try_ctl(&words) else { return false };
        let status: serde_json::Value = serde_json::from_str(&printed).unwrap_or_default();
        let status = &status[0]["Status"];
        status["leader"].is_u64() && status["leader"] == status["header"]["member_id"]
    }
}
