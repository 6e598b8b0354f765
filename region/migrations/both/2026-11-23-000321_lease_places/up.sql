-- A lease is what its VLAN's rack says of one address, whatever its key: of two rows the newer counts.
DELETE FROM leases WHERE length(vlan) = 0 OR EXISTS (
    SELECT 1 FROM leases AS newer
    WHERE newer.vlan = leases.vlan AND newer.address = leases.address
        AND (newer.updated_at > leases.updated_at OR (newer.updated_at = leases.updated_at AND newer.id > leases.id))
);
DROP INDEX leases_by_vlan;
CREATE UNIQUE INDEX leases_by_place ON leases (vlan, address);
