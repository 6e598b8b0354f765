-- The leases of a subnet in the order of their keys; how many it has in use, without a look at the leases themselves.
DROP INDEX leases_by_subnet;
CREATE INDEX leases_by_subnet ON leases (subnet, key);
CREATE INDEX leases_in_use ON leases (subnet, state, address, ends_at);
CREATE INDEX leases_by_host_name ON leases (host_name);
-- Whatever its VRF is: a search for an address asks for each prefix that may be around it.
CREATE INDEX subnets_by_cidr ON subnets (cidr);
-- Most that happens is leases, and most of it is as usual: what is not is found by these.
CREATE INDEX events_by_kind ON events (kind, xid, seq);
CREATE INDEX events_worse_than_usual ON events (xid, seq) WHERE level > 0;
