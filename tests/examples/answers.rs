//! What a client is told when a lock is not to be had.

use lockutils_tests::{Place, eventually};

use crate::service::Service;

#[test]
fn who_does_not_wait_is_answered_409() {
    let place = Place::new("service-409");
    let service = Service::start(&place, "");
    let held = service.hold("7");
    let busy = service.post("/volumes/7/backup");
    assert_eq!(busy.status, 409, "{busy:?}");
    assert!(busy.text.starts_with("did not wait for lock `vol-7`"), "{}", busy.text);
    assert_eq!(service.grow("8", 1).status, 200, "another volume");
    assert_eq!(service.post("/volumes/8/backup").status, 200);
    drop(held);
}

#[test]
fn who_has_waited_long_enough_is_answered_503_and_told_who_has_it() {
    let place = Place::new("service-503");
    let quick = "lockutils.timeout = \"100ms\"";
    let (one, other) = (Service::start(&place, quick), Service::start(&place, quick));
    let held = one.hold("7");
    let here = "this process has held it for ".to_owned();
    let there = format!("its file is held by pid {} (service) for ", one.pid());
    for (service, holder) in [(&one, here), (&other, there)] {
        for late in [service.grow("7", 1), service.get("/volumes/7")] {
            assert_eq!((late.status, late.header("retry-after")), (503, Some("1")), "{late:?}");
            assert!(late.text.starts_with("gave up on lock `vol-7`"), "{}", late.text);
            assert!(late.text.contains(&holder), "{holder} in {}", late.text);
            assert!(late.text.contains("examples/service/handlers.rs:"), "{}", late.text);
        }
    }
    drop(held);
    eventually("it is free", || other.grow("7", 1).status == 200);
}

#[test]
fn what_is_wrong_with_a_lock_file_is_answered_500() {
    let place = Place::new("service-500");
    let service = Service::start(&place, "");
    std::fs::create_dir(place.file("vol-7")).expect("a directory");
    let wrong = service.grow("7", 1);
    assert_eq!(wrong.status, 500, "{wrong:?}");
    assert!(wrong.text.contains("vol-7"), "{}", wrong.text);
    assert!(service.logged().contains("ERROR"), "{}", service.logged());
}

#[test]
fn other_mistakes_have_answers_of_their_own() {
    let place = Place::new("service-400");
    let service = Service::start(&place, "");
    assert_eq!(service.get("/volumes/7").status, 404);
    assert_eq!(service.post("/volumes/7/backup").status, 404);
    for wrong in ["a%2Fb", "a%00b", &"x".repeat(65)] {
        assert_eq!(service.grow(wrong, 1).status, 400, "{wrong}");
    }
    assert_eq!(service.grow("7", 1).status, 200);
    let mut large = service.begin("PUT /volumes/7/content", (1 << 20) + 1);
    large.send(&vec![0; (1 << 20) + 1]);
    assert!(large.answer().starts_with("HTTP/1.1 413 "));
}

/// It is logged while it lasts, and so is the hold.
#[test]
fn long_waits_and_holds_are_logged() {
    let place = Place::new("service-long");
    let service = Service::start(&place, "lockutils.warn_wait = \"50ms\"\nlockutils.warn_hold = \"50ms\"");
    let held = service.hold("7");
    let waiting = service.wait_for("7");
    eventually("the wait is logged", || service.logged().contains("still waiting for lock `vol-7`"));
    drop(held);
    assert!(waiting.answer().starts_with("HTTP/1.1 200 "));
    eventually("the hold is logged", || service.logged().contains("a lock was held for a long time"));
}
