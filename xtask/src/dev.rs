//! `cargo xtask dev`: the gateway on this machine, built and running, with something to try.

use crate::args::{Dev, ORG};
use crate::local::{self, Gateway, Options};
use crate::{build, say, token};
use std::collections::BTreeMap;
use weir_core::settings::{NAMES, Settings};

/// Builds what has changed, starts the gateway and shows how to use it; returns when it has ended.
pub fn run(dev: Dev) -> Result<(), String> {
    let secret = local::jwt_secret(&dev.data)?;
    let mut options = Options::new(&dev.data).var("JWT_SECRET", secret);
    options.vars.extend(dev.vars);
    options.port = dev.port;
    options.verbose = true;
    options.loader = dev.loader;
    check_settings(&options.vars)?;

    local::check_free(&options)?;
    options.worker_dir = Some(build::ensure_built(dev.release)?);
    say("Starting the gateway");
    let mut gateway = Gateway::start(&options)?;
    println!(
        "{}",
        welcome(&gateway.url(), &token::for_org(&dev.data, ORG, token::TTL_MS)?, &dev.data.to_string_lossy())
    );
    // Ctrl-C ends this process, and the watchdog then ends workerd; coming here means that it went by itself.
    Err(format!("{} See its output above. Start it again with `cargo xtask dev`.", gateway.wait_for_end()))
}

/// Refuses wrong settings before anything is built or started.
fn check_settings(vars: &BTreeMap<String, String>) -> Result<(), String> {
    if let Some(name) = vars.keys().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(format!("Unknown setting: `{name}`. The settings are {}.", NAMES.join(", ")));
    }
    let settings = Settings::from_vars(|name| vars.get(name).cloned()).map_err(|error| error.to_string())?;
    if settings.location.jurisdiction.is_some() {
        return Err(
            "Only Cloudflare has jurisdictions. Do not set JURISDICTION for a local gateway.".to_owned()
        );
    }
    Ok(())
}

/// What a new user needs in the first minute.
fn welcome(url: &str, token: &str, data: &str) -> String {
    format!(
        r#"
The gateway is running at {url}. Data is stored in {data}. Press Ctrl-C to stop it.

In a second terminal, start a receiver that prints what it receives:

  node -e 'require("http").createServer((q,r)=>{{console.log(q.method,q.url,q.headers);q.pipe(process.stdout);q.on("end",()=>r.end())}}).listen(9000,"127.0.0.1")'

In a third terminal, create an application with an endpoint and send a message:

  export WEIR_TOKEN={token}
  post() {{ curl -sS "{url}/api/v1/$1" -H "Authorization: Bearer $WEIR_TOKEN" -H 'Content-Type: application/json' -d "$2"; echo; }}
  post 'app?get_if_exists=true' '{{"name": "My first application", "uid": "first"}}'
  post app/first/endpoint '{{"url": "http://127.0.0.1:9000/webhooks"}}'
  post app/first/msg '{{"eventType": "user.created", "payload": {{"name": "Ada"}}}}'

To see the delivery, sign in with the token above at {url}/dashboard
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_is_refused_before_anything_starts() {
        let error = |name: &str, value: &str| {
            let vars = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            check_settings(&vars).err().unwrap_or_default()
        };
        assert_eq!(error("MAX_IN_FLIGHT", "8"), "");
        assert!(error("MAX_IN_FLIGHT", "many").contains("MAX_IN_FLIGHT"));
        assert!(error("JURISDICTION", "mars").contains("eu, us or fedramp"));
        assert!(error("JURISDICTION", "eu").contains("Only Cloudflare"));
        assert_eq!(error("LOCATION_HINT", "weur"), "");
        assert_eq!(error("SECURITY_CONTACT", "mailto:security@example.com"), "");
        assert!(error("MAX_INFLIGHT", "8").starts_with("Unknown setting: `MAX_INFLIGHT`"));
    }
}
