use weir_plugin::prelude::*;

#[plugin(config = "{type: object}")]
fn filter(event: Event<'_>) -> bool {
    event.attempt() == 1
}

fn main() {}
