CREATE TABLE boot_profiles (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    target TEXT NOT NULL,
    script TEXT NOT NULL,
    kernel TEXT NOT NULL,
    initrds TEXT NOT NULL,
    command_line TEXT NOT NULL,
    loaders TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE TABLE boot_defaults (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    boot_profile BYTEA NOT NULL,
    loaders TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE TABLE machines (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    architecture TEXT NOT NULL,
    boot_profile BYTEA NOT NULL,
    note TEXT NOT NULL,
    uuid TEXT NOT NULL,
    serial TEXT NOT NULL
);
CREATE INDEX machines_by_boot_profile ON machines (boot_profile);
CREATE INDEX machines_by_uuid ON machines (uuid);
CREATE TABLE interfaces (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    machine BYTEA NOT NULL REFERENCES machines (id),
    name TEXT NOT NULL,
    mac TEXT NOT NULL UNIQUE,
    note TEXT NOT NULL
);
CREATE INDEX interfaces_by_machine ON interfaces (machine);
