//! Sources: what a tenant has of them. What they mean is for [`crate::source`] and the Worker, which seals their secrets;
//! here they are kept, each with the App object that has its endpoints and messages.
//!
//! That object's life is an application's, and is kept with theirs, under the source's id: no list of applications has it,
//! and no path of theirs names it.

use super::{Answer, Directory, param};
use crate::api::call::{Call, Reply};
use crate::api::page::{Keys, Order, Page, Rows};
use crate::api::route::DirectoryOp;
use crate::error::{ApiError, Code};
use crate::frame;
use crate::id;
use crate::query::Query;
use crate::rng::Entropy;
use crate::source::{SourceRecord, SourceRow};
use crate::sql::{Row, Sql, SqlError, Value};
use minicbor::{Decode, Encode};

const FIND: &str = "SELECT id, record FROM source WHERE id = ?1 OR uid = ?1";
const ASCENDING: &str = "SELECT id, record FROM source WHERE id > ?1 ORDER BY id LIMIT ?2";
const DESCENDING: &str = "SELECT id, record FROM source WHERE id < ?1 ORDER BY id DESC LIMIT ?2";

/// The sources of a page.
#[derive(Debug, Clone, Encode, Decode)]
pub struct SourceRows {
    /// In the order of the page, one more than it has where there are more.
    #[n(0)]
    pub rows: Vec<SourceRow>,
    /// The last of them, where they were ended early.
    #[n(1)]
    pub stopped: Option<String>,
}

impl From<SourceRows> for Rows<SourceRow> {
    fn from(told: SourceRows) -> Self {
        Self { rows: told.rows, stopped: told.stopped }
    }
}

/// The sources of an answer end after so many bytes of records, which are read so many at a time.
const MAX_BYTES: usize = 2 << 20;
const STEP: i64 = 16;

/// The page of a list of sources that a query asks for.
pub fn source_page(query: &Query) -> Result<Page, ApiError> {
    Page::from_query(query, Keys::Id(id::SOURCE), Order::Ascending)
}

fn read(mut row: Row) -> Result<SourceRow, SqlError> {
    Ok(SourceRow { id: row.text(0)?, record: frame::decode(&row.blob(1)?).map_err(SqlError)? })
}

impl<S: Sql> Directory<S> {
    fn find_source(&self, key: &str) -> Result<Option<SourceRow>, SqlError> {
        if !self.ready {
            return Ok(None);
        }
        self.sql.query(FIND, &[Value::Text(key)])?.into_iter().next().map(read).transpose()
    }

    fn source(&self, key: &str) -> Result<SourceRow, ApiError> {
        self.find_source(key)?.ok_or_else(|| ApiError::not_found("Source"))
    }

    /// Refuses a uid that another source has.
    fn check_source_uid(&self, uid: Option<&str>, but_for: Option<&str>) -> Result<(), ApiError> {
        let Some(uid) = uid else { return Ok(()) };
        match self.find_source(uid)? {
            Some(other) if Some(other.id.as_str()) != but_for => {
                Err(ApiError::conflict(format!("Another source has the uid {uid}. Choose another uid.")))
            }
            _ => Ok(()),
        }
    }

    /// The rows of a page ([`source_page`]), one more than asked for where there are more: [`SourceRows`]. They end early where
    /// they are large, so that an answer is never more than the platform takes.
    pub(super) fn list_sources(&self, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let page = source_page(&call.query)?;
        let sql = if page.reads_ascending() { ASCENDING } else { DESCENDING };
        let mut told = SourceRows { rows: Vec::new(), stopped: None };
        let (mut at, mut missing, mut bytes) = (page.from().to_owned(), page.probe(), 0usize);
        while self.ready && missing > 0 && told.stopped.is_none() {
            let step = missing.min(STEP);
            let rows = self.sql.query(sql, &[Value::Text(&at), Value::Int(step)])?;
            let is_end = i64::try_from(rows.len()).is_ok_and(|count| count < step);
            for mut row in rows {
                let record = row.blob(1)?;
                bytes = bytes.saturating_add(record.len());
                at = row.text(0)?;
                told.rows.push(SourceRow {
                    id: at.clone(),
                    record: frame::decode(&record).map_err(ApiError::Internal)?,
                });
                if bytes >= MAX_BYTES {
                    told.stopped = Some(at.clone());
                    break;
                }
            }
            missing = if is_end { 0 } else { missing.saturating_sub(step) };
        }
        Ok(Reply::frame(200, &told))
    }

    /// A source by its id or uid; tells its App object again of its existence if that is not known to have arrived.
    pub(super) fn get_source(&self, call: &Call<DirectoryOp>) -> Result<Answer, ApiError> {
        let row = self.source(param(call)?)?;
        let effects = self.find_app(&row.id)?.map(|app| app.unacknowledged()).unwrap_or_default();
        Ok(Answer { reply: Reply::frame(200, &row), effects })
    }

