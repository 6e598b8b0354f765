//! A machine and what it boots, from the operator's words to the racks that will be asked for it.

use hostler_integration_tests::lab::{
    Lab,
    centre::{Centre, Wishes},
};
use std::fs;

#[test]
fn what_a_machine_boots_is_on_its_racks_when_wait_returns() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("mac")? else { return Ok(()) };
    let centre = Centre::build(lab, Wishes::default())?;
    let script = centre.lab.folder().join("shell.ipxe");
    fs::write(&script, "#!ipxe\necho {name} at {mac}\nshell\n")?;
    let script = format!("@{}", script.display());
    let region = &centre.region;
    region.hostler(&[
        "boot-profile",
        "create",
        "shell",
        "--target",
        "script",
        "--script",
        &script,
    ])?;
    let mac = "52:54:00:12:34:56";
    for words in [
        &["machine", "create", "n1", "--mac", mac][..],
        &["machine", "boot-as", "n1", "shell"],
        &["boot-default", "create", "--boot-profile", "shell"],
    ] {
        let told = region.hostler_wait(words)?;
        for rack in ["rack1", "rack2"] {
            let mut lines = told.lines().filter(|line| line.contains(rack));
            let applied = |line: &str| line.contains("applied") && line.ends_with("boot");
            assert!(lines.any(applied), "{words:?}: {told}");
        }
    }
    let found = region.list("machine", &format!("mac={mac}"))?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["boot_profile"], "shell", "{found:?}");
    for rack in &centre.racks {
        let status = rack.status()?;
        let scopes = status["scopes"].as_array().cloned().unwrap_or_default();
        let boot = scopes.iter().find(|own| own["scope"] == "boot").unwrap_or(&status);
        assert_eq!(boot["verdict"], "applied", "{boot}");
        assert_eq!(boot["serving"], boot["offered"], "{boot}");
    }
    let refused = region.hostler(&["machine", "boot-as", "n1", "gone"]).unwrap_err();
    assert!(format!("{refused:#}").contains("is no boot-profile"), "{refused:#}");
    Ok(())
}
