DROP TABLE snapshot_leases;
DROP TABLE outbox_positions;
DROP TABLE rack_sessions;
