//! The ini files of oslo: what a Python service reads from them, a Rust service beside it has to read too, or
//! the two use two directories.

use std::path::PathBuf;

use lockutils::{Config, Error};

fn read(text: &str) -> Result<Config, Error> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("nova.conf");
    std::fs::write(&path, text).expect("a file");
    Config::from_oslo_ini(&path)
}

/// The directory that the group says.
#[track_caller]
fn lock_path(text: &str) -> Option<String> {
    let config = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    config.lock_path.map(|path: PathBuf| path.to_str().expect("UTF-8").to_owned())
}

#[track_caller]
fn refused(text: &str) -> String {
    let error = read(text).expect_err(text);
    assert!(error.is_config(), "{error}");
    error.to_string()
}

#[test]
fn the_group_is_read() {
    let text = "[DEFAULT]\ndebug = true\n\n[oslo_concurrency]\n# where\nlock_path = /var/lib/nova/tmp\n\
                disable_process_locking = true\n\n[other]\nlock_path = /other\n";
    let config = read(text).expect("it is sound");
    assert_eq!(config, Config::new().lock_path("/var/lib/nova/tmp").disable_process_locking(true));
}

/// Only this group counts: the fall-back to `[DEFAULT]` has gone from oslo as well.
#[test]
fn what_is_missing_is_unset() {
    for text in [
        "",
        "[oslo_concurrency]\n",
        "[DEFAULT]\nlock_path = /default\n",
        "[oslo_concurrency]\nlock_path =\n",
        "[oslo_concurrency]\nlock_path = \n",
        "[oslo_concurrency]\n# lock_path = /commented\n; lock_path = /commented\n",
        "[oslo_concurrency]\nLOCK_PATH = /other\n",
    ] {
        assert_eq!(lock_path(text), None, "{text}");
    }
}

/// Names of groups are read in any case, names of options are not.
#[test]
fn the_group_is_read_in_any_case() {
    assert_eq!(lock_path("[Oslo_Concurrency]\nlock_path = /a\n").as_deref(), Some("/a"));
}

#[test]
fn values_are_read_as_oslo_reads_them() {
    for (line, expected) in [
        ("lock_path = /a", "/a"),
        ("lock_path=/a", "/a"),
        ("lock_path : /a", "/a"),
        ("lock_path =   /a  ", "/a"),
        ("lock_path = /a b", "/a b"),
        ("lock_path = /a=b", "/a=b"),
        ("lock_path = /a:b", "/a:b"),
        ("lock_path = \"/a\"", "/a"),
        ("lock_path = '/a b '", "/a b "),
        ("lock_path = \"/a'", "\"/a'"),
        ("lock_path = /a\nlock_path = /b", "/b"),
        ("lock_path = relative/é", "relative/é"),
    ] {
        assert_eq!(lock_path(&format!("[oslo_concurrency]\n{line}\n")).as_deref(), Some(expected), "{line}");
        let dos = format!("[oslo_concurrency]\n{line}\n").replace('\n', "\r\n");
        assert_eq!(lock_path(&dos).as_deref(), Some(expected), "{line}, with the line ends of DOS");
    }
}

/// For oslo a comment is a line of its own; behind a value it is a part of the value.
#[test]
fn signs_of_comments_within_a_value_belong_to_it() {
    for value in ["/a#b", "/a;b", "/a # b", "/a ; b"] {
        let text = format!("[oslo_concurrency]\nlock_path = {value}\n");
        assert_eq!(lock_path(&text).as_deref(), Some(value));
    }
}

#[test]
fn options_are_put_in() {
    let with = |line: &str| {
        format!(
            "[DEFAULT]\nstate_path = /var/lib/nova\nnested = $state_path/nested\nquoted = \"/q\"\n\
             [oslo_concurrency]\nbase = /base\nstate = own\nlock_path = {line}\n"
        )
    };
    for (line, expected) in [
        ("$state_path/tmp", "/var/lib/nova/tmp"),
        ("${state_path}/tmp", "/var/lib/nova/tmp"),
        ("${state_path}x", "/var/lib/novax"),
        ("$nested/tmp", "/var/lib/nova/nested/tmp"),
        ("$base/tmp", "/base/tmp"),
        ("/x/$state/$base", "/x/own//base"),
        ("$quoted/x", "/q/x"),
        ("/a$$b", "/a$b"),
        ("/a$$state_path", "/a$state_path"),
    ] {
        assert_eq!(lock_path(&with(line)).as_deref(), Some(expected), "{line}");
    }
}

