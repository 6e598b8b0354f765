CREATE TABLE reservations (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    subnet BYTEA NOT NULL REFERENCES subnets (id),
    address BYTEA NOT NULL,
    mac TEXT NOT NULL,
    client_id TEXT NOT NULL,
    host_name TEXT NOT NULL,
    next_server BYTEA NOT NULL,
    boot_file TEXT NOT NULL,
    options TEXT NOT NULL,
    note TEXT NOT NULL,
    UNIQUE (subnet, address)
);
CREATE INDEX reservations_by_mac ON reservations (mac);
