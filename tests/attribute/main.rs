//! `#[synchronized]` in every place where a function can stand. Each use asks, inside its body,
//! whether the lock is held, and no use may cause a warning.
//!
//! `edition2021` compiles the same modules with the rules of that edition.

#![deny(warnings, unused, unreachable_code, dead_code, clippy::all, clippy::pedantic)]

mod cases;
mod exotic;
mod failures;
mod functions;
mod futures;
mod hygiene;
mod methods;
mod names;
mod neighbours;
mod options;
mod order;
mod strict;
mod support;
mod traits;
mod ui;
