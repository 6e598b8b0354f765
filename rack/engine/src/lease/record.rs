//! The lease log's form: frames, one per commit, of records, each the whole of one lease as it was after one change.
//!
//! A frame: magic, CRC-32 of all that follows it, length and number of its records, its sequence; then the records. Little-endian.

use std::net::Ipv4Addr;

use common::{
    Timestamp, VlanId,
    report::{Client, LeaseChanged, LeaseState},
};

use super::{slab, slab::Lease, state::State};

/// A new form gets a new magic.
const MAGIC: u32 = u32::from_le_bytes(*b"HLL1");
const HEAD: usize = 24;
const RECORD_HEAD: usize = 42;
/// Beside the length of the hardware address.
const BOOT: u8 = 0x80;

/// One record as it stands in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number of this change among all changes of the rack: a lease fact's number.
    pub revision: u64,
    pub vlan: VlanId,
    pub address: Ipv4Addr,
    pub state: State,
    pub started: Timestamp,
    pub ends: Timestamp,
    pub hardware_type: u8,
    pub hardware: &'a [u8],
    /// Its client asked in the course of a network boot.
    pub boot: bool,
    pub identifier: &'a [u8],
    pub host_name: &'a [u8],
    pub relay_information: &'a [u8],
}

impl Record<'_> {
    /// What region is told; nothing of an offer.
    pub fn to_fact(&self) -> Option<LeaseChanged> {
        let state = match self.state {
            State::Offered => return None,
            State::Bound => LeaseState::Bound,
            State::Released => LeaseState::Released,
            State::Expired => LeaseState::Expired,
            State::Declined => LeaseState::Declined,
        };
        Some(LeaseChanged {
            number: self.revision,
            vlan: self.vlan,
            address: self.address.into(),
            state,
            client: Client {
                identifier: self.identifier.into(),
                hardware_type: self.hardware_type,
                hardware: self.hardware.into(),
            },
            host_name: self.host_name.into(),
            relay_information: self.relay_information.into(),
            started: self.started,
            ends: self.ends,
        })
    }

    pub(crate) fn client(&self) -> slab::Client<'_> {
        slab::Client {
            hardware_type: self.hardware_type,
            hardware: self.hardware,
            identifier: self.identifier,
            host_name: self.host_name,
            relay_information: self.relay_information,
            boot: self.boot,
        }
    }
}

/// A frame whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub sequence: u64,
    /// How many records.
    pub count: u32,
    records: &'a [u8],
}

impl<'a> Frame<'a> {
    pub fn records(&self) -> Records<'a> {
        Records { rest: self.records }
    }

    /// How many bytes of the log it takes.
    pub fn size(&self) -> usize {
        HEAD + self.records.len()
    }
}

/// Empties a buffer and leaves room for a frame's head.
pub fn begin(frame: &mut Vec<u8>) {
    frame.clear();
    frame.resize(HEAD, 0);
}

/// Adds the records of another frame that was begun.
pub fn append(frame: &mut Vec<u8>, other: &[u8]) {
    frame.extend_from_slice(other.get(HEAD..).unwrap_or_default());
}

/// Fills in the head of a frame that was begun and has its records.
///
/// # Panics
/// If the frame was not begun.
pub fn seal(frame: &mut [u8], sequence: u64, count: u32) {
    let (head, records) = frame.split_at_mut(HEAD);
    let length = u32::try_from(records.len()).expect("a frame is a batch, not a disk");
    head[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    head[8..12].copy_from_slice(&length.to_le_bytes());
    head[12..16].copy_from_slice(&count.to_le_bytes());
    head[16..24].copy_from_slice(&sequence.to_le_bytes());
    let checksum = crc32fast::hash(&frame[8..]);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
}

/// The frame at the start of these bytes; none if it is not whole: torn by a crash, damaged, or never written.
pub fn read_frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let mut head = Reader(bytes);
    let (magic, checksum) = (head.u32()?, head.u32()?);
    let covered = head.0;
    let (length, count, sequence) = (head.u32()?, head.u32()?, head.u64()?);
    if magic != MAGIC {
        return None;
    }
    let records = head.take(length as usize)?;
    let covered = &covered[..HEAD - 8 + records.len()];
    (crc32fast::hash(covered) == checksum).then_some(Frame { sequence, count, records })
}

/// A record that this version cannot read, in a frame whose checksum is right: written by another version, or by a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of the lease log is not of this version")]
pub struct UnknownRecord;

#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, UnknownRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut reader = Reader(self.rest);
        let record = reader.record();
        self.rest = if record.is_some() { reader.0 } else { &[] };
        Some(record.ok_or(UnknownRecord))
    }
}

