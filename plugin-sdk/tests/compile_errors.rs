//! What the attribute tells who misuses it: `ui/*.rs` with what the compiler says of each.
//!
//! Only what the attribute itself says is pinned: texts of the compiler change with its version. After a change on purpose:
//! `TRYBUILD=overwrite cargo test -p weir-plugin --test compile_errors`.

#[test]
fn mistakes_are_told_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
