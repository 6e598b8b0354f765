//! Machines and how they boot, as pages show it.

use common::{
    Id, RackId, Timestamp, VlanId,
    report::{BootAttempt, BootOutcome, BootStage, BootStep, FactClass},
};
use http::StatusCode;
use plan::Vlan;
use region::{
    db::positions::Outbox,
    operations::{
        self, Tx,
        boot_attempt::{self, Facts},
    },
};
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

use crate::{
    browser::form,
    support::{World, admin, on_both},
};

const KNOWN: &str = "52:54:00:00:00:11";
const STRANGER: &str = "52:54:00:00:00:12";

use BootOutcome::{Finished, Running};
use BootStep::{Discover, Initrd, Kernel, LoaderDone, LoaderRequested, Offer, Script, System};

fn stalled(cause: &str) -> BootOutcome {
    BootOutcome::Stalled { cause: cause.into() }
}

impl World {
    /// A rack tells of a boot that began so many seconds ago, a stage each second. Gives its key.
    pub(crate) async fn boot(
        &self,
        mac: &str,
        ago: i64,
        steps: &[BootStep],
        outcome: BootOutcome,
    ) -> String {
        // What is told later has a higher number, in whichever world.
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let attempt = BootAttempt {
            number,
            id: Uuid::from_u128(number.into()),
            vlan: self.vlan().await,
            mac: mac.parse().unwrap(),
            machine: None,
            architecture: Some(7),
            uuid: Some(Uuid::from_u128(77)),
            serial: "SN1<b>".into(),
            stages: stages(self.region.clock.now().shifted(-ago * 1_000_000), steps),
            outcome,
        };
        self.told(attempt).await;
        format!("{mac}@{number:012x}")
    }

    async fn told(&self, attempt: BootAttempt) {
        let outbox = Outbox {
            rack: RackId::new(Uuid::from_u128(7)),
            incarnation: Uuid::from_u128(8),
            class: FactClass::Boot,
        };
        let newest = attempt.number;
        let facts = Facts { outbox, rack: "rack1".into(), attempts: vec![attempt], newest };
        boot_attempt::record(&self.region, vec![facts]).await.unwrap();
    }

    async fn vlan(&self) -> VlanId {
        let find = |tx: &mut Tx<'_>| operations::find::<Vlan>(tx.conn, "dc1/10");
        let found = self.region.read(&admin(), find).await;
        found.map_or_else(|_| Id::new(Uuid::from_u128(9)), |vlan| vlan.id.cast())
    }

    async fn machine(&self) {
        self.create("machine", "name=kestrel").await.unwrap();
        let interface = format!("machine=kestrel name=eth0 mac={KNOWN}");
        self.create("interface", &interface).await.unwrap();
    }
}

fn stages(began: Timestamp, steps: &[BootStep]) -> Vec<BootStage> {
    let stage = |(at, step): (i64, &BootStep)| BootStage {
        step: *step,
        at: began.shifted(at * 1_000_000),
        detail: match step {
            LoaderRequested | LoaderDone => "ipxe/snponly.efi".into(),
            Kernel => "debian/<script>vmlinuz".into(),
            Discover | Offer | Script | Initrd | System => String::new(),
        },
        bytes: if *step == Kernel { 14_889_779 } else { 0 },
    };
    (0..).zip(steps).map(stage).collect()
}

