use weir_plugin::prelude::*;

#[plugin(nam = "filter")]
fn filter(event: Event<'_>) -> bool {
    event.attempt() == 1
}

fn main() {}
