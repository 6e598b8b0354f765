//! Which part a file has in an attempt.

use std::net::{IpAddr, Ipv4Addr};

use common::{
    rack_config::{
        BootConfig,
        boot::{Architecture, BootMachine, BootTarget},
    },
    report::BootStep,
};

use super::attempt::Attempt;
use crate::boot::script::{self, Asker};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// What firmware was told to fetch, or a program that this fetches in its turn, as shim fetches GRUB.
    Loader,
    Script,
    Kernel,
    Initrd,
    /// Anything else: fonts, modules, lists.
    Other,
}

pub(super) fn classify(attempt: &Attempt, path: &str, config: Option<&BootConfig>) -> File {
    if path == "script" || path.starts_with("grub/grub.cfg") {
        return File::Script;
    }
    let is_loader = |told: &str| told == path || told.ends_with(&format!("/boot/{path}"));
    if attempt.loader.as_deref().is_some_and(is_loader) {
        return File::Loader;
    }
    let step = attempt.step().unwrap_or(BootStep::Discover);
    match target(attempt, config) {
        Some(BootTarget::Kernel { .. }) => {
            let Some(config) = config else { return File::Other };
            let (kernel, initrds) = script::files(config, &asker(attempt));
            if kernel.as_deref() == Some(path) {
                return File::Kernel;
            }
            if initrds.iter().any(|initrd| initrd == path) {
                return File::Initrd;
            }
        }
        // What a script of the operator's fetches first is most likely a kernel.
        Some(BootTarget::Script(_)) if step == BootStep::Script => return File::Kernel,
        Some(BootTarget::Script(_)) if step > BootStep::Script => {
            let kernel = |stage: &&common::report::BootStage| stage.step == BootStep::Kernel;
            let is_kernel = attempt
                .known()
                .stages
                .iter()
                .find(kernel)
                .is_some_and(|kernel| kernel.detail == path);
            return if is_kernel { File::Kernel } else { File::Initrd };
        }
        Some(BootTarget::Script(_) | BootTarget::LocalDisk) | None => {}
    }
    let is_program = [".efi", ".kpxe", ".pxe", ".0"].iter().any(|end| path.ends_with(end));
    if is_program && step < BootStep::Script { File::Loader } else { File::Other }
}

pub(super) fn is_local_disk(attempt: &Attempt, config: Option<&BootConfig>) -> bool {
    target(attempt, config) == Some(&BootTarget::LocalDisk)
}

pub(super) fn has_target(attempt: &Attempt, config: Option<&BootConfig>) -> bool {
    target(attempt, config).is_some()
}

pub(super) fn machine<'c>(
    attempt: &Attempt,
    config: Option<&'c BootConfig>,
) -> Option<&'c BootMachine> {
    let known = attempt.known();
    script::machine(config?, Some(known.mac), known.uuid)
}

fn target<'c>(attempt: &Attempt, config: Option<&'c BootConfig>) -> Option<&'c BootTarget> {
    let profile = config?.profile(machine(attempt, config))?;
    Some(&profile.target)
}

/// As far as it matters for the names of files.
fn asker(attempt: &Attempt) -> Asker<'_> {
    let known = attempt.known();
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    Asker {
        mac: Some(known.mac),
        uuid: known.uuid,
        serial: &known.serial,
        architecture: architecture(attempt),
        address: nowhere,
        server: nowhere,
        url: "",
    }
}

pub(super) fn architecture(attempt: &Attempt) -> Option<Architecture> {
    let known = attempt.known().architecture.and_then(Architecture::from_code);
    known.map(|(architecture, _)| architecture)
}
