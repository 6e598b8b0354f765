//! What is not answered when more comes than can be: work that nobody waits for any more.
//!
//! A client that gets no OFFER in time asks again, and each DISCOVER that is answered too late costs as much as one in time. Full batches, one
//! after the other, tell overload from a stall: after a stall there is one backlog, and it is worth answering.

use common::Timestamp;

use crate::net::receive::{BATCH, Received};

/// So many full batches in a row mean that more waits than was taken.
const FULL_BATCHES: u32 = 2;
/// Oldest DISCOVER and oldest other message that are answered under overload, in microseconds. Others finish what a DISCOVER began.
const OLDEST_DISCOVER: i64 = 50_000;
const OLDEST_OTHER: i64 = 200_000;

/// How much comes on one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pressure {
    full_batches: u32,
}

impl Pressure {
    /// After each batch of datagrams.
    pub(super) fn note(&mut self, size: usize) {
        self.full_batches = if size == BATCH { self.full_batches.saturating_add(1) } else { 0 };
    }

    fn is_overload(self) -> bool {
        self.full_batches >= FULL_BATCHES
    }
}

/// What was passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shed {
    pub(super) discovers: u64,
    pub(super) others: u64,
}

impl Shed {
    /// Whether a datagram is passed over; then it is counted.
    pub(super) fn is_shed(
        &mut self,
        pressure: Pressure,
        received: &Received<'_>,
        now: Timestamp,
    ) -> bool {
        if !pressure.is_overload() {
            return false;
        }
        let age = received.at.map_or(0, |at| now.micros() - at.micros());
        let is_discover = message_type(received.payload) == Some(DISCOVER);
        let (oldest, count) = if is_discover {
            (OLDEST_DISCOVER, &mut self.discovers)
        } else {
            (OLDEST_OTHER, &mut self.others)
        };
        *count += u64::from(age > oldest);
        age > oldest
    }
}

const DISCOVER: u8 = 1;
const MESSAGE_TYPE: u8 = 53;
const OPTIONS: usize = 240;

/// Option 53, as far as it is found without a whole decode.
fn message_type(packet: &[u8]) -> Option<u8> {
    let mut options = packet.get(OPTIONS..)?;
    loop {
        options = match options {
            [0, rest @ ..] => rest,
            [MESSAGE_TYPE, 1, kind, ..] => return Some(*kind),
            [255, ..] => return None,
            [_, length, rest @ ..] => rest.get(usize::from(*length)..)?,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddrV4};

    #[test]
    fn only_what_is_late_under_overload_is_shed() {
        let now = Timestamp::from_seconds(1000);
        let packet = |kind| {
            let mut packet = vec![0; OPTIONS];
            packet.extend([0, 12, 2, b'a', b'b', MESSAGE_TYPE, 1, kind, 255]);
            packet
        };
        let (discover, request) = (packet(DISCOVER), packet(3));
        for (full_batches, payload, age_ms, expected) in [
            (0, &discover, 10_000, false),
            (1, &discover, 10_000, false),
            (2, &discover, 49, false),
            (2, &discover, 51, true),
            (2, &request, 51, false),
            (2, &request, 201, true),
        ] {
            let (mut shed, mut pressure) = (Shed::default(), Pressure::default());
            (0..full_batches).for_each(|_| pressure.note(BATCH));
            let received = Received {
                payload,
                source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
                local: None,
                at: Some(now.shifted(-age_ms * 1000)),
                overflows: None,
                truncated: false,
            };
            let is_shed = shed.is_shed(pressure, &received, now);
            assert_eq!(is_shed, expected, "{full_batches} {age_ms}");
            assert_eq!(shed.discovers + shed.others, u64::from(expected));
        }
        let mut pressure = Pressure::default();
        (0..5).for_each(|_| pressure.note(BATCH));
        pressure.note(BATCH - 1);
        assert!(!pressure.is_overload());
    }

    #[test]
    fn a_message_type_is_found_or_not() {
        for (options, expected) in [
            (&[53, 1, 1, 255][..], Some(1)),
            (&[0, 0, 53, 1, 3][..], Some(3)),
            (&[12, 9, 53, 1, 1][..], None),
            (&[255, 53, 1, 1][..], None),
            (&[53][..], None),
            (&[][..], None),
        ] {
            assert_eq!(message_type(&[&[0; OPTIONS][..], options].concat()), expected);
        }
    }
}
