ALTER TABLE rack_certificates DROP COLUMN replaced_at;
ALTER TABLE rack_certificates DROP COLUMN used_at;
