ALTER TABLE rack_sessions DROP COLUMN counts;
