//! The host's side of Weir's plugins.
//!
//! A plugin is a core WebAssembly module without imports that speaks the ABI in `abi-v1.md`. It comes in through
//! [`admission`], which judges and explains; it is rewritten once by [`meter`], so that it counts its own fuel, the same on
//! every engine; and it runs through [`run`], one driver for all engines. [`frame`] holds what goes in and comes out,
//! [`manifest`] what a plugin says about itself.
//!
//! ```
//! use weir_plugin_host::admission::{ModuleLimits, admit};
//!
//! let refused = admit(b"not wasm", &ModuleLimits::default()).unwrap_err();
//! assert_eq!(refused.code(), "malformed");
//! ```
//!
//! The engines are features: `wasmi` runs everywhere, inside of a Worker too; `wasmtime` is for native hosts.
//! V8 runs them through JavaScript, in one call, which [`transcript`] judges. Another engine only implements
//! [`run::Instance`].

pub mod admission;
mod calls;
mod cost;
mod encode;
mod flow;
pub mod frame;
mod limits;
pub mod manifest;
pub mod meter;
mod module;
pub mod names;
mod origin;
mod refusal;
pub mod run;
pub mod transcript;

#[cfg(feature = "wasmi")]
pub mod wasmi;
#[cfg(all(feature = "wasmtime", not(target_arch = "wasm32")))]
pub mod wasmtime;

pub use refusal::Refusal;