    /// Stores a new source: the body is its record.
    pub(super) fn create_source(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<DirectoryOp>,
    ) -> Result<Answer, ApiError> {
        let mut record: SourceRecord = frame::decode(&call.body).map_err(ApiError::Internal)?;
        self.check_source_uid(record.uid.as_deref(), None)?;
        self.prepare(now)?;
        record.created_at = now;
        record.updated_at = now;
        record.version = 1;
        // Whoever seals its secrets, and makes its URL, has to know its id before.
        let chosen = call.params.first().filter(|id| id::is(id::SOURCE, id)).cloned();
        let id = chosen.unwrap_or_else(|| id::new(id::SOURCE, now, rng));
        if self.find_source(&id)?.is_some() {
            return Err(ApiError::conflict("A source with this id already exists."));
        }
        let row = SourceRow { id, record };
        self.write_source(&row)?;
        let effects = self.insert_hidden_app(now, &row.id)?;
        Ok(Answer { reply: Reply::frame(201, &row), effects })
    }

    /// Stores a changed source: the body is its record, with the version that was read. Refused with 409 if it was
    /// changed since: the caller reads it again.
    pub(super) fn update_source(&mut self, now: i64, call: &Call<DirectoryOp>) -> Result<Reply, ApiError> {
        let mut record: SourceRecord = frame::decode(&call.body).map_err(ApiError::Internal)?;
        let known = self.source(param(call)?)?;
        if known.record.version != record.version {
            return Err(ApiError::new(
                Code::ConcurrentUpdate,
                "The source was changed at the same time. Send the request again.",
            ));
        }
        self.check_source_uid(record.uid.as_deref(), Some(&known.id))?;
        record.updated_at = now;
        record.version = record.version.wrapping_add(1);
        let row = SourceRow { id: known.id, record };
        self.overwrite(&row.id)?;
        self.write_source(&row)?;
        Ok(Reply::frame(200, &row))
    }

    /// Deletes a source and its App object; its uid can be used again at once.
    pub(super) fn delete_source(
        &mut self,
        now: i64,
        rng: &mut impl Entropy,
        call: &Call<DirectoryOp>,
    ) -> Result<Answer, ApiError> {
        let row = self.source(param(call)?)?;
        self.overwrite(&row.id)?;
        self.sql.exec("DELETE FROM source WHERE id = ?1", &[Value::Text(&row.id)])?;
        let effects = self.bury_app(now, rng, &row.id)?;
        Ok(Answer { reply: Reply::empty(204), effects })
    }

    /// What is only deleted, or replaced by what is longer or shorter, stays in the file until its place is needed. A row of
    /// the same size is written in the same place.
    fn overwrite(&self, id: &str) -> Result<(), SqlError> {
        self.sql.exec("UPDATE source SET record = zeroblob(length(record)) WHERE id = ?1", &[Value::Text(id)])
    }

