//! Shared parts of the tests.
//!
//! - [`gateway`] starts the built worker on a real workerd, with data of its own.
//! - [`browser`] is a browser without a screen, for the dashboard.
//! - [`chromium`] is one with a screen, and nobody before it.
//! - [`client`] calls the API as a customer does; [`token`] mints what it authenticates with.
//! - [`raw`] is one that answers with any bytes.
//! - [`receiver`] is the other end: an HTTP server that records every request and misbehaves on demand.
//! - [`faults`] is a gateway whose platform fails on demand.
//! - [`source`] is a URL at which a provider sends.
//! - [`sdk`] runs other people's client libraries.
//! - [`sim`] runs the objects' logic in virtual time, with faults at every step.
//! - [`verify`] checks signatures without any of Weir's own code.
//! - [`production`] talks to the emulator of production that the gateway runs in.
//! - [`process`] tells what a process costs.
//! - [`json`] builds payloads as text and compares them as bytes.
//! - [`load`] sends messages on many connections at once.
//! - [`bill`] counts and prices what a delivery costs on Cloudflare; [`pins`] is what it may cost.
//! - [`engines`] measures what plugins cost in a gateway.

// What fails here fails a test: panicking with a sentence is the point.
#![allow(clippy::missing_panics_doc)]

pub mod bill;
pub mod browser;
pub mod chromium;
pub mod client;
pub mod engines;
pub mod faults;
pub mod gateway;
pub mod json;
pub mod load;
pub mod pins;
pub mod process;
pub mod production;
pub mod raw;
pub mod receiver;
pub mod sdk;
pub mod sim;
pub mod source;
pub mod token;
pub mod verify;
