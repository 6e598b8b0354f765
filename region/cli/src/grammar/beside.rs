//! Verbs that no method of the kind's own service stands for.

use clap::{Arg, ArgAction, Command};
use proto::describe::Kind;

use super::flags;

pub(super) fn of(kind: &Kind) -> Vec<Command> {
    match kind.noun.as_str() {
        "rack" => vec![rack_status(), rack_converge()],
        "boot-file" => vec![push()],
        "machine" => vec![
            machine_boot_as(kind),
            boot_trace(
                kind,
                "boot-trace",
                "How far a machine came as it booted last, stage by stage",
            ),
        ],
        "boot-attempt" => vec![boot_trace(kind, "trace", "How far a boot came, stage by stage")],
        _ => Vec::new(),
    }
}

fn rack_status() -> Command {
    flags::forms(Command::new("status"))
        .about("Which racks have what they were told, and which are behind")
        .arg(Arg::new("id").value_name("RACK").help("Key or id of one rack; all unless given"))
}

fn rack_converge() -> Command {
    Command::new("converge")
        .about("Wait until every rack has everything that was saved up to now")
        .arg(flags::wait())
}

fn push() -> Command {
    let command = Command::new("push")
        .about("Send a file to region, which keeps it for the racks")
        .long_about("Send a file to region, which keeps it for the racks. What region has already is not sent again: a push that broke goes on where it was. A name that is there already then means the new content.")
        .arg(Arg::new("file").value_name("FILE").required(true).help("What to send"))
        .arg(
            Arg::new("as")
                .long("as")
                .value_name("NAME")
                .help("As machines ask for it; the file's own name unless given [e.g. ipxe/snponly.efi]"),
        )
        .arg(Arg::new("note").long("note").value_name("NOTE").help("Free text; what there is stays unless given"));
    flags::showing(flags::writing(command))
}

fn machine_boot_as(kind: &Kind) -> Command {
    let profile = Arg::new("boot_profile")
        .value_name("BOOT_PROFILE")
        .required_unless_present("default")
        .help("Key or id of a boot profile");
    let default = Arg::new("default")
        .long("default")
        .action(ArgAction::SetTrue)
        .conflicts_with("boot_profile")
        .help("What the region boots where nothing else is said");
    let command = Command::new("boot-as")
        .about("Choose what a machine boots from its next start on")
        .args([flags::id(kind), profile, default]);
    flags::showing(flags::writing(command).arg(flags::revision()))
}

fn boot_trace(kind: &Kind, name: &'static str, about: &'static str) -> Command {
    let watch = Arg::new("watch")
        .short('w')
        .long("watch")
        .action(ArgAction::SetTrue)
        .help("Go on, and show each change of it");
    flags::showing(Command::new(name).about(about).arg(flags::id(kind)).arg(watch))
}
