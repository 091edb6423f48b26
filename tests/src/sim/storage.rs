//! An object's storage: SQLite in memory, with the platform's behavior when it is full.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use weir_core::sql::memory::Memory;
use weir_core::sql::{Row, Sql, SqlError, Value};

/// What the platform says when an object may store no more.
pub(super) const FULL: &str = "database or disk is full: SQLITE_FULL";

/// The storage of one object. Clones share it.
#[derive(Clone)]
pub(super) struct Disk {
    memory: Rc<RefCell<Memory>>,
    full: Rc<Cell<bool>>,
    /// Something was refused since it is full.
    refused: Rc<Cell<bool>>,
    /// Of a broken world: what does not fit is dropped without a word.
    lies: bool,
    /// Of another broken world: how many segments were written, of which every fifth is not.
    segments: Option<Rc<Cell<u32>>>,
}

impl Disk {
    pub(super) fn new(lies: bool) -> Self {
        let memory = Rc::new(RefCell::new(Memory::new()));
        Self { memory, full: Rc::default(), refused: Rc::default(), lies, segments: None }
    }

    /// From now on, every fifth segment of a message log is dropped without a word.
    pub(super) fn lose_segments(&mut self) {
        self.segments = Some(Rc::default());
    }

    /// From now on, what would take room is refused (or no longer). `DELETE` and `DROP` still work.
    pub(super) fn fill(&self, full: bool) {
        self.full.set(full);
        self.refused.set(false);
    }

    /// Nothing is left of it.
    pub(super) fn wipe(&self) {
        *self.memory.borrow_mut() = Memory::new();
    }

    pub(super) fn is_full(&self) -> bool {
        self.full.get()
    }
}

impl Sql for Disk {
    fn query(&self, sql: &'static str, params: &[Value<'_>]) -> Result<Vec<Row>, SqlError> {
        if let Some(segments) = &self.segments
            && sql.starts_with("INSERT INTO segment_")
        {
            segments.set(segments.get() + 1);
            if segments.get().is_multiple_of(5) {
                return Ok(Vec::new());
            }
        }
        let frees = ["SELECT", "DELETE", "DROP"].iter().any(|word| sql.trim_start().starts_with(word));
        if frees || !self.full.get() {
            return self.memory.borrow().query(sql, params);
        }
        if self.lies {
            return Ok(Vec::new());
        }
        // Run, to see whether it changes anything; the step that it belongs to is then undone.
        let memory = self.memory.borrow();
        let before = memory.changes();
        let rows = memory.query(sql, params)?;
        if memory.changes() == before {
            return Ok(rows);
        }
        self.refused.set(true);
        Err(SqlError(FULL.to_owned()))
    }

    fn full_at(&self) -> Option<u64> {
        self.refused.get().then_some(0)
    }

    fn transaction<T, E: From<SqlError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.memory.borrow().transaction(work)
    }
}
