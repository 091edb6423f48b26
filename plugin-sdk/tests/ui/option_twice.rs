use weir_plugin::prelude::*;

#[plugin(name = "a", name = "b")]
fn filter(event: Event<'_>) -> bool {
    event.attempt() == 1
}

fn main() {}
