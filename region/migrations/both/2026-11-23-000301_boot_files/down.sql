DROP TABLE boot_files;
