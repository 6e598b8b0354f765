DROP INDEX events_worse_than_usual;
DROP INDEX events_by_kind;
DROP INDEX subnets_by_cidr;
DROP INDEX leases_by_host_name;
DROP INDEX leases_in_use;
DROP INDEX leases_by_subnet;
CREATE INDEX leases_by_subnet ON leases (subnet);
