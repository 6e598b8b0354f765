//! How many facts a second region records for good, while as many racks as there are in a large site say all they can: new leases, then renewals.

use super::{operator::on_region, report::Report};
use crate::{
    fake_rack::{FakeRack, Stream},
    lab::centre::Centre,
};
use anyhow::Context;
use proto::v1::{self, LeaseState, from_rack};
use runtime::clock::Clock;
use std::time::{Duration, Instant};

const RACKS: u8 = 4;
/// What a real rack sends at once.
const BATCH: u64 = 512;
/// Batches of each rack that region has not recorded yet: enough that it is never idle. A real rack goes further, which would only fill region's queue here.
const AHEAD: u64 = 2;
const TIME: Duration = Duration::from_secs(10);
/// Each rack has its part of 100.64.0.0/10, which is more than it can use up.
const FIRST: u32 = 0x6440_0000;
const PART: u32 = 1 << 20;
/// How long each lease lasts: beyond the end of what is measured.
const LASTS_MICROS: i64 = 3_600_000_000;

pub(super) fn measure(centre: &Centre, report: &mut Report) -> anyhow::Result<()> {
    let region = &centre.region;
    region.hostler(&["vlan", "create", "--fabric", "dc1", "--vid", "30"])?;
    let words = "subnet create --vrf default --vlan dc1/30 --cidr 100.64.0.0/10";
    region.hostler(&words.split(' ').collect::<Vec<_>>())?;
    let vlan = region.json(&["vlan", "get", "dc1/30"])?;
    let vlan = vlan["meta"]["id"].as_str().with_context(|| format!("an id in {vlan}"))?;
    let mut tokens = Vec::new();
    for rack in 0..RACKS {
        let made = region.json(&["rack", "token", "create", "--name", &format!("fact{rack}")])?;
        tokens.push(made["secret"].as_str().context("a secret")?.to_owned());
    }
    let (new, renewed) = on_region(region, async || record(&tokens, vlan).await)?;
    report.rate(&format!("facts of new leases from {RACKS} racks"), new.facts, new.took)?;
    report.rate(&format!("facts of renewals from {RACKS} racks"), renewed.facts, renewed.took)
}

struct Recorded {
    facts: u64,
    took: Duration,
}

async fn record(tokens: &[String], vlan: &str) -> anyhow::Result<(Recorded, Recorded)> {
    let mut sources = Vec::new();
    for (rack, token) in (0..RACKS).zip(tokens) {
        sources.push(Source::open(rack, token, vlan).await?);
    }
    let [one, two, three, four] = sources.as_mut_slice() else {
        anyhow::bail!("{RACKS} racks are spoken to")
    };
    let mut phases = Vec::new();
    for phase in [Phase::New, Phase::Renewals] {
        let start = Instant::now();
        let end = start + TIME;
        let facts = tokio::try_join!(
            one.tell(phase, end),
            two.tell(phase, end),
            three.tell(phase, end),
            four.tell(phase, end)
        )?;
        let facts = facts.0 + facts.1 + facts.2 + facts.3;
        phases.push(Recorded { facts, took: start.elapsed() });
    }
    let renewed = phases.pop().context("two phases")?;
    Ok((phases.pop().context("two phases")?, renewed))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    /// Of the leases that are there, again and again.
    Renewals,
}

/// A rack that has more to tell than region can take.
pub(crate) struct Source {
    rack: u8,
    vlan: String,
    stream: Stream,
    clock: Clock,
    started_at: i64,
    sent: u64,
    recorded: u64,
    leases: u64,
}

impl Source {
    pub(crate) async fn open(rack: u8, token: &str, vlan: &str) -> anyhow::Result<Self> {
        let own = FakeRack::join(token, "bench").await?;
        let stream = own.connect(own.hello()).await?;
        let clock = Clock::system();
        let started_at = clock.now().micros();
        let vlan = vlan.to_owned();
        Ok(Self { rack, vlan, stream, clock, started_at, sent: 0, recorded: 0, leases: 0 })
    }

    /// How many were sent until then, each of them recorded when this returns.
    async fn tell(&mut self, phase: Phase, until: Instant) -> anyhow::Result<u64> {
        let before = self.sent;
        while Instant::now() < until {
            if self.sent - self.recorded < AHEAD * BATCH {
                let batch = self.batch(phase, BATCH);
                self.stream.send(from_rack::Message::Facts(batch)).await?;
            } else {
                self.recorded = self.stream.recorded().await?;
            }
        }
        while self.recorded < self.sent {
            self.recorded = self.stream.recorded().await?;
        }
        Ok(self.sent - before)
    }

    /// So many new leases; all of them are recorded when this returns.
    pub(crate) async fn bind(&mut self, count: u64) -> anyhow::Result<()> {
        let mut left = count;
        while left > 0 {
            let now = left.min(BATCH);
            let batch = self.batch(Phase::New, now);
            self.stream.send(from_rack::Message::Facts(batch)).await?;
            left -= now;
        }
        while self.recorded < self.sent {
            self.recorded = self.stream.recorded().await?;
        }
        Ok(())
    }

    fn batch(&mut self, phase: Phase, count: u64) -> v1::FactBatch {
        let now = self.clock.now().micros();
        let leases = (0..count).map(|_| {
            let place = match phase {
                Phase::New => self.leases,
                Phase::Renewals => self.sent % self.leases,
            };
            self.leases = self.leases.max(place + 1);
            self.sent += 1;
            self.fact(place, now)
        });
        let leases = leases.collect();
        v1::FactBatch {
            class: v1::FactClass::Lease.into(),
            sent_at: now,
            leases,
            snapshot: None,
            boots: Vec::new(),
        }
    }

    fn fact(&self, place: u64, now: i64) -> v1::LeaseFact {
        let place = u32::try_from(place).expect("a rack's part is smaller") % PART;
        let [_, high, middle, low] = place.to_be_bytes();
        v1::LeaseFact {
            number: self.sent,
            vlan: self.vlan.clone(),
            address: (FIRST + u32::from(self.rack) * PART + place).to_be_bytes().into(),
            state: LeaseState::Bound.into(),
            hardware_type: 1,
            hardware: vec![0x02, 0x5b, self.rack, high, middle, low],
            host_name: format!("host-{place}").into_bytes(),
            started_at: self.started_at,
            ends_at: now + LASTS_MICROS,
            ..v1::LeaseFact::default()
        }
    }
}
