//! How much strangers may take of a door. Who is over it is turned away at once: waiting would only hide it from both sides.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of the door. A process may have 65,536 files open by its unit, and both doors share them with the database.
    pub connections: usize,
    /// Handshakes under way from one source. A hundred racks behind one address do come at once after an outage; those beyond it come again.
    pub handshakes: usize,
    /// For a handshake, for the first words of HTTP/2, for the head of an HTTP/1 request.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 16_384, handshakes: 64, patience: Duration::from_secs(10) }
    }
}

/// Everybody at one door.
#[derive(Clone)]
pub struct Crowd {
    door: &'static str,
    pub(super) limits: Limits,
    places: Arc<Semaphore>,
    handshakes: Arc<Mutex<HashMap<IpAddr, usize>>>,
    warned: Arc<Mutex<Option<Instant>>>,
}

/// One of them, until its connection ends.
pub(super) struct Guest {
    pub(super) address: SocketAddr,
    door: &'static str,
    _place: OwnedSemaphorePermit,
    pub(super) handshake: Option<Handshake>,
}

/// While its handshake lasts.
pub(super) struct Handshake {
    source: IpAddr,
    all: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _turn: OwnedSemaphorePermit,
}

/// Whoever is flooded wants to know it, but not a line for each.
const WARN_ONCE_IN: Duration = Duration::from_secs(60);

impl Crowd {
    pub fn new(door: &'static str, limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections));
        Self { door, limits, places, handshakes: Arc::default(), warned: Arc::default() }
    }

    /// None: there are too many, in all or of its source.
    pub(super) fn admit(&self, from: SocketAddr, turn: OwnedSemaphorePermit) -> Option<Guest> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return self.refuse(from, "too many connections");
        };
        let Some(handshake) = self.begin_handshake(source(from.ip()), turn) else {
            return self.refuse(from, "too many handshakes from one source");
        };
        metrics::gauge!("hostler_connections", "listener" => self.door).increment(1.0);
        Some(Guest { address: from, door: self.door, _place: place, handshake: Some(handshake) })
    }

    fn begin_handshake(&self, source: IpAddr, turn: OwnedSemaphorePermit) -> Option<Handshake> {
        let mut all = self.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = all.entry(source).or_default();
        if *under_way >= self.limits.handshakes {
            return None;
        }
        *under_way += 1;
        Some(Handshake { source, all: self.handshakes.clone(), _turn: turn })
    }

    fn refuse(&self, from: SocketAddr, reason: &'static str) -> Option<Guest> {
        metrics::counter!("hostler_connections_refused_total", "listener" => self.door, "reason" => reason)
            .increment(1);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|at| at.elapsed() >= WARN_ONCE_IN) {
            *warned = Some(Instant::now());
            tracing::warn!(peer = %from, listener = self.door, reason, "connection refused; more within a minute are only counted");
        }
        None
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        metrics::gauge!("hostler_connections", "listener" => self.door).decrement(1.0);
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = all.get_mut(&self.source) {
            *under_way -= 1;
            if *under_way == 0 {
                all.remove(&self.source);
            }
        }
    }
}

/// One machine has one IPv4 address, or a whole /64.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    #[test]
    fn one_source_has_so_many_handshakes_and_all_have_so_many_connections() {
        let limits = Limits { connections: 4, handshakes: 2, ..Limits::default() };
        let crowd = Crowd::new("test", limits);
        let turns = Arc::new(Semaphore::new(9));
        let let_in = |address| {
            let turn = turns.clone().try_acquire_owned().unwrap();
            crowd.admit(from(address), turn)
        };
        let mut first = let_in("10.0.0.1").unwrap();
        let second = let_in("::ffff:10.0.0.1").unwrap();
        assert!(let_in("10.0.0.1").is_none(), "the third of one source");
        let third = let_in("2001:db8::1").unwrap();
        drop(first.handshake.take());
        let fourth = let_in("10.0.0.1").unwrap();
        assert!(let_in("10.0.0.2").is_none(), "the fifth of all");
        drop((first, second, third, fourth));
        assert!(crowd.handshakes.lock().unwrap().is_empty());
        assert!(let_in("10.0.0.2").is_some());
    }

    #[test]
    fn a_source_is_a_machine() {
        for (address, expected) in [
            ("10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(source(address.parse().unwrap()).to_string(), expected);
        }
    }
}
