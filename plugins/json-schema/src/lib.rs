//! Delivers only events whose body matches a JSON Schema.
//!
//! Configuration: `{"schema": {"type": "object", "required": ["id"]}}`. Other events are dropped, with a reason that
//! says what does not match and where: `body.items[0].price: must be at least 1`. With `"onInvalid": "fail"` it is
//! an error instead, so that the endpoint's failure policy decides.
//!
//! # What is understood
//!
//! Draft 2020-12: `type`, `enum`, `const`, `multipleOf`, `maximum`, `exclusiveMaximum`, `minimum`, `exclusiveMinimum`, `maxLength`,
//! `minLength`, `pattern`, `prefixItems`, `items`, `contains`, `maxContains`, `minContains`, `maxItems`, `minItems`, `uniqueItems`, `properties`,
//! `patternProperties`, `additionalProperties`, `propertyNames`, `required`, `dependentRequired`, `dependentSchemas`, `maxProperties`, `minProperties`, `allOf`,
//! `anyOf`, `oneOf`, `not`, `if`, `then`, `else`, and `$ref` within the schema (`#`, `#/$defs/…`).
//!
//! Numbers are compared as decimals, exactly. `format` says nothing, as in the draft's default. What would demand something and is not
//! understood (`unevaluated…`, `$dynamicRef`, references elsewhere) is an error, never passed over. So is a pattern with what takes
//! more than linear time (look-around, references back) or `\p{…}`; `\d`, `\w` and `\s` are those of ASCII, as in JavaScript.
#![no_std]

mod check;
mod decimal;

use check::Checker;
use weir_plugin::prelude::*;
use weir_plugins_common::{required, text_of};

/// The plugin.
#[plugin(config = "config.schema.json")]
fn json_schema(event: Event<'_>) -> Result<Verdict> {
    let config = event.config()?;
    let schema = required(&config, "schema")?;
    let fails = match text_of(&config, "onInvalid")?.as_deref() {
        None | Some("drop") => false,
        Some("fail") => true,
        Some(other) => {
            return Err(Error::new(format!("configuration: `onInvalid` is drop or fail, not `{other}`")));
        }
    };
    check::understood(schema).map_err(|error| error.context("configuration"))?;
    // A body that is no JSON fits no schema.
    let misfit = match event.json() {
        Ok(body) => Checker::new(schema).check(&body)?,
        // It may fit: dropping it would lose an event.
        Err(error) if error.text().contains("nested too deep") => return Err(error),
        Err(error) => Some(error.text().to_owned()),
    };
    Ok(match misfit {
        None => Verdict::Deliver,
        Some(misfit) if fails => Verdict::Fail(Error::new(misfit)),
        Some(misfit) => Verdict::drop(misfit),
    })
}

#[cfg(test)]
mod tests;
