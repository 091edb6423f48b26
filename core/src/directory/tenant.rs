//! Settings of the tenant: the preset that new applications get.
//!
//! An application that exists keeps what it has, so that a change never alters how events are signed that its customers
//! already verify.

use super::Directory;
use crate::api::call::{Call, Reply};
use crate::api::model::application::{TenantOut, TenantPatch};
use crate::api::route::DirectoryOp;
use crate::error::ApiError;
use crate::frame;
use crate::send_as::SendAs;
use crate::sql::{Sql, SqlError, Value};

impl<S: Sql> Directory<S> {
    /// The preset of new applications.
    pub(super) fn default_send_as(&self) -> Result<Option<SendAs>, SqlError> {
        if !self.ready {
            return Ok(None);
        }
        let rows = self.sql.query("SELECT send_as FROM tenant", &[])?;
        let stored = rows.into_iter().next().map_or(Ok(None), |mut row| row.opt_blob(0))?;
        stored.map(|bytes| frame::decode(&bytes).map_err(SqlError)).transpose()
    }

    pub(super) fn get_tenant(&self) -> Result<Reply, ApiError> {
        Ok(Reply::json(200, &TenantOut::from(self.default_send_as()?)))
    }

    pub(super) fn patch_tenant(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let patch = TenantPatch::parse(&call.body)?;
        let mut send_as = self.default_send_as()?;
        patch.apply(&mut send_as)?;
        self.prepare(now)?;
        let stored = send_as.as_ref().map(frame::encode);
        self.sql.exec(
            "INSERT INTO tenant (id, send_as) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET send_as = excluded.send_as",
            &[Value::opt_blob(stored.as_ref())],
        )?;
        Ok(Reply::json(200, &TenantOut::from(send_as)))
    }
}
