//! The storage of one object: SQLite behind a trait, so that the same SQL text runs in a Durable Object
//! and on rusqlite.
//!
//! Rules of the platform that every statement keeps (see ARCHITECTURE.md): tables are `STRICT` and, where
//! they are keyed by anything but an integer, `WITHOUT ROWID`; flags are bound as 0/1; integers stay below
//! 2^53, because the platform binds numbers as doubles; at most 100 parameters.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

/// A value bound to a statement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// An integer; its magnitude must stay below 2^53.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Text, or NULL.
    pub fn opt_text(value: Option<&'a str>) -> Self {
        value.map_or(Value::Null, Value::Text)
    }

    /// Bytes, or NULL.
    pub fn opt_blob(value: Option<&'a Vec<u8>>) -> Self {
        value.map_or(Value::Null, |bytes| Value::Blob(bytes))
    }

    /// An integer, or NULL.
    pub fn opt_int(value: Option<i64>) -> Self {
        value.map_or(Value::Null, Value::Int)
    }

    /// A flag, as 0 or 1.
    pub fn flag(value: bool) -> Self {
        Value::Int(i64::from(value))
    }
}

/// A value read from a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// An integer (a double without a fraction reads as one).
    Int(i64),
    /// A double with a fraction.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// One row of a result.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row(pub Vec<Cell>);

impl Row {
    /// The integer in column `i`; an error if it is not one.
    pub fn int(&self, i: usize) -> Result<i64, SqlError> {
        match self.0.get(i) {
            Some(Cell::Int(v)) => Ok(*v),
            other => Err(SqlError::shape(i, "an integer", other)),
        }
    }

    /// The integer in column `i`, `None` for NULL.
    pub fn opt_int(&self, i: usize) -> Result<Option<i64>, SqlError> {
        match self.0.get(i) {
            Some(Cell::Null) => Ok(None),
            _ => self.int(i).map(Some),
        }
    }

    /// Takes the text in column `i`.
    pub fn text(&mut self, i: usize) -> Result<String, SqlError> {
        match self.0.get_mut(i) {
            Some(Cell::Text(v)) => Ok(std::mem::take(v)),
            other => Err(SqlError::shape(i, "text", other.as_deref())),
        }
    }

    /// Takes the text in column `i`, `None` for NULL.
    pub fn opt_text(&mut self, i: usize) -> Result<Option<String>, SqlError> {
        match self.0.get(i) {
            Some(Cell::Null) => Ok(None),
            _ => self.text(i).map(Some),
        }
    }

    /// Takes the bytes in column `i`.
    pub fn blob(&mut self, i: usize) -> Result<Vec<u8>, SqlError> {
        match self.0.get_mut(i) {
            Some(Cell::Blob(v)) => Ok(std::mem::take(v)),
            other => Err(SqlError::shape(i, "bytes", other.as_deref())),
        }
    }

    /// Takes the bytes in column `i`, `None` for NULL.
    pub fn opt_blob(&mut self, i: usize) -> Result<Option<Vec<u8>>, SqlError> {
        match self.0.get(i) {
            Some(Cell::Null) => Ok(None),
            _ => self.blob(i).map(Some),
        }
    }

    /// The flag in column `i`.
    pub fn flag(&self, i: usize) -> Result<bool, SqlError> {
        Ok(self.int(i)? != 0)
    }
}

/// Why a statement failed: the database's own text. Always a defect of Weir or of the platform, never of
/// the caller's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError(pub String);

/// Whether an error says that the object's storage is full. Then nothing can be written, and rows can still be deleted.
pub fn is_full(error: &str) -> bool {
    error.contains("SQLITE_FULL") || error.contains("database or disk is full")
}

impl SqlError {
    fn shape(column: usize, wanted: &str, found: Option<&Cell>) -> Self {
        let found = match found {
            None => "no such column",
            Some(Cell::Null) => "NULL",
            Some(Cell::Int(_)) => "an integer",
            Some(Cell::Real(_)) => "a double",
            Some(Cell::Text(_)) => "text",
            Some(Cell::Blob(_)) => "bytes",
        };
        SqlError(format!("column {column}: expected {wanted}, found {found}"))
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "storage: {}", self.0)
    }
}

