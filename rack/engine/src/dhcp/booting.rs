//! Machines that boot: which loader one is told of, what is answered beside another server, and what is seen of them all.

use std::net::Ipv4Addr;

use common::MacAddr;

use super::{
    compiled::CompiledVlan,
    counters::{Answer, Dropped},
    exchange::Exchange,
    v4::{Kind, Request},
};
use crate::boot::{
    CompiledBoot,
    compiled::smbios_uuid,
    loader::{Loader, Place},
    trace::{Answered, Seen, Sighting},
};

/// What decides on a loader.
pub(super) struct Choice<'a> {
    pub(super) vlan: &'a CompiledVlan,
    pub(super) boot: Option<&'a CompiledBoot>,
    pub(super) request: &'a Request<'a>,
    pub(super) identifier: Ipv4Addr,
}

impl<'a> Choice<'a> {
    /// Which program a machine that boots fetches; none if it does not boot, or there is none for it.
    pub(super) fn loader(&self, subnet: usize, address: Option<Ipv4Addr>) -> Option<Loader<'a>> {
        let booting = self.request.booting?;
        let (_, own) = self.vlan.told(subnet, address);
        let place = Place {
            mac: self.request.client.mac(),
            machine: self.request.told.machine,
            server: self.identifier,
            own: own.own(),
            disabled: self.is_disabled(subnet),
        };
        booting.loader(self.boot, &place)
    }

    fn is_disabled(&self, subnet: usize) -> bool {
        let architecture = self.request.booting.and_then(|booting| booting.architecture);
        let disabled = &self.vlan.subnets[subnet].disabled_boot;
        architecture.is_some_and(|architecture| disabled.contains(&architecture))
    }
}

impl Exchange<'_, '_> {
    /// Another server gives the addresses of this VLAN. A machine that boots is told of its loader beside that server's offer, and, if it asks for it, once more
    /// on the port of boot servers (PXE specification 2.1, section 2.2.3); all else is not ours.
    pub(super) fn beside_another(&mut self) -> Result<(), Dropped> {
        if self.request.booting.is_none() {
            return Err(Dropped::NotBooting);
        }
        let source = Some(*self.datagram.source.ip()).filter(|source| !source.is_unspecified());
        let told = self.request.ciaddr.or(source).or(Some(Ipv4Addr::UNSPECIFIED));
        let is_ours = |server| self.is_ours(server);
        match self.request.kind() {
            Kind::Discover => {
                self.notice_asked(told);
                self.loader(self.subnet, told).ok_or(Dropped::NotBooting)?;
                self.send(Answer::BootOffer, self.subnet, told, None);
            }
            Kind::Request | Kind::Inform
                if self.datagram.local.is_some()
                    && source.is_some()
                    && self.request.server.is_none_or(is_ours) =>
            {
                self.loader(self.subnet, told).ok_or(Dropped::NotBooting)?;
                self.send(Answer::BootAck, self.subnet, told, None);
            }
            // what it takes of the other server's
            Kind::Request => {
                if let Some(address) = self.request.requested {
                    self.notice(Seen::Bound { address });
                }
                return Err(Dropped::OtherServer);
            }
            Kind::Inform | Kind::Decline | Kind::Release => return Err(Dropped::OtherServer),
        }
        Ok(())
    }

    fn loader(&self, subnet: usize, address: Option<Ipv4Addr>) -> Option<Loader<'_>> {
        self.choice().loader(subnet, address)
    }

    fn choice(&self) -> Choice<'_> {
        let Self { boot, request, identifier, .. } = *self;
        Choice { vlan: self.vlan(), boot, request, identifier }
    }

    /// A machine that boots has asked, and is to be offered this address.
    pub(super) fn notice_asked(&mut self, address: Option<Ipv4Addr>) {
        let Some(booting) = self.request.booting else { return };
        let vlan = self.vlan();
        let own = address.and_then(|address| vlan.subnet_of(address)).unwrap_or(self.subnet);
        let answer = match self.loader(own, address) {
            _ if address.is_none() => Answered::NoAddress,
            Some(loader) => Answered::Loader(loader.file.as_ref().into()),
            None if self.choice().is_disabled(own) => Answered::Disabled,
            None => Answered::NoLoader,
        };
        self.notice(Seen::Asked {
            client: booting.client,
            code: booting.code,
            uuid: smbios_uuid(self.request.told.machine),
            answer,
        });
        if let Some(mac) = self.request.client.mac() {
            self.awaited.add(mac, self.ledger.now);
        }
    }

    /// The system of a machine that booted asks for an address.
    pub(super) fn notice_system(&mut self) {
        let is_first = matches!(self.request.kind(), Kind::Discover | Kind::Request);
        if !is_first || self.request.booting.is_some() {
            return;
        }
        if self.request.client.mac().is_some_and(|mac| self.awaited.take(mac)) {
            self.notice(Seen::System);
        }
    }

    pub(super) fn notice(&mut self, seen: Seen) {
        let Some(mac) = self.request.client.mac() else { return };
        let (vlan, mac) = (self.server.vlan, MacAddr::new(mac));
        self.ledger.out.sightings.push(Sighting { vlan, mac, seen });
    }
}
