//! An object's SQLite behind the core's trait.

use crate::js::{Cursor, SqlStorage, Storage, array_from, now, text_of};
use js_sys::{Array, JsString, Uint8Array};
use std::cell::{Cell as StdCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use weir_core::sql::{Cell, Row, Sql, SqlError, Value};

/// The storage of one Durable Object.
#[derive(Clone)]
pub(crate) struct DurableSql(Rc<Inner>);

struct Inner {
    storage: Storage,
    sql: SqlStorage,
    in_transaction: StdCell<bool>,
    /// How many bytes were stored when the platform refused to store more, and when that was.
    full: StdCell<Option<(u64, i64)>>,
}

/// For so long a refusal is remembered: the platform may allow more by then.
const FULL_MS: i64 = 600_000;

thread_local! {
    /// The statements as JavaScript strings, made once; by address and length, since all are `'static`.
    static STATEMENTS: RefCell<HashMap<(usize, usize), JsString>> = RefCell::new(HashMap::new());
}

fn statement(sql: &'static str) -> JsString {
    STATEMENTS.with_borrow_mut(|known| {
        known.entry((sql.as_ptr() as usize, sql.len())).or_insert_with(|| JsString::from(sql)).clone()
    })
}

fn bind(params: &[Value<'_>]) -> Array {
    let array = Array::new();
    for param in params {
        array.push(&match param {
            Value::Null => JsValue::NULL,
            #[allow(clippy::cast_precision_loss)] // the trait's contract: below 2^53
            Value::Int(n) => JsValue::from_f64(*n as f64),
            Value::Text(text) => JsValue::from_str(text),
            Value::Blob(bytes) => Uint8Array::from(*bytes).into(),
        });
    }
    array
}

fn cell(value: &JsValue) -> Cell {
    if let Some(number) = value.as_f64() {
        #[allow(clippy::cast_possible_truncation)] // the trait's contract: below 2^53
        return if number.fract() == 0.0 { Cell::Int(number as i64) } else { Cell::Real(number) };
    }
    if let Some(text) = value.as_string() {
        return Cell::Text(text);
    }
    if value.is_null() || value.is_undefined() {
        return Cell::Null;
    }
    Cell::Blob(Uint8Array::new(value).to_vec())
}

impl DurableSql {
    pub(crate) fn new(storage: Storage) -> Self {
        let sql = storage.sql();
        Self(Rc::new(Inner { storage, sql, in_transaction: StdCell::new(false), full: StdCell::new(None) }))
    }

    fn failed(&self, text: String) -> SqlError {
        if weir_core::sql::is_full(&text) {
            self.0.full.set(Some((self.bytes(), now())));
        }
        SqlError(text)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a number of bytes
    fn bytes(&self) -> u64 {
        self.0.sql.database_size() as u64
    }

    fn run(&self, sql: &'static str, params: &[Value<'_>]) -> Result<Cursor, SqlError> {
        weir_core::sql::check(sql, params)?;
        self.0.sql.exec(&statement(sql), &bind(params)).map_err(|e| self.failed(text_of(&e)))
    }
}

impl Sql for DurableSql {
    fn query(&self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, SqlError> {
        let cursor = self.run(sql, params)?;
        let rows = cursor.raw().and_then(|rows| array_from(&rows)).map_err(|e| SqlError(text_of(&e)))?;
        Ok(rows.iter().map(|row| Row(Array::from(&row).iter().map(|value| cell(&value)).collect())).collect())
    }

    fn exec(&self, sql: &'static str, params: &[Value<'_>]) -> Result<(), SqlError> {
        self.run(sql, params).map(|_| ())
    }

    fn size(&self) -> Result<u64, SqlError> {
        Ok(self.bytes())
    }

    fn full_at(&self) -> Option<u64> {
        let (bytes, at) = self.0.full.get()?;
        (now().saturating_sub(at) < FULL_MS).then_some(bytes)
    }

    fn transaction<T, E: From<SqlError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if self.0.in_transaction.replace(true) {
            return work(); // within a transaction already: undone with it
        }
        let mut work = Some(work);
        let mut outcome: Option<Result<T, E>> = None;
        let done = self.0.storage.transaction_sync(&mut || {
            let result = work.take().map(|work| work());
            let failed = !matches!(result, Some(Ok(_)));
            outcome = result;
            if failed { Err(JsValue::from_str("undone")) } else { Ok(JsValue::UNDEFINED) }
        });
        self.0.in_transaction.set(false);
        match (outcome, done) {
            (Some(Ok(_)), Err(error)) => Err(SqlError(text_of(&error)).into()), // the commit failed
            (Some(result), _) => result,
            (None, _) => Err(SqlError("the transaction did not run".to_owned()).into()),
        }
    }
}
