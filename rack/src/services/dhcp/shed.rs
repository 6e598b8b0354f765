//! What is not answered when more comes than can be: work that nobody waits for any more.
//!
//! A client that gets no OFFER in time asks again, and each DISCOVER that is answered too late costs as much as one in time. A queue is no sign of
//! that: after a stall of the disk there is one, and it is worth answering. Overload is a queue that does not get shorter (RFC 8289 section 3.2).

use common::Timestamp;

use crate::net::receive::Received;

/// Oldest DISCOVER and oldest other message that are answered under overload, in microseconds. Others finish what a DISCOVER began.
const OLDEST_DISCOVER: i64 = 50_000;
const OLDEST_OTHER: i64 = 200_000;
/// Datagrams that come late for so long mean overload, in microseconds; none for so long means that it is over. A backlog of a full buffer takes
/// less than half of it.
const INTERVAL: i64 = 100_000;

/// How much comes on one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pressure {
    /// Since when all have come late.
    late_since: Option<Timestamp>,
    /// When one came late under overload.
    overload_seen: Option<Timestamp>,
}

impl Pressure {
    /// With the first datagram of each batch, which has waited longest.
    pub(super) fn note(&mut self, first: &Received<'_>, now: Timestamp) {
        let since = |then: Timestamp| now.micros() - then.micros();
        if first.at.map_or(0, since) > OLDEST_DISCOVER {
            let late = since(*self.late_since.get_or_insert(now));
            if late >= INTERVAL || self.overload_seen.is_some() {
                self.overload_seen = Some(now);
            }
        } else {
            self.late_since = None;
            self.overload_seen = self.overload_seen.filter(|seen| since(*seen) < INTERVAL);
        }
    }

    fn is_overload(self) -> bool {
        self.overload_seen.is_some()
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

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000_000 + milliseconds * 1000)
    }

    /// A datagram that has waited for so long.
    fn received(payload: &[u8], now: Timestamp, age_ms: i64) -> Received<'_> {
        Received {
            payload,
            source: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            local: None,
            at: Some(now.shifted(-age_ms * 1000)),
            overflows: None,
            truncated: false,
        }
    }

    #[test]
    fn overload_is_a_queue_that_stays() {
        for (what, batches, expected) in [
            ("nothing waits", vec![(0, 1), (200, 1), (400, 1)], false),
            ("a stall and its backlog", vec![(0, 700), (20, 400), (60, 100), (80, 3)], false),
            ("a stall after each other", vec![(0, 700), (50, 1), (90, 700), (180, 90)], false),
            ("a queue that stays", vec![(0, 60), (50, 70), (101, 60)], true),
            ("it is kept short", vec![(0, 60), (101, 60), (150, 40), (190, 45)], true),
            ("it is gone", vec![(0, 60), (101, 60), (150, 40), (202, 45)], false),
        ] {
            let mut pressure = Pressure::default();
            for (now, age) in batches {
                pressure.note(&received(&[], at(now), age), at(now));
            }
            assert_eq!(pressure.is_overload(), expected, "{what}");
        }
    }

    #[test]
    fn only_what_is_late_under_overload_is_shed() {
        let packet = |kind| {
            let mut packet = vec![0; OPTIONS];
            packet.extend([0, 12, 2, b'a', b'b', MESSAGE_TYPE, 1, kind, 255]);
            packet
        };
        let (discover, request) = (packet(DISCOVER), packet(3));
        let overload = Pressure { late_since: None, overload_seen: Some(at(0)) };
        for (pressure, payload, age_ms, expected) in [
            (Pressure::default(), &discover, 10_000, false),
            (overload, &discover, 49, false),
            (overload, &discover, 51, true),
            (overload, &request, 51, false),
            (overload, &request, 201, true),
        ] {
            let mut shed = Shed::default();
            let is_shed = shed.is_shed(pressure, &received(payload, at(0), age_ms), at(0));
            assert_eq!(is_shed, expected, "{pressure:?} {age_ms}");
            assert_eq!(shed.discovers + shed.others, u64::from(expected));
        }
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
