//! The smallest plugin: four lines.
#![no_std]
use weir_plugin::prelude::*;
#[plugin]
fn paid_only(event: Event) -> bool {
    event.event_type() == "invoice.paid"
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_plugin::test;

    #[test]
    fn the_cases_become_what_they_say() {
        test::cases(include_str!("../cases.json"), paid_only);
    }
}
