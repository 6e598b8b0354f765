DROP TABLE verdicts;
DROP TABLE scopes;
DROP TABLE configuration;
