//! Packets that strangers bent: no panic, no growth, and service goes on.

#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use engine::{
        dhcp::{Answer, Dropped},
        output::{Datagram, Link},
    };

    use crate::support::{World, capture, packet::Packet, reply};

    const LAN: &str = "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.200 lease=60 \
        domain-search=a.example,b.example reserve=10.0.0.222@7";
    const FAR: &str = "2 on - / 10.77.1.0/24 range=10.77.1.10-10.77.1.99 lease=60";
    const BESIDE: &str = "3 proxy on 2:10.2.0.2 / 10.2.0.0/24";
    const LOADERS: &str = "boot bios=undionly.kpxe uefi-x64=snponly.efi";
    const PACKETS: usize = 200_000;

    #[test]
    fn two_hundred_thousand_bent_packets_do_no_harm() {
        let (corpus, mut random) = (corpus(), Random(0x9e37_79b9_7f4a_7c15));
        let mut world = World::new(&[LAN, FAR, BESIDE]);
        world.step(LOADERS);
        for number in 0..PACKETS {
            let mut payload = corpus[random.below(corpus.len())].clone();
            random.bend(&mut payload);
            let datagram = Datagram {
                // 1 is not served
                link: Link([0, 0, 0, 0, 0, 1, 2, 2, 2][random.below(9)]),
                source: SocketAddrV4::new([10, 0, 0, 77].into(), 68),
                local: (random.below(2) == 0).then_some([10, 0, 0, 1].into()),
                payload: &payload,
            };
            world.servers.handle_datagram(datagram, world.now, &mut world.out);
            if number.is_multiple_of(100) {
                judge(&mut world);
                world.wait(1);
            }
        }
        let counters = *world.servers.counters();
        let unseen = |reason: &Dropped| counters.dropped(*reason) == 0;
        let unsent = |answer: &Answer| counters.answered(*answer) < 500;
        assert_eq!(Dropped::ALL.into_iter().filter(unseen).collect::<Vec<_>>(), []);
        assert_eq!(Answer::ALL.into_iter().filter(unsent).collect::<Vec<_>>(), []);
        // one place per address, whoever was given it
        world.wait(4000);
        world.commit();
        for (_, used) in world.servers.utilisation() {
            assert_eq!((used.offered, used.bound, used.declined), (0, 0, 0));
            assert_eq!(used.free, used.addresses);
        }
        let said = world.step("discover 7");
        assert_eq!(said, "offer 10.0.0.222 frame:10.0.0.222");
    }

    fn judge(world: &mut World) {
        for send in world.out.early.iter().chain(&world.out.late) {
            let reply = world.out.payload(send);
            assert!((300..=1472).contains(&reply.len()), "{}", reply.len());
            assert_eq!((reply[0], &reply[236..240]), (2, &[99, 130, 83, 99][..]));
        }
        for send in &world.out.late {
            reply::read(world.out.payload(send));
        }
        world.commit();
        world.log.clear();
        world.out.begin();
    }

    fn corpus() -> Vec<Vec<u8>> {
        let own = [
            "discover 1 requested=10.0.0.20 want=1,3,6,119",
            "discover 2 giaddr=10.77.1.1 82=0104aabbccdd05040a4d0100 id=ff010203",
            "request 3 requested=10.0.0.30 server=10.0.0.1 name=three",
            "request 4 ciaddr=10.0.0.40 lease=30",
            "request 8 requested=10.0.0.60",
            "release 4 ciaddr=10.0.0.40",
            "decline 3 requested=10.0.0.30 server=10.0.0.1",
            "inform 5 ciaddr=10.0.0.50 largest=1400",
            "request 9 pxe",
            "inform 9 pxe ciaddr=10.2.0.9",
            "discover 9 class=HTTPClient 93=0010 97=00",
            "discover 9 user=onie_dhcp_user_class",
            "discover 6 52=03 id=aa file=3d01bbff sname=3d01ccff 80= 81=000000 94=010203 152=0102",
        ];
        let own = own.iter().map(|line| Packet::parse(line).bytes());
        let seen = capture::all().into_iter().flat_map(|capture| capture.messages);
        own.chain(seen.map(|message| message.payload)).collect()
    }

    /// xorshift64*: the same packets in every run.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }

        fn below(&mut self, limit: usize) -> usize {
            (self.next() >> 33) as usize % limit
        }

        /// A few bytes changed, copied, taken out or put in, mostly among the options; at times the end cut off.
        fn bend(&mut self, packet: &mut Vec<u8>) {
            for _ in 0..self.below(6) {
                let first = if self.below(3) == 0 { 0 } else { packet.len().min(236) };
                let at = first + self.below(packet.len() - first + 1);
                match (self.below(8), packet.get(at).copied()) {
                    (0, Some(byte)) => packet[at] = byte ^ 1 << self.below(8),
                    (1, Some(_)) => packet[at] = self.next() as u8,
                    (2, Some(_)) => packet[at] = [0, 1, 16, 17, 52, 53, 82, 255][self.below(8)],
                    (3, Some(_)) => drop(packet.remove(at)),
                    (4, _) if packet.len() < 1500 => packet.insert(at, self.next() as u8),
                    (5, _) if packet.len() < 1500 => {
                        let end = packet.len().min(at + self.below(40));
                        packet.extend_from_within(at..end);
                    }
                    (6, _) if self.below(8) == 0 => packet.truncate(at),
                    _ => packet.push(self.next() as u8),
                }
            }
            // so that many clients ask
            if let Some(hardware) = packet.get_mut(33) {
                *hardware = self.next() as u8;
            }
        }
    }
}
