CREATE TABLE users (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    note TEXT NOT NULL,
    password_set_at BIGINT NOT NULL,
    -- argon2id in PHC form; empty: no password opens it. No field of the resource, so that no message can carry it.
    password_hash TEXT NOT NULL DEFAULT ''
);
