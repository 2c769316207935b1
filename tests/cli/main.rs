//! The command `lockutils`, driven as its users drive it.

mod documentation;
mod usage;
