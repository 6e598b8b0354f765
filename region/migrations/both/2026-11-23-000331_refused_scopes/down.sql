DROP TABLE refused_scopes;
