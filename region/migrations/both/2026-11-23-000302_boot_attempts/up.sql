CREATE TABLE boot_attempts (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    mac TEXT NOT NULL,
    machine BYTEA NOT NULL,
    vlan BYTEA NOT NULL,
    rack BYTEA NOT NULL,
    architecture TEXT NOT NULL,
    uuid TEXT NOT NULL,
    serial TEXT NOT NULL,
    outcome TEXT NOT NULL,
    stage TEXT NOT NULL,
    cause TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    heard_at BIGINT NOT NULL,
    stages TEXT NOT NULL
);
-- No reference to what intent may delete: a rack's word is kept whatever becomes of its subject.
CREATE INDEX boot_attempts_by_start ON boot_attempts (started_at);
CREATE INDEX boot_attempts_by_machine ON boot_attempts (machine);
CREATE INDEX boot_attempts_by_mac ON boot_attempts (mac);
CREATE INDEX boot_attempts_by_outcome ON boot_attempts (outcome);
