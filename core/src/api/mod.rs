//! The surface of the API: what comes in is read here, what goes out is written here.
//!
//! A request is found in the table of [`route`], let in by [`admission`], travels to its object as a [`call::Call`], is read with
//! [`query`](crate::query) and [`body`] into the types of [`model`], and comes back as a [`call::Reply`]. Nothing here
//! touches storage.
//!
//! Where Svix's own server answers 400 for input that cannot be read (a body that is no JSON, `limit=ten`),
//! this API answers 422 with the place, like for every other fault of the input: a caller finds all of them
//! in one shape.

pub mod admission;
pub mod body;
pub mod call;
#[cfg(test)]
pub(crate) mod doc;
pub mod model;
pub mod page;
pub mod route;
pub mod tree;
pub mod yaml;
