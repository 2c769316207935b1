//! The names of Curator's nodes.

use lockutils::distributed::{Failure, Promise, Request, Share};

use super::{client, nodes, server, write};

/// `_c_`, a number with four dashes, a mark, and the server's number.
#[track_caller]
fn is_named(node: &str, mark: &str) {
    let (id, number) = node.split_once(mark).unwrap_or_else(|| panic!("{node} has no {mark}"));
    let id = id.strip_prefix("_c_").unwrap_or_else(|| panic!("{node} does not begin with _c_"));
    assert_eq!((id.len(), id.matches('-').count(), number.len()), (36, 4, 10), "{node}");
}

#[test]
fn a_mutex_is_named_and_contends_as_curators() {
    let server = server();
    let client = client(&format!("{}?layout=curator", server.url()));
    let held = client.take("job", Share::Write);
    is_named(&nodes(&server, "job")[0], "-lock-");
    client.release(&held).expect("it is held");
    server.create("/job/_c_2f4a9ab1-53dd-44a5-9d55-7d4b0e6e3a01-lock-0000000000", "");
    assert!(client.try_take("job", Share::Write).is_none());
    let mut wait = client.queue("job", Share::Write);
    wait.must_wait();
    server.delete("/job/_c_2f4a9ab1-53dd-44a5-9d55-7d4b0e6e3a01-lock-0000000000");
    client.release(&wait.grant()).expect("it is held");
    for share in [Share::Read, Share::Permit(2)] {
        let refused = client.enter(Request::new("job", share)).expect_err("there is none");
        assert!(matches!(refused, Failure::Unsupported { .. }), "{refused:?}");
    }
    let promises = client.backend.promises();
    assert!(!promises.has(Promise::Readers) && !promises.has(Promise::Permits));
}

#[test]
fn readers_and_writers_are_named_as_curators() {
    let server = server();
    let client = client(&format!("{}?layout=curator-rw", server.url()));
    let held = client.take("job", Share::Read);
    is_named(&nodes(&server, "job")[0], "-__READ__");
    let shared = client.take("job", Share::Read);
    let mut wait = client.queue("job", Share::Write);
    wait.must_wait();
    assert!(client.try_take("job", Share::Read).is_none(), "the writer came first");
    client.release(&held).expect("it is held");
    client.release(&shared).expect("it is held");
    let held = wait.grant();
    is_named(&nodes(&server, "job")[0], "-__WRIT__");
    client.release(&held).expect("it is held");
    assert!(client.backend.promises().has(Promise::Readers));
}

/// Their nodes are of different kinds, so they are not seen: one side of a name has to be told of the other.
#[test]
fn kazoos_layout_does_not_see_curators() {
    let server = server();
    let [kazoo, curator] = ["", "?layout=curator"].map(|keys| client(&(server.url() + keys)));
    let held = curator.take("job", Share::Write);
    kazoo.release(&kazoo.take("job", Share::Write)).expect("it is held");
    let mut request = write("job");
    request.patterns = ["-lock-".into()].into();
    assert!(kazoo.try_request(request).is_none(), "one that was told");
    curator.release(&held).expect("it is held");
}
