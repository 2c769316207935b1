//! The modules of `../attribute`, compiled with the rules of edition 2021. The crate
//! has its own name for `lockutils`, which those modules do not know.

#![deny(warnings, unused, unreachable_code, dead_code, clippy::all, clippy::pedantic)]

extern crate nl as lockutils;

#[path = "../attribute/exotic.rs"]
mod exotic;
#[path = "../attribute/failures.rs"]
mod failures;
#[path = "../attribute/functions.rs"]
mod functions;
#[path = "../attribute/futures.rs"]
mod futures;
#[path = "../attribute/hygiene.rs"]
mod hygiene;
#[path = "../attribute/methods.rs"]
mod methods;
#[path = "../attribute/names.rs"]
mod names;
#[path = "../attribute/neighbours.rs"]
mod neighbours;
#[path = "../attribute/options.rs"]
mod options;
#[path = "../attribute/order.rs"]
mod order;
#[path = "../attribute/strict.rs"]
mod strict;
#[path = "../attribute/support.rs"]
mod support;
#[path = "../attribute/traits.rs"]
mod traits;
