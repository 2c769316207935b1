//! Who is let in, and how.

use lockutils::distributed::{self, BackendUrl, Failure, Request, Share};
use lockutils_tests::eventually;
use lockutils_tests::server::{Etcd, EtcdCluster, EtcdOptions};

use crate::contract::client::entered;
use crate::etcd::{TTL, client};

fn denied(url: &str) -> String {
    let failed = entered(client(url).backend.enter(Request::new("job", Share::Write)));
    match failed {
        Err(Failure::Denied(why)) => why.to_string(),
        other => panic!("it is let in: {other:?}"),
    }
}

/// Why a URL is refused.
fn refused(url: &str) -> String {
    let url = BackendUrl::parse(url).expect("a URL");
    distributed::connect(&url, TTL).expect_err("it cannot be used").to_string()
}

#[test]
fn who_has_the_password_is_let_in() {
    let etcd = Etcd::start_with(EtcdOptions::new().root_password("hunter2"));
    let (holder, waiter) = (client(&etcd.url()), client(&etcd.url()));
    let grant = holder.take("job", Share::Write);
    let wait = waiter.queue("job", Share::Write);
    holder.verify(&grant).expect("it is held");
    holder.release(&grant).expect("it is held");
    waiter.release(&wait.grant()).expect("it is held");
    assert!(!format!("{holder:?}", holder = holder.backend).contains("hunter2"));
    assert!(!holder.backend.location().contains("hunter2"));
}

#[test]
fn who_has_not_is_told_so() {
    let etcd = Etcd::start_with(EtcdOptions::new().root_password("hunter2"));
    let host = format!("127.0.0.1:{}", etcd.port());
    for login in ["root:wrong@", "nobody:hunter2@", ""] {
        let why = denied(&format!("etcd://{login}{host}"));
        assert!(!why.contains("hunter2"), "{why}");
    }
    etcd.ctl(&["user", "add", "guest:guest"]);
    assert!(denied(&format!("etcd://guest:guest@{host}")).contains("permission denied"));
    let why = refused(&format!("etcd://root@{host}"));
    assert!(why.contains("both, a user and a password"), "{why}");
}

/// Its tokens are of this server's life; with each restart they are void.
#[test]
fn a_token_that_is_no_longer_valid_is_renewed() {
    let etcd = Etcd::start_with(EtcdOptions::new().root_password("hunter2"));
    let (holder, waiter) =
        (crate::etcd::client_for(&etcd.url(), TTL * 10), crate::etcd::client_for(&etcd.url(), TTL * 10));
    let grant = holder.take("job", Share::Write);
    let wait = waiter.queue("job", Share::Write);
    etcd.restart();
    holder.verify(&grant).expect("it is held");
    // Whom to let in was changed: older tokens are void by that, too.
    etcd.ctl(&["user", "add", "guest:guest"]);
    holder.release(&grant).expect("it is held");
    waiter.release(&wait.grant()).expect("it is held");
}

/// Which is enabled while we are there.
#[test]
fn a_password_that_is_not_asked_for_does_no_harm() {
    let etcd = Etcd::start();
    let ours = client(&format!("etcd://root:hunter2@127.0.0.1:{}", etcd.port()));
    ours.release(&ours.take("job", Share::Write)).expect("it is open");
    etcd.ctl(&["user", "add", "root:hunter2"]);
    etcd.ctl(&["user", "grant-role", "root", "root"]);
    etcd.ctl(&["auth", "enable"]);
    ours.release(&ours.take("job", Share::Write)).expect("it knows the password");
}

/// A role for the keys below the path is enough.
#[test]
fn a_user_needs_the_keys_below_the_path_and_no_more() {
    let etcd = Etcd::start_with(EtcdOptions::new().root_password("hunter2"));
    etcd.ctl(&["role", "add", "locks"]);
    etcd.ctl(&["role", "grant-permission", "locks", "--prefix=true", "readwrite", "locks/"]);
    etcd.ctl(&["user", "add", "guest:guest"]);
    etcd.ctl(&["user", "grant-role", "guest", "locks"]);
    let url = format!("etcd://guest:guest@127.0.0.1:{}/locks", etcd.port());
    let (holder, waiter) = (client(&url), client(&url));
    for share in [Share::Write, Share::Read, Share::Permit(2)] {
        let grant = holder.take("job", Share::Write);
        let wait = waiter.queue("job", share);
        holder.verify(&grant).expect("it is held");
        holder.release(&grant).expect("it is held");
        waiter.release(&wait.grant()).expect("it is held");
    }
    let grant = holder.take_for("job", TTL);
    holder.extend(&grant, TTL).expect("it is held");
    assert!(!holder.cluster().is_empty());
    holder.destroy("job", Share::Write);
    eventually("it is destroyed", || grant.lease().is_lost());
}

