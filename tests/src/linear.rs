//! Clients that change what a distributed lock guards, and write down when they did what: what one needs to say afterwards
//! whether they were in one order for everybody.
//!
//! A [`Resource`] keeps a number for each name, and looks at the fencing token of those who come. A [`Client`] takes the lock,
//! reads the number, and writes another: an *update*. Each step is an [`Event`] with its time on a clock that all processes of
//! the host share. Clients are threads of the test or processes of its helper.

mod client;
mod event;
mod resource;
mod wander;

pub use client::{Client, Way};
pub use event::{Event, What};
pub use resource::Resource;
pub use wander::wander;
