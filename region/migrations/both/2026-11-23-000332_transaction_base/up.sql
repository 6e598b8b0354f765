-- What is added to the number of a transaction where it orders events: after a restore into another server numbers begin anew, and what is in the log
-- must stay before what comes. 0 in a database that was never restored so.
ALTER TABLE log_state ADD COLUMN xid_base BIGINT NOT NULL DEFAULT 0;
