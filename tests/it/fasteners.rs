//! The tests of fasteners, one for one and by their names, in a module for each of its files.
//!
//! Where one of its locks may be taken twice by a thread, ours is re-entrant. Two of its tests are left out:
//! `lock_file_ex_global_modification` is about a library of Windows, and `eventlet_spawn_n_bug`, which it
//! skips, shows what `eventlet_spawn_n_bugfix` repairs.

mod helpers;
mod process_lock;
mod reader_writer;
mod threads;
