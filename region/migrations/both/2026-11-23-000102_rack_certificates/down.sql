DROP TABLE rack_certificates;
