//! `/locks` and `/locks.json`.

use lockutils_tests::Place;

use crate::service::Service;

/// The cells of the row that begins with a lock of this name, without their tags.
#[track_caller]
fn row(page: &str, name: &str) -> Vec<String> {
    let start = format!("<tr><td class=\"lock\"><b>{name}</b>");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("{name} in {page}"));
    let (row, _) = rest.split_once("</tr>").expect("a row ends");
    row.split("</td>").map(text).collect()
}

fn text(html: &str) -> String {
    html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect()
}

#[test]
fn held_locks_and_those_who_wait_are_shown() {
    let place = Place::new("service-page");
    let service = Service::start(&place, "");
    assert!(service.get("/locks").text.contains("No lock is in use."));
    let held = service.hold("7");
    let waiting = [service.wait_for("7"), service.wait_for("7")];
    service.eventually("7", |lock| lock["waiters"] == 2);

    let page = service.get("/locks");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(
        page.header("content-security-policy").is_some_and(|rule| rule.starts_with("default-src 'none'"))
    );
    assert!(page.text.contains("http-equiv=\"refresh\" content=\"2\""), "{}", page.text);
    let row = row(&page.text, "vol-7");
    assert_eq!(row[0], place.file("vol-7").display().to_string());
    assert_eq!(row[1..4], ["write", "1", "2"], "{row:?}");
    assert!(row[4].ends_with(" s"), "{row:?}");
    assert!(row[5].starts_with("examples/service/handlers.rs:"), "{row:?}");

    let lock = service.lock("7");
    assert_eq!((&lock["holders"], &lock["waiters"], &lock["mode"]), (&1.into(), &2.into(), &"write".into()));
    let since = lock["since"].as_str().unwrap_or_default();
    assert!(since.len() == 24 && since.ends_with('Z'), "{lock}");
    drop((held, waiting));
}

#[test]
fn who_has_the_file_in_another_process_is_named() {
    let place = Place::new("service-elsewhere");
    let prefix = "lockutils.lock_file_prefix = \"nova\"";
    let (one, other) = (Service::start(&place, prefix), Service::start(&place, prefix));
    assert_eq!(one.grow("7", 1).status, 200);
    let held = one.begin("POST /volumes/7/backup?seconds=3600", 0);
    one.eventually("nova-vol-7", |lock| lock["has_file"] == true);
    let waiting = other.wait_for("7");
    place.has_waiters("nova-vol-7", 1);
    let row = row(&other.get("/locks").text, "nova-vol-7");
    assert_eq!(row[1..4], ["waits for file", "0", "1"], "{row:?}");
    assert!(row[5].starts_with("waits atexamples/service/handlers.rs:"), "{row:?}");
    assert!(row[6].starts_with(&format!("pid {} (service) for ", one.pid())), "{row:?}");
    drop((held, waiting));
}

#[test]
fn permits_are_shown() {
    let place = Place::new("service-permits");
    let service = Service::start(&place, "");
    let uploads = [(); 3].map(|()| service.begin("PUT /volumes/7/content", 1));
    service.eventually("uploads", |lock| lock["waiters"] == 1);
    let row = row(&service.get("/locks").text, "uploads");
    assert_eq!(row[1..4], ["permit", "2 of 2", "1"], "{row:?}");
    drop(uploads);
}

/// Names come from those who send requests.
#[test]
fn names_are_escaped() {
    let place = Place::new("service-escaped");
    let service = Service::start(&place, "");
    let held = service.hold("<script>alert(1)<b\"'&");
    let page = service.get("/locks").text;
    assert!(!page.contains("<script"), "{page}");
    let row = row(&page, "vol-&lt;script&gt;alert(1)&lt;b&quot;'&amp;");
    assert_eq!(row[1], "write");
    drop(held);
}
