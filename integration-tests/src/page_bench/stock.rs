//! A region with 5,000 subnets and 100,000 leases.

use crate::{
    lab::region::Region,
    link_bench::{
        facts::Source,
        operator::{Operator, connect},
    },
};
use anyhow::Context;
use proto::v1::{self, subnets_client::SubnetsClient};

pub(super) const LEASES: u64 = 100_000;
const SUBNETS: u32 = 5_000;
/// Their VLANs, each served by the rack.
const VLANS: u32 = 50;
const FIRST_VLAN: u32 = 100;
/// Each a /24 of 10.0.0.0/8.
const FIRST: u32 = 0x0a00_0000;

/// One for each rack that tells of leases.
pub(super) fn tokens(region: &Region) -> anyhow::Result<Vec<String>> {
    for words in [
        "fabric create --name dc1",
        "vlan create --fabric dc1 --vid 30",
        "subnet create --vrf default --vlan dc1/30 --cidr 100.64.0.0/10",
        "range create --subnet 100.64.0.0/10 --first 100.64.0.1 --last 100.127.255.250 --dynamic=true",
    ] {
        region.hostler(&words.split(' ').collect::<Vec<_>>())?;
    }
    let made = region.json(&["rack", "token", "create", "--name", "source"])?;
    Ok(vec![made["secret"].as_str().context("a secret")?.to_owned()])
}

/// The rack that told of the leases, and can tell of more.
pub(super) async fn fill(region: &Region, tokens: &[String]) -> anyhow::Result<Source> {
    let operator = connect(region).await?;
    let vlan = v1::GetRequest { id: "dc1/30".into() };
    let vlan = v1::vlans_client::VlansClient::new(operator.clone()).get(vlan).await?.into_inner();
    let vlan = vlan.meta.context("a saved VLAN")?.id;
    let token = tokens.first().context("one was made")?;
    let mut source = Source::open(0, token, &vlan).await?;
    vlans(operator.clone()).await?;
    subnets(operator).await?;
    source.bind(LEASES).await?;
    Ok(source)
}

async fn vlans(operator: Operator) -> anyhow::Result<()> {
    let mut vlans = v1::vlans_client::VlansClient::new(operator);
    for number in 0..VLANS {
        let item = v1::Vlan {
            fabric: "dc1".into(),
            vid: FIRST_VLAN + number,
            primary_rack: "source".into(),
            ..v1::Vlan::default()
        };
        vlans.create(v1::CreateVlanRequest { item: Some(item), ..Default::default() }).await?;
    }
    Ok(())
}

async fn subnets(operator: Operator) -> anyhow::Result<()> {
    let mut subnets = SubnetsClient::new(operator);
    for number in 0..SUBNETS {
        let [a, b, c, _] = (FIRST + (number << 8)).to_be_bytes();
        let item = v1::Subnet {
            vrf: "default".into(),
            vlan: format!("dc1/{}", FIRST_VLAN + number % VLANS),
            cidr: format!("{a}.{b}.{c}.0/24"),
            gateway: format!("{a}.{b}.{c}.1"),
            note: format!("row {}, room {}", number % 97, number / 97),
            ..v1::Subnet::default()
        };
        let request =
            v1::CreateSubnetRequest { item: Some(item), ..v1::CreateSubnetRequest::default() };
        subnets.create(request).await?;
    }
    Ok(())
}
