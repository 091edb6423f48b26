//! The tables of an Endpoint object.
//!
//! One table holds both the deliveries that are due and the attempts that were made, because a delivery
//! *becomes* the record of its last attempt: `slot` is the time at which a delivery is due, and 0 once the
//! row records an attempt. Moving a row within a `WITHOUT ROWID` table writes one row, so a message that is
//! delivered at the first attempt costs two rows here: inserted when it is owed, moved when it is done.
//!
//! Attempts have ids that rise with time, so the attempts of a message are usually found by its own time:
//! the first attempt is recorded within seconds. Those that come later carry the message's id in `late`,
//! which is indexed; the others pay nothing for that index.
//!
//! An attempt's `held` is 2 where it made no request of its own, since it went in another delivery's batch: what counts
//! starts of requests looks for 0.

use crate::sql::Migration;

/// Ordered; an applied migration is never edited.
pub const MIGRATIONS: &[Migration] = &[CREATE, LATENCY, HEADERS];

/// How long the attempts of an hour took: in all, and the longest of them, in ms.
const LATENCY: Migration = Migration {
    id: 2,
    statements: &[
        "ALTER TABLE stat ADD COLUMN took INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE stat ADD COLUMN longest INTEGER NOT NULL DEFAULT 0",
        // How they spread over times and status codes.
        "ALTER TABLE stat ADD COLUMN spread BLOB",
    ],
};

/// attempt: what is kept of the headers, a JSON array: of the request, of the answer.
const HEADERS: Migration = Migration { id: 3, statements: &["ALTER TABLE delivery ADD COLUMN headers TEXT"] };

const CREATE: Migration = Migration {
    id: 1,
    statements: &[
        "CREATE TABLE meta (k TEXT PRIMARY KEY, v BLOB NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE delivery (
            slot INTEGER NOT NULL,        -- 0: an attempt; else when the delivery is due, in ms
            id TEXT NOT NULL,             -- attempt: its id; due: the delivery's key
            msg_id TEXT NOT NULL,
            event_type TEXT NOT NULL,
            channels TEXT,                -- JSON array
            manual INTEGER NOT NULL,      -- 1: asked for by hand
            attempt INTEGER NOT NULL,     -- attempt: its number, from 1; due: how many were made
            leased INTEGER NOT NULL,      -- due: 1 while this object's memory holds it
            late TEXT,                    -- attempt: msg_id, where its time does not tell where it is
            status INTEGER,               -- attempt: 0 success, 2 failure, 4 filtered out
            code INTEGER,                 -- attempt: HTTP status, 0 without an answer
            response TEXT,                -- attempt: the answer's body, or why there is none
            started_at INTEGER,
            duration INTEGER,
            next_at INTEGER,              -- attempt: when the next one is due
            url TEXT,
            plugins TEXT,                 -- attempt: what plugins did, JSON array
            held INTEGER,                 -- 1 where plugins kept it: due, its last attempt; attempt, this one
            shared TEXT,                  -- attempt: which one has the response of their common request
            PRIMARY KEY (slot, id)
        ) STRICT, WITHOUT ROWID",
        "CREATE INDEX delivery_late ON delivery (late) WHERE late IS NOT NULL",
        "CREATE TABLE report (seq INTEGER PRIMARY KEY, frame BLOB NOT NULL) STRICT",
        "CREATE TABLE stat (
            hour INTEGER PRIMARY KEY,     -- hours since the epoch
            success INTEGER NOT NULL,
            fail INTEGER NOT NULL,
            exhausted INTEGER NOT NULL,
            filtered INTEGER NOT NULL
        ) STRICT",
    ],
};
