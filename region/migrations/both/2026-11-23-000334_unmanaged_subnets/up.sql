-- Until now nobody read it, and every subnet was served.
ALTER TABLE subnets RENAME COLUMN managed TO unmanaged;
UPDATE subnets SET unmanaged = FALSE;
