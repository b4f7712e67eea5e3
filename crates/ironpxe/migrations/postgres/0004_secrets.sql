-- Secrets that all replicas share and nobody configures, each made by whoever needs it first.
-- compatible-with: 3

CREATE TABLE secrets (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value      TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
