DROP INDEX leases_by_place;
CREATE INDEX leases_by_vlan ON leases (vlan);
