//! The tables of an App object. Those of the message log are its own: see [`super::log`].

use super::log::Log;
use crate::idempotency;
use crate::sql::Migration;

/// Ordered; an applied migration is never edited.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        id: 1,
        statements: &[
            "CREATE TABLE meta (k TEXT PRIMARY KEY, v BLOB NOT NULL) STRICT, WITHOUT ROWID",
            "CREATE TABLE endpoint (
            id TEXT PRIMARY KEY,
            acknowledged INTEGER NOT NULL, -- the version that the Endpoint object holds
            cursor TEXT NOT NULL,          -- the log up to here was offered to it
            owes INTEGER NOT NULL,         -- it had deliveries waiting when last heard of
            deleted INTEGER NOT NULL,
            record BLOB NOT NULL           -- the configuration
        ) STRICT, WITHOUT ROWID",
            "CREATE TABLE task (
            id TEXT PRIMARY KEY,
            open INTEGER NOT NULL,         -- 1: under way, or over and the Directory does not know it yet
            record BLOB NOT NULL
        ) STRICT, WITHOUT ROWID",
        ],
    },
    Migration {
        id: 2,
        // Operational events that the tenant was not told yet.
        statements: &["CREATE TABLE event (seq INTEGER PRIMARY KEY, frame BLOB NOT NULL) STRICT"],
    },
    Migration { id: 3, statements: Log::TABLES },
    Migration {
        id: 4,
        // For what comes in at a source.
        statements: &["CREATE TABLE rejected (
                id TEXT PRIMARY KEY,
                accepted TEXT,                 -- JSON array of messages, where it was accepted by hand
                frame BLOB NOT NULL
            ) STRICT, WITHOUT ROWID"],
    },
    idempotency::migration(5),
];
