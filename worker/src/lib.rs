//! Everything in Weir that touches the platform: the Worker's entry, the Durable Objects' shells, storage,
//! requests. What is decided is decided in `weir-core`.

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
#[cfg(feature = "test-hooks")]
mod test_hooks;
