use weir_plugin::prelude::*;

#[plugin(name = "My Filter")]
fn filter(event: Event<'_>) -> bool {
    event.attempt() == 1
}

fn main() {}
