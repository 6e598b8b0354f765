-- One row: the newest generation, and how far into the event log the configurations reach.
CREATE TABLE configuration (
    only_row BIGINT PRIMARY KEY NOT NULL CHECK (only_row = 0),
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    xid BIGINT NOT NULL,
    seq BIGINT NOT NULL
);
-- What each rack should be doing. A withdrawn scope stays until the rack has let go of it.
CREATE TABLE scopes (
    rack BYTEA NOT NULL,
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    content BYTEA NOT NULL,
    withdrawn BOOLEAN NOT NULL,
    xid BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (rack, scope)
);
CREATE INDEX scopes_by_number ON scopes (number);
-- What each rack says of its scopes, as it said it.
CREATE TABLE verdicts (
    rack BYTEA NOT NULL,
    scope TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    status BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (rack, scope)
);
