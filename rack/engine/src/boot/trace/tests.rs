use super::*;
use common::{
    MachineId, Name,
    rack_config::{
        BootParts,
        boot::{BootMachine, BootProfile, BootTarget, Loaders},
    },
    report::BootStep,
};

const LOADER: &str = "ipxe/snponly.efi";
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1000 + seconds)
}

fn mac(last: u8) -> MacAddr {
    MacAddr::new([2, 0, 0, 0, 0, last])
}

/// Machine 1 boots a kernel, 2 its own disk, 3 a script; others are unknown.
fn config() -> BootConfig {
    let name = |text: &str| text.parse::<Name>().unwrap();
    let profile = |target| BootProfile { target, loaders: Loaders::new() };
    let kernel = BootTarget::Kernel {
        kernel: "debian/vmlinuz".parse().unwrap(),
        initrds: vec!["{url}/debian/initrd".parse().unwrap()],
        command_line: "".parse().unwrap(),
    };
    let script = BootTarget::Script("chain x".parse().unwrap());
    let machine = |last: u8, profile: &str| BootMachine {
        id: MachineId::new(Uuid::from_u128(last.into())),
        name: name(&format!("n{last}")),
        macs: vec![mac(last)],
        uuid: None,
        profile: Some(name(profile)),
    };
    BootConfig::new(BootParts {
        profiles: [
            (name("kernel"), profile(kernel)),
            (name("local"), profile(BootTarget::LocalDisk)),
            (name("script"), profile(script)),
        ]
        .into(),
        machines: vec![machine(1, "kernel"), machine(2, "local"), machine(3, "script")],
        ..BootParts::default()
    })
    .unwrap()
}

/// What one machine does, each line a second after the one before; `+N` waits so long.
struct World {
    trace: Trace,
    config: BootConfig,
    mac: MacAddr,
    now: i64,
    told: Vec<BootAttempt>,
}

impl World {
    fn new(last: u8) -> Self {
        Self { trace: Trace::new(7), config: config(), mac: mac(last), now: 0, told: Vec::new() }
    }

    fn run(&mut self, lines: &str) {
        for line in lines.split(';').map(str::trim) {
            self.now += 1;
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            match verb.strip_prefix('+') {
                Some(seconds) => self.wait(seconds.parse().unwrap()),
                None => self.event(verb, rest),
            }
            self.told.extend(self.trace.take_changed());
        }
    }

    fn wait(&mut self, seconds: i64) {
        self.now += seconds;
        while self.trace.poll_timeout().is_some_and(|due| due <= at(self.now)) {
            self.trace.handle_timeout(Some(&self.config), at(self.now));
        }
    }

    fn event(&mut self, verb: &str, rest: &str) {
        let asked = |client, answer| Seen::Asked { client, code: Some(7), uuid: None, answer };
        let loader = || Answered::Loader(LOADER.into());
        let seen = match verb {
            "pxe" => asked(BootClient::Pxe, loader()),
            "http" => asked(BootClient::Http, loader()),
            "ipxe" => asked(BootClient::Ipxe, Answered::Loader("http://r/boot/script".into())),
            "no-loader" => asked(BootClient::Pxe, Answered::NoLoader),
            "bound" => Seen::Bound { address: PEER },
            "system" => Seen::System,
            _ => return self.fetch(verb, rest),
        };
        let sighting = Sighting { vlan: VlanId::new(Uuid::nil()), mac: self.mac, seen };
        self.trace.handle_sighting(&sighting, Some(&self.config), at(self.now));
    }

    fn fetch(&mut self, verb: &str, path: &str) {
        let step = match verb {
            "get" => FetchStep::Started,
            "half" => FetchStep::Bytes(50),
            "done" => FetchStep::Done(100),
            "fail" => FetchStep::Failed(50, "the client fell silent"),
            other => panic!("{other}"),
        };
        let told =
            Identity { mac: None, uuid: None, serial: if path == "script" { "S\n1" } else { "" } };
        let fetch = Fetch { transfer: 1, peer: PEER, told, path, step };
        self.trace.handle_fetch(&fetch, Some(&self.config), at(self.now));
    }

