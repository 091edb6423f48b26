use weir_plugin::prelude::*;

#[plugin]
fn filter(body: impl Into<String>) -> bool {
    !body.into().is_empty()
}

fn main() {}
