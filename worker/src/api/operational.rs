//! The endpoints to which a tenant's operational events go: those of its operational application.

use super::{Caller, Request};
use crate::js::Repeat;
use weir_core::api::call::Reply;
use weir_core::api::route::OperationalOp;
use weir_core::error::ApiError;
use weir_core::frame::AppInit;
use weir_core::operational::APP_ID;
use weir_core::wire::app::{Api, Init};

impl Caller {
    /// Answers an operation on operational endpoints. The first that writes makes the application: until then the
    /// tenant has none, and its events go nowhere.
    pub(super) async fn operational(
        &self,
        op: OperationalOp,
        request: Request<'_>,
    ) -> Result<Reply, ApiError> {
        let call = self.call(op.app_op(), request);
        let repeat = call.op.op().may_repeat().into();
        let reply = self.call_app::<Api>(APP_ID, &call, repeat).await?;
        if reply.status != 0 {
            return Ok(reply);
        }
        match op {
            OperationalOp::OperationalList => Ok(Reply::raw_json(
                200,
                r#"{"data":[],"iterator":null,"prevIterator":null,"done":true}"#.to_owned(),
            )),
            OperationalOp::OperationalCreate | OperationalOp::OperationalUpdate => {
                let init = AppInit {
                    org: self.claims.org.clone(),
                    app_id: APP_ID.to_owned(),
                    uid: None,
                    version: 1,
                    deleted: false,
                    rate: None,
                    send_as: None,
                };
                self.call_app::<Init>(APP_ID, &init, Repeat::Safe).await?;
                self.call_app::<Api>(APP_ID, &call, repeat).await
            }
            OperationalOp::OperationalGet
            | OperationalOp::OperationalDelete
            | OperationalOp::OperationalSecretGet
            | OperationalOp::OperationalSecretRotate
            | OperationalOp::OperationalHeadersGet
            | OperationalOp::OperationalHeadersPut
            | OperationalOp::OperationalHeadersPatch => Err(ApiError::not_found("Endpoint")),
        }
    }
}
