//! Whom a change concerns, and what stands in the way of a deletion: as the operation itself has it.

use plan::{BootFile, Rack};
use proto::v1;
use region::{
    operations::{self, OperationError, Tx, erased::AnyResource},
    resources,
};
use std::collections::BTreeMap;

use crate::{
    browser::form,
    support::{World, admin, on_both},
};

/// Some of everything. Racks one and two serve the VLAN, rack three serves none.
const SITE: &[(&str, &str)] = &[
    ("fabric", "name=dc1"),
    ("fabric", "name=empty"),
    ("vrf", "name=blue"),
    ("vrf", "name=unused"),
    ("vlan", "fabric=dc1 vid=10 primary_rack=rack1 secondary_rack=rack2"),
    ("vlan", "fabric=dc1 vid=11"),
    ("vlan", "fabric=dc1 vid=12"),
    ("subnet", "vrf=default vlan=dc1/10 cidr=10.0.0.0/24 gateway=10.0.0.1"),
    ("subnet", "vrf=blue vlan=dc1/11 cidr=10.0.1.0/24"),
    ("range", "subnet=10.0.0.0/24 first=10.0.0.100 last=10.0.0.199 dynamic=true"),
    ("reservation", "subnet=10.0.0.0/24 address=10.0.0.53 mac=52:54:00:00:00:02"),
    ("boot-profile", "name=debian target=kernel kernel=debian/{arch}/linux loaders=bios=loader"),
    ("boot-profile", "name=idle target=local-disk"),
    ("boot-default", "boot_profile=debian loaders=bios=loader"),
    ("machine", "name=n1 boot_profile=debian"),
    ("machine", "name=bare"),
    ("interface", "machine=n1 name=eth0 mac=52:54:00:00:00:01"),
    ("rack-token", "name=next"),
    ("token", "name=ci role=viewer"),
];
const FILES: [&str; 3] = ["debian/uefi-x64/linux", "loader", "unused"];

async fn site(world: &World) {
    let files = move |tx: &mut Tx<'_>| {
        FILES.iter().try_for_each(|path| {
            let file = BootFile {
                path: path.parse().unwrap(),
                size: 7.try_into().unwrap(),
                sha256: "ab".repeat(32).parse().unwrap(),
                note: String::new(),
            };
            operations::adopt(tx, file, "boot-file.created", "").map(drop)
        })
    };
    world.region.write(&admin(), files).await.unwrap();
    for name in ["rack1", "rack2", "rack3"] {
        let joins = move |tx: &mut Tx<'_>| {
            operations::adopt(tx, Rack::new(name.parse().unwrap()), "rack.joined", "").map(drop)
        };
        world.region.write(&admin(), joins).await.unwrap();
    }
    for (noun, fields) in SITE {
        world.create(noun, fields).await.unwrap();
    }
    world.lease("10.0.0.150", "kestrel").await;
}

/// By noun and key: a change of it, and the racks that serve it.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const SERVING: &[&str] = &["rack1", "rack2"];

const CHANGES: &[Row] = &[
    ("fabric", "dc1", "note=x", SERVING),
    ("fabric", "empty", "note=x", &[]),
    ("vrf", "blue", "note=x", &[]),
    ("vlan", "dc1/10", "note=x", SERVING),
    ("vlan", "dc1/10", "secondary_rack=rack3", &["rack1", "rack2", "rack3"]),
    ("vlan", "dc1/11", "primary_rack=rack3", &["rack3"]),
    ("subnet", "10.0.0.0/24", "note=x", SERVING),
    ("subnet", "10.0.1.0/24@blue", "note=x", &[]),
    ("subnet", "10.0.1.0/24@blue", "vlan=dc1/10", SERVING),
    ("range", "10.0.0.100-10.0.0.199", "note=x", SERVING),
    ("reservation", "10.0.0.53", "note=x", SERVING),
    ("boot-profile", "debian", "note=x", SERVING),
    ("boot-profile", "idle", "note=x", SERVING),
    ("boot-default", "region", "note=x", SERVING),
    ("machine", "n1", "note=x", SERVING),
    ("machine", "bare", "boot_profile=idle", SERVING),
    ("interface", "n1/eth0", "mac=52:54:00:00:00:03", SERVING),
    ("token", "ci", "note=x", &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_names_every_rack_that_takes_the_change_over() {
    on_both(async |world| {
        site(world).await;
        let mut browser = world.signed_in("admin").await;
        for (noun, key, change, racks) in CHANGES {
            let Some(kind) = proto::describe::kind(noun).filter(|kind| kind.has("Update")) else {
                continue;
            };
            let (field, value) = change.split_once('=').unwrap();
            let page = format!("/{}/{key}?do=preview", kind.plural);
            let answer = browser.post(&page, &format!("{field}={}", form(value))).await;
            assert!(answer.body.contains("What differs"), "{noun} {key}: {}", answer.body);
            let named = ["rack1", "rack2", "rack3"];
            let effects = answer.body.split("id=\"part-effects\"").nth(1).unwrap();
            let effects = effects.split("</section>").next().unwrap();
            let named = named.map(|rack| (rack, effects.contains(&format!(">{rack}</a>"))));
            let named: Vec<_> = named.iter().filter(|(_, told)| *told).map(|own| own.0).collect();
            assert_eq!(named, *racks, "{noun} {key} {change}: {effects}");
        }
    })
    .await;
}

/// What the operation would say, and nothing is deleted.
async fn tried(
    world: &World,
    resource: &'static dyn AnyResource,
    key: &str,
) -> Result<(), OperationError> {
    let (key, write) = (key.to_owned(), v1::Write { validate_only: true, ..Default::default() });
    let work = move |tx: &mut Tx<'_>| resource.delete(tx, &key, &write);
    world.region.write(&admin(), work).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_deletes_says_what_the_deletion_would() {
    on_both(async |world| {
        site(world).await;
        let mut browser = world.signed_in("admin").await;
        let mut seen: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
        for resource in resources::TABLE.iter().filter(|one| one.kind().has("Delete")) {
            let kind = resource.kind();
            for key in world.keys(&kind.noun, Default::default()).await.unwrap().0 {
                let page = browser.get(&format!("/{}/{key}?do=delete", kind.plural)).await.body;
                let asks = page.contains("Say that you mean it");
                let counted = seen.entry(kind.noun.as_str()).or_default();
                match tried(world, *resource, &key).await {
                    Ok(()) => {
                        assert!(asks && !page.contains("Named by"), "{} {key}: {page}", kind.noun);
                        counted[0] += 1;
                    }
                    Err(OperationError::InUse { users, .. }) => {
                        assert!(!asks, "{} {key} is named by {users}", kind.noun);
                        for user in users.split(", ") {
                            let (noun, named) = user.split_once(' ').unwrap();
                            let plural = &proto::describe::kind(noun).unwrap().plural;
                            let named = named.replace('@', "%40");
                            let link = format!("href=\"/{plural}/{named}\"");
                            assert!(page.contains(&link), "{} {key}: no {link}", kind.noun);
                        }
                        counted[1] += 1;
                    }
                    Err(other) => panic!("{} {key}: {other}", kind.noun),
                }
            }
        }
        let expected = resources::TABLE.iter().filter(|one| one.kind().has("Delete")).count();
        assert_eq!(seen.len(), expected, "some kind has nothing to try it on: {seen:?}");
        for noun in ["fabric", "vlan", "boot-file", "boot-profile", "machine", "rack"] {
            assert!(seen[noun].iter().all(|count| *count > 0), "{noun}: {seen:?}");
        }
    })
    .await;
}
