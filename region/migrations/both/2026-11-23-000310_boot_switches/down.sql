ALTER TABLE subnets DROP COLUMN disabled_boot_architectures;
ALTER TABLE vlans DROP COLUMN proxy_dhcp;
