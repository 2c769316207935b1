//! The configuration in the formats of serde.

use std::path::PathBuf;
use std::time::Duration;

use lockutils::{Config, Locks, Mechanism, Policy};
use serde::{Deserialize, Serialize};

/// What a service has: its own settings, and ours in a section.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
struct Service {
    listen: String,
    lockutils: Config,
}

#[track_caller]
fn section(text: &str) -> Config {
    let service: Service = toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    service.lockutils
}

#[track_caller]
fn refused(text: &str) -> String {
    toml::from_str::<Service>(text).expect_err(text).to_string()
}

#[test]
fn a_section_of_a_service() {
    let config = section(
        "listen = \"[::]:80\"\n[lockutils]\nlock_path = \"/run/nova\"\nlock_file_prefix = \"nova\"\n\
         lock_file_mode = \"0660\"\ndisable_process_locking = true\ntimeout = \"30s\"\n",
    );
    let expected = Config::new()
        .lock_path("/run/nova")
        .lock_file_prefix("nova")
        .lock_file_mode(0o660)
        .disable_process_locking(true)
        .timeout(Duration::from_secs(30));
    assert_eq!(config, expected);
    assert_eq!(section("listen = \"x\"\n"), Config::new());
    assert_eq!(section("[lockutils]\n"), Config::new());
}

#[test]
fn the_place_of_the_files_may_be_unusual() {
    for (written, policy) in [("refuse", Policy::Refuse), ("warn", Policy::Warn), ("allow", Policy::Allow)] {
        let text = format!("[lockutils]\nnetwork_filesystems = \"{written}\"\ninsecure_lock_path = true\n");
        let expected = Config::new().network_filesystems(policy).insecure_lock_path(true);
        assert_eq!(section(&text), expected);
        let json = serde_json::to_string(&expected).expect("plain data");
        assert_eq!(serde_json::from_str::<Config>(&json).expect("what was written"), expected, "{json}");
    }
    let text = refused("[lockutils]\nnetwork_filesystems = \"never\"\n");
    assert!(text.contains("never") && text.contains("refuse"), "{text}");
}

#[test]
fn the_mechanism_is_called_by_its_name() {
    for (written, mechanism) in [("kernel", Mechanism::Kernel), ("pid", Mechanism::Pid)] {
        let config = section(&format!("[lockutils]\nmechanism = \"{written}\"\n"));
        assert_eq!(config, Config::new().mechanism(mechanism));
        let json = serde_json::to_string(&config).expect("plain data");
        assert_eq!(serde_json::from_str::<Config>(&json).expect("what was written"), config, "{json}");
    }
    let text = refused("[lockutils]\nmechanism = \"flock\"\n");
    assert!(text.contains("flock") && text.contains("kernel") && text.contains("pid"), "{text}");
}

