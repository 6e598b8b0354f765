//! A rack without a region serves what machines boot, to the clients that are to be had: by TFTP and by HTTP, every byte as it is on the disk.

use anyhow::{Context, ensure};
use hostler_integration_tests::lab::{
    Node,
    machine::INTERFACE,
    rack::Rack,
    segment::{BootSetup, RACK, Segment, content},
    until,
};
use std::{fs, path::Path, time::Duration};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn machines_fetch_what_they_boot() -> anyhow::Result<()> {
    let Some(segment) = Segment::open("tftp")? else { return Ok(()) };
    let (lab, client) = (&segment.lab, segment.node("c", &["10.9.0.99/16"])?);
    // 70,000 blocks of 512 bytes: their numbers begin anew.
    let (kernel, loader) = (content(35_840_123), content(512 * 400));
    let boot = format!(
        r#"
profiles = [{{ name = "debian", kernel = {{ kernel = "debian/linux", command-line = "name={{name}}" }} }}]
machines = [{{ name = "n1", macs = ["{}"], profile = "debian" }}]
"#,
        client.mac(INTERFACE)?
    );
    let setup = BootSetup {
        files: &[
            ("debian/linux", &segment.file("linux", &kernel)?),
            ("ipxe/snponly.efi", &segment.file("snponly.efi", &loader)?),
        ],
        loaders: &[("uefi-x64", "ipxe/snponly.efi")],
        boot: &boot,
        ..BootSetup::default()
    };
    let mut rack = Rack::alone(lab, "rack", &segment.rack, &setup.toml())?;
    rack.start()?;
    rack.shows("2 files at 10.9.0.2:69")?;
    rack.shows("2 files at 10.9.0.2:7280")?;

    let fetched = lab.folder().join("fetched");
    let to = fetched.to_str().context("a path in ASCII")?;
    let tftp = |path: &str| format!("tftp://{RACK}/{path}");
    let http = |path: &str| format!("http://{RACK}:7280/boot/{path}");
    let curl = ["curl", "-sS", "-f", "-m", "60", "-o", to];
    for words in [
        vec!["--tftp-no-options".to_owned(), tftp("debian/linux")],
        vec!["--tftp-blksize".into(), "1428".into(), tftp("/debian//linux")],
        vec!["--tftp-blksize".into(), "8192".into(), tftp("debian/linux")],
        vec![http("debian/linux")],
        vec!["-r".into(), "0-".into(), http("debian/linux")],
    ] {
        let words: Vec<&str> =
            curl.iter().copied().chain(words.iter().map(String::as_str)).collect();
        check(&client, &words, &fetched, &kernel)?;
    }
    let busybox = ["busybox", "tftp", "-g", "-b", "1428", "-l", to, "-r", "ipxe/snponly.efi", RACK];
    check(&client, &busybox, &fetched, &loader)?;

    let own = client.run(&["curl", "-sS", "-f", "-m", "9", &tftp("grub/grub.cfg")])?;
    ensure!(
        own.contains("linux /debian/linux") && own.contains("name=n1"),
        "known by its MAC address: {own}"
    );
    let script = client.run(&["curl", "-sS", "-f", "-m", "9", &http("script?serial=X1")])?;
    ensure!(script.starts_with("#!ipxe\n") && script.contains("name=n1"), "{script}");

    for path in ["nothing", "../../etc/passwd", "/etc/passwd", "debian"] {
        let refused = client.run(&["curl", "-sS", "-f", "--path-as-is", "-m", "9", &tftp(path)]);
        ensure!(refused.is_err(), "{path}: {refused:?}");
    }
    until(LIMIT, "all transfers have ended", || {
        Ok(rack.says()?.contains("10.9.0.2:69, 0 transfers").then_some(()))
    })
}

fn check(client: &Node, words: &[&str], fetched: &Path, expected: &[u8]) -> anyhow::Result<()> {
    // What an earlier client left must not pass for this one's.
    let _ = fs::remove_file(fetched);
    client.run(words)?;
    ensure!(fs::read(fetched)? == expected, "{words:?}: other bytes than on the disk");
    Ok(())
}
