//! Every way to take a lock meets every other. What is new is one line in `WAYS`, and
//! `every_public_way_has_its_line` fails while that line is missing.

mod census;

use lockutils::{Config, Mechanism};

use crate::conformance::support::{TINY, Worker, elsewhere};
use crate::conformance::ways::Scope::{Distributed, External, Internal};
use crate::conformance::{Meeting, each_kind_admits_its_number};

#[test]
fn internal_excludes_internal() {
    Meeting::new(Internal, Internal).all_pairs();
}

#[test]
fn internal_excludes_external() {
    Meeting::new(Internal, External).all_pairs();
}

#[test]
fn external_excludes_internal() {
    Meeting::new(External, Internal).all_pairs();
}

#[test]
fn external_excludes_external() {
    Meeting::new(External, External).all_pairs();
}

#[test]
fn two_registries_of_one_directory_meet_in_the_file() {
    Meeting::in_the_file(Mechanism::Kernel).all_pairs();
}

#[cfg_attr(lockutils_portable, ignore = "there are no pid files there")]
#[test]
fn two_registries_of_one_directory_meet_in_the_pid_file() {
    Meeting::in_the_file(Mechanism::Pid).all_pairs();
}

#[cfg_attr(lockutils_portable, ignore = "there are no pid files there")]
#[test]
fn pid_files_exclude_within_the_process() {
    Meeting::by(Mechanism::Pid, External, Internal).all_pairs();
    Meeting::by(Mechanism::Pid, Internal, External).all_pairs();
}

#[test]
fn distributed_excludes_internal() {
    Meeting::new(Distributed, Internal).all_pairs();
}

#[test]
fn internal_excludes_distributed() {
    Meeting::new(Internal, Distributed).all_pairs();
}

#[test]
fn distributed_excludes_external_of_its_process() {
    Meeting::new(Distributed, External).one_of_each_kind();
    Meeting::new(External, Distributed).one_of_each_kind();
}

#[test]
fn two_registries_of_one_engine_meet_in_the_engine() {
    Meeting::in_the_engine("memory:matrix", TINY).all_pairs();
}

/// Without an engine, the lock files of the host take its place.
#[test]
fn distributed_locks_are_lock_files_where_there_is_no_engine() {
    Meeting::in_stead_of_an_engine().all_pairs();
}

#[test]
fn each_kind_admits_its_number_everywhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = Config::new().lock_path(directory.path()).backend_url("memory:numbers");
    for scope in [Internal, External, Distributed] {
        each_kind_admits_its_number(scope, TINY, &config);
    }
}

/// A literal name is looked up once and kept: it must be the lock of that name all the same.
#[test]
fn a_literal_attribute_is_the_lock_of_its_name() {
    #[lockutils::synchronized("conformance-literal")]
    fn literal(body: &mut dyn FnMut()) {
        body();
    }
    for _ in 0..3 {
        let busy = || lockutils::lock("conformance-literal").try_acquire().map(|taken| taken.is_none());
        literal(&mut || assert!(elsewhere(busy).expect("a valid name")));
        assert!(!busy().expect("a valid name"));
    }
    let guard = lockutils::lock("conformance-literal").acquire().expect("free");
    let waiter = Worker::waiting(|| literal(&mut || ()));
    drop(guard);
    waiter.join();
}
