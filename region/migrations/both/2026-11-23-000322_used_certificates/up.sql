-- used_at is 0 until the rack has shown it; from then on its others are replaced. Those from before are taken for used, so that none locks another out.
ALTER TABLE rack_certificates ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rack_certificates ADD COLUMN replaced_at BIGINT NOT NULL DEFAULT 0;
UPDATE rack_certificates SET used_at = issued_at;
