//! What is not made on a page, with the reason, so that nobody looks for the button.

use proto::describe::Kind;

pub struct Elsewhere {
    pub noun: &'static str,
    /// The method of the contract that no page calls; none where region or a rack makes these by themselves.
    pub method: &'static str,
    pub why: &'static str,
    pub command: &'static str,
}

pub const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        noun: "boot-file",
        method: "Push",
        why: "Files are sent by the command line: in pieces, so that a push that broke goes on where it was, and what region has already is not sent again. A form of a browser can do neither.",
        command: "hostler boot-file push ./vmlinuz --as ubuntu/vmlinuz",
    },
    Elsewhere {
        noun: "rack",
        method: "",
        why: "A rack makes itself known: it joins with a token that is good once.",
        command: "hostler rack token create --name rack1\nhostler-rack join TOKEN",
    },
    Elsewhere {
        noun: "lease",
        method: "",
        why: "Racks give leases to clients of a dynamic range or of a reservation; region is told.",
        command: "hostler lease list --watch",
    },
];

pub(super) fn of(kind: &Kind) -> Option<&'static Elsewhere> {
    ELSEWHERE.iter().find(|row| row.noun == kind.noun)
}
