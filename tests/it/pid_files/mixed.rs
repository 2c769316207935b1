//! One directory, used with both mechanisms by mistake: whoever comes second is told.

use std::time::Duration;

use lockutils::{Config, Locks, Removal};
use lockutils_tests::Place;

use super::{SOON, taken};
use crate::conformance::support::block_on;

const USE_ONE: &str =
    "use one mechanism for one directory, and remove the file if nobody uses it that way any more";

#[test]
fn a_pid_file_is_no_file_for_a_lock_of_the_kernel() {
    let place = Place::of_pid_files("a_pid_file_is_no_file_for_a_lock_of_the_kernel");
    let guard = taken(&place);
    let kernel = Locks::new(Config::new().lock_path(place.path())).expect("a registry");
    let lock = kernel.lock("job").external();
    let text = format!(
        "lock file {} is a pid file, so somebody uses its directory with `mechanism = \"pid\"`, or did: {USE_ONE}",
        place.file("job").display()
    );
    for lock in
        [lock.clone(), lock.clone().timeout(SOON), lock.clone().read(), kernel.semaphore("job", 2).external()]
    {
        let errors = [
            lock.acquire().map(drop),
            lock.try_acquire().map(drop),
            block_on(lock.acquire_async()).map(drop),
        ];
        for error in errors.map(|done| done.expect_err("another has it")) {
            assert!(error.is_not_a_file());
            assert_eq!(error.to_string(), text);
        }
    }
    guard.check().expect("nobody has touched it");
    assert_eq!(lock.remove_file().expect("no error"), Removal::Foreign("it is a pid file"));
    drop(guard);
    drop(lock.acquire().expect("it has gone"));
}

#[test]
fn a_file_of_the_kernel_is_no_pid_file() {
    let place = Place::of_pid_files("a_file_of_the_kernel_is_no_pid_file");
    let kernel = Locks::new(Config::new().lock_path(place.path())).expect("a registry");
    drop(kernel.lock("job").external().acquire().expect("free"));
    let error = place.lock("job").acquire().expect_err("it is none");
    assert!(error.is_not_a_file());
    let text = format!(
        "lock file {} was made for a lock of the kernel, so somebody uses its directory with `mechanism = \"kernel\"`, or \
         did: {USE_ONE}",
        place.file("job").display()
    );
    assert_eq!(error.to_string(), text);
    let why = "it was made for a lock of the kernel";
    assert_eq!(place.lock("job").remove_file().expect("no error"), Removal::Foreign(why));
    let cleaned = kernel.clean("*", Duration::ZERO).expect("no error");
    assert_eq!(cleaned.removed, ["job"]);
    drop(taken(&place));
}
