ALTER TABLE subnets RENAME COLUMN unmanaged TO managed;
