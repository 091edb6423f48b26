use weir_plugin::prelude::*;

#[plugin(events = ["invoice.*.paid"])]
fn filter(event: Event<'_>) -> bool {
    event.attempt() == 1
}

fn main() {}
