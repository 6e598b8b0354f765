//! A rack without a region, as its systemd unit runs it: nobody in particular, with the unit's capabilities and no others.

use anyhow::Context;
use hostler_integration_tests::lab::{
    Process,
    machine::Client,
    program,
    segment::{RACK, Segment},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const UNIT: &str = include_str!("../../deploy/systemd/hostler-rack.service");

#[test]
fn one_rack_serves_from_a_file_with_what_its_unit_allows() -> anyhow::Result<()> {
    let Some(segment) = Segment::open("sta")? else { return Ok(()) };
    // Where somebody who owns nothing else can reach it.
    let home = tempfile::Builder::new().prefix("hostler-standalone-").tempdir()?;
    let nobody = nix::unistd::User::from_name("nobody")?.context("there is a user nobody")?;
    nix::unistd::chown(home.path(), Some(nobody.uid), Some(nobody.gid))?;
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755))?;
    let own = home.path().join("hostler-rack");
    fs::copy(program("hostler-rack")?, &own)?;
    let config = home.path().join("standalone.toml");
    fs::write(&config, configuration(home.path()))?;

    let mut setpriv = segment.rack.command("setpriv");
    setpriv.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs"]);
    let allowed = capabilities()?;
    for set in ["--bounding-set", "--inh-caps", "--ambient-caps"] {
        setpriv.arg(format!("{set}=-all{allowed}"));
    }
    setpriv.arg(&own).args(["serve", "--config"]).arg(&config);
    let _rack = Process::start("rack", segment.lab.folder(), &mut setpriv)?;
    for (name, client) in [("c1", Client::Udhcpc), ("c2", Client::Dhclient), ("c3", Client::Dhcpcd)]
    {
        let (_running, told) = segment.machine(name)?.lease(client, &[])?;
        assert_eq!(told.dns(), ["10.9.0.53"], "{client:?}");
        assert_eq!(told.get("server"), RACK, "{client:?}");
    }
    Ok(())
}

fn configuration(home: &Path) -> String {
    let (state, socket) = (home.join("state"), home.join("status.sock"));
    format!(
        r#"
state-directory = {state:?}
status-socket = {socket:?}
[leases]
segment = 4
[[dhcp]]
name = "dc1/10"
role = "primary"
[[dhcp.subnets]]
prefix = "10.9.0.0/16"
ranges = [{{ first = "10.9.1.0", last = "10.9.1.255" }}]
options = [{{ name = "domain-name-servers", value = "10.9.0.53" }}]
"#
    )
}

/// As setpriv adds them: `,+net_raw` for each.
fn capabilities() -> anyhow::Result<String> {
    let line = UNIT.lines().find_map(|line| line.strip_prefix("AmbientCapabilities="));
    let names = line.context("the unit names its capabilities")?.split(' ');
    Ok(names.map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase())).collect())
}
