//! Everything that decides in Weir.
//!
//! This crate is pure: no I/O, no clock, no randomness. Time is an argument (milliseconds since the
//! Unix epoch), randomness comes through [`rng::Entropy`], storage through [`sql::Sql`], and whatever
//! has to happen in the world is returned as an effect. The same code runs inside a Cloudflare Worker
//! (wasm32), in unit tests and in the simulator (native, rusqlite).

// `api::route` has a macro that takes the operations one by one.
#![recursion_limit = "256"]

pub mod api;
pub mod app;
pub mod budget;
pub mod cache;
pub mod commit;
pub mod delivery;
pub mod deployment;
pub mod directory;
pub mod encoding;
pub mod endpoint;
pub mod error;
pub mod filter;
pub mod frame;
pub mod header;
pub mod id;
pub mod idempotency;
#[cfg(test)]
mod limits;
pub mod operational;
pub mod pace;
mod pasted;
pub mod platform;
pub mod plugin;
pub mod preset;
pub mod query;
pub mod rate;
pub mod redact;
pub mod retry;
pub mod rng;
pub mod scheme;
pub mod secret;
pub mod send_as;
pub mod settings;
pub mod signature;
pub mod source;
pub mod spread;
pub mod sql;
pub mod target;
pub mod text;
pub mod time;
pub mod token;
pub mod unicode;
pub mod vault;
pub mod wire;
