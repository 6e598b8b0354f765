DROP TABLE racks;
