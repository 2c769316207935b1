//! Locks that are taken for a time, or for ever: what their holders know of them.

use std::thread;
use std::time::Duration;

use lockutils::distributed::{Failure, Loss, Request, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::Redis;

use super::{client, client_with, is_held};
use crate::contract::bench::By;
use crate::contract::client::Client;

const SECOND: Duration = Duration::from_secs(1);

/// The server may have done it: the holder counts on less from then on.
#[test]
fn what_was_made_shorter_without_an_answer_ends_sooner() {
    for by in [By::Thread, By::Task] {
        let redis = Redis::start();
        let ours = client_with(&(redis.url() + "?request_timeout=300ms"), SECOND * 3, by);
        let theirs = client(&redis.url());
        let grant = ours.take_for("job", SECOND * 30);
        redis.freeze();
        let failed = ours.extend(&grant, SECOND).expect_err("there is no answer");
        assert!(matches!(failed, Failure::Unreachable(_)), "{failed}");
        assert!(grant.lease().remaining() < Some(SECOND));
        redis.thaw();
        eventually("another has it", || theirs.try_take("job", Share::Write).is_some());
        assert_eq!(grant.lease().loss(), Some(Loss::Over));
    }
}

/// One after the other, whichever comes first.
#[test]
fn two_who_extend_it_at_once_agree_with_the_server() {
    let redis = Redis::start();
    let ours = client_with(&redis.url(), SECOND * 3, By::Thread);
    for _ in 0..100 {
        let grant = ours.take_for("job", SECOND * 30);
        thread::scope(|scope| {
            for length in [60, 5] {
                scope.spawn({
                    let (ours, grant) = (&ours, &grant);
                    move || ours.extend(grant, SECOND * length).expect("it is held")
                });
            }
        });
        let believed = grant.lease().remaining().expect("it ends");
        let left = Duration::from_millis(redis.cli(&["PTTL", "job"]).parse().expect("a number"));
        // To ask for that takes a moment.
        assert!(believed < left + SECOND * 3, "{believed:?} of {left:?}");
        ours.release(&grant).expect("it is held");
    }
}

fn not_renewed(ours: &Client, share: Share) -> [Request; 2] {
    let mut stays = ours.request("job", share);
    stays.ephemeral = false;
    [ours.request("job", share).expiring(SECOND * 60), stays]
}

/// Nobody renews it, but it is looked at.
#[test]
fn what_is_not_renewed_is_lost_when_it_is_removed() {
    let redis = Redis::start();
    let ours = client(&redis.url());
    for share in [Share::Write, Share::Read, Share::Permit(2)] {
        for request in not_renewed(&ours, share) {
            let grant = ours.take_request(request.clone());
            redis.cli(&["DEL", "job"]);
            eventually("a look sees it", || grant.lease().loss() == Some(Loss::Removed));
            let grant = ours.take_request(request);
            redis.cli(&["SET", "job", "another"]);
            eventually("a look sees it", || grant.lease().loss() == Some(Loss::Taken));
            redis.cli(&["DEL", "job"]);
        }
    }
}

#[test]
fn looks_do_not_change_how_long_it_lasts() {
    let redis = Redis::start();
    let ours = client_with(&redis.url(), SECOND / 2, By::Thread);
    for share in [Share::Write, Share::Read] {
        let [expires, stays] = not_renewed(&ours, share);
        let grant = ours.take_request(stays);
        thread::sleep(SECOND);
        is_held(&ours, &grant);
        assert_eq!(redis.cli(&["PTTL", "job"]), "-1");
        ours.release(&grant).expect("it is held");
        let grant = ours.take_request(expires);
        thread::sleep(SECOND);
        is_held(&ours, &grant);
        let left = Duration::from_millis(redis.cli(&["PTTL", "job"]).parse().expect("a number"));
        assert!(left <= SECOND * 59 && grant.lease().remaining().is_some_and(|ours| ours < left), "{left:?}");
        ours.release(&grant).expect("it is held");
    }
}
