//! The page as a browser shows it: `locks.png` in the directory for the artefacts of tests is there to be looked at.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use lockutils_tests::Place;

use crate::client::Request;
use crate::service::Service;

const SIZE: (u32, u32) = (1280, 640);

/// Opens a page in a browser that is new every time, and returns what has become of the document.
#[track_caller]
fn look(url: &str, home: &Path, picture: &Path) -> String {
    let mut browser = Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    browser.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    browser.args(["--hide-scrollbars", "--no-proxy-server"]);
    browser.arg(format!("--window-size={},{}", SIZE.0, SIZE.1));
    browser.arg(format!("--user-data-dir={}", home.display()));
    browser.arg(format!("--screenshot={}", picture.display())).args(["--dump-dom", url]);
    let seen = browser.env("HOME", home).timeout(Duration::from_secs(90)).assert().success();
    String::from_utf8(seen.get_output().stdout.clone()).expect("text")
}

/// The colours of a picture, and how many pixels have them.
#[track_caller]
fn colours(picture: &Path) -> Vec<([u8; 3], usize)> {
    let file = BufReader::new(File::open(picture).expect("a picture"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("a whole PNG");
    assert_eq!((info.width, info.height), SIZE);
    let bytes = info.color_type.samples();
    let mut seen = std::collections::HashMap::new();
    for pixel in pixels.chunks_exact(bytes) {
        *seen.entry([pixel[0], pixel[1], pixel[2]]).or_default() += 1;
    }
    seen.into_iter().collect()
}

/// Everything that the page can show, held by requests.
fn busy(one: &Service, other: &Service) -> Vec<Request> {
    let mut requests = vec![one.hold("7"), one.hold("<script>alert(1)"), other.hold("9")];
    requests.extend([one.wait_for("7"), one.wait_for("7"), one.wait_for("9")]);
    requests.extend([(); 3].map(|()| one.begin("PUT /volumes/7/content", 1)));
    one.eventually("7", |lock| lock["waiters"] == 2);
    one.eventually("9", |lock| lock["waits_for_file"] == true);
    one.eventually("uploads", |lock| lock["waiters"] == 1);
    requests
}

#[test]
fn a_browser_shows_the_page() {
    let place = Place::new("service-browser");
    let (one, other) = (Service::start(&place, ""), Service::start(&place, ""));
    let requests = busy(&one, &other);
    place.has_waiters("vol-9", 1);

    let picture = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("locks.png");
    let _ = fs::remove_file(&picture);
    let document = look(&one.url("/locks"), &place.file(".browser"), &picture);
    for name in ["vol-7", "vol-9", "vol-&lt;script&gt;alert(1)", "uploads", "waits for file", "2 of 2"] {
        assert!(document.contains(name), "{name} in {document}");
    }
    assert!(!document.contains("<script"), "{document}");

    let colours = colours(&picture);
    for badge in [[0xcf, 0xe3, 0xff], [0xe6, 0xdc, 0xfa], [0xff, 0xe3, 0xb0], [0xff, 0xd0, 0xc8]] {
        let pixels = colours.iter().find(|(colour, _)| *colour == badge).map_or(0, |(_, pixels)| *pixels);
        assert!(pixels > 50, "{badge:x?}: {pixels} pixels in {}", picture.display());
    }
    drop(requests);
}
