use weir_plugin::prelude::*;

#[plugin(version = 1.0)]
fn filter(event: Event<'_>) -> bool {
    event.attempt() == 1
}

fn main() {}