#[test]
fn every_member_of_a_cluster_lets_one_in() {
    let options = EtcdOptions::new().election(50, 500).root_password("hunter2");
    let cluster = EtcdCluster::start_with(3, options);
    for member in 0..3 {
        let ours = client(&cluster[member].url());
        ours.release(&ours.take("job", Share::Write)).expect("it is held");
    }
}

#[test]
fn connections_are_secret_where_that_is_said() {
    let etcd = Etcd::start_with(EtcdOptions::new().tls().root_password("hunter2"));
    let ca = etcd.tls().expect("it has certificates").ca();
    let (holder, waiter) =
        (client(&format!("{}/locks?ca={ca}", etcd.url())), client(&format!("{}/locks?ca={ca}", etcd.url())));
    let grant = holder.take("job", Share::Write);
    let wait = waiter.queue("job", Share::Write);
    holder.release(&grant).expect("it is held");
    waiter.release(&wait.grant()).expect("it is held");
}

#[test]
fn a_server_that_cannot_be_trusted_is_not_talked_to() {
    let (etcd, other) =
        (Etcd::start_with(EtcdOptions::new().tls()), Etcd::start_with(EtcdOptions::new().tls()));
    let ca = other.tls().expect("it has certificates").ca();
    for query in [format!("?ca={ca}&request_timeout=2s"), "?request_timeout=2s".to_owned()] {
        let ours = client(&format!("{}{query}", etcd.url()));
        let failed = entered(ours.backend.enter(Request::new("job", Share::Write)));
        let failed = failed.expect_err("it is a stranger");
        assert!(matches!(failed, Failure::Untrusted(_)), "{failed}");
        assert!(failed.to_string().starts_with("its certificate is not trusted: "), "{failed}");
    }
    let ca = etcd.tls().expect("it has certificates").ca();
    let wrong = client(&format!("{}?ca={ca}&server_name=elsewhere&request_timeout=2s", etcd.url()));
    let failed = entered(wrong.backend.enter(Request::new("job", Share::Write))).expect_err("a stranger");
    assert!(failed.to_string().contains("certificate"), "{failed}");
    let named = client(&format!("{}?ca={ca}&server_name=localhost", etcd.url()));
    named.release(&named.take("job", Share::Write)).expect("that is its name, too");
}

/// Where etcd wants to know its clients by their certificates.
#[test]
fn a_client_shows_its_certificate() {
    let etcd = Etcd::start_with(EtcdOptions::new().client_certificates());
    let tls = etcd.tls().expect("it has certificates");
    let (cert, key) = (tls.client_certificate(), tls.client_key());
    let known = client(&format!("{}?ca={}&cert={cert}&key={key}", etcd.url(), tls.ca()));
    known.release(&known.take("job", Share::Write)).expect("it is known");
    let stranger = client(&format!("{}?ca={}&request_timeout=2s", etcd.url(), tls.ca()));
    let failed = entered(stranger.backend.enter(Request::new("job", Share::Write)));
    let failed = failed.expect_err("it shows none");
    assert!(matches!(failed, Failure::Unreachable(_)), "{failed:?}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (url, why) in [
        ("etcd:", "names no endpoint"),
        ("etcd://h?ttl=5s", "has no key `ttl`"),
        ("etcd://h?ca=/ca.pem", "for `etcds:` only"),
        ("etcds://h?ca=/none/ca.pem", "/none/ca.pem cannot be read"),
        ("etcds://h?cert=/dev/null", "both or none"),
        ("etcds://h?ca=/dev/null&cert=/dev/null&key=/dev/null", "/dev/null has no certificate in it"),
        ("etcd://h?request_timeout=soon", "is no time"),
    ] {
        let said = refused(url);
        assert!(said.contains(why), "{url}: {said}");
    }
}
