-- `v1::RackCounts`, as the rack told them last; null: it told none.
ALTER TABLE rack_sessions ADD COLUMN counts BYTEA;
