//! The tables of an Endpoint object.
//!
//! Those of attempts are made for each period: see `history/periods.rs`.

use crate::sql::Migration;

/// Ordered; an applied migration is never edited.
pub const MIGRATIONS: &[Migration] = &[CREATE];

const CREATE: Migration = Migration {
    id: 1,
    statements: &[
        "CREATE TABLE meta (k TEXT PRIMARY KEY, v BLOB NOT NULL) STRICT, WITHOUT ROWID",
        // A delivery that is due by itself: it is to be tried again, or was asked for.
        "CREATE TABLE due (
            slot INTEGER NOT NULL CHECK (slot > 0), -- when it is due, or its lease ends, in ms
            key TEXT NOT NULL,            -- the message's id, with a suffix where asked for by hand
            msg_id TEXT NOT NULL,
            event_type TEXT NOT NULL,
            channels TEXT,                -- JSON array
            manual INTEGER NOT NULL CHECK (manual = 1 OR key = msg_id),
            made INTEGER NOT NULL,        -- how many attempts were made
            leased INTEGER NOT NULL,      -- 1 while this object's memory holds it
            held INTEGER NOT NULL,        -- 1 where plugins kept its last attempt
            PRIMARY KEY (slot, key)
        ) STRICT, WITHOUT ROWID",
        // Deliveries of one push, leased together: each until it has an attempt or a row in `due`.
        "CREATE TABLE pushed (
            seq INTEGER PRIMARY KEY,
            until INTEGER NOT NULL,       -- when the lease ends, in ms
            after INTEGER NOT NULL,       -- the number of the newest attempt then
            messages BLOB NOT NULL
        ) STRICT",
        "CREATE TABLE period (
            start INTEGER PRIMARY KEY,    -- the number of its first attempt
            began_at INTEGER NOT NULL,    -- in ms
            tables INTEGER NOT NULL CHECK (tables BETWEEN 0 AND 255),
            late INTEGER NOT NULL,        -- 1: it has a table of late attempts
            version INTEGER NOT NULL      -- what its tables look like
        ) STRICT",
        "CREATE TABLE report (seq INTEGER PRIMARY KEY, frame BLOB NOT NULL) STRICT",
        // The attempts of a day: counts of each hour.
        "CREATE TABLE stat (day INTEGER PRIMARY KEY, hours BLOB NOT NULL) STRICT",
    ],
};
