//! The tables of an App object.
//!
//! A message is one row, keyed by its id, whose order is the log's order. The two indexes are partial:
//! a message without an idempotency key and without an event id pays for neither.

use crate::idempotency;
use crate::sql::Migration;

/// Ordered; an applied migration is never edited.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        id: 1,
        statements: &[
            "CREATE TABLE meta (k TEXT PRIMARY KEY, v BLOB NOT NULL) STRICT, WITHOUT ROWID",
            "CREATE TABLE message (
            id TEXT PRIMARY KEY,
            created_at INTEGER NOT NULL,
            event_type TEXT NOT NULL,
            event_id TEXT,
            channels TEXT,                -- JSON array
            tags TEXT,                    -- JSON array
            expires_at INTEGER,           -- when the payload goes, where the message says so
            idempotency_key BLOB,
            body_hash BLOB,
            payload BLOB,                 -- NULL once expunged
            only_for TEXT                 -- the endpoint that it is for, where it is for one alone
        ) STRICT, WITHOUT ROWID",
            "CREATE INDEX message_by_key ON message (idempotency_key) WHERE idempotency_key IS NOT NULL",
            "CREATE INDEX message_by_event ON message (event_id) WHERE event_id IS NOT NULL",
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
    Migration {
        id: 3,
        statements: &[
            // When it is to be delivered, where the message says so; and the messages that wait for their time.
            "ALTER TABLE message ADD COLUMN deliver_at INTEGER",
            "CREATE TABLE scheduled (
                due_at INTEGER NOT NULL,
                id TEXT NOT NULL,
                PRIMARY KEY (due_at, id)
            ) STRICT, WITHOUT ROWID",
        ],
    },
    Migration {
        id: 4,
        // Only a message whose payload is kept for a time of its own pays for it.
        statements: &["CREATE INDEX message_by_expiry ON message (expires_at) WHERE expires_at IS NOT NULL"],
    },
    Migration {
        id: 5,
        // For what comes in at a source.
        statements: &[
            "ALTER TABLE message ADD COLUMN origin TEXT", // JSON: what is known of the request
            "ALTER TABLE message ADD COLUMN headers TEXT", // JSON array of pairs: delivered with it
            "ALTER TABLE message ADD COLUMN raw BLOB", // the bytes as they came, where the payload is others
            "CREATE TABLE rejected (
                id TEXT PRIMARY KEY,
                accepted TEXT,                 -- JSON array of messages, where it was accepted by hand
                frame BLOB NOT NULL
            ) STRICT, WITHOUT ROWID",
        ],
    },
    idempotency::migration(6),
];
