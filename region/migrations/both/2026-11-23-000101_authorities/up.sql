-- What signs certificates. The key is sealed by a key that is not in the database.
CREATE TABLE authorities (
    purpose TEXT PRIMARY KEY NOT NULL,
    certificate BYTEA NOT NULL,
    sealed_key BYTEA NOT NULL,
    sealed_by TEXT NOT NULL,
    made_at BIGINT NOT NULL
);
