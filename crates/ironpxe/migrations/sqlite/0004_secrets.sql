-- Secrets that all replicas share and nobody configures, each made by whoever needs it first.
-- compatible-with: 3

CREATE TABLE secrets (
    name       TEXT NOT NULL PRIMARY KEY,
    value      TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
