//! The deployment's settings, read from the Worker's variables once per isolate.

use crate::js;
use js_sys::Reflect;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use weir_core::deployment::Deployment;
use weir_core::settings::Settings;
use weir_core::unicode;
use worker::console_error;

thread_local! {
    /// A deployment's variables never change under an isolate: a new deployment starts new ones.
    static DEPLOYMENT: RefCell<Option<Rc<Deployment>>> = const { RefCell::new(None) };
}

/// A variable or secret of the deployment.
fn var(env: &JsValue, name: &str) -> Option<String> {
    Reflect::get(env, &JsValue::from_str(name)).ok().and_then(|value| value.as_string())
}

/// The settings, all of them right; the error is a sentence for the operator.
pub(crate) fn right(env: &JsValue) -> Result<Rc<Deployment>, String> {
    let deployment = of(env)?;
    match deployment.problems.first() {
        None => Ok(deployment),
        Some(problem) => Err(problem.clone()),
    }
}

/// The settings by which events are accepted and delivered. An invalid one is logged and counts as not set, so that events
/// are still accepted. Two are exceptions: an invalid `JURISDICTION` or `LOCATION_HINT` is an error, since an object that was
/// created in the wrong place stays there.
pub(crate) fn of(env: &JsValue) -> Result<Rc<Deployment>, String> {
    DEPLOYMENT.with_borrow_mut(|known| {
        if let Some(deployment) = known {
            return Ok(deployment.clone());
        }
        let (settings, wrong) = Settings::from_vars_leniently(|name| var(env, name));
        // Where data is stored is not guessed: an object cannot be moved later.
        let places = |setting: &str| matches!(setting, "JURISDICTION" | "LOCATION_HINT");
        if let Some(error) = wrong.iter().find(|error| places(error.setting)) {
            return Err(error.to_string());
        }
        let mut deployment = Deployment::new(settings);
        deployment.problems = wrong.iter().map(ToString::to_string).collect();
        for problem in &deployment.problems {
            console_error!("{problem} It counts as not set until it is fixed.");
        }
        deployment.policy.spell = Some(js::spelled);
        unicode::install(js::nfkd);
        js::locate(&deployment.location);
        Ok(known.insert(Rc::new(deployment)).clone())
    })
}
