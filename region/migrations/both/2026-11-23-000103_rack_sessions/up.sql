-- What each rack last said of itself, and whether a region holds its stream.
CREATE TABLE rack_sessions (
    rack BYTEA PRIMARY KEY NOT NULL,
    session BYTEA NOT NULL,
    connected BOOLEAN NOT NULL,
    version TEXT NOT NULL,
    incarnation BYTEA NOT NULL,
    connected_at BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    services BYTEA NOT NULL,
    interfaces BYTEA NOT NULL
);
-- How far facts are recorded; written in the transaction that records them.
CREATE TABLE outbox_positions (
    rack BYTEA NOT NULL,
    incarnation BYTEA NOT NULL,
    class TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (rack, incarnation, class)
);
-- What a snapshot that is still coming in has named so far.
CREATE TABLE snapshot_leases (
    rack BYTEA NOT NULL,
    lease BYTEA NOT NULL,
    PRIMARY KEY (rack, lease)
);
