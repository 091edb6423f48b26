use weir_plugin::prelude::*;

struct Filter;

impl Filter {
    #[plugin]
    fn filter(&self, event: Event<'_>) -> bool {
        event.attempt() == 1
    }
}

fn main() {}
