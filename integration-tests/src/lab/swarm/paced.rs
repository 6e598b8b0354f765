//! Clients that come at a steady rate whatever became of those before them, and that never ask twice: for measuring.

use super::{mac, packet, packet::Kind, sockets};
use crate::lab::Node;
use anyhow::Context;
use std::{
    fs::File,
    io::{ErrorKind, Read},
    net::{Ipv4Addr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    pub count: u16,
    pub every: Duration,
}

/// One client's exchange.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub address: Ipv4Addr,
    /// When its DISCOVER left.
    pub began: Instant,
    /// When its ACK was here.
    pub acknowledged: Instant,
}

/// Whoever is not answered so long after the last has come is not answered.
const SETTLE: Duration = Duration::from_secs(2);

impl Arrivals {
    /// `family` as of a swarm. Those that were acknowledged.
    pub fn run(self, node: &Node, family: u8) -> anyhow::Result<Vec<Binding>> {
        let (mouth, ear) = sockets(node)?;
        let asking = mouth.try_clone()?;
        let begin = Instant::now();
        thread::scope(|scope| {
            let asked = scope.spawn(move || self.ask(&asking, (begin, family)));
            let heard = self.listen((&mouth, ear), (begin, family));
            asked.join().map_err(|_| anyhow::anyhow!("who asks panicked"))??;
            heard
        })
    }

    /// When a client's turn is.
    fn turn(self, begin: Instant, at: u16) -> Instant {
        begin + self.every * u32::from(at)
    }

    fn ask(self, mouth: &UdpSocket, (begin, family): (Instant, u8)) -> anyhow::Result<()> {
        for at in 0..self.count {
            thread::sleep(self.turn(begin, at).saturating_duration_since(Instant::now()));
            let discover = packet::discover(transaction(family, at), mac(family, at));
            mouth.send_to(&discover, (Ipv4Addr::BROADCAST, 67)).context("a DISCOVER")?;
        }
        Ok(())
    }

    fn listen(
        self,
        (mouth, mut ear): (&UdpSocket, File),
        (begin, family): (Instant, u8),
    ) -> anyhow::Result<Vec<Binding>> {
        let mut bindings: Vec<Option<Binding>> = vec![None; self.count.into()];
        let (mut missing, end) = (self.count, self.turn(begin, self.count) + SETTLE);
        let mut buffer = [0; 2048];
        while missing > 0 && Instant::now() < end {
            let length = match ear.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error).context("listening for answers"),
            };
            let answer = packet::in_frame(&buffer[..length]).and_then(packet::parse);
            let Some(answer) = answer else { continue };
            let [_, _, high, low] = answer.transaction.to_be_bytes();
            let at = u16::from_be_bytes([high, low]);
            let own = at < self.count && answer.transaction == transaction(family, at);
            let Some(place) = bindings.get_mut(usize::from(at)).filter(|_| own) else { continue };
            match answer.kind {
                Kind::Offer => {
                    let request = packet::request(answer.transaction, &answer.lease);
                    mouth.send_to(&request, (Ipv4Addr::BROADCAST, 67)).context("a REQUEST")?;
                }
                Kind::Ack if place.is_none() => {
                    let (began, acknowledged) = (self.turn(begin, at), Instant::now());
                    let address = answer.lease.address;
                    *place = Some(Binding { address, began, acknowledged });
                    missing -= 1;
                }
                Kind::Ack | Kind::Nak => {}
            }
        }
        Ok(bindings.into_iter().flatten().collect())
    }
}

/// An exchange keeps the one that it began with (RFC 2131 section 4.4.1).
fn transaction(family: u8, at: u16) -> u32 {
    u32::from(family) << 24 | u32::from(at)
}
