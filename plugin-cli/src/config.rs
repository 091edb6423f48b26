//! A plugin's configuration and its schema, judged as the gateway judges them when they are saved.

use serde_json::Value;
use weir_plugin_host::manifest::Manifest;
use weir_plugin_schema::{Schema, SchemaFault};

/// The schema in a manifest, if it has one; or what the gateway does not understand of it.
pub(crate) fn schema(manifest: Option<&Manifest>) -> Result<Option<Schema>, String> {
    let schema = manifest.and_then(|manifest| manifest.config_schema.clone());
    schema
        .map(|schema| Schema::new(Value::Object(schema)))
        .transpose()
        .map_err(|fault| told("configSchema", &fault))
}

/// Whether the gateway would accept this configuration; no configuration means an empty object.
pub(crate) fn check(schema: Option<&Schema>, config: &str) -> Result<(), String> {
    let text = if config.is_empty() { "{}" } else { config };
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("The configuration is not JSON: {error}."))?;
    let faults = schema.map(|schema| schema.check(&value)).unwrap_or_default();
    let told: Vec<String> = faults.iter().map(|fault| told("config", fault)).collect();
    if told.is_empty() {
        return Ok(());
    }
    Err(format!("The gateway would refuse this configuration. {}", told.join(" ")))
}

/// Where it is wrong, and what to do.
fn told(of: &str, fault: &SchemaFault) -> String {
    let place = fault.path.iter().fold(of.to_owned(), |place, name| format!("{place}.{name}"));
    format!("{place}: {}", fault.msg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(schema: &Value) -> Manifest {
        let manifest = json!({ "abi": 1, "name": "a", "version": "1", "configSchema": schema });
        Manifest::read(manifest.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_configuration_is_judged_by_the_schema_and_none_is_an_empty_one() {
        let needs_n = json!({ "required": ["n"], "properties": { "n": { "type": "integer" } } });
        let needs_n = schema(Some(&manifest(&needs_n))).unwrap();
        assert_eq!(check(needs_n.as_ref(), r#"{"n": 1}"#), Ok(()));
        for config in ["", "{}", r#"{"n": "1"}"#] {
            let error = check(needs_n.as_ref(), config).unwrap_err();
            assert!(error.starts_with("The gateway would refuse this configuration. config.n: "), "{error}");
        }
        assert!(check(None, "{").unwrap_err().starts_with("The configuration is not JSON: "));
        assert_eq!((check(None, ""), schema(None)), (Ok(()), Ok(None)));
    }

    #[test]
    fn a_schema_that_the_gateway_would_not_take_is_told_with_its_place() {
        let error =
            schema(Some(&manifest(&json!({ "properties": { "a": { "pattern": "x" } } })))).unwrap_err();
        assert_eq!(error.split(": ").next(), Some("configSchema.properties.a.pattern"), "{error}");
    }
}
