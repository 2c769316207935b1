//! F6: requests whose answer gets lost.

use std::time::Duration;

use lockutils::distributed::{Request, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{Etcd, Proxy};

use crate::contract::client::{Client, entered};
use crate::etcd::client_for;

fn far() -> (Etcd, Proxy, Client) {
    let etcd = Etcd::start();
    let proxy = Proxy::to(etcd.port());
    let client = client_for(&proxy.url("etcd"), Duration::from_secs(10));
    client.release(&client.take("warm", Share::Write)).expect("it is held");
    (etcd, proxy, client)
}

fn asks(share: Share) -> Request {
    Request::new("job", share).identified("who-asks")
}

/// The one key that it finds is its own, and nothing is left of it afterwards.
#[test]
fn a_lock_is_taken_once_although_the_answer_is_lost() {
    let (etcd, proxy, client) = far();
    for request in
        [asks(Share::Write), asks(Share::Write).waiting(), asks(Share::Permit(2)), asks(Share::Read)]
    {
        proxy.drop_answer_to("who-asks");
        let grant = client.granted(client.enter(request).expect("it can be asked again"));
        proxy.wait_until_lost();
        assert_eq!(etcd.keys("job/").len(), 1);
        client.verify(&grant).expect("it is held");
        client.release(&grant).expect("it is held");
        assert!(etcd.keys("job/").is_empty());
    }
}

#[test]
fn a_place_in_the_queue_is_taken_once_although_the_answer_is_lost() {
    let (etcd, proxy, client) = far();
    let grant = client.take("job", Share::Write);
    proxy.drop_answer_to("who-asks");
    let wait = client.queue_request(asks(Share::Write));
    proxy.wait_until_lost();
    assert_eq!(etcd.keys("job/").len(), 2);
    client.release(&grant).expect("it is held");
    client.release(&wait.grant()).expect("it is held");
    assert!(etcd.keys("job/").is_empty());
}

#[test]
fn a_lock_is_let_go_once_although_the_answer_is_lost() {
    let (etcd, proxy, client) = far();
    let grant = client.take("job", Share::Write);
    let key = etcd.keys("job/").remove(0);
    proxy.drop_answer_to(key);
    client.release(&grant).expect("it was held");
    proxy.wait_until_lost();
    assert!(etcd.keys("job/").is_empty());
}

/// A request that was given up long ago arrives at last: it must not make a key that nobody has.
#[test]
fn a_request_that_comes_too_late_does_nothing() {
    let etcd = Etcd::start();
    let client = client_for(&format!("{}?request_timeout=1s", etcd.url()), Duration::from_secs(60));
    client.release(&client.take("warm", Share::Write)).expect("it is held");
    for _ in 0..5 {
        // It finds the requests when it is thawed, in whatever order.
        etcd.freeze();
        let failed = entered(client.backend.enter(asks(Share::Write).waiting())).expect_err("it is frozen");
        assert!(failed.may_pass(), "{failed:?}");
        etcd.thaw();
        let one = || etcd.keys("/void/").len() == 1 && etcd.keys("job/").is_empty();
        eventually("it is written down that the place is given up", one);
        client.release(&client.take("job", Share::Write)).expect("nobody is in the way");
        etcd.ctl(&["del", "--prefix", "/void/"]);
    }
}
