//! Mailabl: an array of objects that name a resource; the type stays.

use crate::Common;
use weir_plugin::prelude::*;
use weir_plugins_common::time;

pub(crate) fn shape(common: &Common<'_>) -> Option<Patch> {
    let (resource, _) = common.kind.split_once('.')?;
    let id = common.data.get(&format!("{resource}_id")).or_else(|| common.data.get("id"))?;
    let object = Value::object().with("id", id.clone()).with("type", resource);
    let event = Value::object()
        .with("id", common.id)
        .with("type", common.kind)
        .with("data", Value::object().with("object", object))
        .with("occurredAt", time::format(common.time, 6));
    Some(Patch::new().json(&Value::Array(vec![event])))
}
