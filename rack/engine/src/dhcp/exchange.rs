//! One packet and the answer to it (RFC 2131 section 4.3).

use std::net::Ipv4Addr;

use common::Lifetime;

use super::{
    boot::{Awaited, BootOptions},
    booting::Choice,
    compiled::CompiledVlan,
    counters::{Answer, Dropped},
    reply::Reply,
    server::{Ledger, Server},
    v4::{Kind, Request},
};
use crate::{
    boot::{CompiledBoot, trace::Seen},
    lease::{
        Slot,
        allocate::{self, Asking},
        state::{Event, State},
    },
    output::{Datagram, Send},
};

/// How long an offered address is held for its client.
const OFFER_SECONDS: u32 = 60;
/// How long a declined address is given to nobody.
const QUARANTINE_SECONDS: u32 = 3600;
/// A lease in the midst of a boot. Firmware and loaders do not renew, so it lasts until a loader, a kernel and its initrd have come; and no longer, since a
/// machine that then starts from its own disk may never be heard of again. The system's first packet makes it a lease as long as any other.
const BOOT_SECONDS: u32 = 120;
/// A client that asks for less gets this.
const SHORTEST_LEASE: u32 = 10;

pub(crate) struct Exchange<'a, 'l> {
    pub(crate) server: &'a mut Server,
    pub(crate) ledger: &'a mut Ledger<'l>,
    pub(crate) datagram: &'a Datagram<'a>,
    pub(crate) request: &'a Request<'a>,
    /// The subnet that the packet belongs to.
    pub(crate) subnet: usize,
    /// What this rack calls itself towards the client (option 54).
    pub(crate) identifier: Ipv4Addr,
    pub(crate) boot: Option<&'a CompiledBoot>,
    pub(crate) awaited: &'a mut Awaited,
}

impl Exchange<'_, '_> {
    pub(crate) fn run(mut self) -> Result<(), Dropped> {
        self.notice_system();
        if self.vlan().proxy {
            return self.beside_another();
        }
        match self.request.kind() {
            Kind::Discover => self.discover(),
            Kind::Request => self.request(),
            Kind::Decline => self.decline(),
            Kind::Release => self.release(),
            Kind::Inform => self.inform(),
        }
    }

    fn discover(&mut self) -> Result<(), Dropped> {
        let client = self.request.client;
        let chosen = allocate::choose(self.vlan(), &self.server.table, self.asking());
        self.notice_asked(chosen.map(|(address, _)| address));
        let (address, why) = chosen.ok_or(Dropped::NoFreeAddress)?;
        self.withdraw_offers(Some(address));
        let known = self.server.table.at(address);
        if known.is_none_or(|slot| self.server.table.lease(slot).state != State::Bound) {
            let slot = self.server.table.claim(address, &client);
            self.server.change(slot, Event::Offer, self.ledger.now + OFFER_SECONDS, self.ledger);
        }
        self.ledger.counters.count_chosen(why);
        self.lease(Answer::Offer, address);
        Ok(())
    }

    fn request(&mut self) -> Result<(), Dropped> {
        if self.request.server.is_some_and(|server| !self.is_ours(server)) {
            self.withdraw_offers(None);
            return Err(Dropped::OtherServer);
        }
        let address = self.request.ciaddr.or(self.request.requested).ok_or(Dropped::NoAddress)?;
        if !allocate::may_have(self.vlan(), &self.server.table, &self.asking(), address) {
            self.refuse();
            return Ok(());
        }
        // INIT-REBOOT; in every other state the client was given the address, if only by a server that has forgotten (section 4.3.2)
        if self.request.server.is_none() && self.request.ciaddr.is_none() {
            self.judge_rebooted(address)?;
        } else {
            self.bind(address);
        }
        Ok(())
    }

    /// A client that comes back with an address that it could have: if it is not known to have had it, it is told so only by who knows the client.
    fn judge_rebooted(&mut self, address: Ipv4Addr) -> Result<(), Dropped> {
        let client = &self.request.client;
        let own = |slot| {
            let holder = self.server.table.lease(slot).client();
            holder.is(client) || holder.is_stage_of(client)
        };
        let reserved =
            || self.vlan().reservation_at(address).is_some_and(|reserved| reserved.is_for(client));
        if self.server.table.at(address).is_some_and(own) || reserved() {
            self.bind(address);
        } else if self.server.table.of_client(client).is_some() {
            self.refuse();
        } else {
            return Err(Dropped::UnknownClient);
        }
        Ok(())
    }

    fn bind(&mut self, address: Ipv4Addr) {
        let client = self.request.client;
        let held = self.server.table.at(address).map(|slot| (slot, self.server.table.lease(slot)));
        // what a machine was promised before, its firmware does not shorten: whoever makes its MAC address up takes nothing from it
        let kept_until = held
            .filter(|(_, lease)| client.boot && lease.state == State::Bound)
            .map_or(0, |(_, lease)| lease.ends);
        let known = held
            .filter(|(_, lease)| !lease.state.is_ended() && lease.client().is(&client))
            .map(|(slot, _)| slot);
        let slot = match known {
            Some(slot) => {
                self.server.table.set_client(slot, &client);
                slot
            }
            None => self.server.table.claim(address, &client),
        };
        let ends = self.ledger.until(self.lifetime(address)).max(kept_until);
        self.server.change(slot, Event::Bind, ends, self.ledger);
        self.end_others(address);
        if client.boot {
            self.notice(Seen::Bound { address });
        }
        self.lease(Answer::Ack, address);
    }

