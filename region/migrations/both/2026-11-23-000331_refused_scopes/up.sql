-- Scopes that region itself cannot build, and why; the rack goes on with what it has. A row goes with its reason.
CREATE TABLE refused_scopes (
    rack BYTEA NOT NULL,
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    number BIGINT NOT NULL,
    -- Of the objections, and of what they are about.
    digest BYTEA NOT NULL,
    source BYTEA NOT NULL,
    verdict BYTEA NOT NULL,
    xid BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (rack, scope)
);