/// Appends a lease to a frame that was begun. Of an address that is only offered, what counts is that nobody has it.
pub(crate) fn write(frame: &mut Vec<u8>, vlan: VlanId, lease: &Lease) {
    let client = lease.client();
    let length =
        |bytes: &[u8]| u8::try_from(bytes.len()).expect("a lease's parts have short lengths");
    let mut head = [0; RECORD_HEAD];
    head[0..8].copy_from_slice(&lease.revision.to_le_bytes());
    head[8..24].copy_from_slice(vlan.uuid().as_bytes());
    head[24..28].copy_from_slice(&lease.address().to_bits().to_le_bytes());
    head[28..32].copy_from_slice(&lease.started.to_le_bytes());
    head[32..36].copy_from_slice(&lease.ends.to_le_bytes());
    let state = if lease.state == State::Offered { State::Expired } else { lease.state };
    head[36] = state.code();
    head[37] = client.hardware_type;
    head[38] = length(client.hardware) | if client.boot { BOOT } else { 0 };
    head[39] = length(client.identifier);
    head[40] = length(client.host_name);
    head[41] = length(client.relay_information);
    frame.extend_from_slice(&head);
    for part in [client.hardware, client.identifier, client.host_name, client.relay_information] {
        frame.extend_from_slice(part);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn record(&mut self) -> Option<Record<'a>> {
        let revision = self.u64()?;
        let vlan = VlanId::new(uuid::Uuid::from_bytes(self.array()?));
        let address = Ipv4Addr::from_bits(self.u32()?);
        let started = Timestamp::from_seconds(self.u32()?.into());
        let ends = Timestamp::from_seconds(self.u32()?.into());
        let [state, hardware_type, lengths @ ..] = self.array::<6>()?;
        let boot = lengths[0] & BOOT != 0;
        let [hardware, identifier, host_name, relay_information] = lengths.map(usize::from);
        let hardware = hardware & usize::from(!BOOT);
        Some(Record {
            revision,
            vlan,
            address,
            state: State::from_code(state)?,
            started,
            ends,
            hardware_type,
            hardware: self.take(hardware).filter(|hardware| hardware.len() <= 16)?,
            boot,
            identifier: self.take(identifier)?,
            host_name: self.take(host_name)?,
            relay_information: self.take(relay_information)?,
        })
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).and_then(|bytes| bytes.try_into().ok())
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::slab::Slab;

    fn vlan() -> VlanId {
        VlanId::new(uuid::Uuid::from_u128(7))
    }

    fn frame(sequence: u64, records: u8) -> Vec<u8> {
        let (mut frame, mut slab) = (Vec::new(), Slab::default());
        begin(&mut frame);
        for number in 0..records {
            let client = slab::Client {
                hardware_type: 1,
                hardware: &[2, 0, 0, 0, 0, number],
                identifier: &[1, number][..usize::from(number % 3)],
                host_name: b"host",
                relay_information: &[1, 2, 3, 4],
                boot: number == 2,
            };
            let slot = slab.insert(Ipv4Addr::new(10, 0, 0, number), &client);
            slab[slot].state = State::Bound;
            slab[slot].revision = sequence * 100 + u64::from(number);
            (slab[slot].started, slab[slot].ends) = (1000, 1600);
            write(&mut frame, vlan(), &slab[slot]);
        }
        seal(&mut frame, sequence, records.into());
        frame
    }

    /// How many whole frames stand at the start.
    fn whole(mut log: &[u8]) -> usize {
        let mut count = 0;
        while let Some(frame) = read_frame(log) {
            assert_eq!(frame.records().filter(Result::is_ok).count(), frame.count as usize);
            log = &log[frame.size()..];
            count += 1;
        }
        count
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let bytes = frame(3, 3);
        let read = read_frame(&bytes).unwrap();
        assert_eq!((read.sequence, read.count, read.size()), (3, 3, bytes.len()));
        let record = read.records().nth(2).unwrap().unwrap();
        let expected = Record {
            revision: 302,
            vlan: vlan(),
            address: Ipv4Addr::new(10, 0, 0, 2),
            state: State::Bound,
            started: Timestamp::from_seconds(1000),
            ends: Timestamp::from_seconds(1600),
            hardware_type: 1,
            hardware: &[2, 0, 0, 0, 0, 2],
            boot: true,
            identifier: &[1, 2],
            host_name: b"host",
            relay_information: &[1, 2, 3, 4],
        };
        assert_eq!(record, expected);
        let fact = record.to_fact().unwrap();
        assert_eq!((fact.number, fact.state), (302, LeaseState::Bound));
        assert_eq!(fact.client.mac().unwrap().to_string(), "02:00:00:00:00:02");
    }

    #[test]
    fn a_torn_or_damaged_frame_is_none_and_those_before_it_are_whole() {
        let frames: Vec<_> = (1..=8).map(|sequence| frame(sequence, 5)).collect();
        let (log, size) = (frames.concat(), frames[0].len());
        for cut in 0..log.len() {
            let mut torn = log.clone();
            torn[cut..].fill(0);
            // a cut inside zeroes that were to be written changes nothing
            assert!((cut / size..=cut / size + 1).contains(&whole(&torn)), "{cut}");
            assert_eq!(whole(&log[..cut]), cut / size, "{cut}");
        }
        for at in 0..log.len() {
            let mut damaged = log.clone();
            damaged[at] ^= 0x40;
            assert_eq!(whole(&damaged), at / size, "{at}");
        }
    }

    #[test]
    fn a_record_that_says_what_it_cannot_is_told_apart_from_damage() {
        // state, length of the hardware address, length of the identifier
        for (at, value) in [(36, 9), (38, 17), (39, 255)] {
            let mut bytes = frame(1, 1);
            bytes[HEAD + at] = value;
            seal(&mut bytes, 1, 1);
            let records: Vec<_> = read_frame(&bytes).unwrap().records().collect();
            assert_eq!(records, [Err(UnknownRecord)], "{at}");
        }
    }
}
