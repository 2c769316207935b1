//! The command `lockutils`, driven as its users drive it.

mod acting;
mod clean;
mod cron;
mod distributed;
mod doctor;
mod documentation;
mod flock;
mod list;
mod place;
mod run;
mod run_lost;
mod run_signals;
mod run_terminal;
mod run_wait;
mod usage;
mod who;
mod wrapper;
