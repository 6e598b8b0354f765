CREATE TABLE boot_files (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    note TEXT NOT NULL
);
-- Racks ask for content; several names may share it.
CREATE INDEX boot_files_by_content ON boot_files (sha256);