/// The other way in which oslo writes a dollar sign.
#[test]
fn a_dollar_sign_behind_a_backslash_is_one() {
    let text = "[DEFAULT]\nstate_path = /s\n[oslo_concurrency]\nlock_path = /a\\$state_path\n";
    assert_eq!(lock_path(text).as_deref(), Some("/a$state_path"));
}

/// oslo leaves a dollar sign alone that no name follows.
#[test]
fn a_dollar_sign_without_a_name_is_one() {
    assert_eq!(lock_path("[oslo_concurrency]\nlock_path = /a$\n").as_deref(), Some("/a$"));
    assert_eq!(lock_path("[oslo_concurrency]\nlock_path = /a$/b\n").as_deref(), Some("/a$/b"));
}

/// To guess would be to use another directory.
#[test]
fn options_that_cannot_be_put_in_are_refused() {
    let text = refused("[oslo_concurrency]\nlock_path = $state_path/tmp\n");
    assert!(text.contains("uses $state_path") && text.contains("does not set it"), "{text}");
    let text = refused("[oslo_concurrency]\nlock_path = $lock_path/tmp\n");
    assert!(text.contains("refer to each other"), "{text}");
    refused("[DEFAULT]\na = $b\nb = $a\n[oslo_concurrency]\nlock_path = $a\n");
    refused("[paths]\nbase = /b\n[oslo_concurrency]\nlock_path = ${missing.base}/x\n");
}

#[test]
fn booleans_are_those_of_oslo() {
    let disabled = |value: &str| read(&format!("[oslo_concurrency]\ndisable_process_locking = {value}\n"));
    for yes in ["true", "True", "TRUE", "1", "on", "yes", "Yes", "\"true\""] {
        assert!(disabled(yes).expect(yes).disable_process_locking, "{yes}");
    }
    for no in ["false", "False", "0", "off", "no"] {
        assert!(!disabled(no).expect(no).disable_process_locking, "{no}");
    }
    for wrong in ["maybe", "2", "y", "enable"] {
        let text = disabled(wrong).expect_err(wrong).to_string();
        assert!(
            text.ends_with(&format!(
                "says disable_process_locking = {wrong}, which is no boolean: set it to true, yes, on or 1, or to \
                 false, no, off or 0"
            )),
            "{text}"
        );
    }
}

#[test]
fn files_that_cannot_be_read_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing.conf");
    let error = Config::from_oslo_ini(&missing).expect_err("it is missing");
    let text = error.to_string();
    assert!(error.is_config() && text.contains("missing.conf cannot be read: No such file"), "{text}");
    assert!(std::error::Error::source(&error).is_some());
    let binary = directory.path().join("binary.conf");
    std::fs::write(&binary, b"[oslo_concurrency]\nlock_path = /\xff\n").expect("a file");
    assert!(Config::from_oslo_ini(&binary).expect_err("it is no text").is_config());
    assert!(Config::from_oslo_ini(directory.path()).expect_err("it is a directory").is_config());
}

/// `nova.conf` as it is shipped: long, commented, with sections that mean nothing here.
#[test]
fn a_file_of_a_service() {
    let mut text =
        String::from("[DEFAULT]\n\n#\n# From nova.conf\n#\n\n# Top-level directory (string value)\n");
    text.push_str("#pybasedir = /usr/lib/python3/dist-packages\nstate_path = /var/lib/nova\n");
    text.push_str("transport_url = rabbit://openstack:secret@controller\nmy_ip = 10.0.0.11\n");
    text.push_str("logging_context_format_string = %(asctime)s.%(msecs)03d %(process)d %(levelname)s [%(request_id)s]\n");
    for group in ["api", "api_database", "cinder", "glance", "keystone_authtoken"] {
        text.extend([
            "\n[",
            group,
            "]\n#auth_url = <None>\nconnection = mysql+pymysql://nova:x@db/",
            group,
            "\n",
        ]);
    }
    text.push_str(
        "\n[oslo_concurrency]\n\n#\n# From oslo.concurrency\n#\n\n# Directory to use for lock files.\n",
    );
    text.push_str("# Note: This option can be set for [oslo_concurrency] lock_path.\n#lock_path = <None>\n");
    text.push_str("lock_path = $state_path/tmp\n\n[vnc]\nenabled = true\n");
    assert_eq!(lock_path(&text).as_deref(), Some("/var/lib/nova/tmp"));
}
