//! The examples that go on running: driven as their users drive them.

mod answers;
mod browser;
mod client;
mod configuration;
mod end;
mod metrics;
mod page;
mod service;
mod updates;