impl std::error::Error for SqlError {}

/// The platform's limit on a value and on a row, all columns together.
pub const VALUE_MAX: usize = 2_000_000;
/// The platform's limit on the parameters of a statement.
pub const PARAMS_MAX: usize = 100;
/// The platform's limit on the length of a statement.
pub const STATEMENT_MAX: usize = 100_000;
/// What a column takes in a row beside its bytes, at most: SQLite's record header.
const COLUMN_BYTES: usize = 9;

/// Refuses what the deployed platform would refuse. workerd accepts more locally, so the error would appear only in
/// production.
///
/// The row that a statement stores consists of what it binds, so all of it together must fit a row. That is stricter than
/// the platform where one statement stores several rows; no statement of Weir needs that much.
pub fn check(sql: &str, params: &[Value<'_>]) -> Result<(), SqlError> {
    if sql.len() > STATEMENT_MAX {
        return Err(SqlError(format!("a statement of {} bytes; {STATEMENT_MAX} are allowed", sql.len())));
    }
    if params.len() > PARAMS_MAX {
        return Err(SqlError(format!("{} parameters; {PARAMS_MAX} are allowed", params.len())));
    }
    let mut row: usize = 0;
    for param in params {
        let bytes = match param {
            Value::Null => 0,
            Value::Int(_) => 8,
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
        };
        row = row.saturating_add(bytes).saturating_add(COLUMN_BYTES);
    }
    if row > VALUE_MAX {
        return Err(SqlError(format!("a statement binds {row} bytes; {VALUE_MAX} are allowed")));
    }
    Ok(())
}

/// A statement on one of several tables of the same kind: each `#` of the template stands for the table's number. The text
/// is made once for each number, so there are at most 256 of a template.
pub fn numbered(template: &'static str, number: u8) -> &'static str {
    type Known = HashMap<(usize, usize, u8), &'static str>;
    thread_local! {
        static KNOWN: RefCell<Known> = RefCell::new(HashMap::new());
    }
    let key = (template.as_ptr() as usize, template.len(), number);
    let make = || &*Box::leak(template.replace('#', &number.to_string()).into_boxed_str());
    KNOWN.with_borrow_mut(|known| *known.entry(key).or_insert_with(make))
}

/// The storage of one object.
///
/// Statements are `'static` so that an implementation can keep them prepared. What is written between two
/// awaits of the platform commits together; [`Sql::transaction`] is for writes that must also be undone
/// together when one of them fails.
pub trait Sql {
    /// Runs one statement and returns its rows. Parameters are `?1`, `?2`, … in order.
    fn query(&self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, SqlError>;

    /// Runs one statement whose rows, if any, do not matter.
    fn exec(&self, sql: &'static str, params: &[Value<'_>]) -> Result<(), SqlError> {
        self.query(sql, params).map(|_| ())
    }

    /// How many bytes are stored; 0 where that is not known.
    fn size(&self) -> Result<u64, SqlError> {
        Ok(0)
    }

    /// How many bytes were stored when the platform last refused to store more, if it has lately.
    fn full_at(&self) -> Option<u64> {
        None
    }

    /// Runs `work`; where it fails, all that it wrote is undone. Must not be nested.
    fn transaction<T, E: From<SqlError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E>;
}

/// One step of an object's schema: an identifier that never changes and the statements it runs.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Rises by one from 1; an applied migration is never edited.
    pub id: i64,
    /// Statements, run in order within one transaction.
    pub statements: &'static [&'static str],
}

const CREATE_MIGRATIONS: &str =
    "CREATE TABLE IF NOT EXISTS weir_migration (id INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT";

