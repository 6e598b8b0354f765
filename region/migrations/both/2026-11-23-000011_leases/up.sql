CREATE TABLE leases (
    id BYTEA PRIMARY KEY NOT NULL,
    key TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    address BYTEA NOT NULL,
    state TEXT NOT NULL,
    mac TEXT NOT NULL,
    client_id TEXT NOT NULL,
    host_name TEXT NOT NULL,
    vlan BYTEA NOT NULL,
    subnet BYTEA NOT NULL,
    rack BYTEA NOT NULL,
    relay_information TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
-- No reference to what intent may delete: a rack's word is kept whatever becomes of its subject.
CREATE INDEX leases_by_address ON leases (address);
CREATE INDEX leases_by_subnet ON leases (subnet);
CREATE INDEX leases_by_vlan ON leases (vlan);
CREATE INDEX leases_by_mac ON leases (mac);
CREATE INDEX leases_by_end ON leases (ends_at);