    /// Each attempt as it was told last: its stages, and what became of it.
    fn attempts(&self) -> Vec<String> {
        let mut latest: Vec<&BootAttempt> = Vec::new();
        for told in &self.told {
            match latest.iter_mut().find(|known| known.id == told.id) {
                Some(known) => *known = told,
                None => latest.push(told),
            }
        }
        latest.iter().map(|attempt| show(attempt)).collect()
    }
}

fn show(attempt: &BootAttempt) -> String {
    let stages = attempt.stages.iter().map(|stage| match stage.step {
        BootStep::Discover => "discover".into(),
        BootStep::Offer => "offer".into(),
        BootStep::LoaderRequested => format!("loader:{}", stage.bytes),
        BootStep::LoaderDone => "loaded".into(),
        BootStep::Script => "script".into(),
        BootStep::Kernel => format!("kernel:{}", stage.bytes),
        BootStep::Initrd => format!("initrd:{}", stage.bytes),
        BootStep::System => "system".to_owned(),
    });
    let outcome = match &attempt.outcome {
        BootOutcome::Running => "running",
        BootOutcome::Finished => "finished",
        BootOutcome::Stalled { cause } => cause,
    };
    format!("{} | {outcome}", stages.collect::<Vec<_>>().join(" "))
}

/// Machine, what happens, and each attempt of it in the end.
type Row = (&'static str, u8, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        "from firmware to system",
        1,
        "pxe; bound; get ipxe/snponly.efi; done ipxe/snponly.efi; ipxe; bound; get script; done script; \
         get debian/vmlinuz; half debian/vmlinuz; done debian/vmlinuz; get debian/initrd; done debian/initrd; +30; system",
        &["discover offer loader:0 loaded script kernel:100 initrd:100 system | finished"],
    ),
    ("firmware asks several times", 1, "pxe; pxe; +5; pxe", &["discover offer | running"]),
    (
        "iPXE is the firmware",
        1,
        "ipxe; ipxe; bound; done script; get debian/vmlinuz; +3; system",
        &["discover offer script kernel:0 system | finished"],
    ),
    (
        "its own disk",
        2,
        "pxe; bound; done ipxe/snponly.efi; ipxe; done script",
        &["discover offer loaded script | finished"],
    ),
    (
        "a script of the operator's",
        3,
        "ipxe; bound; done script; get x/linux; done x/linux; get x/one; get x/two; system",
        &["discover offer script kernel:100 initrd:0 initrd:0 system | finished"],
    ),
    (
        "Secure Boot, or the wrong program",
        1,
        "pxe; bound; get ipxe/snponly.efi; done ipxe/snponly.efi; +70",
        &[
            "discover offer loader:0 loaded | its loader was downloaded and never went on: Secure Boot refused it, or it is not for this architecture (uefi-x64)",
        ],
    ),
    (
        "shim fetches GRUB, which asks for its configuration",
        1,
        "pxe; bound; done ipxe/snponly.efi; get grubx64.efi; done grubx64.efi; get grub/x86_64-efi/fs.lst; done grub/grub.cfg-01",
        &["discover offer loaded loader:0 loaded script | running"],
    ),
    (
        "no TFTP",
        1,
        "pxe; bound; +70",
        &[
            "discover offer | it never asked for its loader: it chose another server, or its TFTP or HTTP requests do not arrive",
        ],
    ),
    (
        "the transfer breaks",
        1,
        "pxe; bound; get ipxe/snponly.efi; half ipxe/snponly.efi; fail ipxe/snponly.efi; +70",
        &["discover offer loader:50 | ipxe/snponly.efi: the client fell silent"],
    ),
    (
        "a second try helps",
        1,
        "pxe; bound; get ipxe/snponly.efi; fail ipxe/snponly.efi; get ipxe/snponly.efi; done ipxe/snponly.efi",
        &["discover offer loader:50 loaded | running"],
    ),
    (
        "no loader for it",
        1,
        "no-loader; +70",
        &["discover | there is no loader for its architecture (uefi-x64)"],
    ),
    (
        "unknown",
        9,
        "ipxe; bound; done script; +70",
        &[
            "discover offer script | it has no boot profile: it was told so, and asks again until it has one",
        ],
    ),
    (
        "late, but it comes",
        1,
        "ipxe; bound; done script; +70; get debian/vmlinuz; system",
        &["discover offer script kernel:0 system | finished"],
    ),
    (
        "switched off in the midst of it",
        1,
        "pxe; bound; done ipxe/snponly.efi; pxe; bound; done ipxe/snponly.efi; system",
        &[
            "discover offer loaded | the machine began anew: its loader was downloaded and never went on: Secure Boot refused it, or it is not for this architecture (uefi-x64)",
            "discover offer loaded system | finished",
        ],
    ),
    (
        "PXE is answered by somebody else, and then it tries HTTP",
        1,
        "pxe; +20; http; bound; get ipxe/snponly.efi; done ipxe/snponly.efi; ipxe; done script; system",
        &[
            "discover offer | the machine began anew: it never asked for its loader: it chose another server, or its TFTP or HTTP requests do not arrive",
            "discover offer loader:0 loaded script system | finished",
        ],
    ),
    (
        "one boot after the other",
        1,
        "ipxe; bound; system; ipxe; bound; system",
        &["discover offer system | finished", "discover offer system | finished"],
    ),
    ("what nobody follows", 1, "get ipxe/snponly.efi; done script; system; bound", &[]),
];

