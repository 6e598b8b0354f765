CREATE TABLE tokens (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    expires_in TEXT NOT NULL,
    note TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    secret BYTEA NOT NULL UNIQUE
);
