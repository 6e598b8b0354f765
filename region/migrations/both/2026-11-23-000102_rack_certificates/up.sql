-- Each certificate that a rack was given; revoked_at is 0 while it is good.
CREATE TABLE rack_certificates (
    serial TEXT PRIMARY KEY NOT NULL,
    rack BYTEA NOT NULL,
    issued_at BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);
CREATE INDEX rack_certificates_by_rack ON rack_certificates (rack);
