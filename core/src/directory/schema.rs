//! The tables of the Directory.

use crate::idempotency;
use crate::sql::Migration;

/// All steps of the schema, oldest first.
pub(super) const MIGRATIONS: &[Migration] =
    &[FIRST, PLUGINS, SOURCES, USAGE, idempotency::migration(5), TROUBLE];

const FIRST: Migration = Migration {
    id: 1,
    statements: &[
        // `state`: 0 creating, 1 live, 2 and 3 deleting (a tombstone). `due_at` is set while the App object has not
        // acknowledged `version`: when to notify it again. `tries`: the number of failures.
        "CREATE TABLE app (
            id TEXT PRIMARY KEY,
            uid TEXT,
            name TEXT NOT NULL,
            rate INTEGER,
            send_as BLOB,                  -- the preset of its endpoints
            metadata TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            state INTEGER NOT NULL,
            version INTEGER NOT NULL,
            due_at INTEGER,
            tries INTEGER NOT NULL,
            erase_task TEXT                -- of a tombstone: the task that reports its erasure
        ) STRICT, WITHOUT ROWID",
        // One row: the preset of new applications.
        "CREATE TABLE tenant (id INTEGER PRIMARY KEY CHECK (id = 1), send_as BLOB) STRICT",
        "CREATE UNIQUE INDEX app_by_uid ON app (uid) WHERE uid IS NOT NULL",
        "CREATE INDEX app_by_due ON app (due_at) WHERE due_at IS NOT NULL",
        // `feature_flags` is a JSON array, `schemas` the JSON object as it came.
        "CREATE TABLE event_type (
            name TEXT PRIMARY KEY,
            description TEXT NOT NULL,
            archived INTEGER NOT NULL,
            deprecated INTEGER NOT NULL,
            schemas TEXT,
            feature_flags TEXT,
            group_name TEXT,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID",
        // A copy of the App objects' background tasks; `data` is JSON.
        "CREATE TABLE task (
            id TEXT PRIMARY KEY,
            app_id TEXT NOT NULL,
            task TEXT NOT NULL,
            status TEXT NOT NULL,
            data TEXT NOT NULL,
            updated_at INTEGER NOT NULL,
            version INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID",
        // Revocations: `key` is a token's hash or an application's id; its tokens that were issued up to
        // `issued_until` are revoked from `void_from` on. `forget_at`: when all such tokens have expired.
        "CREATE TABLE revoked (
            key TEXT NOT NULL,
            issued_until INTEGER NOT NULL,
            void_from INTEGER NOT NULL,
            forget_at INTEGER,
            PRIMARY KEY (key, issued_until)
        ) STRICT, WITHOUT ROWID",
    ],
};

const PLUGINS: Migration = Migration {
    id: 2,
    statements: &[
        // Numbers that only rise.
        "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE plugin (
            name TEXT PRIMARY KEY,
            current TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID",
        // `id` is the SHA-256 of the uploaded bytes; `manifest` is JSON; `stored` is what both modules take.
        "CREATE TABLE plugin_version (
            plugin TEXT NOT NULL,
            id TEXT NOT NULL,
            size INTEGER NOT NULL,
            stored INTEGER NOT NULL,
            pass INTEGER NOT NULL,
            manifest TEXT,
            created_at INTEGER NOT NULL,
            PRIMARY KEY (plugin, id)
        ) STRICT, WITHOUT ROWID",
        // `kind`: 0 as it was uploaded, 1 as it was rewritten by the pass. A row may have 2 MB.
        "CREATE TABLE plugin_module (
            plugin TEXT NOT NULL,
            id TEXT NOT NULL,
            kind INTEGER NOT NULL,
            bytes BLOB NOT NULL,
            PRIMARY KEY (plugin, id, kind)
        ) STRICT, WITHOUT ROWID",
        // Where plugins are attached, or may be: never fewer places than there are. `pinned` is '' where the
        // current version is followed; `seq` is the change that noted it; `doomed`: to be taken away.
        "CREATE TABLE plugin_use (
            plugin TEXT NOT NULL,
            app_id TEXT NOT NULL,
            endpoint_id TEXT NOT NULL,
            pinned TEXT NOT NULL,
            seq INTEGER NOT NULL,
            doomed INTEGER NOT NULL,
            PRIMARY KEY (plugin, app_id, endpoint_id, pinned)
        ) STRICT, WITHOUT ROWID",
        // Notices about plugins that App objects have not acknowledged.
        "CREATE TABLE plugin_notice (
            app_id TEXT NOT NULL,
            plugin TEXT NOT NULL,
            seq INTEGER NOT NULL,
            due_at INTEGER NOT NULL,
            tries INTEGER NOT NULL,
            PRIMARY KEY (app_id, plugin)
        ) STRICT, WITHOUT ROWID",
        "CREATE INDEX plugin_notice_by_due ON plugin_notice (due_at)",
    ],
};

const SOURCES: Migration = Migration {
    id: 3,
    statements: &[
        "CREATE TABLE source (
            id TEXT PRIMARY KEY,
            uid TEXT,
            record BLOB NOT NULL
        ) STRICT, WITHOUT ROWID",
        "CREATE UNIQUE INDEX source_by_uid ON source (uid) WHERE uid IS NOT NULL",
    ],
};

const USAGE: Migration = Migration {
    id: 4,
    statements: &[
        // Running counts over all applications. `only`: a JSON array of ids, if not all; `place`: the last
        // application that was asked; `due_at`: when to continue.
        "CREATE TABLE usage_task (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            since INTEGER NOT NULL,
            until INTEGER NOT NULL,
            only TEXT,
            place TEXT NOT NULL,
            due_at INTEGER NOT NULL,
            tries INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID",
        // Their results, a JSON array for each batch of applications.
        "CREATE TABLE usage_part (
            task_id TEXT NOT NULL,
            place TEXT NOT NULL,
            data TEXT NOT NULL,
            PRIMARY KEY (task_id, place)
        ) STRICT, WITHOUT ROWID",
    ],
};

const TROUBLE: Migration = Migration {
    id: 6,
    statements: &[
        // Endpoints in trouble, as their App objects report. `rank`: how bad it is, 0 if it has ended; `since`: since
        // when; `standing` was reported at `told_at`; `disabled` is of the configuration's `version`.
        "CREATE TABLE trouble (
            app_id TEXT NOT NULL,
            endpoint_id TEXT NOT NULL,
            rank INTEGER NOT NULL,
            since INTEGER NOT NULL,
            standing INTEGER NOT NULL,
            stands_since INTEGER NOT NULL,
            told_at INTEGER NOT NULL,
            disabled INTEGER NOT NULL,
            version INTEGER NOT NULL,
            changed_at INTEGER NOT NULL,
            PRIMARY KEY (app_id, endpoint_id)
        ) STRICT, WITHOUT ROWID",
        "CREATE INDEX trouble_by_rank ON trouble (rank DESC, since)",
    ],
};
