//! Checks the settings in `wrangler.toml` when the Worker is built, so that an invalid one is never deployed.

use crate::{failed, root};
use std::collections::BTreeMap;
use std::fs;
use weir_core::settings::{NAMES, Settings};

/// Checks the `[vars]` of `wrangler.toml`, and those of its environments, which inherit none.
pub fn check() -> Result<(), String> {
    let path = root().join("wrangler.toml");
    let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    check_text(&text)
}

fn check_text(text: &str) -> Result<(), String> {
    let table: toml::Table = text.parse().map_err(|error| format!("wrangler.toml: {error}"))?;
    let own = [("vars".to_owned(), table.get("vars"))];
    let environments = table.get("env").and_then(toml::Value::as_table).into_iter().flatten();
    let environments = environments.map(|(name, env)| (format!("env.{name}.vars"), env.get("vars")));
    for (section, vars) in own.into_iter().chain(environments) {
        let vars = vars.and_then(toml::Value::as_table);
        vars.map_or(Ok(()), check_vars).map_err(|error| format!("wrangler.toml, [{section}]: {error}"))?;
    }
    Ok(())
}

fn check_vars(vars: &toml::Table) -> Result<(), String> {
    let mut texts = BTreeMap::new();
    for (name, value) in vars {
        if !NAMES.contains(&name.as_str()) {
            return Err(format!("Unknown setting: {name}. The settings are {}.", NAMES.join(", ")));
        }
        // The Worker reads only strings.
        let Some(text) = value.as_str() else {
            return Err(format!("{name} must be a string. Write {name} = \"{value}\"."));
        };
        texts.insert(name.as_str(), text.to_owned());
    }
    Settings::from_vars(|name| texts.get(name).cloned()).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_this_repository_are_valid() {
        assert_eq!(check(), Ok(()));
    }

    #[test]
    fn an_invalid_setting_is_reported_with_its_section() {
        for (text, says) in [
            ("[vars]\nPORTAL_COLOR = \"yellow\"", "[vars]: The setting PORTAL_COLOR"),
            ("[vars]\nHTTPS_ONLY = true", "[vars]: HTTPS_ONLY must be a string. Write HTTPS_ONLY = \"true\""),
            ("[vars]\nRETENTION_DAYS = 7", "RETENTION_DAYS = \"7\""),
            ("[vars]\nPORTAL_COLOUR = \"#fff\"", "Unknown setting: PORTAL_COLOUR"),
            ("[env.staging.vars]\nJURISDICTION = \"mars\"", "[env.staging.vars]: The setting JURISDICTION"),
            ("[vars]\nA = ", "wrangler.toml: "),
        ] {
            let error = check_text(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
        assert_eq!(check_text("[vars]\nPORTAL_COLOR = \"#0b5cad\"\n[env.a]\nname = \"b\""), Ok(()));
    }
}
