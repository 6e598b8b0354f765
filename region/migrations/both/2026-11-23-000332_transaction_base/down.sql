ALTER TABLE log_state DROP COLUMN xid_base;
