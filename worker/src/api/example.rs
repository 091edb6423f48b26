//! Examples: the event type's schema, which the Directory keeps, has them.

use super::{Caller, Request, internal};
use crate::directory;
use serde_json::value::RawValue;
use weir_core::api::call::{Call, Reply};
use weir_core::api::model::example::ExampleIn;
use weir_core::api::route::{AppOp, DirectoryOp};
use weir_core::error::ApiError;

impl Caller {
    /// Sends an example to an endpoint: with the tenant's own example of the event type, where it has one.
    pub(super) async fn send_example(&self, mut request: Request<'_>) -> Result<Reply, ApiError> {
        match self.with_example(std::mem::take(&mut request.body)).await? {
            Ok(body) => self.pass_to_app(AppOp::SendExample, Request { body, ..request }).await,
            Err(reply) => Ok(reply),
        }
    }

    /// The body of send-example with its payload in it, where the tenant has such an event type; or the reply, where it
    /// has no example.
    async fn with_example(&self, body: Vec<u8>) -> Result<Result<Vec<u8>, Reply>, ApiError> {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Whole<'a> {
            event_type: &'a str,
            payload: &'a RawValue,
        }
        let example = ExampleIn::parse(&body)?;
        if example.payload().is_some() {
            return Ok(Ok(body));
        }
        let call = Call {
            params: vec![example.event_type.clone()],
            // What a customer may not see, it gets no example of.
            app_scope: self.claims.app.is_some(),
            feature_flags: self.claims.feature_flags.clone(),
            ..Call::new(DirectoryOp::EventTypeGet)
        };
        let reply = directory::ask(&self.env, &self.claims.org, &call).await.map_err(ApiError::from)?;
        if reply.status == 404 {
            return Ok(Ok(body)); // the endpoint's provider may have such an event
        }
        if reply.status != 200 {
            return Ok(Err(reply));
        }
        let payload = RawValue::from_string(example.from_event_type(&reply.body)?)
            .map_err(|e| internal(e.to_string()))?;
        let whole = Whole { event_type: &example.event_type, payload: &payload };
        Ok(Ok(serde_json::to_vec(&whole).map_err(|e| internal(e.to_string()))?))
    }
}
