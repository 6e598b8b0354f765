CREATE TABLE console_sessions (
    -- SHA-256 of what the cookie says: who reads this table cannot sign in with it.
    id BYTEA PRIMARY KEY NOT NULL,
    -- user or token
    holder_kind TEXT NOT NULL,
    holder BYTEA NOT NULL,
    address TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX console_sessions_by_holder ON console_sessions (holder);
