//! The region's own tests: each on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

#[path = "../support/mod.rs"]
mod support;

mod api;
mod boot_attempts;
mod boot_files;
mod database;
mod events;
mod leases;
mod liveness;
mod machines;
mod plans;
mod refusals;
mod resources;
mod tokens;
mod trail;
mod watches;

use support::World;

/// A small network that tests change.
async fn network(world: &World) {
    for (noun, fields) in [
        ("fabric", "name=dc1"),
        ("fabric", "name=dc2"),
        ("vrf", "name=blue"),
        ("vlan", "fabric=dc1 vid=10"),
        ("vlan", "fabric=dc2 vid=10"),
        ("subnet", "vrf=default vlan=dc1/10 cidr=10.0.0.0/24 gateway=10.0.0.1"),
    ] {
        let made = world.create(noun, fields).await;
        assert!(made.is_ok(), "{noun} {fields}: {made:?}");
    }
}
