//! Machines with real firmware: QEMU without the help of a processor, plugged into a switch, with a serial console to read.

pub mod stage;

use super::{Lab, Node, Process, ip, until};
use anyhow::{Context, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// What a machine has in its flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS with iPXE as its network card's ROM.
    Bios,
    /// OVMF, booting by PXE.
    Uefi,
    /// OVMF, booting by HTTP.
    UefiHttp,
    /// OVMF that runs only what Microsoft or Debian has signed.
    SecureBoot,
    /// AAVMF on ARM, booting by PXE.
    Arm64,
}

/// A machine that was switched on. Ends with this value.
pub struct Metal {
    process: Process,
    console: PathBuf,
    namespace: String,
    tap: String,
}

impl Firmware {
    /// Whether QEMU and this firmware are on this computer.
    pub fn is_installed(self) -> bool {
        let (program, files) = self.needs();
        let found = |name: &str| {
            std::env::var_os("PATH").is_some_and(|path| {
                std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
            })
        };
        found(program) && files.iter().all(|file| Path::new(file).is_file())
    }

    fn needs(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Bios => ("qemu-system-x86_64", &[]),
            Self::Uefi | Self::UefiHttp => (
                "qemu-system-x86_64",
                &["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"],
            ),
            Self::SecureBoot => (
                "qemu-system-x86_64",
                &["/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"],
            ),
            Self::Arm64 => (
                "qemu-system-aarch64",
                &["/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"],
            ),
        }
    }

    /// Switches a machine on whose one network card is in this switch. Its console goes to `FOLDER/NAME.console`.
    pub fn switch_on(
        self,
        lab: &Lab,
        (switches, switch): (&Node, &str),
        machine: &Board<'_>,
    ) -> anyhow::Result<Metal> {
        let (folder, ns) = (lab.folder(), switches.namespace());
        let console = folder.join(format!("{}.console", machine.name));
        fs::write(&console, "")?;
        let tap = format!("tap-{}", machine.name);
        let _ = ip(&["-n", ns, "link", "del", &tap]);
        ip(&["-n", ns, "tuntap", "add", "dev", &tap, "mode", "tap"])?;
        ip(&["-n", ns, "link", "set", &tap, "master", switch, "up"])?;
        let (program, files) = self.needs();
        let mut command = switches.command(program);
        if let [code, variables] = files {
            let own = folder.join(format!("{}.vars", machine.name));
            fs::copy(variables, &own)?;
            let flash = |more: &str, file: &str| format!("if=pflash,format=raw,{more}file={file}");
            command.args(["-drive", &flash("readonly=on,", code)]);
            command.args(["-drive", &flash("", &own.display().to_string())]);
        }
        self.configure(&mut command);
        // UEFI and Debian's kernel for clouds have drivers for virtio, and for hardly another card. Without a ROM UEFI's own network stack is used.
        let rom = if self == Self::Bios { "" } else { ",romfile=" };
        let mac = machine.mac;
        command.args(["-netdev", &format!("tap,id=n0,ifname={tap},script=no,downscript=no")]);
        command.args(["-device", &format!("virtio-net-pci,netdev=n0,mac={mac},bootindex=1{rom}")]);
        command.args(["-uuid", machine.uuid, "-m", "512", "-no-reboot", "-display", "none"]);
        command
            .args(["-smbios", &format!("type=1,serial={},uuid={}", machine.serial, machine.uuid)]);
        command.args(["-monitor", "none", "-serial", &format!("file:{}", console.display())]);
        let process = Process::start(machine.name, folder, &mut command)?;
        Ok(Metal { process, console, namespace: ns.into(), tap })
    }

    fn configure(self, command: &mut Command) {
        // OVMF's network stack may not start without a source of randomness.
        let random = ["-device", "virtio-rng-pci"];
        match self {
            Self::Bios => command.args(["-machine", "pc,accel=tcg,graphics=off"]),
            Self::Uefi | Self::UefiHttp => {
                command.args(["-machine", "q35,accel=tcg,smm=off"]).args(random)
            }
            Self::SecureBoot => command
                .args(["-machine", "q35,accel=tcg,smm=on"])
                .args(["-global", "driver=cfi.pflash01,property=secure,value=on"])
                .args(random),
            Self::Arm64 => command.args(["-machine", "virt", "-cpu", "cortex-a57"]).args(random),
        };
        // It tries one kind of boot after the other, each for a while; these are switched off.
        let off: &[&str] = match self {
            Self::Bios => &[],
            Self::Uefi | Self::SecureBoot | Self::Arm64 => &["IPv6PXESupport"],
            Self::UefiHttp => &["IPv4PXESupport", "IPv6PXESupport"],
        };
        for name in off {
            command.args(["-fw_cfg", &format!("name=opt/org.tianocore/{name},string=n")]);
        }
    }
}

/// What tells a machine from others.
#[derive(Clone, Copy, Debug)]
pub struct Board<'a> {
    /// At most 11 characters, since a network interface is named after it.
    pub name: &'a str,
    pub mac: &'a str,
    pub uuid: &'a str,
    pub serial: &'a str,
}

impl Metal {
    /// Waits until the console shows this.
    pub fn shows(&mut self, text: &str, limit: Duration) -> anyhow::Result<()> {
        let (process, console) = (&mut self.process, &self.console);
        until(limit, &format!("the console shows {text:?}"), || {
            let shown = String::from_utf8_lossy(&fs::read(console)?).contains(text);
            if !shown {
                ensure!(process.running()?, "the machine has ended: {}", process.log()?);
            }
            Ok(shown.then_some(()))
        })
        .with_context(|| format!("its console is in {}", self.console.display()))
    }

    pub fn console(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.console)?).into_owned())
    }
}

impl Drop for Metal {
    fn drop(&mut self) {
        // The interface goes with the lab, if not now.
        let _ = self.process.kill();
        let _ = ip(&["-n", &self.namespace, "link", "del", &self.tap]);
    }
}
