//! Everything in Weir that touches the platform: the Worker's entry, the Durable Objects' shells, storage,
//! requests. What is decided is decided in `weir-core`.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod api;
mod dashboard;
mod directory;
mod engine;
mod front;
mod ingest;
mod js;
mod live;
mod object;
mod settings;
mod sql;

/// For the test that shows what a panic does, where it is switched on: stops the instance.
fn panic_on_purpose() -> ! {
    #[allow(clippy::panic)] // its purpose
    {
        panic!("on purpose");
    }
}