const WHOLE: &[BootStep] =
    &[Discover, Offer, LoaderRequested, LoaderDone, Script, Kernel, Initrd, System];

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_page_shows_how_its_boot_goes() {
    on_both(async |world| {
        world.network().await;
        world.machine().await;
        let mut browser = world.signed_in("operator").await;
        let page = browser.get("/machines/kestrel").await.body;
        assert!(page.contains("not booted yet") && page.contains("has no boot profile"), "{page}");
        let before = world.boot(KNOWN, 900, WHOLE, Finished).await;
        world.boot(KNOWN, 5, &WHOLE[..6], Running).await;
        let page = browser.get("/machines/kestrel").await.body;
        for part in [
            "<span class=\"st info pill\">booting, kernel</span>",
            "role=\"img\" aria-label=\"The boot of kestrel goes on since ",
            "Kernel (debian/&#60;script&#62;vmlinuz) goes on since ",
            "Loader done (ipxe/snponly.efi) took 1.0 s",
            "data-growing",
            "14.2 MiB",
            "uefi-x64, serial SN1&#60;b&#62;, UUID ",
            "hostler machine boot-trace kestrel",
            "on VLAN dc1/10",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("<script>vml") && !page.contains(" style="));
        // The one before, by the link to it.
        let link = format!("/machines/kestrel?boot={}", before.replace('@', "%40"));
        assert!(page.contains(&format!("href=\"{link}\"")), "{link}\n{page}");
        let page = browser.get(&link).await.body;
        assert!(page.contains("The boot of kestrel took 7.0 s."), "{page}");
        assert!(!page.contains("data-growing"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_boot_stalls_at_is_named_with_the_likely_cause() {
    on_both(async |world| {
        world.machine().await;
        let cause = "its loader was sent whole: Secure Boot refused it";
        world.boot(KNOWN, 90, &WHOLE[..4], stalled(cause)).await;
        let mut browser = world.signed_in("viewer").await;
        for path in
            ["/machines/kestrel", "/boot-attempts", "/boot-attempts?filter=outcome%3Dstalled"]
        {
            let page = browser.get(path).await.body;
            assert!(
                page.contains("stalled at loader-done") && page.contains(cause),
                "{path} {page}"
            );
        }
        let page = browser.get("/machines/kestrel").await.body;
        assert!(
            page.contains("It stalled at loader-done") && page.contains("never reached"),
            "{page}"
        );
        // Who may not write is not asked to.
        assert!(!page.contains("do=preview") && !page.contains("do=create"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_boots_becomes_a_machine() {
    on_both(async |world| {
        let key = world.boot(STRANGER, 9, &WHOLE[..5], Running).await;
        world.machine().await;
        world.boot(KNOWN, 900, WHOLE, Finished).await;
        let mut browser = world.signed_in("operator").await;
        let make = format!("/machines?do=create&#38;mac={STRANGER}&#38;architecture=uefi-x64");
        let list = browser.get("/boot-attempts?filter=machine%3D").await.body;
        assert!(list.contains(&make) && list.contains("Make it a machine"), "{list}");
        assert!(!list.contains(KNOWN), "{list}");
        let page = browser.get(&format!("/boot-attempts/{}", form(&key))).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("No machine has this address"), "{}", page.body);
        assert!(page.body.contains(&make) && page.body.contains("hostler boot-attempt trace"));
        let blank = browser.get(&make.replace("&#38;", "&")).await;
        assert_eq!(
            (blank.input("mac"), blank.input("architecture")),
            (STRANGER.into(), "uefi-x64".into())
        );
        let typed = format!("name=newt&mac={}&architecture=uefi-x64", form(STRANGER));
        let made = browser.post("/machines?do=create", &typed).await;
        // Its boots are found by its address, also those of before.
        let page = browser.get(made.leads_to()).await.body;
        assert!(page.contains("booting, script"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_machine_boots_is_chosen_with_a_preview() {
    on_both(async |world| {
        world.machine().await;
        for name in ["shell", "disk"] {
            world.create("boot-profile", &format!("name={name} target=local-disk")).await.unwrap();
        }
        world.create("boot-default", "boot_profile=disk").await.unwrap();
        let mut browser = world.signed_in("operator").await;
        let page = browser.get("/machines/kestrel").await;
        assert!(
            page.body.contains(
                "/boot-profiles/disk\">disk</a> from its next start on, by the region&#39;s default"
            ),
            "{}",
            page.body
        );
        assert!(page.body.contains("<option value=\"shell\">shell</option>"), "{}", page.body);
        let sent = format!(
            "boot_profile=shell&revision={}&request_id={}",
            page.input("revision"),
            page.input("request_id")
        );
        let preview = browser.post("/machines/kestrel?do=preview", &sent).await;
        assert!(preview.body.contains("<span class=\"add\">shell</span>"), "{}", preview.body);
        let page = browser.get("/machines/kestrel").await.body;
        assert!(page.contains("region&#39;s default"), "nothing is saved yet");
        let answer = browser.post("/machines/kestrel?do=update", &sent).await;
        assert_eq!(answer.leads_to(), "/machines/kestrel");
        let page = browser.get("/machines/kestrel").await.body;
        assert!(page.contains("by its own profile"), "{page}");
        assert!(page.contains("<option value=\"shell\" selected>"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_addresses_and_interfaces_are_links() {
    on_both(async |world| {
        world.network().await;
        world.create("machine", "name=kestrel").await.unwrap();
        let interface = "machine=kestrel name=eth0 mac=52:54:00:00:00:01";
        world.create("interface", interface).await.unwrap();
        let reserved = "subnet=10.0.0.0/24 address=10.0.0.9 mac=52:54:00:00:00:01";
        world.create("reservation", reserved).await.unwrap();
        world.lease("10.0.0.150", "kestrel").await;
        let mut browser = world.signed_in("operator").await;
        let page = browser.get("/machines/kestrel").await.body;
        for link in [
            "/leases/10.0.0.150",
            "/reservations/10.0.0.9",
            "/interfaces/kestrel/eth0",
            "/interfaces/kestrel/eth0?do=update",
            "/interfaces/kestrel/eth0?do=delete",
            "/interfaces?do=create&#38;machine=kestrel",
        ] {
            assert!(page.contains(&format!("href=\"{link}\"")), "{link}\n{page}");
        }
        let made = browser
            .post("/interfaces?do=create", "machine=kestrel&name=eth1&mac=52:54:00:00:00:02")
            .await;
        assert_eq!(made.leads_to(), "/interfaces/kestrel/eth1", "{}", made.body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_boot_needs_a_person_until_the_machine_boots_again() {
    on_both(async |world| {
        world.machine().await;
        let stalled = || stalled("its loader was refused");
        world.boot(KNOWN, 90, &WHOLE[..4], stalled()).await;
        let stranger = world.boot(STRANGER, 60, &WHOLE[..2], stalled()).await;
        world.boot("52:54:00:00:00:13", 2 * 86_400, &WHOLE[..2], stalled()).await;
        let mut browser = world.signed_in("viewer").await;
        let page = browser.get("/").await.body;
        for part in [
            "Two things need a person",
            "kestrel stalled at loader-done as it booted",
            "Likely because its loader was refused.",
            "href=\"/machines/kestrel\"",
            &format!("{STRANGER} stalled at offer as it booted"),
            &format!("href=\"/boot-attempts/{}\"", stranger.replace('@', "%40")),
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        world.boot(KNOWN, 5, &WHOLE[..2], Running).await;
        let page = browser.get("/").await.body;
        assert!(page.contains("One thing needs a person"), "{page}");
        for at in 0..6 {
            world.boot(&format!("52:54:00:00:01:0{at}"), 30, &WHOLE[..2], stalled()).await;
        }
        let page = browser.get("/").await.body;
        assert!(page.contains("More boots stalled within a day"), "{page}");
        assert_eq!(page.matches("as it booted").count(), 5, "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_enrol_racks_sees_which_tokens_are_open() {
    on_both(async |world| {
        world.secret("rack-token", "name=rack9 expires_in=2h").await;
        let mut browser = world.signed_in("admin").await;
        let page = browser.get("/racks").await.body;
        let (_, open) = page.split_once("Open join tokens").unwrap();
        assert!(open.contains(">rack9</a></th><td><time "), "{page}");
        assert!(open.contains("?do=delete\">Revoke</a>"), "{page}");
        let mut viewer = world.signed_in("viewer").await;
        let page = viewer.get("/racks").await.body;
        assert!(!page.contains("rack9") && !page.contains("join tokens"), "{page}");
    })
    .await;
}
