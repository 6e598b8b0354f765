-- The one that is always there; its id is the same in every region.
INSERT INTO vrfs (id, key, revision, created_at, updated_at, name, note)
VALUES ('\x64656661756c742d7672662d30303031', 'default', 1, 0, 0, 'default', '');
