DROP TABLE rack_tokens;
