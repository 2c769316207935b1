//! redis-py's `Lock` and ours exclude each other.

use std::time::Duration;

use lockutils::distributed::{Loss, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{EnginePeer, Redis};

use super::{client, is_held, keys};
use crate::contract::client::loss;

const SHARES: [Share; 3] = [Share::Write, Share::Read, Share::Permit(2)];

#[test]
fn redis_py_is_excluded_by_every_kind() {
    let redis = Redis::start();
    let (ours, peer) = (client(&redis.url()), EnginePeer::redis_py(&redis.url(), "job"));
    let mut peer = peer.spawn();
    for share in SHARES {
        let grant = ours.take("job", share);
        assert!(!peer.try_take(), "{share:?}");
        peer.say("wait");
        ours.verify(&grant).expect("it is held");
        ours.release(&grant).expect("it is held");
        peer.expect("held");
        assert!(ours.try_take("job", share).is_none(), "{share:?}");
        peer.release();
    }
    peer.finish();
    assert_eq!(keys(&redis), Vec::<String>::new());
}

#[test]
fn we_wait_for_redis_py() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    for share in SHARES {
        let mut peer = EnginePeer::redis_py(&redis.url(), "job").holder();
        let wait = ours.queue("job", share);
        let [holder, waiter] = &ours.contenders("job", share)[..] else { panic!("there are two") };
        assert_eq!((&*holder.place, holder.holds, waiter.share), (&*peer.ask("session"), true, share));
        peer.release();
        let grant = wait.grant();
        is_held(&ours, &grant);
        // It looks at the key of a group as at a token, and gets an error.
        let owned = peer.ask("owned");
        assert!(owned == "no" || share != Share::Write && owned.contains("WRONGTYPE"), "{share:?}: {owned}");
        ours.release(&grant).expect("it is held");
        peer.finish();
    }
}

/// What redis-py does with a lock that it does not have any more does not touch ours.
#[test]
fn what_redis_py_has_lost_is_ours() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    for share in SHARES {
        let mut peer = EnginePeer::redis_py(&redis.url(), "job").lease(Duration::from_millis(300)).holder();
        let grant = ours.queue("job", share).grant();
        for question in ["release", "extend 1000"] {
            let answer = peer.ask(question);
            assert!(answer.starts_with("error "), "{share:?}: {question} is answered by {answer}");
        }
        is_held(&ours, &grant);
        ours.release(&grant).expect("it is held");
        peer.finish();
    }
}

/// And ours does not touch redis-py's.
#[test]
fn what_we_have_lost_is_redis_pys() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    let length = Duration::from_millis(300);
    let lost = ours.take_for("job", length);
    let stolen = ours.take("other", Share::Write);
    redis.cli(&["DEL", "other"]);
    let mut peer = EnginePeer::redis_py(&redis.url(), "job").spawn();
    peer.say("wait");
    peer.expect("held");
    let mut other = EnginePeer::redis_py(&redis.url(), "other").holder();
    assert_eq!(loss(ours.extend(&lost, length)), Loss::Over);
    assert_eq!(loss(ours.release(&lost)), Loss::Over);
    eventually("the renewal sees it", || stolen.lease().is_lost());
    assert!(matches!(loss(ours.release(&stolen)), Loss::Taken | Loss::Removed));
    drop((lost, stolen));
    // What is done in the background is over once this is.
    ours.release(&ours.take("last", Share::Write)).expect("it is held");
    assert_eq!((peer.ask("owned"), other.ask("owned")), ("yes".to_owned(), "yes".to_owned()));
    other.finish();
    peer.finish();
}

/// A peer that ends lets go without telling anybody.
#[test]
fn the_end_of_redis_pys_lease_is_seen() {
    let redis = Redis::start();
    let ours = client(&(redis.url() + "?retry=20s"));
    let mut peer = EnginePeer::redis_py(&redis.url(), "job").lease(Duration::from_millis(700)).holder();
    let wait = ours.queue("job", Share::Write);
    peer.kill();
    is_held(&ours, &wait.grant());
}
