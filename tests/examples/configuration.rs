//! How the service is started.

use std::fs;
use std::process::Command;

use assert_cmd::assert::OutputAssertExt;
use lockutils_tests::{Place, service};

use crate::service::{Service, configuration};

/// With no argument, wherever it is started.
#[test]
fn the_configuration_that_comes_with_it_works() {
    let place = Place::new("service-default");
    let service = Service::spawn(&place, Command::new(service()).current_dir(place.path()));
    assert_eq!(service.grow("7", 1).json()["gib"], 1);
    let locks = configuration()["lockutils"]["lock_path"].as_str().expect("a path").to_owned();
    assert!(place.path().join(locks).join("service-vol-7").is_file());
    let main = service.get("/");
    assert!(main.text.contains("<title>Locks</title>"), "it leads to the page: {main:?}");
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_of() {
    let place = Place::new("service-config");
    let path = place.file("wrong.toml");
    for (section, text, said) in [
        ("lockutils", "lock_pth = \"/run/x\"", "unknown field `lock_pth`"),
        ("lockutils", "lock_file_mode = \"0111\"", "lock_file_mode 0o111 cannot be used"),
        ("server", "listen = \"nowhere\"", "invalid socket address"),
        ("server", "listen = \"192.0.2.1:1\"", "listen on 192.0.2.1:1"),
    ] {
        let mut table = configuration();
        let own: toml::Table = text.parse().expect("TOML");
        table[section].as_table_mut().expect("a section").extend(own);
        fs::write(&path, table.to_string()).expect("a file");
        let failed = Command::new(service()).arg(&path).current_dir(place.path()).assert().code(1);
        let log = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        assert!(log.contains(said), "{said} in {log}");
    }
    let gone = Command::new(service()).arg("/nowhere.toml").assert().code(1);
    assert!(String::from_utf8_lossy(&gone.get_output().stderr).contains("configuration /nowhere.toml"));
}
