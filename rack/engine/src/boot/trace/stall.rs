//! When an attempt counts as stalled, and what the likely cause is.

use common::{rack_config::BootConfig, report::BootStep};

use super::{Answered, attempt::Attempt, files};

/// How long after its last sign, in microseconds: firmware asks every few seconds and gives up within a minute; a system takes longer to come up than a loader.
pub(super) fn limit(step: Option<BootStep>) -> i64 {
    match step {
        Some(BootStep::Kernel | BootStep::Initrd) => 300_000_000,
        Some(BootStep::System) | None => 60_000_000,
        Some(
            BootStep::Discover
            | BootStep::Offer
            | BootStep::LoaderRequested
            | BootStep::LoaderDone
            | BootStep::Script,
        ) => 60_000_000,
    }
}

/// For people.
pub(super) fn cause(attempt: &Attempt, config: Option<&BootConfig>) -> String {
    if let Some(failure) = &attempt.failure {
        return failure.clone();
    }
    let architecture = match (files::architecture(attempt), attempt.known().architecture) {
        (Some(architecture), _) => architecture.to_string(),
        (None, Some(code)) => format!("code {code}, which is not known"),
        (None, None) => "not told".into(),
    };
    let cause = match attempt.step() {
        None | Some(BootStep::Discover) => match attempt.refusal {
            Some(Answered::NoLoader) => {
                return format!("there is no loader for its architecture ({architecture})");
            }
            Some(Answered::Disabled) => {
                return format!(
                    "its subnet gives machines of its architecture ({architecture}) no loader"
                );
            }
            Some(Answered::NoAddress) => "no address is left for it",
            Some(Answered::Loader(_)) | None => "it was not answered",
        },
        Some(BootStep::Offer) => {
            "it never asked for its loader: it chose another server, or its TFTP or HTTP requests do not arrive"
        }
        Some(BootStep::LoaderRequested) => {
            "it stopped in the midst of its loader: the network loses packets, or a firewall stops TFTP"
        }
        Some(BootStep::LoaderDone) => {
            return format!(
                "its loader was downloaded and never went on: Secure Boot refused it, or it is not for this architecture ({architecture})"
            );
        }
        Some(BootStep::Script) if !files::has_target(attempt, config) => {
            "it has no boot profile: it was told so, and asks again until it has one"
        }
        Some(BootStep::Script) => "it never asked for what its script names",
        Some(BootStep::Kernel) => {
            "its kernel was fetched, and its system was never heard of: it did not start, or does not use DHCP here"
        }
        Some(BootStep::Initrd) => {
            "its kernel and initrd were fetched, and its system was never heard of: it did not start, or does not use DHCP here"
        }
        Some(BootStep::System) => "its system was heard of",
    };
    cause.into()
}
