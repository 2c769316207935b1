//! The command `lockutils`, driven as its users drive it.

mod acting;
mod clean;
mod documentation;
mod place;
mod usage;
