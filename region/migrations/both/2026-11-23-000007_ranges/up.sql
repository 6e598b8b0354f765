CREATE TABLE ranges (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    subnet BYTEA NOT NULL REFERENCES subnets (id),
    first BYTEA NOT NULL,
    last BYTEA NOT NULL,
    dynamic BOOLEAN NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX ranges_by_subnet ON ranges (subnet, first);
