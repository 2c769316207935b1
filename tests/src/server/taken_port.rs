//! Somebody else was faster: the server is started on another port.

use std::net::{Ipv4Addr, TcpListener};

use super::etcd::Peers;
use super::running::{Plan, Server};
use super::{EtcdOptions, RedisOptions, ZooKeeperOptions, etcd, port, redis, zookeeper};

fn is_started_on_another(plan: impl Fn(u16) -> Plan) {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let taken = other.local_addr().expect("it is bound").port();
    let free = port::free();
    let mut ports = [taken, free].into_iter();
    let server = Server::start_on(|| ports.next().expect("the second is free"), plan);
    assert_eq!(server.port(), free);
}

#[test]
fn redis_is_started_on_another_port() {
    is_started_on_another(|port| redis::plan(port, &RedisOptions::new(), None));
}

#[test]
fn etcd_is_started_on_another_port() {
    let peers = Peers { name: "alone", url: "http://127.0.0.1:0", cluster: "alone=http://127.0.0.1:0" };
    is_started_on_another(|port| etcd::plan(port, &EtcdOptions::new(), None, &peers));
}

#[test]
fn zookeeper_is_started_on_another_port() {
    is_started_on_another(|port| zookeeper::plan(port, &ZooKeeperOptions::new(), None, &[]));
}