/// The newest migration that has been applied; 0 for an object that was never used.
///
/// Reads only, so that asking for an object that does not exist leaves nothing behind.
pub fn schema_version<S: Sql>(sql: &S) -> Result<i64, SqlError> {
    let known =
        sql.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'weir_migration'", &[])?;
    if known.is_empty() {
        return Ok(0);
    }
    let rows = sql.query("SELECT coalesce(max(id), 0) FROM weir_migration", &[])?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

/// Brings the schema up to date: runs what is missing of `migrations`, in order, each in one transaction.
///
/// A schema newer than this release knows (after a roll-back of the Worker) is left as it is: migrations
/// only add, so the release before can read what the release after wrote.
pub fn migrate<S: Sql>(sql: &S, migrations: &[Migration], now: i64) -> Result<(), SqlError> {
    let version = schema_version(sql)?;
    for migration in migrations.iter().filter(|m| m.id > version) {
        sql.transaction(|| {
            sql.exec(CREATE_MIGRATIONS, &[])?;
            for statement in migration.statements {
                sql.exec(statement, &[])?;
            }
            sql.exec(
                "INSERT INTO weir_migration (id, applied_at) VALUES (?1, ?2)",
                &[Value::Int(migration.id), Value::Int(now)],
            )
        })?;
    }
    Ok(())
}

/// The trait on rusqlite, for tests and simulation: the same SQL text as in a Durable Object.
#[cfg(any(test, feature = "memory"))]
#[allow(missing_docs, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]
pub mod memory {
    use super::{Cell, Row, Sql, SqlError, Value};
    use rusqlite::limits::Limit;
    use rusqlite::types::{ToSqlOutput, ValueRef};
    use rusqlite::{Connection, StatementStatus, ToSql};
    use std::cell::{Cell as Counter, RefCell};
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::rc::Rc;

    /// A database in memory. Clones share it, so that a test can drop an object and open another on what it
    /// left behind.
    #[derive(Clone)]
    pub struct Memory(
        Rc<Connection>,
        Rc<RefCell<Option<BTreeSet<&'static str>>>>,
        Rc<Counter<u64>>,
        Rc<Counter<u64>>,
    );

    impl Memory {
        /// An empty database.
        pub fn new() -> Self {
            let connection = Connection::open_in_memory().expect("a database in memory");
            connection.set_prepared_statement_cache_capacity(128);
            Self::of(connection)
        }

        /// A database that a test has opened, such as an object's file.
        pub fn of(connection: Connection) -> Self {
            // As the platform: no value and no row is larger.
            let most = i32::try_from(super::VALUE_MAX).expect("a small number");
            connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, most).expect("a limit");
            Self(Rc::new(connection), Rc::default(), Rc::default(), Rc::default())
        }

        /// From now on, the statements that are run are remembered.
        pub fn record(&self) {
            *self.1.borrow_mut() = Some(BTreeSet::new());
        }

        /// How SQLite carries out each statement that was run since [`Memory::record`]: its text, and the plan.
        pub fn plans(&self) -> Vec<(&'static str, String)> {
            let recorded = self.1.borrow_mut().take().unwrap_or_default();
            let plan = |sql: &'static str| {
                let mut statement =
                    self.0.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
                let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
                let rows =
                    statement.query_map(rusqlite::params_from_iter(nulls), |row| row.get::<_, String>(3));
                let rows = rows.expect("a plan").collect::<Result<Vec<_>, _>>();
                (sql, rows.expect("a plan").join("; "))
            };
            recorded.into_iter().map(plan).collect()
        }

        /// All rows of all tables, as text.
        pub fn dump(&self) -> String {
            let mut names =
                self.0.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").expect("tables");
            let names = names.query_map([], |row| row.get::<_, String>(0)).expect("tables");
            let mut text = String::new();
            for name in names.map(|name| name.expect("a name")) {
                let mut rows = self.0.prepare(&format!("SELECT * FROM {name}")).expect("a table");
                let columns = rows.column_count();
                let mut rows = rows.query([]).expect("rows");
                while let Some(row) = rows.next().expect("a row") {
                    let cells = (0..columns).map(|i| match row.get_ref(i).expect("a cell") {
                        ValueRef::Null => String::new(),
                        ValueRef::Integer(v) => v.to_string(),
                        ValueRef::Real(v) => v.to_string(),
                        ValueRef::Text(v) | ValueRef::Blob(v) => String::from_utf8_lossy(v).into_owned(),
                    });
                    let _ = writeln!(text, "{name}: {}", cells.collect::<Vec<_>>().join(" | "));
                }
            }
            text
        }

        /// How many steps SQLite's machine has taken so far: what it costs to step over a row is a handful, so this
        /// tells whether more rows were read, whether they were found or passed over.
        pub fn steps(&self) -> u64 {
            self.2.get()
        }

        /// How many bytes of text and blobs queries have given so far.
        pub fn bytes(&self) -> u64 {
            self.3.get()
        }

        /// How many rows were inserted, updated and deleted so far: nearly what the platform bills, which
        /// also counts the entries of indexes.
        pub fn changes(&self) -> u64 {
            self.0.total_changes()
        }
    }

    impl Default for Memory {
        fn default() -> Self {
            Self::new()
        }
    }

    impl ToSql for Value<'_> {
        fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
            Ok(ToSqlOutput::Borrowed(match *self {
                Value::Null => ValueRef::Null,
                // The platform binds every number as a double; so do the tests.
                #[allow(clippy::cast_precision_loss)]
                Value::Int(v) => {
                    assert!(v.unsigned_abs() < 1 << 53, "{v} does not fit a double");
                    ValueRef::Real(v as f64)
                }
                Value::Text(v) => ValueRef::Text(v.as_bytes()),
                Value::Blob(v) => ValueRef::Blob(v),
            }))
        }
    }

    fn error(error: rusqlite::Error) -> SqlError {
        SqlError(error.to_string())
    }

    impl Sql for Memory {
        fn query(&self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, SqlError> {
            assert!(params.len() <= 100, "the platform binds at most 100 parameters");
            super::check(sql, params)?;
            if let Some(recorded) = &mut *self.1.borrow_mut() {
                recorded.insert(sql);
            }
            let mut statement = self.0.prepare_cached(sql).map_err(error)?;
            let columns = statement.column_count();
            let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(error)?;
            let mut out = Vec::new();
            while let Some(row) = rows.next().map_err(error)? {
                let cells = (0..columns).map(|i| {
                    Ok(match row.get_ref(i).map_err(error)? {
                        ValueRef::Null => Cell::Null,
                        ValueRef::Integer(v) => Cell::Int(v),
                        #[allow(clippy::cast_possible_truncation)] // it has no fraction
                        ValueRef::Real(v) if v.fract() == 0.0 => Cell::Int(v as i64),
                        ValueRef::Real(v) => Cell::Real(v),
                        ValueRef::Text(v) => Cell::Text(String::from_utf8_lossy(v).into_owned()),
                        ValueRef::Blob(v) => Cell::Blob(v.to_vec()),
                    })
                });
                out.push(Row(cells.collect::<Result<_, SqlError>>()?));
            }
            drop(rows);
            let cells = out.iter().flat_map(|row| &row.0).map(|cell| match cell {
                Cell::Text(text) => text.len(),
                Cell::Blob(bytes) => bytes.len(),
                Cell::Null | Cell::Int(_) | Cell::Real(_) => 0,
            });
            let bytes = u64::try_from(cells.sum::<usize>()).unwrap_or(u64::MAX);
            self.3.set(self.3.get().saturating_add(bytes));
            let steps = statement.reset_status(StatementStatus::VmStep);
            self.2.set(self.2.get().saturating_add(u64::try_from(steps).unwrap_or(0)));
            Ok(out)
        }

        fn size(&self) -> Result<u64, SqlError> {
            let size = "SELECT ((SELECT * FROM pragma_page_count) - (SELECT * FROM pragma_freelist_count)) * \
                        (SELECT * FROM pragma_page_size)";
            let bytes: i64 = self.0.query_row(size, [], |row| row.get(0)).map_err(error)?;
            Ok(u64::try_from(bytes).unwrap_or(0))
        }

        fn transaction<T, E: From<SqlError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
            let run = |sql| {
                let mut statement = self.0.prepare_cached(sql).map_err(error)?;
                statement.execute([]).map(|_| ()).map_err(error)
            };
            // A step of an object runs in one transaction, and a migration within it in its own: the platform
            // nests them, SQLite calls that a savepoint.
            let outermost = self.0.is_autocommit();
            run(if outermost { "BEGIN" } else { "SAVEPOINT inner_work" })?;
            let result = work();
            match (&result, outermost) {
                (Ok(_), true) => run("COMMIT")?,
                (Ok(_), false) => run("RELEASE inner_work")?,
                (Err(_), true) => run("ROLLBACK")?,
                (Err(_), false) => {
                    run("ROLLBACK TO inner_work")?;
                    run("RELEASE inner_work")?;
                }
            }
            result
        }
    }

    #[test]
    fn what_the_platform_would_refuse_is_refused_here() {
        let sql = Memory::new();
        sql.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c)", &[]).expect("a table");
        let insert = |params: &[Value<'_>]| sql.exec("INSERT INTO t VALUES (?1, ?2, ?3, ?4)", params);
        let refused = |result: Result<(), SqlError>| {
            result.is_err_and(|SqlError(text)| text.contains("2000000 are allowed"))
        };
        let most = super::VALUE_MAX - 4 * super::COLUMN_BYTES - 8;
        let blob = vec![0; most + 1];
        let whole = blob.get(1..).expect("a part");
        let row = |blob| [Value::Int(1), Value::Blob(blob), Value::Null, Value::Null];
        assert_eq!(insert(&row(whole)), Ok(()));
        assert!(refused(insert(&row(&blob))), "one value");
        let (one, other) = whole.split_at(most / 3);
        let (two, three) = other.split_at(most / 3);
        let text = String::from_utf8_lossy(three).into_owned() + "x";
        assert_eq!(insert(&[Value::Int(2), Value::Blob(one), Value::Blob(two), Value::Blob(three)]), Ok(()));
        assert!(
            refused(insert(&[Value::Int(3), Value::Blob(one), Value::Blob(two), Value::Text(&text)])),
            "a row of values that are allowed each"
        );
        let text = "é".repeat(super::VALUE_MAX / 2);
        assert!(refused(insert(&[Value::Int(3), Value::Null, Value::Text(&text), Value::Null])), "bytes");
        let rows = sql.query("SELECT count(*), max(id) FROM t", &[]).expect("rows");
        assert_eq!(rows, [Row(vec![Cell::Int(2), Cell::Int(2)])], "nothing of what was refused is stored");
        // A row that grows beyond the limit is refused by SQLite, whatever is bound.
        let grow = sql.exec("UPDATE t SET c = ?1 WHERE id = 1", &[Value::Blob(one)]);
        assert!(grow.is_err_and(|SqlError(text)| text.contains("too big")));
        let many = vec![Value::Null; super::PARAMS_MAX + 1];
        assert!(super::check("SELECT 1", &many[1..]).is_ok());
        assert!(super::check("SELECT 1", &many).is_err());
        assert!(super::check(&" ".repeat(super::STATEMENT_MAX + 1), &[]).is_err());
    }

    #[test]
    fn a_transaction_that_fails_leaves_nothing() {
        let sql = Memory::new();
        sql.exec("CREATE TABLE t (n INTEGER NOT NULL) STRICT", &[]).expect("a table");
        let failed = sql.transaction(|| {
            sql.exec("INSERT INTO t VALUES (?1)", &[Value::Int(1)])?;
            Err::<(), _>(SqlError("no".into()))
        });
        assert!(failed.is_err());
        sql.transaction(|| sql.exec("INSERT INTO t VALUES (?1)", &[Value::Int(5)])).expect("commits");
        let rows = sql.clone().query("SELECT n FROM t", &[]).expect("rows");
        assert_eq!(rows, [Row(vec![Cell::Int(5)])]);
    }

    #[test]
    fn a_transaction_within_another_is_undone_with_it() {
        let sql = Memory::new();
        sql.exec("CREATE TABLE t (n INTEGER NOT NULL) STRICT", &[]).expect("a table");
        let insert = |n| sql.exec("INSERT INTO t VALUES (?1)", &[Value::Int(n)]);
        let count = || sql.query("SELECT count(*) FROM t", &[]).expect("rows").remove(0).int(0);
        let failed = sql.transaction(|| {
            sql.transaction(|| insert(1))?;
            Err::<(), _>(SqlError("no".into()))
        });
        assert!(failed.is_err());
        assert_eq!(count(), Ok(0));
        sql.transaction(|| {
            insert(2)?;
            let inner = sql.transaction(|| insert(3).and(Err::<(), _>(SqlError("no".into()))));
            assert!(inner.is_err());
            Ok::<_, SqlError>(())
        })
        .expect("commits");
        assert_eq!(count(), Ok(1));
    }
}
