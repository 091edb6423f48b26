use weir_plugin::prelude::*;

#[plugin]
struct Filter;

fn main() {}
