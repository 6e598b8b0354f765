DROP TABLE boot_attempts;