    fn write_source(&self, row: &SourceRow) -> Result<(), SqlError> {
        self.sql.exec(
            "INSERT INTO source (id, uid, record) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET uid = excluded.uid, record = excluded.record",
            &[
                Value::Text(&row.id),
                Value::opt_text(row.record.uid.as_deref()),
                Value::Blob(&frame::encode(&row.record)),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::Op;
    use crate::directory::Effect;
    use crate::rng::Seeded;
    use crate::sql::memory::Memory;
    use proptest::prelude::*;

    const NOW: i64 = 1_795_000_000_000;

    struct Tenant(Directory<Memory>, Seeded);

    impl Tenant {
        fn new() -> Self {
            Self(Directory::open(Memory::new(), NOW).expect("opens"), Seeded(1))
        }

        fn call(&mut self, op: Op, params: &[&str], query: &str, body: Vec<u8>) -> super::super::Outcome {
            self.0.handle(NOW, &mut self.1, &Call::of(op, params, query, body))
        }

        fn create(&mut self, uid: Option<&str>) -> (u16, Option<SourceRow>) {
            let record =
                SourceRecord { name: "s".into(), uid: uid.map(str::to_owned), ..SourceRecord::default() };
            let outcome = self.call(Op::SourceCreate, &[], "", frame::encode(&record));
            (outcome.reply.status, frame::decode(&outcome.reply.body).ok())
        }

        fn get(&mut self, key: &str) -> Option<SourceRow> {
            let outcome = self.call(Op::SourceGet, &[key], "", Vec::new());
            (outcome.reply.status == 200).then(|| frame::decode(&outcome.reply.body).expect("a row"))
        }
    }

    #[test]
    fn a_source_is_found_by_id_and_uid_and_its_app_is_told_until_it_knows() {
        let mut tenant = Tenant::new();
        assert_eq!(tenant.get("nobody"), None, "and no table was made for the question");
        let (status, row) = tenant.create(Some("mine"));
        let row = row.expect("a row");
        assert_eq!(status, 201);
        assert!(id::is(id::SOURCE, &row.id));
        assert_eq!(tenant.get(&row.id), Some(row.clone()));
        let outcome = tenant.call(Op::SourceGet, &["mine"], "", Vec::new());
        let init =
            Effect::InitApp { app_id: row.id.clone(), uid: None, version: 1, rate: None, send_as: None };
        assert_eq!(outcome.before_reply, std::slice::from_ref(&init));
        tenant.0.done(NOW, &init, true).expect("noted");
        assert_eq!(tenant.call(Op::SourceGet, &["mine"], "", Vec::new()).before_reply, []);
        assert_eq!(tenant.create(Some("mine")).0, 409);
    }

    #[test]
    fn a_change_of_an_older_version_is_refused() {
        let mut tenant = Tenant::new();
        let row = tenant.create(None).1.expect("a row");
        let put = |tenant: &mut Tenant, record: &SourceRecord| {
            tenant.call(Op::SourceUpdate, &[&row.id], "", frame::encode(record)).reply.status
        };
        let changed = SourceRecord { name: "new".into(), ..row.record.clone() };
        assert_eq!(put(&mut tenant, &changed), 200);
        assert_eq!(put(&mut tenant, &changed), 409, "it was read before that");
        let read = tenant.get(&row.id).expect("there").record;
        assert_eq!((read.name.as_str(), read.version), ("new", 2));
        assert_eq!(put(&mut tenant, &read), 200);
    }

    #[test]
    fn a_source_is_no_application_and_takes_its_app_object_with_it() {
        let mut tenant = Tenant::new();
        let row = tenant.create(Some("mine")).1.expect("a row");
        let app = br#"{"name":"an application","uid":"mine"}"#.to_vec();
        assert_eq!(tenant.call(Op::AppCreate, &[], "", app).reply.status, 201, "the uids are apart");
        for query in ["", "order=descending"] {
            let list = tenant.call(Op::AppList, &[], query, Vec::new()).reply;
            let list: serde_json::Value = serde_json::from_slice(&list.body).expect("json");
            assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "{list}");
        }
        let deleted = tenant.call(Op::SourceDelete, &["mine"], "", Vec::new());
        assert_eq!(deleted.before_reply, [Effect::DeleteApp { app_id: row.id.clone() }]);
        assert_eq!((tenant.get("mine"), tenant.get(&row.id)), (None, None));
        assert_eq!(tenant.create(Some("mine")).0, 201);
        // An application that is made now has an id after the newest application's, not after the source's.
        let reopened = Directory::open(tenant.0.sql.clone(), NOW).expect("opens");
        assert!(id::is(id::APP, &reopened.app_ids.last()));
    }

    #[test]
    fn an_answer_with_large_sources_ends_early_and_the_next_goes_on() {
        let mut tenant = Tenant::new();
        for _ in 0..60 {
            let record = SourceRecord { secrets: vec!["s".repeat(100_000)], ..SourceRecord::default() };
            assert_eq!(tenant.call(Op::SourceCreate, &[], "", frame::encode(&record)).reply.status, 201);
        }
        let (mut seen, mut answers, mut query) = (0, 0, "limit=250".to_owned());
        loop {
            let reply = tenant.call(Op::SourceList, &[], &query, Vec::new()).reply;
            assert!(reply.body.len() < 4 << 20, "{} bytes", reply.body.len());
            let told: SourceRows = frame::decode(&reply.body).expect("rows");
            (seen, answers) = (seen + told.rows.len(), answers + 1);
            let Some(stopped) = told.stopped else { break };
            query = format!("limit=250&iterator={stopped}");
        }
        assert_eq!(seen, 60);
        assert!(answers > 2, "{answers}");
    }

    proptest! {
        #[test]
        fn pages_go_through_all_sources(count in 0usize..12, limit in 1usize..5, descending: bool) {
            let mut tenant = Tenant::new();
            let mut made: Vec<String> = (0..count).filter_map(|_| Some(tenant.create(None).1?.id)).collect();
            made.sort_unstable();
            if descending {
                made.reverse();
            }
            let order = if descending { "descending" } else { "ascending" };
            let (mut seen, mut iterator) = (Vec::new(), String::new());
            loop {
                let query = format!("limit={limit}&order={order}&iterator={iterator}");
                let reply = tenant.call(Op::SourceList, &[], &query, Vec::new()).reply;
                let told: SourceRows = frame::decode(&reply.body).expect("rows");
                let page = source_page(&Query::parse(&query)).expect("a page").finish(told.rows, |row| &row.id);
                seen.extend(page.data.into_iter().map(|row| row.id));
                match page.iterator {
                    Some(next) if !page.done => iterator = next,
                    _ => break,
                }
            }
            prop_assert_eq!(seen, made);
        }
    }
}