#[test]
fn how_far_it_came() {
    for (what, machine, lines, expected) in ROWS {
        let mut world = World::new(*machine);
        world.run(lines);
        assert_eq!(world.attempts(), *expected, "{what}");
        assert_eq!(world.told.iter().all(|told| told.machine.is_some()), *machine < 9, "{what}");
    }
}

#[test]
fn what_it_says_of_itself_is_kept_and_cleaned() {
    let mut world = World::new(1);
    world.run("ipxe; bound; done script");
    let last = world.told.last().unwrap();
    assert_eq!((last.serial.as_str(), last.architecture), ("S1", Some(7)));
}

/// Bytes are told every few seconds, not with every event.
#[test]
fn progress_is_told_from_time_to_time() {
    let mut world = World::new(1);
    world.run("ipxe; bound; done script; get debian/vmlinuz");
    let before = world.told.len();
    for bytes in 1..=20 {
        let told = Identity::default();
        let step = FetchStep::Bytes(bytes);
        let fetch = Fetch { transfer: 1, peer: PEER, told, path: "debian/vmlinuz", step };
        world.now += 1;
        world.trace.handle_fetch(&fetch, Some(&world.config), at(world.now));
    }
    assert_eq!(world.trace.take_changed().len(), 4);
    assert_eq!(before, 3);
}

#[test]
fn strangers_make_it_no_larger() {
    let mut trace = Trace::new(1);
    for number in 0..3 * ATTEMPTS as u32 {
        let [_, b, c, d] = number.to_be_bytes();
        let answer = Answered::NoLoader;
        let seen = Seen::Asked { client: BootClient::Pxe, code: None, uuid: None, answer };
        let mac = MacAddr::new([2, 0, 0, b, c, d]);
        let sighting = Sighting { vlan: VlanId::new(Uuid::nil()), mac, seen };
        trace.handle_sighting(&sighting, None, at(i64::from(number)));
        let seen = Seen::Bound { address: Ipv4Addr::from_bits(number) };
        trace.handle_sighting(&Sighting { seen, ..sighting }, None, at(i64::from(number)));
    }
    assert_eq!(trace.attempts.len(), ATTEMPTS);
    assert!(trace.by_address.len() <= ATTEMPTS, "{}", trace.by_address.len());
    trace.handle_timeout(None, at(1_000_000));
    trace.handle_timeout(None, at(2_000_000));
    assert!(trace.attempts.is_empty() && trace.by_address.is_empty());
    let tally = trace.tally();
    assert_eq!((tally.started, tally.forgotten), (3 * ATTEMPTS as u64, 2 * ATTEMPTS as u64));
}
