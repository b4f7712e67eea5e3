-- What happened to each node: mostly, why work on it failed.
-- compatible-with: 4

CREATE TABLE node_history (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                   BLOB    NOT NULL UNIQUE,
    node_id                INTEGER NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    created_at             TEXT    NOT NULL,
    severity               TEXT    NOT NULL,
    event_type             TEXT    NOT NULL,
    event                  TEXT    NOT NULL,
    conductor              TEXT,
    "user"                 TEXT,
    project                TEXT,
    state                  TEXT,
    target_provision_state TEXT,
    duration_seconds       INTEGER
) STRICT;

CREATE INDEX node_history_node_id ON node_history (node_id, created_at);
