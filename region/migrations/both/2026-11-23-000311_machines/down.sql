DROP TABLE interfaces;
DROP TABLE machines;
DROP TABLE boot_defaults;
DROP TABLE boot_profiles;
