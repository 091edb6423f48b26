//! The endpoints to which a tenant's operational events go: those of its operational application.

use super::{Caller, call_app, internal};
use crate::js::Repeat;
use weir_core::api::call::{Reply, from_bytes, to_bytes};
use weir_core::api::route::{Op, Route};
use weir_core::error::ApiError;
use weir_core::frame::{self, AppInit};
use weir_core::operational::APP_ID;

impl Caller {
    /// Answers an operation on operational endpoints. The first that writes makes the application: until then the
    /// tenant has none, and its events go nowhere.
    pub(super) async fn operational(
        &self,
        route: Route,
        query: &str,
        body: Vec<u8>,
    ) -> Result<Reply, ApiError> {
        let Some(op) = route.op.of_operational() else {
            return Err(internal(format!("the operational application does not answer {}", route.op.name())));
        };
        let name = self.app_name(APP_ID);
        let repeat = op.may_repeat().into();
        let call = to_bytes(&self.call(op, route, query, body));
        let reply: Reply = from_bytes(&call_app(&self.env, &name, "api", &call, repeat).await?)?;
        if reply.status != 0 {
            return Ok(reply);
        }
        match op {
            Op::EndpointList => Ok(Reply::raw_json(
                200,
                r#"{"data":[],"iterator":null,"prevIterator":null,"done":true}"#.to_owned(),
            )),
            Op::EndpointCreate | Op::EndpointUpdate => {
                let init = AppInit {
                    org: self.claims.org.clone(),
                    app_id: APP_ID.to_owned(),
                    uid: None,
                    version: 1,
                    deleted: false,
                    rate: None,
                    send_as: None,
                };
                call_app(&self.env, &name, "init", &frame::encode(&init), Repeat::Safe).await?;
                from_bytes(&call_app(&self.env, &name, "api", &call, repeat).await?)
            }
            _ => Err(ApiError::not_found("Endpoint")),
        }
    }
}