    /// A client has one lease on a VLAN: what it had elsewhere ends when it takes another.
    fn end_others(&mut self, address: Ipv4Addr) {
        let client = self.request.client;
        while let Some(slot) = self.server.table.other_of_client(&client, address) {
            let event = match self.server.table.lease(slot).state {
                State::Bound => Event::Release,
                State::Offered => Event::Withdraw,
                State::Released | State::Expired | State::Declined => {
                    self.server.table.forget_client(slot);
                    continue;
                }
            };
            self.server.change(slot, event, self.ledger.now, self.ledger);
        }
    }

    fn withdraw_offers(&mut self, except: Option<Ipv4Addr>) {
        let client = self.request.client;
        while let Some(slot) = self.server.table.offer_to(&client, except) {
            self.server.change(slot, Event::Withdraw, self.ledger.now, self.ledger);
        }
    }

    fn release(&mut self) -> Result<(), Dropped> {
        let address = self.request.ciaddr.ok_or(Dropped::NoAddress)?;
        self.give_up(address, Event::Release, self.ledger.now)
    }

    fn decline(&mut self) -> Result<(), Dropped> {
        let address = self.request.requested.ok_or(Dropped::NoAddress)?;
        self.give_up(address, Event::Decline, self.ledger.now + QUARANTINE_SECONDS)?;
        self.ledger.counters.declined += 1;
        Ok(())
    }

    fn give_up(&mut self, address: Ipv4Addr, event: Event, ends: u32) -> Result<(), Dropped> {
        if self.request.server.is_some_and(|server| !self.is_ours(server)) {
            return Err(Dropped::OtherServer);
        }
        let client = &self.request.client;
        let own = |slot: &Slot| self.server.table.lease(*slot).client().is(client);
        let slot = self.server.table.at(address).filter(own).ok_or(Dropped::NotHeld)?;
        let done = self.server.change(slot, event, ends, self.ledger);
        done.then_some(()).ok_or(Dropped::NotHeld)
    }

    /// Options for a client that has its address from elsewhere (RFC 2131 section 4.3.5).
    fn inform(&mut self) -> Result<(), Dropped> {
        let source = Some(*self.datagram.source.ip()).filter(|source| !source.is_unspecified());
        let address = self.request.ciaddr.or(source).ok_or(Dropped::NoAddress)?;
        self.send(Answer::Information, self.subnet, Some(address), None);
        Ok(())
    }

    fn refuse(&mut self) {
        self.send(Answer::Nak, self.subnet, None, None);
    }

    fn lease(&mut self, answer: Answer, address: Ipv4Addr) {
        let subnet = self.vlan().subnet_of(address).unwrap_or(self.subnet);
        self.send(answer, subnet, Some(address), Some((address, self.lifetime(address))));
    }

    pub(super) fn send(
        &mut self,
        answer: Answer,
        subnet: usize,
        told: Option<Ipv4Addr>,
        lease: Option<(Ipv4Addr, Lifetime)>,
    ) {
        let request = self.request;
        let (vlan, out) = (self.server.config.as_ref(), &mut *self.ledger.out);
        let Some(vlan) = vlan else { return };
        let choice = Choice { vlan, boot: self.boot, request, identifier: self.identifier };
        let loader = told.and_then(|_| choice.loader(subnet, told));
        let boot = request
            .booting
            .filter(|_| answer != Answer::Nak)
            .map(|booting| BootOptions::new(booting.client, loader.as_ref(), request, vlan.proxy));
        let told = told.map(|address| vlan.told(subnet, Some(address)));
        let reply = Reply { answer, server: self.identifier, lease, told, boot };
        let start = out.bytes.len();
        reply.write(request, &mut out.bytes);
        let send = Send {
            link: self.datagram.link,
            from: self.identifier,
            to: reply.destination(request, self.datagram.source),
            start: u32::try_from(start).expect("a batch's replies fit 4 GiB"),
            len: u32::try_from(out.bytes.len() - start).expect("a reply fits a frame"),
        };
        match answer {
            Answer::Ack => out.late.push(send),
            Answer::Offer
            | Answer::Nak
            | Answer::Information
            | Answer::BootOffer
            | Answer::BootAck => out.early.push(send),
        }
        self.ledger.counters.count_answered(answer);
    }

    /// The time that the subnet gives, or less if the client asks for less.
    fn lifetime(&self, address: Ipv4Addr) -> Lifetime {
        let vlan = self.vlan();
        let given = vlan.subnets[vlan.subnet_of(address).unwrap_or(self.subnet)].lease;
        let asked = self.request.lease_seconds.map(|asked| asked.max(SHORTEST_LEASE));
        let boot = self.request.booting.map(|_| BOOT_SECONDS);
        let shorter = asked.into_iter().chain(boot).min();
        let shorter = shorter.filter(|shorter| *shorter < given.seconds());
        shorter.and_then(|shorter| shorter.try_into().ok()).unwrap_or(given)
    }

    pub(super) fn is_ours(&self, server: Ipv4Addr) -> bool {
        server == self.identifier
            || self.datagram.local == Some(server)
            || self.vlan().has_address(server)
    }

    fn asking(&self) -> Asking<'_> {
        let requested = self.request.requested;
        Asking { client: self.request.client, subnet: self.subnet, requested }
    }

    pub(super) fn vlan(&self) -> &CompiledVlan {
        self.server.config().expect("a packet belongs to a VLAN that is configured")
    }
}
