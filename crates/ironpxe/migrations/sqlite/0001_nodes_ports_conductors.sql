-- The resources, with Ironic's column names where Ironic has the column.
--
-- UUIDs are 16-byte blobs, times are UTC text with six fractional digits (so that they sort as
-- they follow each other), JSON objects and lists are text, booleans are 0 or 1.
-- `id` is the order of enrolment, and the order of every list that asks for no other.

CREATE TABLE conductors (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    hostname        TEXT    NOT NULL UNIQUE,
    conductor_group TEXT    NOT NULL,
    drivers         TEXT    NOT NULL,
    online          INTEGER NOT NULL,
    created_at      TEXT    NOT NULL,
    updated_at      TEXT    NOT NULL
) STRICT;

CREATE TABLE nodes (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                   BLOB    NOT NULL UNIQUE,
    name                   TEXT    UNIQUE,
    driver                 TEXT    NOT NULL,
    interfaces             TEXT    NOT NULL,

    provision_state        TEXT    NOT NULL,
    target_provision_state TEXT,
    provision_updated_at   TEXT,
    power_state            TEXT,
    target_power_state     TEXT,
    reservation            TEXT,
    maintenance            INTEGER NOT NULL,
    maintenance_reason     TEXT,
    fault                  TEXT,
    last_error             TEXT,

    properties             TEXT    NOT NULL,
    driver_info            TEXT    NOT NULL,
    instance_info          TEXT    NOT NULL,
    driver_internal_info   TEXT    NOT NULL,
    extra                  TEXT    NOT NULL,
    network_data           TEXT    NOT NULL,
    raid_config            TEXT    NOT NULL,
    target_raid_config     TEXT    NOT NULL,
    clean_step             TEXT    NOT NULL,
    deploy_step            TEXT    NOT NULL,
    service_step           TEXT    NOT NULL,

    instance_uuid          BLOB    UNIQUE,
    instance_name          TEXT,
    chassis_uuid           BLOB,
    resource_class         TEXT,
    conductor_group        TEXT    NOT NULL,
    automated_clean        INTEGER,
    protected              INTEGER NOT NULL,
    protected_reason       TEXT,
    retired                INTEGER NOT NULL,
    retired_reason         TEXT,
    owner                  TEXT,
    lessee                 TEXT,
    description            TEXT,
    shard                  TEXT,
    parent_node            BLOB,
    disable_power_off      INTEGER NOT NULL,
    boot_mode              TEXT,
    secure_boot            INTEGER,
    console_enabled        INTEGER NOT NULL,
    traits                 TEXT    NOT NULL,

    inspection_started_at  TEXT,
    inspection_finished_at TEXT,
    created_at             TEXT    NOT NULL,
    updated_at             TEXT,
    revision               INTEGER NOT NULL
) STRICT;

CREATE INDEX nodes_provision_state ON nodes (provision_state);
CREATE INDEX nodes_driver          ON nodes (driver);
CREATE INDEX nodes_reservation     ON nodes (reservation);
CREATE INDEX nodes_resource_class  ON nodes (resource_class);
CREATE INDEX nodes_conductor_group ON nodes (conductor_group);
CREATE INDEX nodes_owner           ON nodes (owner);
CREATE INDEX nodes_lessee          ON nodes (lessee);
CREATE INDEX nodes_shard           ON nodes (shard);
CREATE INDEX nodes_parent_node     ON nodes (parent_node);
CREATE INDEX nodes_chassis_uuid    ON nodes (chassis_uuid);

CREATE TABLE ports (
    id                              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                            BLOB    NOT NULL UNIQUE,
    node_id                         INTEGER NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    address                         TEXT    NOT NULL UNIQUE,
    pxe_enabled                     INTEGER NOT NULL,
    name                            TEXT    UNIQUE,
    description                     TEXT,
    vendor                          TEXT,
    category                        TEXT,
    physical_network                TEXT,
    local_link_connection           TEXT    NOT NULL,
    is_smartnic                     INTEGER NOT NULL,
    available_for_dynamic_portgroup INTEGER NOT NULL,
    extra                           TEXT    NOT NULL,
    internal_info                   TEXT    NOT NULL,
    created_at                      TEXT    NOT NULL,
    updated_at                      TEXT,
    revision                        INTEGER NOT NULL
) STRICT;

CREATE INDEX ports_node_id ON ports (node_id);
