//! The deployment's settings, read from the Worker's variables once per isolate.

use crate::js;
use js_sys::Reflect;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use weir_core::deployment::Deployment;
use weir_core::settings::Settings;
use weir_core::unicode;

thread_local! {
    /// A deployment's variables never change under an isolate: a new deployment starts new ones.
    static DEPLOYMENT: RefCell<Option<Rc<Deployment>>> = const { RefCell::new(None) };
}

/// A variable or secret of the deployment.
fn var(env: &JsValue, name: &str) -> Option<String> {
    Reflect::get(env, &JsValue::from_str(name)).ok().and_then(|value| value.as_string())
}

/// Whether a variable says `1`; for what only tests switch on.
pub(crate) fn flag(env: &JsValue, name: &str) -> bool {
    var(env, name).as_deref() == Some("1")
}

/// The settings; the error is a sentence for the operator.
pub(crate) fn of(env: &JsValue) -> Result<Rc<Deployment>, String> {
    DEPLOYMENT.with_borrow_mut(|known| {
        if let Some(deployment) = known {
            return Ok(deployment.clone());
        }
        let settings = Settings::from_vars(|name| var(env, name)).map_err(|e| e.to_string())?;
        let mut deployment = Deployment::new(settings);
        deployment.policy.spell = Some(js::spelled);
        unicode::install(js::nfkd);
        js::locate(&deployment.location);
        Ok(known.insert(Rc::new(deployment)).clone())
    })
}
