//! What was received, answered and dropped, and why.

use super::v4::Kind;
use crate::lease::allocate::Why;

/// Why a packet got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Not even a fixed header.
    Short,
    NotFromClient,
    /// No magic cookie: BOOTP, or nothing of ours.
    NoCookie,
    HardwareLength,
    OptionTruncated,
    OptionLength,
    NoMessageType,
    OtherMessageType,
    /// Neither a hardware address nor an identifier.
    NoIdentity,
    /// From a link, or for a subnet, that is not served here.
    NoSubnet,
    /// This rack has no address that could stand as server identifier.
    NoServerAddress,
    /// A REQUEST that took another server's offer.
    OtherServer,
    /// A REQUEST, RELEASE, DECLINE or INFORM that lacks the address that it is about.
    NoAddress,
    /// A client that this server knows nothing of asks for its former address (RFC 2131 section 4.3.2).
    UnknownClient,
    /// A RELEASE or DECLINE of an address that the client does not hold.
    NotHeld,
    /// Every address is taken.
    NoFreeAddress,
    /// Another server gives the addresses of its VLAN, and it does not boot, or there is no loader for it.
    NotBooting,
}

impl Dropped {
    pub const ALL: [Self; 17] = [
        Self::Short,
        Self::NotFromClient,
        Self::NoCookie,
        Self::HardwareLength,
        Self::OptionTruncated,
        Self::OptionLength,
        Self::NoMessageType,
        Self::OtherMessageType,
        Self::NoIdentity,
        Self::NoSubnet,
        Self::NoServerAddress,
        Self::OtherServer,
        Self::NoAddress,
        Self::UnknownClient,
        Self::NotHeld,
        Self::NoFreeAddress,
        Self::NotBooting,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::NotFromClient => "not-from-client",
            Self::NoCookie => "no-cookie",
            Self::HardwareLength => "hardware-length",
            Self::OptionTruncated => "option-truncated",
            Self::OptionLength => "option-length",
            Self::NoMessageType => "no-message-type",
            Self::OtherMessageType => "other-message-type",
            Self::NoIdentity => "no-identity",
            Self::NoSubnet => "no-subnet",
            Self::NoServerAddress => "no-server-address",
            Self::OtherServer => "other-server",
            Self::NoAddress => "no-address",
            Self::UnknownClient => "unknown-client",
            Self::NotHeld => "not-held",
            Self::NoFreeAddress => "no-free-address",
            Self::NotBooting => "not-booting",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Offer,
    Ack,
    Nak,
    /// An ACK to an INFORM: options and no lease.
    Information,
    /// An offer beside another server's, of a loader and no address.
    BootOffer,
    /// The same, asked for on the port of boot servers.
    BootAck,
}

impl Answer {
    pub const ALL: [Self; 6] =
        [Self::Offer, Self::Ack, Self::Nak, Self::Information, Self::BootOffer, Self::BootAck];

    pub fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Ack => "ack",
            Self::Nak => "nak",
            Self::Information => "information",
            Self::BootOffer => "boot-offer",
            Self::BootAck => "boot-ack",
        }
    }

    /// Its option 53 (RFC 2132 section 9.6).
    pub(crate) fn message_type(self) -> u8 {
        match self {
            Self::Offer | Self::BootOffer => 2,
            Self::Ack | Self::Information | Self::BootAck => 5,
            Self::Nak => 6,
        }
    }
}

/// Since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    received: [u64; Kind::ALL.len()],
    answered: [u64; Answer::ALL.len()],
    chosen: [u64; Why::ALL.len()],
    dropped: [u64; Dropped::ALL.len()],
    /// Addresses that clients found in use.
    pub declined: u64,
    /// Leases that ended by time.
    pub expired: u64,
}

impl Counters {
    pub fn received(&self, kind: Kind) -> u64 {
        self.received[kind as usize]
    }

    pub fn answered(&self, answer: Answer) -> u64 {
        self.answered[answer as usize]
    }

    /// Offers, by why their address was chosen.
    pub fn chosen(&self, why: Why) -> u64 {
        self.chosen[why as usize]
    }

    pub fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize]
    }

    pub(crate) fn count_received(&mut self, kind: Kind) {
        self.received[kind as usize] += 1;
    }

    pub(crate) fn count_answered(&mut self, answer: Answer) {
        self.answered[answer as usize] += 1;
    }

    pub(crate) fn count_chosen(&mut self, why: Why) {
        self.chosen[why as usize] += 1;
    }

    pub(crate) fn count_dropped(&mut self, reason: Dropped) {
        self.dropped[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are indexed by variant.
    #[test]
    fn every_variant_stands_at_its_place() {
        assert!(Kind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
        assert!(Answer::ALL.iter().enumerate().all(|(at, answer)| *answer as usize == at));
        assert!(Why::ALL.iter().enumerate().all(|(at, why)| *why as usize == at));
        assert!(Dropped::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
    }
}
