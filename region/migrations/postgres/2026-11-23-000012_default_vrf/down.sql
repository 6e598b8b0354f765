DELETE FROM vrfs WHERE key = 'default';
