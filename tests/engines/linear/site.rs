//! The servers of a run.

use lockutils_tests::server::{Cluster, Member, Proxy, Server};

/// Servers that are one to their clients.
pub(super) struct Site<'a> {
    scheme: &'static str,
    pub(super) members: Vec<&'a Server>,
    leader: Box<dyn Fn() -> usize + 'a>,
}

impl<'a> Site<'a> {
    pub(super) fn alone(scheme: &'static str, server: &'a Server) -> Self {
        Self { scheme, members: vec![server], leader: Box::new(|| 0) }
    }

    pub(super) fn cluster<M: Member>(scheme: &'static str, cluster: &'a Cluster<M>) -> Self {
        let members = cluster.iter().map(|member| &**member).collect();
        Self { scheme, members, leader: Box::new(|| cluster.leader()) }
    }

    /// Whether a leader that was stopped may take locks away of which the lease has not run out, as it may in a cluster of etcd before
    /// 3.4.31 and 3.5.13. When it goes on, it finds that leases have run out, and has their end decided, though another leads by then
    /// and they were renewed there (<https://github.com/etcd-io/etcd/issues/15247>).
    pub(super) fn is_robbed_by_old_leaders(&self) -> bool {
        self.scheme == "etcd" && self.members.len() > 1
    }

    /// Which member leads. There is one soon, as most of them run.
    pub(super) fn leader(&self) -> usize {
        (self.leader)()
    }

    /// A network of its own for a client.
    pub(super) fn proxies(&self) -> Vec<Proxy> {
        self.members.iter().map(|member| Proxy::to(member.port())).collect()
    }

    /// Where the servers are for a client with these proxies.
    pub(super) fn url(&self, proxies: &[Proxy]) -> String {
        let ports: Vec<_> = proxies.iter().map(Proxy::port).collect();
        self.url_of(&ports)
    }

    /// Where the servers are for a client with nothing in between.
    pub(super) fn direct(&self) -> String {
        let ports: Vec<_> = self.members.iter().map(|member| member.port()).collect();
        self.url_of(&ports)
    }

    fn url_of(&self, ports: &[u16]) -> String {
        let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("{}://{}", self.scheme, hosts.join(","))
    }

    pub(super) fn name(&self) -> String {
        match self.members.len() {
            1 => self.scheme.to_owned(),
            members => format!("{} of {members}", self.scheme),
        }
    }
}
