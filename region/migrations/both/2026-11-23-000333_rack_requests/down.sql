DROP TABLE rack_requests;
