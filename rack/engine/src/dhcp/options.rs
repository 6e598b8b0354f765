//! Configured options as they leave: encoded once, when a configuration is compiled.

use common::dhcp_options::{self, OptionSet, OptionValue};
use dhcproto::{
    Encodable, Encoder, Name,
    v4::{DhcpOption, OptionCode, encode_long_opt_bytes},
};

/// Options by code, each as code, length and value; in several parts if it is long (RFC 3396).
#[derive(Clone)]
pub(crate) struct EncodedOptions {
    bytes: Vec<u8>,
    at: [(u16, u16); 256],
}

impl Default for EncodedOptions {
    fn default() -> Self {
        Self { bytes: Vec::new(), at: [(0, 0); 256] }
    }
}

/// An option that does not fit: its name, its value and the rule.
pub(crate) struct Unfit {
    pub(crate) code: u8,
    pub(crate) rule: &'static str,
}

impl EncodedOptions {
    pub(crate) fn encode(options: &OptionSet) -> Result<Self, Vec<Unfit>> {
        let (mut encoded, mut unfit) = (Self::default(), Vec::new());
        for (code, value) in options {
            if let Err(rule) = encoded.insert(*code, value) {
                unfit.push(Unfit { code: *code, rule });
            }
        }
        if unfit.is_empty() { Ok(encoded) } else { Err(unfit) }
    }

    pub(crate) fn insert(&mut self, code: u8, value: &OptionValue) -> Result<(), &'static str> {
        let expected = dhcp_options::by_code(code).ok_or("is no option of the catalogue")?;
        if expected.kind != value.kind() {
            return Err("is not of the kind that this option has");
        }
        let start = self.bytes.len();
        encode(code, value, &mut self.bytes)?;
        let place = (u16::try_from(start), u16::try_from(self.bytes.len() - start));
        let (Ok(start), Ok(length)) = place else { return Err("does not fit a packet") };
        self.at[usize::from(code)] = (start, length);
        Ok(())
    }

    /// Empty if it is not configured.
    pub(crate) fn get(&self, code: u8) -> &[u8] {
        let (start, length) = self.at[usize::from(code)];
        &self.bytes[start.into()..][..length.into()]
    }
}

fn encode(code: u8, value: &OptionValue, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut option = Vec::new();
    let mut encoder = Encoder::new(&mut option);
    let mut plain =
        |value: &[u8]| encode_long_opt_bytes(OptionCode::from(code), value, &mut encoder);
    match value {
        OptionValue::Address(address) => plain(&address.octets()),
        OptionValue::Addresses(addresses) => {
            plain(&addresses.iter().flat_map(|address| address.octets()).collect::<Vec<_>>())
        }
        OptionValue::Text(text) => plain(text.as_bytes()),
        OptionValue::Byte(number) => plain(&[*number]),
        OptionValue::Short(number) => plain(&number.to_be_bytes()),
        OptionValue::Long(number) => plain(&number.to_be_bytes()),
        OptionValue::SignedLong(number) => plain(&number.to_be_bytes()),
        OptionValue::Flag(flag) => plain(&[u8::from(*flag)]),
        OptionValue::Bytes(value) => plain(value),
        OptionValue::Domains(names) => {
            let name = |name: &String| Name::from_ascii(name).map_err(|_| "is no domain name");
            let names = names.iter().map(name).collect::<Result<_, _>>()?;
            DhcpOption::DomainSearch(names).encode(&mut encoder)
        }
        OptionValue::Routes(routes) => {
            let routes = routes.iter().map(|route| (route.destination, route.router)).collect();
            DhcpOption::ClasslessStaticRoute(routes).encode(&mut encoder)
        }
    }
    .map_err(|_| "cannot be encoded")?;
    bytes.extend_from_slice(&option);
    Ok(())
}
