//! Templates. They render data and make no decisions.

mod app;
mod attempt;
mod catalog;
mod chart;
pub(crate) mod config;
mod endpoint;
mod find;
mod form;
mod json;
mod keys;
mod layout;
pub(crate) mod live;
mod message;
mod messages;
mod overview;
mod parts;
mod plugin;
mod settings;
mod source;
mod state;
mod task;
mod verify;

pub(crate) use app::{AppView, app, apps};
pub(crate) use attempt::{attempt, attempt_page, curl};
pub(crate) use catalog::{event_type, event_types};
pub(crate) use chart::{is_compared, period};
pub(crate) use endpoint::{EndpointView, Tab, counted, endpoint, secret, secret_of};
pub(crate) use find::{Hit, found, hits};
pub(crate) use form::hidden;
pub(crate) use keys::{with_problem, with_revoked};
pub(crate) use layout::{Place, done, fault, login, login_again, page, refused, refused_here};
pub(crate) use message::{MessageView, message};
pub(crate) use messages::{MessagesView, messages};
pub(crate) use overview::{LISTED, OverviewView, overview, troubles};
pub(crate) use plugin::{PluginView, plugin, plugins, tested};
pub(crate) use settings::{portal, settings};
pub(crate) use source::{Checked, SourceView, checked, is_good, new_source, rejected, source, sources};
pub(crate) use state::name_of;
pub(crate) use task::{task, tasks};

use serde_json::Value;

/// Indented JSON for editing.
pub(crate) fn pretty(payload: &Value) -> String {
    serde_json::to_string_pretty(payload).unwrap_or_default()
}
