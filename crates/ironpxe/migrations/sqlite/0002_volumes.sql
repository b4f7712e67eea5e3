-- Remote volumes: who a node is to its storage (connectors), and what it attaches (targets).

CREATE TABLE volume_connectors (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         BLOB    NOT NULL UNIQUE,
    node_id      INTEGER NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    type         TEXT    NOT NULL,
    connector_id TEXT    NOT NULL,
    extra        TEXT    NOT NULL,
    created_at   TEXT    NOT NULL,
    updated_at   TEXT,
    revision     INTEGER NOT NULL,
    UNIQUE (type, connector_id)
) STRICT;

CREATE INDEX volume_connectors_node_id ON volume_connectors (node_id);

CREATE TABLE volume_targets (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        BLOB    NOT NULL UNIQUE,
    node_id     INTEGER NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    volume_type TEXT    NOT NULL,
    boot_index  INTEGER NOT NULL,
    volume_id   TEXT    NOT NULL,
    properties  TEXT    NOT NULL,
    extra       TEXT    NOT NULL,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT,
    revision    INTEGER NOT NULL,
    UNIQUE (node_id, boot_index)
) STRICT;
