use weir_plugin::prelude::*;

#[plugin]
async fn filter(event: Event<'_>) -> bool {
    event.attempt() == 1
}

fn main() {}
