//! What the object promises, one test each.
