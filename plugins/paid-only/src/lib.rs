//! The smallest plugin: four lines.
#![no_std]
use weir_plugin::prelude::*;
#[plugin]
fn paid_only(event: Event) -> bool {
    event.event_type() == "invoice.paid"
}