#[test]
fn unknown_keys_are_refused_by_name() {
    let text = refused("[lockutils]\nlock_paht = \"/run\"\n");
    assert!(text.contains("lock_paht") && text.contains("lock_path"), "{text}");
    assert!(serde_json::from_str::<Config>(r#"{"lock_path": "/run", "path": "/run"}"#).is_err());
}

#[test]
fn durations_are_written_as_people_write_them() {
    let limit = |text: &str| section(&format!("[lockutils]\ntimeout = {text}\n")).timeout;
    for (text, expected) in [
        ("\"30s\"", Duration::from_secs(30)),
        ("\"500ms\"", Duration::from_millis(500)),
        ("\"2m\"", Duration::from_secs(120)),
        ("\"1h\"", Duration::from_secs(3600)),
        ("\"1.5s\"", Duration::from_millis(1_500)),
        ("\"0\"", Duration::ZERO),
        ("\"7\"", Duration::from_secs(7)),
        ("5", Duration::from_secs(5)),
        ("0.25", Duration::from_millis(250)),
        ("0", Duration::ZERO),
    ] {
        assert_eq!(limit(text), Some(expected), "{text}");
    }
    for text in ["-1", "-0.5", "nan", "inf", "\"\"", "\"-1s\"", "\"1d\"", "\"fast\"", "\"s\"", "true", "[]"] {
        let error = refused(&format!("[lockutils]\ntimeout = {text}\n"));
        assert!(error.contains("timeout"), "{text}: {error}");
    }
}

#[test]
fn modes_are_octal() {
    let mode = |text: &str| section(&format!("[lockutils]\nlock_file_mode = {text}\n")).lock_file_mode;
    assert_eq!(mode("\"0660\""), Some(0o660));
    assert_eq!(mode("\"660\""), Some(0o660));
    assert_eq!(mode("\"0o660\""), Some(0o660));
    assert_eq!(mode("0o660"), Some(0o660));
    for text in ["\"rw\"", "\"0x1b0\"", "\"\"", "\"999\"", "-1", "0.5", "true"] {
        refused(&format!("[lockutils]\nlock_file_mode = {text}\n"));
    }
    // Forgotten quotes make other bits, which the registry refuses instead of making such files.
    for forgotten in ["660", "600", "644", "666", "640", "777"] {
        let config = section(&format!("[lockutils]\nlock_file_mode = {forgotten}\n"));
        assert!(Locks::new(config).map(drop).expect_err(forgotten).is_config(), "{forgotten}");
    }
}

#[test]
fn null_is_unset() {
    let text = r#"{"lock_path": null, "lock_file_prefix": null, "lock_file_mode": null, "timeout": null}"#;
    assert_eq!(serde_json::from_str::<Config>(text).expect("null is unset"), Config::new());
}

fn configurations() -> Vec<Config> {
    let mut configurations = vec![
        Config::new(),
        Config::new().lock_path("/run/a b/é"),
        Config::new().lock_path("").lock_file_prefix(""),
        Config::new().lock_file_prefix("nova-").disable_process_locking(true),
    ];
    for mode in [0o600, 0o660, 0o666, 0o700, 0o777] {
        configurations.push(Config::new().lock_file_mode(mode));
    }
    for limit in limits() {
        configurations.push(Config::new().timeout(limit));
    }
    configurations
}

fn limits() -> Vec<Duration> {
    let nanos =
        [0, 1, 999, 1_000, 1_000_000, 3_000_000, 333_333_333, 999_999_999, 1_000_000_001, 86_400_000_000_001];
    let limits = nanos.into_iter().map(Duration::from_nanos);
    limits
        .chain((0..60).map(|power| Duration::from_nanos(3_u64.pow(power % 40) + u64::from(power))))
        .collect()
}

#[test]
fn what_is_written_is_read_again() {
    for config in configurations() {
        let json = serde_json::to_string(&config).expect("plain data");
        assert_eq!(
            serde_json::from_str::<Config>(&json).unwrap_or_else(|error| panic!("{json}: {error}")),
            config,
            "{json}"
        );
        let service = Service { listen: "x".to_owned(), lockutils: config };
        let text = toml::to_string(&service).expect("plain data");
        assert_eq!(
            toml::from_str::<Service>(&text).unwrap_or_else(|error| panic!("{text}: {error}")),
            service,
            "{text}"
        );
    }
}

/// Some write "no limit" like this.
#[test]
fn the_longest_limits_are_read_again() {
    for limit in [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::new(1 << 40, 1),
        Duration::from_secs(1 << 60),
    ] {
        let config = Config::new().timeout(limit);
        let json = serde_json::to_string(&config).expect("plain data");
        let read = serde_json::from_str::<Config>(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(read, config, "{json}");
    }
}

#[test]
fn what_is_unset_is_not_written() {
    assert_eq!(
        serde_json::to_string(&Config::new()).expect("plain data"),
        r#"{"disable_process_locking":false}"#
    );
    assert_eq!(
        toml::to_string(&Config::new()).expect("plain data").trim(),
        "disable_process_locking = false"
    );
    let config = Config::new().lock_file_mode(0o640).timeout(Duration::from_millis(1_500));
    let written = serde_json::to_value(&config).expect("plain data");
    assert_eq!((&written["lock_file_mode"], &written["timeout"]), (&"0640".into(), &"1.5s".into()));
}

#[test]
fn fields_can_be_read() {
    let config = section("[lockutils]\nlock_path = \"/run/nova\"\n");
    assert_eq!(config.lock_path, Some(PathBuf::from("/run/nova")));
    assert!(!config.disable_process_locking && config.timeout.is_none());
}
