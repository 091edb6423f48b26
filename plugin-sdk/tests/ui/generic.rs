use weir_plugin::prelude::*;

#[plugin]
fn filter<T: Into<String>>(body: T) -> bool {
    !body.into().is_empty()
}

fn main() {}
