//! Real clients and firmware, answered as the server that they met answered them.

#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use dhcproto::v4::MessageType;
    use engine::output::{Datagram, Link};

    use crate::support::{
        World,
        capture::{self, Capture},
        reply,
    };

    #[test]
    fn each_client_gets_what_it_got() {
        for capture in capture::all() {
            replay(&capture);
        }
    }

    fn replay(capture: &Capture) {
        let first = capture.messages.iter().position(|message| !message.from_client).unwrap();
        let met = reply::read(&capture.messages[first].payload);
        let (given, server) = (met.address(), met.server());
        let hardware = &capture.messages[0].payload[28..34];
        let mac = hardware.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
        let mut world = World::new(&[&format!(
            "1 on 0:{server} / 10.77.1.0/24 range=10.77.1.10-10.77.1.20 routers=10.77.1.1 \
            domain-name-servers=10.77.1.1 reserve={given}@mac:{mac}"
        )]);
        let mut expected = None;
        for (number, message) in capture.messages.iter().enumerate() {
            let place = format!("{} {number}", capture.name);
            if !message.from_client {
                let recorded = reply::read(&message.payload);
                let summary = (recorded.kind(), recorded.address());
                assert_eq!(expected.take(), Some(summary), "{place}");
                continue;
            }
            world.out.begin();
            let datagram = Datagram {
                link: Link(0),
                source: SocketAddrV4::new(message.address(12), 68),
                local: (!message.broadcast).then_some(server),
                payload: &message.payload,
            };
            world.servers.handle_datagram(datagram, world.now, &mut world.out);
            let sent = world.out.early.first().or(world.out.late.first());
            let reply = sent.map(|send| reply::read(world.out.payload(send)));
            expected = reply.as_ref().map(|reply| (reply.kind(), reply.address()));
            if let Some(reply) = reply.filter(|reply| reply.kind() != MessageType::Nak) {
                assert_eq!(reply.codes()[..6], [53, 54, 51, 58, 59, reply.codes()[5]], "{place}");
                assert_eq!(reply.message.chaddr(), hardware, "{place}");
            }
            world.commit();
        }
        assert_eq!(expected, None, "{}: the last message has no answer", capture.name);
    }
}
