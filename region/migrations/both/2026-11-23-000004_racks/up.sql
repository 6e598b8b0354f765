CREATE TABLE racks (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    name TEXT NOT NULL,
    note TEXT NOT NULL,
    connected BOOLEAN NOT NULL,
    version TEXT NOT NULL,
    address TEXT NOT NULL,
    last_seen BIGINT NOT NULL,
    certificate_expires BIGINT NOT NULL,
    revoked BOOLEAN NOT NULL
);
