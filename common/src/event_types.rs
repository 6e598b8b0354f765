//! The catalogue of event types: what can stand in the `type` of an event that is not simply a resource being created, updated or deleted.

pub struct EventType {
    pub name: &'static str,
    pub level: Level,
    /// What it means, for people.
    pub about: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Info,
    Warning,
    Error,
}

const fn row(name: &'static str, level: Level, about: &'static str) -> EventType {
    EventType { name, level, about }
}

pub static CATALOGUE: &[EventType] = &[
    row("lease.bound", Level::Info, "A client was given a lease"),
    row("lease.released", Level::Info, "A client gave its lease back, or an operator did"),
    row("lease.declined", Level::Warning, "A client found its address in use by somebody else"),
    row("lease.expired", Level::Info, "A lease ended and was not renewed"),
    row(
        "machine.seen",
        Level::Info,
        "A machine told its UUID, serial number or architecture as it booted",
    ),
    row("boot.started", Level::Info, "A machine began to boot from the network"),
    row("boot.finished", Level::Info, "A machine booted: its system was heard of, or its own disk"),
    row(
        "boot.stalled",
        Level::Warning,
        "A machine came no further as it booted; the detail says where and why",
    ),
    row("rack.joined", Level::Info, "A rack joined with a token"),
    row("rack.renewed", Level::Info, "A rack renewed its certificate"),
    row(
        "rack.certificate-replaced",
        Level::Info,
        "A rack has shown a renewed certificate; its older ones are refused from now on",
    ),
    row("rack.join-refused", Level::Warning, "A rack was not let in"),
    row("rack.revoked", Level::Warning, "A rack's certificates were revoked"),
    row("rack.connected", Level::Info, "A rack opened its stream"),
    row("rack.disconnected", Level::Warning, "A rack's stream ended"),
    row("scope.applied", Level::Info, "A rack applied a configuration"),
    row("scope.standby", Level::Info, "A rack checked a configuration and stands by with it"),
    row(
        "scope.refused",
        Level::Error,
        "A configuration was refused, by its rack or by region itself; the last good one is served",
    ),
    row("user.password-set", Level::Info, "A user was given a password, and was signed out"),
    row("facts.collapsed", Level::Warning, "A rack's queue was full; it sent one snapshot instead"),
    row(
        "facts.refused",
        Level::Error,
        "A rack's facts cannot be recorded; its stream ends and it sends them again",
    ),
    row("region.epoch", Level::Warning, "The database was rolled back; a new epoch began"),
];

pub fn by_name(name: &str) -> Option<&'static EventType> {
    CATALOGUE.iter().find(|row| row.name == name)
}
