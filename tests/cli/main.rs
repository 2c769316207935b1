//! The command `lockutils`, driven as its users drive it.

mod acting;
mod clean;
mod doctor;
mod documentation;
mod list;
mod place;
mod usage;
mod who;
